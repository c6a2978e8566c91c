// SPDX-License-Identifier: GPL-2.0
/* Shared memory: anonymous, memfd, tmpfs and SysV; written, read around, copied, detached. */
#include "tests/workload/workload.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define AROUND 16 /* pages that a read fault on a file maps, in a window of so many */
#define WINDOW (AROUND * PAGE)
#define WINDOWS 7

static char *place;

/* Maps a file where windows begin: the same place each time. */
static char *map_file(int fd, size_t pages, int flags)
{
	char *at;

	if (!place) {
		place = map_aligned(pages * PAGE, WINDOW);
		munmap(place, pages * PAGE);
	}
	at = mmap(place, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);
	must(at == place, "mmap");
	return at;
}

static void look_into_windows(const char *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		look(at + i * WINDOW + 3 * PAGE, 1);
}

static void expect_mapped(int64_t count, int64_t pages)
{
	expect_calls("mmap", count, pages * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", pages * (int64_t)PAGE);
}

static void expect_unmapped(int64_t pages, int64_t anon, int64_t shmem)
{
	expect_calls("munmap", 1, pages * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -pages * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -anon * (int64_t)PAGE);
	expect("munmap", "shmem_bytes", -shmem * (int64_t)PAGE);
}

static void anonymous(bool counted)
{
	char *at = mmap(NULL, 61 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	(void)counted;
	must(at != MAP_FAILED, "mmap");
	touch(at, 47 * PAGE);
	must(munmap(at, 61 * PAGE) == 0, "munmap");
	expect_mapped(1, 61);
	expect_count("fault", 47);
	expect("fault", "shmem_bytes", 47 * PAGE);
	expect_unmapped(61, 0, 47);
}

/* Empty, so that each write makes a page; mapped twice, so that the second finds them. */
static void memfd(bool counted)
{
	int fd = memfd_create("workload", MFD_CLOEXEC);
	char *one, *two;

	(void)counted;
	must(fd >= 0 && ftruncate(fd, 43 * PAGE) == 0, "memfd");
	one = mmap(NULL, 43 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	two = mmap(NULL, 43 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(one != MAP_FAILED && two != MAP_FAILED, "mmap");
	touch(one, 37 * PAGE);
	touch(two, 31 * PAGE);
	must(munmap(one, 43 * PAGE) == 0, "munmap");
	close(fd);
	expect_mapped(2, 86);
	expect_count("fault", 37 + 31);
	expect("fault", "shmem_bytes", (37 + 31) * PAGE);
	expect_unmapped(43, 0, 37);
	if (!counted)
		munmap(two, 43 * PAGE);
}

/* Reading brings windows of shared pages; writing copies one out of them. */
static void memfd_private(bool counted)
{
	int fd = memfd_create("workload", MFD_CLOEXEC);
	static char block[PAGE];
	char *at;

	(void)counted;
	for (int i = 0; i < (WINDOWS + 1) * AROUND; i++)
		must(write(fd, block, PAGE) == PAGE, "write");
	at = map_file(fd, (WINDOWS + 1) * AROUND, MAP_PRIVATE);
	look_into_windows(at, WINDOWS);
	touch(at, 53 * PAGE);
	touch(at + WINDOWS * WINDOW, 5 * PAGE); /* without a window: a copy at once */
	must(munmap(at, (WINDOWS + 1) * WINDOW) == 0, "munmap");
	close(fd);
	expect_mapped(1, (WINDOWS + 1) * AROUND);
	expect_count("fault", WINDOWS + 5);
	expect("fault", "shmem_bytes", WINDOWS * WINDOW);
	expect("fault", "anon_bytes", 5 * PAGE);
	expect_count("fault.cow", 53);
	expect("fault.cow", "shmem_bytes", -53 * (int64_t)PAGE);
	expect("fault.cow", "anon_bytes", 53 * PAGE);
	expect_unmapped((WINDOWS + 1) * AROUND, 53 + 5, WINDOWS * AROUND - 53);
}

/* A file of tmpfs is shared memory, not a file of a disk. */
static void tmpfs(bool counted)
{
	int fd = open_file(WINDOWS * WINDOW);
	char *at = map_file(fd, WINDOWS * AROUND, MAP_SHARED);

	(void)counted;
	look_into_windows(at, WINDOWS);
	touch(at, 61 * PAGE);
	must(munmap(at, WINDOWS * WINDOW) == 0, "munmap");
	close(fd);
	expect_mapped(1, WINDOWS * AROUND);
	expect_count("fault", WINDOWS);
	expect("fault", "shmem_bytes", WINDOWS * WINDOW);
	expect_unmapped(WINDOWS * AROUND, 0, WINDOWS * AROUND);
}

/* 13 times attached, written in part, detached; the pages stay in the segment. */
static void sysv(bool counted)
{
	int id = shmget(IPC_PRIVATE, 37 * PAGE, IPC_CREAT | 0600);

	(void)counted;
	must(id >= 0, "shmget");
	for (int i = 0; i < 13; i++) {
		char *at = shmat(id, NULL, 0);

		must(at != (void *)-1, "shmat");
		touch(at, 31 * PAGE);
		must(shmdt(at) == 0, "shmdt");
	}
	must(shmctl(id, IPC_RMID, NULL) == 0, "shmctl");
	expect_calls("shm", 26, 0);
	expect("shm", "shmem_bytes", -13 * 31 * (int64_t)PAGE);
	expect_count("fault", 13 * 31);
	expect("fault", "shmem_bytes", 13 * 31 * PAGE);
}

/* Attached and still there at the end. */
static void sysv_attached(bool counted)
{
	int id = shmget(IPC_PRIVATE, 37 * PAGE, IPC_CREAT | 0600);
	char *at = shmat(id, NULL, 0);

	must(at != (void *)-1 && shmctl(id, IPC_RMID, NULL) == 0, "shmat");
	touch(at, 23 * PAGE);
	expect_calls("shm", 1, 0);
	expect("shm", "virtual_bytes", 37 * PAGE);
	expect_count("fault", 23);
	expect("fault", "shmem_bytes", 23 * PAGE);
	if (!counted)
		shmdt(at);
}

/* Shared pages go to swap, too, but in no process's account: they are just gone. */
static void paged_out(bool counted)
{
	char *at = mmap(NULL, 59 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	if (!counted)
		stay_on_one_cpu();
	must(at != MAP_FAILED, "mmap");
	touch(at, 59 * PAGE);
	must(madvise(at, 41 * PAGE, MADV_PAGEOUT) == 0, "madvise");
	touch(at, 29 * PAGE);
	must(munmap(at, 59 * PAGE) == 0, "munmap");
	expect_mapped(1, 59);
	expect_count("fault", 59 + 29);
	expect("fault", "shmem_bytes", (59 + 29) * PAGE);
	expect_calls("madvise.pageout", 1, 41 * PAGE);
	expect("madvise.pageout", "shmem_bytes", -41 * (int64_t)PAGE);
	expect_unmapped(59, 0, 59 - 41 + 29);
}

const struct workload workloads[] = {
	{ .name = "anonymous", .run = anonymous },
	{ .name = "memfd", .run = memfd },
	{ .name = "memfd-private", .run = memfd_private },
	{ .name = "tmpfs", .run = tmpfs, .needs = "tmpfs" },
	{ .name = "sysv", .run = sysv },
	{ .name = "sysv-attached", .run = sysv_attached },
	{ .name = "paged-out", .run = paged_out, .needs = "swap" },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
