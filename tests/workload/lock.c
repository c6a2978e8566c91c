// SPDX-License-Identifier: GPL-2.0
/* Locked and populated memory: resident without a fault, and locked_bytes to the page. */
#include "tests/workload/workload.h"

#include <sys/mman.h>

static char *map_with(size_t pages, int flags)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static void unmap(char *at, size_t pages)
{
	must(munmap(at, pages * PAGE) == 0, "munmap");
}

static void expect_mapped(int64_t count, int64_t pages, int64_t resident, int64_t locked)
{
	expect_calls("mmap", count, pages * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", pages * (int64_t)PAGE);
	expect("mmap", "anon_bytes", resident * (int64_t)PAGE);
	expect("mmap", "locked_bytes", locked * (int64_t)PAGE);
}

static void expect_unmapped(int64_t count, int64_t pages, int64_t resident, int64_t locked)
{
	expect_calls("munmap", count, pages * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -pages * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -resident * (int64_t)PAGE);
	expect("munmap", "locked_bytes", -locked * (int64_t)PAGE);
}

/* 11 of 31 pages are there already; 13 are unlocked again, 5 unmapped while locked. */
static void lock(bool counted)
{
	char *at = map_with(41, 0);

	(void)counted;
	touch(at, 11 * PAGE);
	must(mlock(at, 31 * PAGE) == 0, "mlock");
	must(munlock(at, 13 * PAGE) == 0, "munlock");
	unmap(at + 26 * PAGE, 5);
	expect_mapped(1, 41, 0, 0);
	expect_faults("fault", 11);
	expect_calls("mlock", 2, (31 + 13) * PAGE);
	expect("mlock", "anon_bytes", 20 * PAGE);
	expect("mlock", "locked_bytes", (31 - 13) * PAGE);
	expect_unmapped(1, 5, 5, 5);
	if (!counted)
		unmap(at, 41);
}

/* Locked where it is touched: the faults bring it. */
static void lock_on_fault(bool counted)
{
	char *at = map_with(43, 0);

	(void)counted;
	must(mlock2(at, 37 * PAGE, MLOCK_ONFAULT) == 0, "mlock2");
	touch(at, 29 * PAGE);
	expect_mapped(1, 43, 0, 0);
	expect_faults("fault", 29);
	expect_calls("mlock", 1, 37 * PAGE);
	expect("mlock", "locked_bytes", 37 * PAGE);
	if (!counted)
		unmap(at, 43);
}

/* All that is mapped from now on: mmap brings it and locks it. */
static void lock_future(bool counted)
{
	char *at[17];

	(void)counted;
	must(mlockall(MCL_FUTURE) == 0, "mlockall");
	for (int i = 0; i < 17; i++)
		at[i] = map_with(19, 0);
	for (int i = 0; i < 7; i++)
		unmap(at[i], 19);
	must(munlockall() == 0, "munlockall");
	for (int i = 7; i < 17; i++)
		unmap(at[i], 19);
	expect_mapped(17, 17 * 19, 17 * 19, 17 * 19);
	expect_calls("mlock", 2, 0);
	expect("mlock", "locked_bytes", -10 * 19 * (int64_t)PAGE);
	expect_unmapped(17, 17 * 19, 17 * 19, 7 * 19);
}

/* The same, but only what is touched. */
static void lock_future_on_fault(bool counted)
{
	char *at;

	(void)counted;
	must(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0, "mlockall");
	at = map_with(47, 0);
	touch(at, 23 * PAGE);
	unmap(at, 47);
	must(munlockall() == 0, "munlockall");
	expect_mapped(1, 47, 0, 47);
	expect_faults("fault", 23);
	expect_calls("mlock", 2, 0);
	expect_unmapped(1, 47, 23, 47);
}

/* All that there is: how much, /proc says. */
static void lock_all(bool counted)
{
	int64_t before;

	must(munlockall() == 0, "munlockall");
	before = status_of_self("VmLck");
	must(mlockall(MCL_CURRENT) == 0, "mlockall");
	expect_calls("mlock", 2, 0);
	expect_any("mlock", "anon_bytes");
	expect_any("mlock", "file_bytes");
	expect("mlock", "locked_bytes", status_of_self("VmLck") - before);
	if (!counted)
		must(munlockall() == 0, "munlockall");
}

/* Asked for with the mapping: 7 locked, 13 populated only. */
static void map_locked(bool counted)
{
	char *at;

	(void)counted;
	for (int i = 0; i < 7; i++) {
		at = map_with(53, MAP_LOCKED);
		touch(at, 53 * PAGE);
		unmap(at, 53);
	}
	for (int i = 0; i < 13; i++) {
		at = map_with(59, MAP_POPULATE);
		touch(at, 59 * PAGE);
		unmap(at, 59);
	}
	expect_mapped(20, 7 * 53 + 13 * 59, 7 * 53 + 13 * 59, 7 * 53);
	expect_unmapped(20, 7 * 53 + 13 * 59, 7 * 53 + 13 * 59, 7 * 53);
}

const struct workload workloads[] = {
	{ .name = "lock", .run = lock },
	{ .name = "on-fault", .run = lock_on_fault },
	{ .name = "future", .run = lock_future },
	{ .name = "future-on-fault", .run = lock_future_on_fault },
	{ .name = "all", .run = lock_all },
	{ .name = "map-locked", .run = map_locked },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
