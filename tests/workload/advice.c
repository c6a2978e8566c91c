// SPDX-License-Identifier: GPL-2.0
/* madvise: given back, marked, punched, paged out, filled ahead; and advice that moves nothing. */
#include "tests/workload/workload.h"

#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static void advise(char *at, size_t pages, int advice)
{
	must(madvise(at, pages * PAGE, advice) == 0, "madvise");
}

static char *map_shared(size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static void expect_mapped(int64_t count, int64_t pages)
{
	expect_calls("mmap", count, pages * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", pages * (int64_t)PAGE);
}

static void expect_unmapped(int64_t count, int64_t pages, const char *balance, int64_t resident)
{
	expect_calls("munmap", count, pages * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -pages * (int64_t)PAGE);
	expect("munmap", balance, -resident * (int64_t)PAGE);
}

/* 13 times 31 pages go and come again, within a mapping that is touched in part. */
static void dontneed(bool counted)
{
	char *at = map_anonymous(61 * PAGE);

	(void)counted;
	touch(at, 47 * PAGE);
	for (int i = 0; i < 13; i++) {
		advise(at + 3 * PAGE, 31, MADV_DONTNEED);
		touch(at + 3 * PAGE, 29 * PAGE);
	}
	advise(at + 43 * PAGE, 11, MADV_DONTNEED);
	must(munmap(at, 61 * PAGE) == 0, "munmap");
	expect_mapped(1, 61);
	expect_faults("fault", 47 + 13 * 29);
	expect_calls("madvise.dontneed", 14, (13 * 31 + 11) * PAGE);
	expect("madvise.dontneed", "anon_bytes", -(31 + 12 * 29 + 4) * (int64_t)PAGE);
	expect_unmapped(1, 61, "anon_bytes", 47 - 31 + 29 - 4);
}

/* The pages of shared memory stay where they are, but not in this address space. */
static void dontneed_shared(bool counted)
{
	char *at = map_shared(53);

	(void)counted;
	touch(at, 53 * PAGE);
	advise(at, 37, MADV_DONTNEED);
	touch(at, 19 * PAGE);
	must(munmap(at, 53 * PAGE) == 0, "munmap");
	expect_mapped(1, 53);
	expect_count("fault", 53 + 19);
	expect("fault", "shmem_bytes", (53 + 19) * PAGE);
	expect_calls("madvise.dontneed", 1, 37 * PAGE);
	expect("madvise.dontneed", "shmem_bytes", -37 * (int64_t)PAGE);
	expect_unmapped(1, 53, "shmem_bytes", 53 - 37 + 19);
}

/* Locked pages are given back by the advice that says so. */
static void dontneed_locked(bool counted)
{
	char *at = map_anonymous(31 * PAGE);

	(void)counted;
	must(mlock(at, 31 * PAGE) == 0, "mlock");
	advise(at, 19, MADV_DONTNEED_LOCKED);
	must(munlock(at, 31 * PAGE) == 0, "munlock");
	expect_mapped(1, 31);
	expect_calls("mlock", 2, 62 * PAGE);
	expect("mlock", "anon_bytes", 31 * PAGE);
	expect_calls("madvise.dontneed", 1, 19 * PAGE);
	expect("madvise.dontneed", "anon_bytes", -19 * (int64_t)PAGE);
	must(munmap(at, 31 * PAGE) == 0, "munmap");
	expect_unmapped(1, 31, "anon_bytes", 31 - 19);
}

/* Marked pages stay until the kernel wants them; those that are written again are kept. */
static void free_lazily(bool counted)
{
	char *at = map_anonymous(71 * PAGE);

	if (!counted)
		stay_on_one_cpu();
	touch(at, 71 * PAGE);
	advise(at, 37, MADV_FREE);
	advise(at + 41 * PAGE, 23, MADV_FREE);
	touch(at, 11 * PAGE);
	/* Empties the list in which the kernel collects marked pages. */
	advise(at + 70 * PAGE, 1, MADV_COLD);
	expect_mapped(1, 71);
	expect_faults("fault", 71);
	expect_calls("madvise.free", 2, (37 + 23) * PAGE);
	expect_calls("madvise.other", 1, PAGE);
	expect("lazy_free", "marked_bytes", (37 + 23) * PAGE);
	expect("lazy_free", "resident_bytes", (37 + 23 - 11) * PAGE);
	expect("lazy_free", "taken_bytes", 0);
	if (!counted)
		munmap(at, 71 * PAGE);
}

/* What is in swap already is given up at once. */
static void free_swapped(bool counted)
{
	char *at = map_anonymous(61 * PAGE);

	if (!counted)
		stay_on_one_cpu();
	touch(at, 61 * PAGE);
	advise(at, 61, MADV_PAGEOUT);
	advise(at, 37, MADV_FREE);
	must(munmap(at, 61 * PAGE) == 0, "munmap");
	expect_mapped(1, 61);
	expect_faults("fault", 61);
	expect_calls("madvise.pageout", 1, 61 * PAGE);
	expect("madvise.pageout", "anon_bytes", -61 * (int64_t)PAGE);
	expect("madvise.pageout", "swap_bytes", 61 * PAGE);
	expect_calls("madvise.free", 1, 37 * PAGE);
	expect("madvise.free", "swap_bytes", -37 * (int64_t)PAGE);
	expect_unmapped(1, 61, "swap_bytes", 61 - 37);
}

/* A hole in shared memory: gone from everywhere. */
static void remove_shared(bool counted)
{
	char *at = map_shared(53);

	(void)counted;
	touch(at, 47 * PAGE);
	advise(at + 7 * PAGE, 43, MADV_REMOVE);
	touch(at + 7 * PAGE, 5 * PAGE);
	must(munmap(at, 53 * PAGE) == 0, "munmap");
	expect_mapped(1, 53);
	expect_count("fault", 47 + 5);
	expect("fault", "shmem_bytes", (47 + 5) * PAGE);
	expect_calls("madvise.remove", 1, 43 * PAGE);
	expect("madvise.remove", "shmem_bytes", -40 * (int64_t)PAGE);
	expect_unmapped(1, 53, "shmem_bytes", 7 + 5);
}

/* Written ahead: resident without a fault.  Read ahead: the zero page, so nothing. */
static void populate(bool counted)
{
	char *at = map_anonymous(127 * PAGE);

	(void)counted;
	advise(at, 43, MADV_POPULATE_READ);
	advise(at + 43 * PAGE, 59, MADV_POPULATE_WRITE);
	touch(at + 43 * PAGE, 59 * PAGE);
	touch(at, 31 * PAGE);
	advise(at, 43, MADV_POPULATE_WRITE);
	must(munmap(at, 127 * PAGE) == 0, "munmap");
	expect_mapped(1, 127);
	expect_faults("fault", 31);
	expect_calls("madvise.populate", 3, (43 + 59 + 43) * PAGE);
	expect("madvise.populate", "anon_bytes", (59 + 12) * PAGE);
	expect_unmapped(1, 127, "anon_bytes", 59 + 43);
}

/* Out to swap on request; 41 come back by reading, 13 by writing. */
static void pageout(bool counted)
{
	char *at = map_anonymous(67 * PAGE);

	if (!counted)
		stay_on_one_cpu();
	touch(at, 67 * PAGE);
	advise(at, 61, MADV_PAGEOUT);
	look(at, 41 * PAGE);
	touch(at + 41 * PAGE, 13 * PAGE);
	must(munmap(at, 67 * PAGE) == 0, "munmap");
	expect_mapped(1, 67);
	expect_faults("fault", 67 + 41 + 13);
	expect("fault", "swap_bytes", -(41 + 13) * (int64_t)PAGE);
	expect_calls("madvise.pageout", 1, 61 * PAGE);
	expect("madvise.pageout", "anon_bytes", -61 * (int64_t)PAGE);
	expect("madvise.pageout", "swap_bytes", 61 * PAGE);
	expect_unmapped(1, 67, "anon_bytes", 67 - 61 + 41 + 13);
	expect("munmap", "swap_bytes", -(61 - 41 - 13) * (int64_t)PAGE);
}

/* The same by process_madvise, of a process about itself. */
static void process_pageout(bool counted)
{
	char *at = map_anonymous(67 * PAGE);
	struct iovec parts[2] = { { at, 31 * PAGE }, { at + 37 * PAGE, 29 * PAGE } };
	int self = pidfd_open(getpid(), 0);

	if (!counted)
		stay_on_one_cpu();
	must(self >= 0, "pidfd_open");
	touch(at, 67 * PAGE);
	must(process_madvise(self, parts, 2, MADV_PAGEOUT, 0) == 60 * PAGE, "process_madvise");
	must(munmap(at, 67 * PAGE) == 0, "munmap");
	close(self);
	expect_mapped(1, 67);
	expect_faults("fault", 67);
	expect_calls("madvise.pageout", 1, 60 * PAGE);
	expect("madvise.pageout", "anon_bytes", -60 * (int64_t)PAGE);
	expect("madvise.pageout", "swap_bytes", 60 * PAGE);
	expect_unmapped(1, 67, "anon_bytes", 7);
	expect("munmap", "swap_bytes", -60 * (int64_t)PAGE);
}

/* Advice about the future, about forks, dumps and huge pages moves nothing. */
static void other_advice(bool counted)
{
	static const int advices[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				       MADV_COLD, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTFORK,
				       MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK,
				       MADV_KEEPONFORK };
	char *at = map_anonymous(31 * PAGE);

	(void)counted;
	touch(at, 29 * PAGE);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		for (int j = 0; j < 7; j++)
			advise(at, 31, advices[i]);
	}
	look(at, 29 * PAGE);
	must(munmap(at, 31 * PAGE) == 0, "munmap");
	expect_mapped(1, 31);
	expect_faults("fault", 29);
	expect_calls("madvise.other", 13 * 7, 13 * 7 * 31 * PAGE);
	expect_unmapped(1, 31, "anon_bytes", 29);
}

const struct workload workloads[] = {
	{ .name = "dontneed", .run = dontneed },
	{ .name = "dontneed-shared", .run = dontneed_shared },
	{ .name = "dontneed-locked", .run = dontneed_locked },
	{ .name = "free", .run = free_lazily },
	{ .name = "free-swapped", .run = free_swapped, .needs = "swap" },
	{ .name = "remove", .run = remove_shared },
	{ .name = "populate", .run = populate },
	{ .name = "pageout", .run = pageout, .needs = "swap" },
	{ .name = "process-pageout", .run = process_pageout, .needs = "swap" },
	{ .name = "other", .run = other_advice },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
