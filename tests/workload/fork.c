// SPDX-License-Identifier: GPL-2.0
/* Processes that are born with a copy: what they write is copied, in the child and the parent. */
#include "tests/workload/workload.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_PAGES 307

/* What a child is born with, and how it ends, is known; what the C library does in it is not. */
static void expect_birth(pid_t child, int64_t anon, int64_t mapped)
{
	expect_of(child);
	expect_count("fork", 1);
	expect("fork", "anon_bytes", anon);
	expect("fork", "virtual_bytes", mapped);
	expect_any("fork", "file_bytes");
	expect_anything("fault");
	expect_anything("fault.cow");
	expect_anything("fault.kernel");
	expect_anything("exit");
	expect_of(0);
}

static struct {
	pid_t pid;
	int64_t faults;
} ended[16];

/* The kernel's count of the faults of a child that has ended. */
static int64_t faults_of(pid_t child)
{
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
		if (ended[i].pid == child)
			return ended[i].faults;
	}
	must(false, "a child that has ended");
	return 0;
}

/* Waits for a child, whose faults the kernel has counted. */
static void expect_end(pid_t child, int code)
{
	static size_t count;
	struct rusage usage;
	int status = 0;

	memset(&usage, 0, sizeof(usage));
	must(wait4(child, &status, 0, &usage) == child, "wait");
	must(WIFEXITED(status) && WEXITSTATUS(status) == code, "the end of a child");
	expect_of(child);
	expect_exit(code, 0);
	expect_all_faults(usage.ru_minflt + usage.ru_majflt);
	expect_of(0);
	ended[count % 16].pid = child;
	ended[count++ % 16].faults = usage.ru_minflt + usage.ru_majflt;
}

/*
 * How many more faults a child took than its sibling: besides those that copied, and in all.
 * Pages of files come several at a fault, but without those that somebody else has locked just
 * then: a fault more or less, which the kernel counts, too.
 */
static void expect_faults_beyond(pid_t child, pid_t idle, int64_t copies)
{
	expect_of(child);
	expect_count("fault", faults_of(child) - faults_of(idle) - copies);
	expect_all_faults(-faults_of(idle));
	expect_of(0);
}

/* A child that writes so many pages and ends. */
static pid_t run_writer(char *buffer, size_t bytes, int code)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child) {
		touch(buffer, bytes);
		_exit(code);
	}
	expect_end(child, code);
	return child;
}

/* A child is as its idle sibling, but for these copies. */
static void expect_copies(pid_t child, pid_t idle, int64_t pages)
{
	expect_of(child);
	expect_beyond(idle);
	expect_count("fault.cow", pages);
	expect_of(0);
	expect_faults_beyond(child, idle, pages);
}

/* This process copies, too: what it writes after a fork.  How much, the test knows: all faults
 * that /proc counts, but for those that are named here. */
static void expect_own_copies(void)
{
	expect_any("fault.cow", "count");
	expect_any("fault.kernel", "count"); /* where the kernel is first: read(), wait4() */
}

static char *map_buffer(void)
{
	char *at = map_anonymous(BUFFER_PAGES * PAGE);

	touch(at, BUFFER_PAGES * PAGE);
	expect_calls("mmap", 1, BUFFER_PAGES * PAGE);
	expect("mmap", "virtual_bytes", BUFFER_PAGES * PAGE);
	expect_faults("fault", BUFFER_PAGES);
	return at;
}

static void drop_buffer(bool counted, char *at)
{
	if (!counted)
		must(munmap(at, BUFFER_PAGES * PAGE) == 0, "munmap");
}

/* Children write nothing, 101 and 197 pages; RSS does not show it, faults do. */
static void copy_in_child(bool counted)
{
	char *at = map_buffer();
	int64_t anon = status_of_self("RssAnon");
	int64_t mapped = status_of_self("VmSize");
	pid_t idle = run_writer(at, 0, 3);

	expect_birth(idle, anon, mapped);
	expect_copies(run_writer(at, 101 * PAGE, 5), idle, 101);
	expect_copies(run_writer(at, 197 * PAGE, 7), idle, 197);
	expect_own_copies();
	drop_buffer(counted, at);
}

/* The parent writes 61 pages while its child lives, and 53 others after its end. */
static void copy_in_parent(bool counted)
{
	char *at = map_buffer(), byte = 0;
	int64_t anon = status_of_self("RssAnon");
	int64_t mapped = status_of_self("VmSize");
	int pipes[2];
	pid_t child;

	must(pipe(pipes) == 0, "pipe");
	child = fork();
	if (!child) {
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) == 1 ? 11 : 1);
	}
	touch(at, 61 * PAGE);
	must(write(pipes[1], &byte, 1) == 1, "write");
	expect_end(child, 11);
	expect_birth(child, anon, mapped);
	touch(at + 61 * PAGE, 53 * PAGE);
	close(pipes[0]);
	close(pipes[1]);
	expect_own_copies();
	drop_buffer(counted, at);
}

/* What a child does not get: 41 pages it shall not have, 23 it gets as zeroes, 7 it only reads. */
static void inherit_in_part(bool counted)
{
	char *at = map_buffer();
	int64_t anon = status_of_self("RssAnon"), mapped = status_of_self("VmSize");
	pid_t idle, child;

	must(madvise(at, 41 * PAGE, MADV_DONTFORK) == 0, "madvise");
	must(madvise(at + 41 * PAGE, 23 * PAGE, MADV_WIPEONFORK) == 0, "madvise");
	idle = run_writer(at, 0, 0);
	expect_birth(idle, anon - (41 + 23) * (int64_t)PAGE, mapped - 41 * (int64_t)PAGE);
	child = run_writer(at + 41 * PAGE, (23 + 13) * PAGE, 0);
	expect_copies(child, idle, 13);
	expect_of(child);
	expect("fault", "anon_bytes", 23 * PAGE);
	expect_count("exit", 0);
	expect("exit", "anon_bytes", -23 * (int64_t)PAGE);
	expect_of(0);
	expect_calls("madvise.other", 2, (41 + 23) * PAGE);
	expect_own_copies();
	drop_buffer(counted, at);
}

/* Shared memory is not copied, nor is it there before it is touched. */
static void share(bool counted)
{
	char *at = mmap(NULL, 83 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t anon = status_of_self("RssAnon"), mapped = status_of_self("VmSize");
	pid_t idle, child;

	(void)counted;
	must(at != MAP_FAILED, "mmap");
	touch(at, 83 * PAGE);
	idle = run_writer(at, 0, 0);
	expect_birth(idle, anon, mapped);
	child = run_writer(at, 59 * PAGE, 0);
	expect_of(child);
	expect_beyond(idle);
	expect("fault", "shmem_bytes", 59 * PAGE);
	expect("exit", "shmem_bytes", -59 * (int64_t)PAGE);
	expect_of(0);
	expect_faults_beyond(child, idle, 0);
	expect_calls("mmap", 1, 83 * PAGE);
	expect("mmap", "virtual_bytes", 83 * PAGE);
	expect_count("fault", 83);
	expect("fault", "shmem_bytes", 83 * PAGE);
	expect_own_copies();
}

/* A child is born with what its parent has in swap, too, and reads 31 pages of it back. */
static void inherit_swapped(bool counted)
{
	char *at = map_buffer();
	int64_t anon, mapped;
	pid_t idle, child;

	if (!counted)
		stay_on_one_cpu();
	must(madvise(at, 127 * PAGE, MADV_PAGEOUT) == 0, "madvise");
	anon = status_of_self("RssAnon");
	mapped = status_of_self("VmSize");
	idle = run_writer(at, 0, 0);
	expect_birth(idle, anon, mapped);
	expect_of(idle);
	expect("fork", "swap_bytes", 127 * PAGE);
	expect_of(0);
	child = run_writer(at, 31 * PAGE, 0);
	expect_of(child);
	expect_beyond(idle);
	expect("fault", "anon_bytes", 31 * PAGE);
	expect("fault", "swap_bytes", -31 * (int64_t)PAGE);
	expect("exit", "anon_bytes", -31 * (int64_t)PAGE);
	expect("exit", "swap_bytes", 31 * PAGE);
	expect_of(0);
	expect_faults_beyond(child, idle, 0);
	expect_calls("madvise.pageout", 1, 127 * PAGE);
	expect("madvise.pageout", "anon_bytes", -127 * (int64_t)PAGE);
	expect("madvise.pageout", "swap_bytes", 127 * PAGE);
	expect_own_copies();
	drop_buffer(counted, at);
}

/* A huge page that is written after a fork breaks up; its pages are copied one by one. */
static void copy_huge(bool counted)
{
	char *at = map_aligned(3 * HUGE_PAGE, HUGE_PAGE);
	int64_t anon, mapped;
	pid_t idle;

	(void)counted;
	expect_calls("mmap", 1, 4 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", 4 * HUGE_PAGE);
	expect_any("munmap", "count");
	expect_calls("munmap", 0, HUGE_PAGE);
	expect("munmap", "virtual_bytes", -(int64_t)HUGE_PAGE);
	touch(at, 3 * HUGE_PAGE);
	expect_count("fault", 3);
	expect("fault", "anon_bytes", 3 * HUGE_PAGE);
	anon = status_of_self("RssAnon");
	mapped = status_of_self("VmSize");
	idle = run_writer(at, 0, 0);
	expect_birth(idle, anon, mapped);
	expect_copies(run_writer(at, 61 * PAGE, 0), idle, 61);
	expect_own_copies();
}

/* Writes to its own frame first: no page of it is left for wait to copy. */
static void wait_for(pid_t child)
{
	int status = 0;

	must(waitpid(child, &status, 0) == child && !status, "waitpid");
}

/* Each of four generations maps 101 pages more and touches 37 of them. */
static void descend(int reports)
{
	for (int left = 3;; left--) {
		pid_t child = -1, own;

		touch(map_anonymous(101 * PAGE), 37 * PAGE);
		if (left)
			child = fork();
		if (child) {
			if (left)
				wait_for(child);
			_exit(0);
		}
		own = getpid();
		must(write(reports, &own, sizeof(own)) == sizeof(own), "write");
	}
}

static void tree(bool counted)
{
	int64_t anon = status_of_self("RssAnon");
	int64_t mapped = status_of_self("VmSize");
	pid_t child, descendant;
	int pipes[2];

	(void)counted;
	must(pipe(pipes) == 0, "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		descend(pipes[1]);
	wait_for(child);
	expect_birth(child, anon, mapped);
	expect_of(child);
	expect_exit(0, 0);
	expect_calls("mmap", 1, 101 * PAGE);
	expect("mmap", "virtual_bytes", 101 * PAGE);
	for (int i = 1; i <= 3; i++) {
		must(read(pipes[0], &descendant, sizeof(descendant)) == sizeof(descendant), "read");
		expect_birth(descendant, anon + i * 37 * (int64_t)PAGE,
			     mapped + i * 101 * (int64_t)PAGE);
		expect_of(descendant);
		expect_exit(0, 0);
		expect_calls("mmap", 1, 101 * PAGE);
		expect("mmap", "virtual_bytes", 101 * PAGE);
	}
	expect_of(0);
	close(pipes[0]);
	close(pipes[1]);
	expect_own_copies();
}

const struct workload workloads[] = {
	{ .name = "copy-in-child", .run = copy_in_child },
	{ .name = "copy-in-parent", .run = copy_in_parent },
	{ .name = "inherit-in-part", .run = inherit_in_part },
	{ .name = "share", .run = share },
	{ .name = "inherit-swapped", .run = inherit_swapped, .needs = "swap" },
	{ .name = "copy-huge", .run = copy_huge, .needs = "thp", .huge_pages = true },
	{ .name = "tree", .run = tree },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
