// SPDX-License-Identifier: GPL-2.0
/* What does memtrace itself cost and need, and what clock and cgroup hierarchy does it live by? */
#include "user/collect/self.h"

#include "user/base/cleanup.h"

#include <stdio.h>
#include <string.h>
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
	struct shifts shifts = { 0 };
	long long seconds, ns;
	char clock[16];

	while (file && fscanf(file, "%15s %lld %lld", clock, &seconds, &ns) == 3) {
		if (!strcmp(clock, "monotonic"))
			shifts.monotonic_ns = seconds * 1000000000LL + ns;
		if (!strcmp(clock, "boottime"))
			shifts.boot_ns = seconds * 1000000000LL + ns;
	}
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

int64_t self_unix_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t self_boot_to_unix_ns(void)
{
	return self_unix_ns() - (int64_t)clock_ns(CLOCK_BOOTTIME) + shifts()->boot_ns;
}

uint64_t self_shown_boot_ns(uint64_t boot_ns)
{
	return boot_ns + shifts()->boot_ns;
}

uint64_t self_resident_bytes(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %llu kB", &kib) == 1)
			break;
	}
	return kib * 1024;
}

bool self_memory_cgroup_v1(void)
{
	cleanup_fclose FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4352];

	/* 4:memory:/path; version 2 has an empty list, 0::/path */
	while (file && fgets(line, sizeof(line), file)) {
		const char *list = strchr(line, ':'), *end = list ? strchr(list + 1, ':') : NULL;
		const char *found = list ? strstr(list, "memory") : NULL;

		if (end && found && found < end)
			return true;
	}
	return false;
}

void self_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
