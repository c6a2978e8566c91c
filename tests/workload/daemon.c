// SPDX-License-Identifier: GPL-2.0
/* What the kernel's own threads do to a process that only waits: khugepaged and ksmd. */
#include "tests/workload/workload.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 30

/* Waits until the anonymous memory that is resident is what it shall become. */
static void wait_for_anon(int64_t bytes)
{
	const struct timespec pause = { 0, 10000000 };

	for (int i = 0; i < PATIENCE_SECONDS * 100; i++) {
		if (anon_of_self() == bytes)
			return;
		nanosleep(&pause, NULL);
	}
	must(false, "a thread of the kernel that does its work");
}

/* The case itself cannot be run twice. */
static bool is_warm_up(bool counted)
{
	touch_frame();
	anon_of_self();
	return !counted;
}

/* Every second page of 5 huge ones is there; then they are whole. */
static void khugepaged(bool counted)
{
	char *at;
	int64_t anon;

	if (is_warm_up(counted))
		return;
	at = map_aligned(5 * HUGE_PAGE, HUGE_PAGE);
	must(madvise(at, 5 * HUGE_PAGE, MADV_NOHUGEPAGE) == 0, "madvise");
	for (size_t i = 0; i < 5 * HUGE_PAGE; i += 2 * PAGE)
		touch(at + i, 1);
	anon = anon_of_self();
	must(madvise(at, 5 * HUGE_PAGE, MADV_HUGEPAGE) == 0, "madvise");
	wait_for_anon(anon + 5 * 256 * (int64_t)PAGE);
	expect_calls("mmap", 1, 6 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", 6 * HUGE_PAGE);
	expect_any("munmap", "count");
	expect_any("munmap", "requested_bytes");
	expect("munmap", "virtual_bytes", -(int64_t)HUGE_PAGE);
	expect_calls("madvise.other", 2, 10 * HUGE_PAGE);
	expect("fault", "anon_bytes", 5 * 256 * PAGE);
	expect_any("fault", "count"); /* code that was never run */
	expect_any("fault", "file_bytes");
	expect_any("khugepaged", "count");
	expect("khugepaged", "anon_bytes", 5 * 256 * PAGE);
}

/* Pages of zeroes become the zero page, until they are written again. */
static void ksm(bool counted)
{
	char *at;
	int64_t anon, own;

	if (is_warm_up(counted))
		return;
	at = map_anonymous(211 * PAGE);
	for (size_t i = 0; i < 197 * PAGE; i += PAGE)
		((volatile char *)at)[i] = 0;
	anon = anon_of_self();
	must(madvise(at, 211 * PAGE, MADV_MERGEABLE) == 0, "madvise");
	wait_for_anon(anon - 197 * (int64_t)PAGE);
	must(madvise(at, 101 * PAGE, MADV_UNMERGEABLE) == 0, "madvise");
	/* Pages of its own again; up to 6.5 what is the zero page by now stays that. */
	own = anon_of_self() - (anon - 197 * (int64_t)PAGE);
	must(own == 0 || own == 101 * PAGE, "pages that are no longer merged");
	expect_calls("mmap", 1, 211 * PAGE);
	expect("mmap", "virtual_bytes", 211 * PAGE);
	expect("fault", "anon_bytes", 197 * PAGE);
	expect_any("fault", "count");
	expect_any("fault", "file_bytes");
	expect_any("ksm", "count");
	expect("ksm", "anon_bytes", -197 * (int64_t)PAGE);
	expect_calls("madvise.other", 2, (211 + 101) * PAGE);
	expect("madvise.other", "anon_bytes", own);
}

const struct workload workloads[] = {
	{ .name = "khugepaged", .run = khugepaged, .needs = "khugepaged", .huge_pages = true },
	{ .name = "ksm", .run = ksm, .needs = "ksm" },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
