// SPDX-License-Identifier: GPL-2.0
/* Huge pages: transparent ones of 2 MiB and 64 KiB, made and broken up; and hugetlbfs. */
#include "tests/workload/workload.h"

#include <linux/mman.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static void unmap(char *at, size_t bytes)
{
	must(munmap(at, bytes) == 0, "munmap");
}

/* Maps whole huge pages: the mapping around them is cut to size by two calls of munmap. */
static char *map_huge(size_t bytes)
{
	char *at = map_anonymous(bytes + 2 * HUGE_PAGE);
	size_t before = HUGE_PAGE - ((uintptr_t)at & (HUGE_PAGE - 1));

	unmap(at, before);
	unmap(at + before + bytes, HUGE_PAGE + HUGE_PAGE - before);
	expect_calls("mmap", 1, bytes + 2 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", bytes + 2 * HUGE_PAGE);
	expect_calls("munmap", 1, before);
	expect_calls("munmap", 1, 2 * HUGE_PAGE - before);
	expect("munmap", "virtual_bytes", -2 * (int64_t)HUGE_PAGE);
	return at + before;
}

static void unmap_huge(char *at, size_t bytes, int64_t resident)
{
	unmap(at, bytes);
	expect_calls("munmap", 1, bytes);
	expect("munmap", "virtual_bytes", -(int64_t)bytes);
	expect("munmap", "anon_bytes", -resident);
}

static void expect_huge_faults(int64_t count)
{
	expect_count("fault", count);
	expect("fault", "anon_bytes", count * (int64_t)HUGE_PAGE);
}

/* 64 MiB touched page by page: 32 faults of 512 pages. */
static void huge_faults(bool counted)
{
	char *at = map_huge(64 * MIB);

	(void)counted;
	touch(at, 64 * MIB);
	expect_huge_faults(32);
	unmap_huge(at, 64 * MIB, 64 * MIB);
}

/* Parts of huge pages: what goes is what was asked for; what is left is small pages. */
static void broken_up(bool counted)
{
	char *at = map_huge(11 * HUGE_PAGE);

	(void)counted;
	touch(at, 11 * HUGE_PAGE);
	unmap(at + HUGE_PAGE + 37 * PAGE, 61 * PAGE);
	must(madvise(at + 3 * HUGE_PAGE + MIB, 5 * MIB, MADV_DONTNEED) == 0, "madvise");
	touch(at + 3 * HUGE_PAGE + MIB, 31 * PAGE); /* into the half that is left: small pages */
	expect_huge_faults(11);
	expect_faults("fault", 31);
	expect_calls("munmap", 1, 61 * PAGE);
	expect("munmap", "virtual_bytes", -61 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -61 * (int64_t)PAGE);
	expect_calls("madvise.dontneed", 1, 5 * MIB);
	expect("madvise.dontneed", "anon_bytes", -5 * (int64_t)MIB);
	if (!counted)
		unmap(at, 11 * HUGE_PAGE);
}

/*
 * Reading maps the huge zero page: nothing resident.  Writing over it brings a huge page; up to
 * 6.1 at least, small ones.
 */
static void huge_zeroes(bool counted)
{
	char *at = map_huge(13 * HUGE_PAGE);
	int64_t faults;

	(void)counted;
	look(at, 13 * HUGE_PAGE);
	faults = faults_of_self();
	touch(at, 7 * HUGE_PAGE);
	faults = faults_of_self() - faults;
	must(faults == 7 || faults == 7 * (int64_t)(HUGE_PAGE / PAGE), "faults on zeroes");
	expect_count("fault", 13 + faults);
	expect("fault", "anon_bytes", 7 * (int64_t)HUGE_PAGE);
	unmap_huge(at, 13 * HUGE_PAGE, 7 * HUGE_PAGE);
}

/* Moved as a whole, shrunk into the middle of a huge page. */
static void remapped(bool counted)
{
	char *at = map_huge(5 * HUGE_PAGE), *to = map_huge(7 * HUGE_PAGE);

	(void)counted;
	touch(at, 5 * HUGE_PAGE);
	must(mremap(at, 5 * HUGE_PAGE, 5 * HUGE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	     "mremap");
	must(mremap(to, 5 * HUGE_PAGE, 4 * HUGE_PAGE + 101 * PAGE, 0) == to, "mremap");
	touch(to, 4 * HUGE_PAGE + 101 * PAGE);
	expect_huge_faults(5);
	expect_calls("mremap", 2, 9 * HUGE_PAGE + 101 * PAGE);
	expect("mremap", "virtual_bytes", -(int64_t)(6 * HUGE_PAGE - 101 * PAGE));
	expect("mremap", "anon_bytes", -(int64_t)(HUGE_PAGE - 101 * PAGE));
	unmap(to, 7 * HUGE_PAGE);
	expect_calls("munmap", 1, 7 * HUGE_PAGE);
	expect("munmap", "virtual_bytes", -(int64_t)(6 * HUGE_PAGE + 101 * PAGE));
	expect("munmap", "anon_bytes", -(int64_t)(4 * HUGE_PAGE + 101 * PAGE));
}

/* Every second page of 11 huge ones, made whole on request. */
static void collapsed(bool counted)
{
	char *at = map_huge(11 * HUGE_PAGE);

	if (!counted)
		stay_on_one_cpu();
	must(madvise(at, 11 * HUGE_PAGE, MADV_NOHUGEPAGE) == 0, "madvise");
	for (size_t i = 0; i < 11 * HUGE_PAGE; i += 2 * PAGE)
		touch(at + i, 1);
	must(madvise(at, 11 * HUGE_PAGE, MADV_HUGEPAGE) == 0, "madvise");
	must(madvise(at, 11 * HUGE_PAGE, MADV_COLLAPSE) == 0, "MADV_COLLAPSE");
	expect_faults("fault", 11 * 256);
	expect_calls("madvise.other", 2, 22 * HUGE_PAGE);
	expect_calls("madvise.collapse", 1, 11 * HUGE_PAGE);
	expect("madvise.collapse", "anon_bytes", 11 * HUGE_PAGE / 2);
	unmap_huge(at, 11 * HUGE_PAGE, 11 * HUGE_PAGE);
}

/* Folios of 64 KiB: 16 pages a fault, where an aligned window lies within the mapping. */
static void folios(bool counted)
{
	char *at = map_huge(2 * HUGE_PAGE);

	(void)counted;
	touch(at, 101 * 64 * KIB / 4);
	touch(at + HUGE_PAGE + 5 * PAGE, 1);
	must(madvise(at, 7 * PAGE, MADV_DONTNEED) == 0, "madvise");
	touch(at, 7 * PAGE); /* the window is not empty: small pages */
	expect_count("fault", 26 + 1 + 7);
	expect("fault", "anon_bytes", (26 + 1) * 64 * KIB + 7 * PAGE);
	expect_calls("madvise.dontneed", 1, 7 * PAGE);
	expect("madvise.dontneed", "anon_bytes", -7 * (int64_t)PAGE);
	unmap_huge(at, 2 * HUGE_PAGE, 27 * 64 * KIB);
}

static char *map_hugetlb(size_t pages)
{
	char *at = mmap(NULL, pages * HUGE_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);

	must(at != MAP_FAILED, "mmap of hugetlbfs");
	return at;
}

/* Pages of the pool are in no RSS, but in a balance of their own. */
static void hugetlb(bool counted)
{
	char *at = map_hugetlb(13);

	(void)counted;
	touch(at, 11 * HUGE_PAGE);
	must(madvise(at, 3 * HUGE_PAGE, MADV_DONTNEED) == 0, "madvise");
	must(munmap(at + 7 * HUGE_PAGE, 6 * HUGE_PAGE) == 0, "munmap");
	expect_calls("mmap", 1, 13 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", 13 * HUGE_PAGE);
	expect_count("fault", 11);
	expect("fault", "hugetlb_bytes", 11 * HUGE_PAGE);
	expect_calls("madvise.dontneed", 1, 3 * HUGE_PAGE);
	expect("madvise.dontneed", "hugetlb_bytes", -3 * (int64_t)HUGE_PAGE);
	expect_calls("munmap", 1, 6 * HUGE_PAGE);
	expect("munmap", "virtual_bytes", -6 * (int64_t)HUGE_PAGE);
	expect("munmap", "hugetlb_bytes", -4 * (int64_t)HUGE_PAGE);
	if (!counted)
		unmap(at, 7 * HUGE_PAGE);
}

/* Populated by mmap: no fault. */
static void hugetlb_populated(bool counted)
{
	char *at = mmap(NULL, 7 * HUGE_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB | MAP_POPULATE,
			-1, 0);

	(void)counted;
	must(at != MAP_FAILED, "mmap of hugetlbfs");
	unmap(at, 7 * HUGE_PAGE);
	expect_calls("mmap", 1, 7 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", 7 * HUGE_PAGE);
	expect("mmap", "hugetlb_bytes", 7 * HUGE_PAGE);
	expect_calls("munmap", 1, 7 * HUGE_PAGE);
	expect("munmap", "virtual_bytes", -7 * (int64_t)HUGE_PAGE);
	expect("munmap", "hugetlb_bytes", -7 * (int64_t)HUGE_PAGE);
}

const struct workload workloads[] = {
	{ .name = "faults", .run = huge_faults, .needs = "thp", .huge_pages = true },
	{ .name = "broken-up", .run = broken_up, .needs = "thp", .huge_pages = true },
	{ .name = "zeroes", .run = huge_zeroes, .needs = "thp", .huge_pages = true },
	{ .name = "remapped", .run = remapped, .needs = "thp", .huge_pages = true },
	{ .name = "collapsed", .run = collapsed, .needs = "thp", .huge_pages = true },
	{ .name = "folios", .run = folios, .needs = "mthp", .huge_pages = true },
	{ .name = "hugetlb", .run = hugetlb, .needs = "hugetlb" },
	{ .name = "hugetlb-populated", .run = hugetlb_populated, .needs = "hugetlb" },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
