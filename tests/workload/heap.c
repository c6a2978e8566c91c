// SPDX-License-Identifier: GPL-2.0
/* The heap: brk up, down and refused; malloc and free of glibc, by brk and by mmap. */
#include "tests/workload/workload.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the heap ends now, or would have ended: the kernel's answer, not the C library's. */
static char *set_break(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void move_break(char *to)
{
	must(set_break(to) == to, "brk");
}

static void expect_grown(int64_t count, int64_t bytes, int64_t pages)
{
	expect_calls("brk.grow", count, bytes);
	expect("brk.grow", "virtual_bytes", pages * (int64_t)PAGE);
}

static void expect_shrunk(int64_t count, int64_t bytes, int64_t pages, int64_t resident)
{
	expect_calls("brk.shrink", count, bytes);
	expect("brk.shrink", "virtual_bytes", -pages * (int64_t)PAGE);
	expect("brk.shrink", "anon_bytes", -resident * (int64_t)PAGE);
}

/* ---- brk itself ---- */

static char *bottom; /* of what these cases add to the heap */

/* 29 steps of 7 pages up, 5 of each touched; 13 steps of 11 pages down. */
static void steps(bool counted)
{
	if (!counted)
		bottom = set_break(NULL);
	for (int i = 0; i < 29; i++) {
		char *at = bottom + (size_t)i * 7 * PAGE;

		move_break(at + 7 * PAGE);
		touch(at, 5 * PAGE);
	}
	for (int i = 1; i <= 13; i++)
		move_break(bottom + (29 * 7 - (size_t)i * 11) * PAGE);
	expect_grown(29, 29 * 7 * PAGE, 29 * 7);
	expect_faults("fault", 29 * 5);
	/* 60 pages stay: 8 steps of 7, with 5 resident each, and 4 pages of the ninth. */
	expect_shrunk(13, 13 * 11 * PAGE, 13 * 11, 29 * 5 - (8 * 5 + 4));
	if (!counted)
		move_break(bottom);
}

/* Less than a page each time: what was asked for is exact, what moved is whole pages. */
static void small_steps(bool counted)
{
	if (!counted)
		bottom = set_break(NULL);
	for (int i = 1; i <= 101; i++)
		move_break(bottom + i * 1009);
	touch(bottom, 101 * 1009);
	for (int i = 100; i >= 0; i--)
		move_break(bottom + i * 1009);
	expect_grown(101, 101 * 1009, 25);
	expect_faults("fault", 25);
	expect_shrunk(101, 101 * 1009, 25, 25);
}

/* Beyond the limit 13 times, below the beginning 7 times; and 17 times only asked. */
static void refused(bool counted)
{
	struct rlimit limit, none = { 0 };
	char *end = set_break(NULL);

	(void)counted;
	must(getrlimit(RLIMIT_DATA, &limit) == 0, "getrlimit");
	none.rlim_max = limit.rlim_max;
	must(setrlimit(RLIMIT_DATA, &none) == 0, "setrlimit");
	for (int i = 0; i < 13; i++)
		must(set_break(end + 37 * PAGE) == end, "brk that fails");
	for (int i = 0; i < 7; i++)
		must(set_break((char *)PAGE) == end, "brk that fails");
	must(setrlimit(RLIMIT_DATA, &limit) == 0, "setrlimit");
	for (int i = 0; i < 16; i++)
		set_break(NULL);
	expect_calls("brk.grow", 13 + 17, 13 * 37 * PAGE);
	expect_failed("brk.grow", 13);
	expect_calls("brk.shrink", 7, 7 * (int64_t)(end - (char *)PAGE));
	expect_failed("brk.shrink", 7);
}

/* ---- malloc ---- */

#define CHUNK_PAGES 7
#define CHUNKS 143
#define TRIMMED 11 /* chunks that are given back at once */

static void *chunks[CHUNKS];

static void take_chunks(size_t count, size_t pages)
{
	for (size_t i = 0; i < count; i++) {
		chunks[i] = malloc(pages * PAGE - sizeof(size_t));
		must(chunks[i], "malloc");
		touch(chunks[i], pages * PAGE);
	}
}

static void tune(bool counted)
{
	if (counted)
		return;
	must(mallopt(M_MMAP_THRESHOLD, 32 * MIB) && mallopt(M_TOP_PAD, 0) &&
	     mallopt(M_TRIM_THRESHOLD, TRIMMED * CHUNK_PAGES * PAGE), "mallopt");
}

/* Each chunk takes one step of brk; each eleventh that is freed gives eleven back. */
static void malloc_by_brk(bool counted)
{
	char *before;

	tune(counted);
	before = sbrk(0);
	take_chunks(CHUNKS, CHUNK_PAGES);
	for (size_t i = CHUNKS; i-- > 0;)
		free(chunks[i]);
	must(!counted || sbrk(0) == before, "a heap as it was before");
	expect_grown(CHUNKS, CHUNKS * CHUNK_PAGES * PAGE, CHUNKS * CHUNK_PAGES);
	expect_faults("fault", CHUNKS * CHUNK_PAGES);
	expect_shrunk(CHUNKS / TRIMMED, CHUNKS * CHUNK_PAGES * PAGE, CHUNKS * CHUNK_PAGES,
		      CHUNKS * CHUNK_PAGES);
}

/* Freed chunks between used ones: malloc_trim() gives back the whole pages within each. */
static void trim(bool counted)
{
	tune(counted);
	take_chunks(47, CHUNK_PAGES);
	for (size_t i = 1; i < 47; i += 2)
		free(chunks[i]);
	malloc_trim(0);
	expect_grown(47, 47 * CHUNK_PAGES * PAGE, 47 * CHUNK_PAGES);
	expect_faults("fault", 47 * CHUNK_PAGES);
	expect_calls("madvise.dontneed", 23, 23 * (CHUNK_PAGES - 1) * PAGE);
	expect("madvise.dontneed", "anon_bytes", -23 * (CHUNK_PAGES - 1) * (int64_t)PAGE);
	if (counted)
		return;
	for (size_t i = 47; i-- > 0;) {
		if (i % 2 == 0)
			free(chunks[i]);
	}
	malloc_trim(0);
}

/* 67 large ones: a mapping each, with a page more for malloc's own notes. */
static void malloc_by_mmap(bool counted)
{
	if (!counted)
		mallopt(M_MMAP_THRESHOLD, 256 * KIB);
	for (int i = 0; i < 67; i++) {
		char *at = malloc(100 * PAGE), *larger;

		touch(at, 13 * PAGE);
		larger = realloc(at, 210 * PAGE);
		must(larger, "realloc");
		touch(larger, 17 * PAGE);
		free(larger);
	}
	expect_calls("mmap", 67, 67 * 101 * PAGE);
	expect("mmap", "virtual_bytes", 67 * 101 * PAGE);
	expect_faults("fault", 67 * 17);
	expect_calls("mremap", 67, 67 * 211 * PAGE);
	expect("mremap", "virtual_bytes", 67 * 110 * PAGE);
	expect_calls("munmap", 67, 67 * 211 * PAGE);
	expect("munmap", "virtual_bytes", -67 * 211 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -67 * 17 * (int64_t)PAGE);
}

/* Zeroed memory that is fresh is not written. */
static void calloc_large(bool counted)
{
	static char *held[41];

	if (!counted)
		mallopt(M_MMAP_THRESHOLD, 256 * KIB);
	for (int i = 0; i < 41; i++) {
		free(held[i]);
		held[i] = calloc(100, PAGE);
		must(held[i], "calloc");
	}
	expect_calls("mmap", 41, 41 * 101 * PAGE);
	expect("mmap", "virtual_bytes", 41 * 101 * PAGE);
	expect_faults("fault", 41);
	expect_calls("munmap", 41, 41 * 101 * PAGE);
	expect("munmap", "virtual_bytes", -41 * 101 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -41 * (int64_t)PAGE);
}

const struct workload workloads[] = {
	{ .name = "steps", .run = steps },
	{ .name = "small-steps", .run = small_steps },
	{ .name = "refused", .run = refused },
	{ .name = "malloc-by-brk", .run = malloc_by_brk },
	{ .name = "trim", .run = trim },
	{ .name = "malloc-by-mmap", .run = malloc_by_mmap },
	{ .name = "calloc-large", .run = calloc_large },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
