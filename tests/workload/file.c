// SPDX-License-Identifier: GPL-2.0
/* Mapped files of a disk: read around, written, copied, cut by itself and by others. */
#include "tests/workload/workload.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define AROUND 16 /* pages that a read fault maps, in a window of so many */
#define WINDOW (AROUND * PAGE)
#define WINDOWS 7
#define PAGES (WINDOWS * AROUND)

static char *place;

/* Maps a file where windows begin: the same place each time. */
static char *map_file(int fd, int flags)
{
	char *at;

	if (!place) {
		place = map_aligned(PAGES * PAGE, WINDOW);
		munmap(place, PAGES * PAGE);
	}
	at = mmap(place, PAGES * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);
	must(at == place, "mmap");
	expect_calls("mmap", 1, PAGES * PAGE);
	expect("mmap", "virtual_bytes", PAGES * PAGE);
	return at;
}

/* The end of a case: so much of the mapping was still resident. */
static void unmap_file(char *at, int fd, int64_t file, int64_t anon)
{
	must(munmap(at, PAGES * PAGE) == 0, "munmap");
	close(fd);
	expect_calls("munmap", 1, PAGES * PAGE);
	expect("munmap", "virtual_bytes", -PAGES * (int64_t)PAGE);
	expect("munmap", "file_bytes", -file * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -anon * (int64_t)PAGE);
}

/* Reads a page of each of the first windows, which brings them all. */
static void look_into_windows(const char *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		look(at + i * WINDOW + 5 * PAGE, 1);
	expect_count("fault", count);
	expect("fault", "file_bytes", count * WINDOW);
}

/* Writes to pages that are there make them writable: faults without a change. */
static void shared(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_SHARED);

	(void)counted;
	look_into_windows(at, 5);
	touch(at, 61 * PAGE);
	touch(at + 5 * WINDOW, 13 * PAGE);
	expect_count("fault", 61 + 13);
	expect("fault", "file_bytes", 13 * PAGE);
	unmap_file(at, fd, 5 * AROUND + 13, 0);
}

/* Once written back, a page has to be made writable anew. */
static void written_back(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_SHARED);

	(void)counted;
	touch(at, 31 * PAGE);
	must(msync(at, 31 * PAGE, MS_SYNC) == 0, "msync");
	touch(at, 29 * PAGE);
	expect_count("fault", 31 + 29);
	expect("fault", "file_bytes", 31 * PAGE);
	unmap_file(at, fd, 31, 0);
}

/* A write to a page of the file copies it; a page that was not there is copied at once. */
static void private(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_PRIVATE);

	(void)counted;
	look_into_windows(at, 5);
	touch(at, 53 * PAGE);
	touch(at + 6 * WINDOW, 11 * PAGE);
	expect_count("fault.cow", 53);
	expect("fault.cow", "file_bytes", -53 * (int64_t)PAGE);
	expect("fault.cow", "anon_bytes", 53 * PAGE);
	expect_faults("fault", 11);
	unmap_file(at, fd, 5 * AROUND - 53, 53 + 11);
}

/* Given back, and read again: the copies are lost, the file is still there. */
static void private_given_back(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_PRIVATE);

	(void)counted;
	look_into_windows(at, 3);
	touch(at, 37 * PAGE);
	must(madvise(at, PAGES * PAGE, MADV_DONTNEED) == 0, "madvise");
	look_into_windows(at, 2);
	expect_count("fault.cow", 37);
	expect("fault.cow", "file_bytes", -37 * (int64_t)PAGE);
	expect("fault.cow", "anon_bytes", 37 * PAGE);
	expect_calls("madvise.dontneed", 1, PAGES * PAGE);
	expect("madvise.dontneed", "file_bytes", -(3 * AROUND - 37) * (int64_t)PAGE);
	expect("madvise.dontneed", "anon_bytes", -37 * (int64_t)PAGE);
	unmap_file(at, fd, 2 * AROUND, 0);
}

/* Filled ahead by the mapping, and by advice. */
static void populate(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_SHARED | MAP_POPULATE);

	(void)counted;
	look(at, PAGES * PAGE);
	must(madvise(at, PAGES * PAGE, MADV_DONTNEED) == 0, "madvise");
	must(madvise(at, 3 * WINDOW, MADV_POPULATE_READ) == 0, "madvise");
	must(madvise(at + 3 * WINDOW, 19 * PAGE, MADV_POPULATE_WRITE) == 0, "madvise");
	expect("mmap", "file_bytes", PAGES * PAGE);
	expect_calls("madvise.dontneed", 1, PAGES * PAGE);
	expect("madvise.dontneed", "file_bytes", -PAGES * (int64_t)PAGE);
	expect_calls("madvise.populate", 2, 3 * WINDOW + 19 * PAGE);
	expect("madvise.populate", "file_bytes", 3 * WINDOW + 19 * PAGE);
	unmap_file(at, fd, 3 * AROUND + 19, 0);
}

/* Cut to 29 pages: gone from a shared mapping. */
static void truncated(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_SHARED);

	(void)counted;
	look_into_windows(at, WINDOWS);
	must(ftruncate(fd, 29 * PAGE) == 0, "ftruncate");
	expect_count("truncate ftruncate", 1);
	expect("truncate ftruncate", "file_bytes", -(PAGES - 29) * (int64_t)PAGE);
	unmap_file(at, fd, 29, 0);
}

/* By name, and in a private mapping: its copies go, too. */
static void truncated_private(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_PRIVATE), path[64];

	(void)counted;
	look_into_windows(at, WINDOWS);
	touch(at, 43 * PAGE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(truncate(path, 31 * PAGE) == 0, "truncate");
	expect_count("fault.cow", 43);
	expect("fault.cow", "file_bytes", -43 * (int64_t)PAGE);
	expect("fault.cow", "anon_bytes", 43 * PAGE);
	expect_count("truncate truncate", 1);
	expect("truncate truncate", "file_bytes", -(PAGES - 43) * (int64_t)PAGE);
	expect("truncate truncate", "anon_bytes", -12 * (int64_t)PAGE);
	unmap_file(at, fd, 0, 31);
}

/* Holes of 23 pages and of 7: what was copied out of them stays. */
static void punched(bool counted)
{
	int fd = open_file(PAGES * PAGE), flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	char *at = map_file(fd, MAP_PRIVATE);

	(void)counted;
	look_into_windows(at, WINDOWS);
	touch(at, 13 * PAGE);
	must(fallocate(fd, flags, 5 * PAGE, 23 * PAGE) == 0, "fallocate");
	must(fallocate(fd, flags, 61 * PAGE, 7 * PAGE) == 0, "fallocate");
	expect_count("fault.cow", 13);
	expect("fault.cow", "file_bytes", -13 * (int64_t)PAGE);
	expect("fault.cow", "anon_bytes", 13 * PAGE);
	expect_count("truncate fallocate", 2);
	expect("truncate fallocate", "file_bytes", -(15 + 7) * (int64_t)PAGE);
	unmap_file(at, fd, PAGES - 13 - 15 - 7, 13);
}

/* ---- by somebody else ---- */

enum { CUT };

static void cutter(bool counted)
{
	char path[64];

	(void)counted;
	for (;;) {
		struct order order = other_next();
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), (int)order.argument);
		fd = open(path, O_RDWR | O_CLOEXEC);
		must(fd >= 0 && ftruncate(fd, order.bytes) == 0, "ftruncate");
		close(fd);
		other_done();
	}
}

/* Another process cuts the file twice. */
static void truncated_by_other(bool counted)
{
	int fd = open_file(PAGES * PAGE);
	char *at = map_file(fd, MAP_SHARED);

	if (!counted)
		other_start("cutter");
	look_into_windows(at, WINDOWS);
	other_do(CUT, NULL, 53 * PAGE, fd);
	other_do(CUT, NULL, 17 * PAGE, fd);
	expect_count("remote ftruncate", 2);
	expect("remote ftruncate", "file_bytes", -(PAGES - 17) * (int64_t)PAGE);
	unmap_file(at, fd, 17, 0);
}

const struct workload workloads[] = {
	{ .name = "shared", .run = shared, .needs = "disk" },
	{ .name = "written-back", .run = written_back, .needs = "disk" },
	{ .name = "private", .run = private, .needs = "disk" },
	{ .name = "private-given-back", .run = private_given_back, .needs = "disk" },
	{ .name = "populate", .run = populate, .needs = "disk" },
	{ .name = "truncated", .run = truncated, .needs = "disk" },
	{ .name = "truncated-private", .run = truncated_private, .needs = "disk" },
	{ .name = "punched", .run = punched, .needs = "disk" },
	{ .name = "truncated-by-other", .run = truncated_by_other, .needs = "disk" },
	{ .name = "cutter", .run = cutter, .hidden = true },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
