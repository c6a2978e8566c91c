// SPDX-License-Identifier: GPL-2.0
/* What does memtrace itself cost and need, and what clock and cgroup hierarchy does it live by? */
#include "user/collect/self.h"

#include "user/base/cleanup.h"
#include "user/collect/proc.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

struct shifts {
	int64_t monotonic_ns, boot_ns;
};

static struct shifts read_shifts(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/timens_offsets", "re");
	struct shifts shifts;

	proc_read_offsets(file, &shifts.monotonic_ns, &shifts.boot_ns);
	return shifts;
}

/* How far a time namespace shifts the clocks: what the kernel side says is not shifted. */
static const struct shifts *shifts(void)
{
	static struct shifts read;
	static bool known;

	if (!known)
		read = read_shifts();
	known = true;
	return &read;
}

uint64_t self_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t self_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC) - shifts()->monotonic_ns;
}

uint64_t self_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME) - shifts()->boot_ns;
}

int64_t self_unix_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t self_boot_to_unix_ns(void)
{
	return self_unix_ns() - (int64_t)self_boot_ns();
}

uint64_t self_shown_boot_ns(uint64_t boot_ns)
{
	return boot_ns + shifts()->boot_ns;
}

uint64_t self_resident_bytes(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/status", "re");
	uint64_t kib = 0;

	proc_find_number(file, "VmRSS", &kib);
	return kib * 1024;
}

bool self_memory_cgroup_v1(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/cgroup", "re");
	cleanup_free char *path = proc_find_cgroup(file, true);

	return path != NULL;
}

void self_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
