// SPDX-License-Identifier: GPL-2.0
/* mmap, munmap, mremap: reserved, touched in part, cut, replaced, grown, moved. */
#include "tests/workload/workload.h"

#include <stdlib.h>
#include <sys/mman.h>

static void unmap(char *at, size_t pages)
{
	must(munmap(at, pages * PAGE) == 0, "munmap");
}

static char *map_over(char *at, size_t pages, int protection)
{
	char *got = mmap(at, pages * PAGE, protection,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	must(got == at, "mmap");
	return got;
}

static char *remap(char *at, size_t old_pages, size_t new_pages, int flags, char *to)
{
	char *got = mremap(at, old_pages * PAGE, new_pages * PAGE, flags, to);

	must(got != MAP_FAILED, "mremap");
	return got;
}

static void expect_mapped(int64_t count, int64_t pages)
{
	expect_calls("mmap", count, pages * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", pages * (int64_t)PAGE);
}

/* So many calls for so many pages, of which some were there, and some of those resident. */
static void expect_unmapped(int64_t count, int64_t asked, int64_t mapped, int64_t resident)
{
	expect_calls("munmap", count, asked * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -mapped * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -resident * (int64_t)PAGE);
}

/* 101 mappings of 13 pages of which 7 are touched; all unmapped again. */
static void map_touch_unmap(bool counted)
{
	(void)counted;
	for (int i = 0; i < 101; i++) {
		char *at = map_anonymous(13 * PAGE);

		touch(at, 7 * PAGE);
		unmap(at, 13);
	}
	expect_mapped(101, 101 * 13);
	expect_faults("fault", 101 * 7);
	expect_unmapped(101, 101 * 13, 101 * 13, 101 * 7);
}

/* A hole of 5 pages, 7 from the start, 3 from the end; the last call spans the hole. */
static void cut(bool counted)
{
	char *at = map_anonymous(31 * PAGE);

	(void)counted;
	touch(at, 29 * PAGE);
	unmap(at + 11 * PAGE, 5);
	unmap(at, 7);
	unmap(at + 28 * PAGE, 3);
	unmap(at, 31);
	expect_mapped(1, 31);
	expect_faults("fault", 29);
	expect_unmapped(4, 5 + 7 + 3 + 31, 31, 29);
}

/* Three neighbours that cannot be one, unmapped from within the first to within the last. */
static void unmap_across(bool counted)
{
	char *at = map_anonymous(39 * PAGE);

	(void)counted;
	map_over(at + 13 * PAGE, 13, PROT_READ);
	touch(at, 13 * PAGE);
	touch(at + 26 * PAGE, 11 * PAGE);
	unmap(at + 10 * PAGE, 19);
	unmap(at, 39);
	expect_calls("mmap", 2, (39 + 13) * PAGE);
	expect("mmap", "virtual_bytes", 39 * PAGE);
	expect_faults("fault", 13 + 11);
	expect_unmapped(2, 19 + 39, 39, 13 + 11);
}

/* What a fixed mapping replaces is gone by mmap. */
static void map_fixed(bool counted)
{
	(void)counted;
	for (int i = 0; i < 11; i++) {
		char *at = map_anonymous(29 * PAGE);

		touch(at, 23 * PAGE);
		map_over(at + 5 * PAGE, 17, PROT_READ | PROT_WRITE);
		touch(at + 5 * PAGE, 3 * PAGE);
		unmap(at, 29);
	}
	expect_calls("mmap", 22, 11 * (29 + 17) * PAGE);
	expect("mmap", "virtual_bytes", 11 * 29 * PAGE);
	expect("mmap", "anon_bytes", -11 * 17 * (int64_t)PAGE);
	expect_faults("fault", 11 * (23 + 3));
	expect_unmapped(11, 11 * 29, 11 * 29, 11 * (23 - 17 + 3));
}

/* There is room behind it: it grows where it is; then it shrinks. */
static void grow_in_place(bool counted)
{
	char *at = map_anonymous(41 * PAGE);

	(void)counted;
	unmap(at + 17 * PAGE, 24);
	must(remap(at, 17, 41, 0, NULL) == at, "mremap in place");
	touch(at, 41 * PAGE);
	remap(at, 41, 11, 0, NULL);
	unmap(at, 11);
	expect_mapped(1, 41);
	expect_faults("fault", 41);
	expect_calls("mremap", 2, (41 + 11) * PAGE);
	expect("mremap", "virtual_bytes", (24 - 30) * (int64_t)PAGE);
	expect("mremap", "anon_bytes", -30 * (int64_t)PAGE);
	expect_unmapped(2, 24 + 11, 24 + 11, 11);
}

/* A neighbour is in the way: it moves, with its pages. */
static void grow_and_move(bool counted)
{
	char *at = map_anonymous(38 * PAGE), *moved;

	(void)counted;
	must(mprotect(at + 37 * PAGE, PAGE, PROT_NONE) == 0, "mprotect");
	touch(at, 19 * PAGE);
	moved = remap(at, 37, 53, MREMAP_MAYMOVE, NULL);
	must(moved != at, "mremap that moves");
	touch(moved, 53 * PAGE);
	unmap(moved, 53);
	unmap(at + 37 * PAGE, 1);
	expect_mapped(1, 38);
	expect_faults("fault", 53);
	expect_calls("mremap", 1, 53 * PAGE);
	expect("mremap", "virtual_bytes", 16 * PAGE);
	expect_unmapped(2, 54, 54, 53);
}

/* The pages go to the new place, the old mapping stays, empty. */
static void move_and_stay(bool counted)
{
	char *at = map_anonymous(31 * PAGE), *moved;

	(void)counted;
	touch(at, 23 * PAGE);
	moved = remap(at, 31, 31, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	touch(moved, 23 * PAGE);
	touch(at, 13 * PAGE);
	unmap(at, 31);
	unmap(moved, 31);
	expect_mapped(1, 31);
	expect_faults("fault", 23 + 13);
	expect_calls("mremap", 1, 31 * PAGE);
	expect("mremap", "virtual_bytes", 31 * PAGE);
	expect_unmapped(2, 62, 62, 23 + 13);
}

/* What it lands on is gone by mremap. */
static void move_onto(bool counted)
{
	char *at = map_anonymous(19 * PAGE), *target = map_anonymous(43 * PAGE);

	(void)counted;
	touch(at, 17 * PAGE);
	touch(target, 43 * PAGE);
	remap(at, 19, 19, MREMAP_MAYMOVE | MREMAP_FIXED, target + 7 * PAGE);
	touch(target + 7 * PAGE, 19 * PAGE);
	unmap(target, 43);
	expect_calls("mmap", 2, (19 + 43) * PAGE);
	expect("mmap", "virtual_bytes", (19 + 43) * PAGE);
	expect_faults("fault", 17 + 43 + 2);
	expect_calls("mremap", 1, 19 * PAGE);
	expect("mremap", "virtual_bytes", -19 * (int64_t)PAGE);
	expect("mremap", "anon_bytes", -19 * (int64_t)PAGE);
	expect_unmapped(1, 43, 43, 43);
}

/* 103 mremap calls, up and down in turn. */
static void breathe(bool counted)
{
	char *at = map_anonymous(5 * PAGE);
	size_t pages = 5;

	(void)counted;
	for (int i = 0; i < 103; i++) {
		size_t wanted = i % 2 ? 5 : 47;

		at = remap(at, pages, wanted, MREMAP_MAYMOVE, NULL);
		pages = wanted;
		touch(at, pages * PAGE);
	}
	unmap(at, 47);
	expect_mapped(1, 5);
	expect_faults("fault", 47 + 51 * 42);
	expect_calls("mremap", 103, (52 * 47 + 51 * 5) * PAGE);
	expect("mremap", "virtual_bytes", 42 * PAGE);
	expect("mremap", "anon_bytes", -51 * 42 * (int64_t)PAGE);
	expect_unmapped(1, 47, 47, 47);
}

/* Other rights, other neighbours: not an entry of the ledger. */
static void protect(bool counted)
{
	char *at = map_anonymous(29 * PAGE);

	(void)counted;
	touch(at, 23 * PAGE);
	must(mprotect(at, 13 * PAGE, PROT_READ) == 0, "mprotect");
	look(at, 13 * PAGE);
	must(mprotect(at + 5 * PAGE, 11 * PAGE, PROT_NONE) == 0, "mprotect");
	must(mprotect(at, 29 * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	look(at, 23 * PAGE);
	expect_mapped(1, 29);
	expect_faults("fault", 23);
}

const struct workload workloads[] = {
	{ .name = "map-touch-unmap", .run = map_touch_unmap },
	{ .name = "cut", .run = cut },
	{ .name = "unmap-across", .run = unmap_across },
	{ .name = "map-fixed", .run = map_fixed },
	{ .name = "grow-in-place", .run = grow_in_place },
	{ .name = "grow-and-move", .run = grow_and_move },
	{ .name = "move-and-stay", .run = move_and_stay },
	{ .name = "move-onto", .run = move_onto },
	{ .name = "breathe", .run = breathe },
	{ .name = "protect", .run = protect },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
