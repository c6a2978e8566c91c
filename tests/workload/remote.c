// SPDX-License-Identifier: GPL-2.0
/* What other processes do to this one's memory: write into it, page it out, collapse it. */
#include "tests/workload/workload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { WRITE, READ, POKE, TRACE, ADVISE };

static char block[256 * KIB];

/* ---- the other process ---- */

static void write_vm(pid_t pid, struct order *order)
{
	struct iovec from = { block, order->bytes }, to = { (void *)order->address, order->bytes };

	if (order->what == WRITE)
		must(process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)order->bytes,
		     "process_vm_writev");
	else
		must(process_vm_readv(pid, &from, 1, &to, 1, 0) == (ssize_t)order->bytes,
		     "process_vm_readv");
}

static void poke(pid_t pid, const struct order *order)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && pwrite(fd, block, order->bytes, order->address) == (ssize_t)order->bytes,
	     "/proc/PID/mem");
	close(fd);
}

/* A word into each page, as a debugger sets breakpoints. */
static void trace(pid_t pid, const struct order *order)
{
	int status;

	must(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0, "PTRACE_ATTACH");
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	for (size_t i = 0; i < order->bytes; i += PAGE)
		must(ptrace(PTRACE_POKEDATA, pid, order->address + i, 7L) == 0, "PTRACE_POKEDATA");
	must(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0, "PTRACE_DETACH");
}

static void advise(pid_t pid, const struct order *order)
{
	struct iovec part = { (void *)order->address, order->bytes };
	int fd = pidfd_open(pid, 0);

	must(fd >= 0 && process_madvise(fd, &part, 1, order->argument, 0) == (ssize_t)order->bytes,
	     "process_madvise");
	close(fd);
}

static void other(bool counted)
{
	(void)counted;
	touch(block, sizeof(block));
	for (;;) {
		struct order order = other_next();

		if (order.what == POKE)
			poke(getppid(), &order);
		else if (order.what == TRACE)
			trace(getppid(), &order);
		else if (order.what == ADVISE)
			advise(getppid(), &order);
		else
			write_vm(getppid(), &order);
		other_done();
	}
}

/* ---- this one ---- */

static char *prepare(bool counted, size_t pages)
{
	if (!counted) {
		stay_on_one_cpu();
		must(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0) == 0 || true, "prctl");
		other_start("other");
	}
	expect_calls("mmap", 1, pages * PAGE);
	expect("mmap", "virtual_bytes", pages * PAGE);
	return map_anonymous(pages * PAGE);
}

static void expect_remote(const char *operation, int64_t calls, int64_t pages)
{
	expect_count(operation, calls);
	expect(operation, "anon_bytes", pages * (int64_t)PAGE);
}

/* Fresh memory that is filled from outside: 11 times 3 pages, of which one was there. */
static void written(bool counted)
{
	char *at = prepare(counted, 101);

	for (int i = 0; i < 11; i++)
		touch(at + (i * 9 + 1) * PAGE, 1);
	for (int i = 0; i < 11; i++)
		other_do(WRITE, at + i * 9 * PAGE, 3 * PAGE, 0);
	other_do(READ, at + 50 * PAGE, 50 * PAGE, 0); /* zeroes are read: nothing comes */
	expect_faults("fault", 11);
	expect_remote("remote process_vm_writev", 11, 22);
	if (!counted)
		munmap(at, 101 * PAGE);
}

/* By the file of its memory: 7 writes of 5 pages. */
static void poked(bool counted)
{
	char *at = prepare(counted, 61);

	for (int i = 0; i < 7; i++)
		other_do(POKE, at + i * 8 * PAGE, 5 * PAGE, 0);
	touch(at, 5 * PAGE);
	expect_remote("remote pwrite64", 7, 35);
	if (!counted)
		munmap(at, 61 * PAGE);
}

/* By a debugger: a call for each word. */
static void traced(bool counted)
{
	char *at = prepare(counted, 31);

	other_do(TRACE, at, 23 * PAGE, 0);
	touch(at, 23 * PAGE);
	expect_remote("remote ptrace", 23, 23);
	if (!counted)
		munmap(at, 31 * PAGE);
}

/* Paged out by a manager of memory, twice; advised in ways that move nothing. */
static void paged_out(bool counted)
{
	char *at = prepare(counted, 131);

	touch(at, 127 * PAGE);
	other_do(ADVISE, at, 101 * PAGE, MADV_COLD);
	other_do(ADVISE, at, 61 * PAGE, MADV_PAGEOUT);
	other_do(ADVISE, at + 67 * PAGE, 31 * PAGE, MADV_PAGEOUT);
	expect_faults("fault", 127);
	expect_remote("remote process_madvise", 2, -(61 + 31));
	expect("remote process_madvise", "swap_bytes", (61 + 31) * PAGE);
	if (!counted)
		munmap(at, 131 * PAGE);
}

/* Made huge by one that thinks that it knows better. */
static void collapsed(bool counted)
{
	char *at;

	if (!counted)
		other_start("other");
	at = map_aligned(7 * HUGE_PAGE, HUGE_PAGE);
	must(madvise(at, 7 * HUGE_PAGE, MADV_NOHUGEPAGE) == 0, "madvise");
	for (size_t i = 0; i < 7 * HUGE_PAGE; i += 2 * PAGE)
		touch(at + i, 1);
	must(madvise(at, 7 * HUGE_PAGE, MADV_HUGEPAGE) == 0, "madvise");
	other_do(ADVISE, at, 7 * HUGE_PAGE, MADV_COLLAPSE);
	expect_calls("mmap", 1, 8 * HUGE_PAGE);
	expect("mmap", "virtual_bytes", 8 * HUGE_PAGE);
	expect_any("munmap", "count");
	expect_any("munmap", "requested_bytes");
	expect("munmap", "virtual_bytes", -(int64_t)HUGE_PAGE);
	expect_calls("madvise.other", 2, 14 * HUGE_PAGE);
	expect_faults("fault", 7 * 256);
	expect_remote("remote process_madvise", 1, 7 * 256);
	if (!counted)
		munmap(at, 7 * HUGE_PAGE);
}

/* A child that only waits. */
static pid_t start_child(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();
	return child;
}

/* Both are followed: what the parent does to its child is in the child's ledger, as remote, and
 * its call is counted in its own. */
static void into_child(bool counted)
{
	char *at = prepare(counted, 211);
	struct iovec from = { block, 41 * PAGE }, to = { at + 101 * PAGE, 41 * PAGE };
	struct iovec part = { at, 31 * PAGE };
	pid_t child;
	int fd;

	touch(block, sizeof(block));
	touch(at, 89 * PAGE);
	child = start_child();
	fd = pidfd_open(child, 0);
	must(process_vm_writev(child, &from, 1, &to, 1, 0) == 41 * PAGE, "process_vm_writev");
	must(process_madvise(fd, &part, 1, MADV_COLD, 0) == 31 * PAGE, "process_madvise");
	must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "kill");
	close(fd);
	touch_frame();
	expect_faults("fault", 89);
	expect_any("fault.cow", "count");
	expect_other_faults(); /* the pages that its call brought into the child */
	expect_calls("madvise.other", 1, 31 * PAGE);
	expect_of(child);
	expect_anything("fork");
	expect_anything("fault");
	expect_anything("fault.cow");
	expect_anything("fault.kernel");
	expect_anything("exit");
	expect_exit(0, SIGKILL);
	expect_remote("remote process_vm_writev", 1, 41);
	expect_of(0);
	if (!counted)
		munmap(at, 211 * PAGE);
}

const struct workload workloads[] = {
	{ .name = "written", .run = written },
	{ .name = "poked", .run = poked },
	{ .name = "traced", .run = traced },
	{ .name = "paged-out", .run = paged_out, .needs = "swap" },
	{ .name = "collapsed", .run = collapsed, .needs = "thp", .huge_pages = true },
	{ .name = "into-child", .run = into_child },
	{ .name = "other", .run = other, .hidden = true },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
