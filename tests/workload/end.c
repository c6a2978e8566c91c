// SPDX-License-Identifier: GPL-2.0
/* Ends: by a call, by a signal, for want of memory; with much still mapped, and with threads. */
#include "tests/workload/workload.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory of each kind that is there at the end: all of it goes by exit. */
static void hold(bool counted)
{
	int fd = memfd_create("workload", MFD_CLOEXEC);
	char *at = map_anonymous(211 * PAGE), *locked = map_anonymous(31 * PAGE), *shared;

	(void)counted;
	must(fd >= 0 && ftruncate(fd, 53 * PAGE) == 0, "memfd");
	shared = mmap(NULL, 53 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(shared != MAP_FAILED && mlock(locked, 31 * PAGE) == 0, "mmap");
	touch(at, 101 * PAGE);
	touch(shared, 47 * PAGE);
	close(fd);
	expect_calls("mmap", 3, (211 + 31 + 53) * PAGE);
	expect("mmap", "virtual_bytes", (211 + 31 + 53) * PAGE);
	expect_calls("mlock", 1, 31 * PAGE);
	expect("mlock", "locked_bytes", 31 * PAGE);
	expect("mlock", "anon_bytes", 31 * PAGE);
	expect("fault", "anon_bytes", 101 * PAGE);
	expect("fault", "shmem_bytes", 47 * PAGE);
	/* Code that is run for the first time in the end. */
	expect_any("fault", "count");
	expect_any("fault", "file_bytes");
}

static void end_by_exit(void)
{
	exit(7);
}

static void end_at_once(void)
{
	_exit(43);
}

static void end_by_kill(void)
{
	raise(SIGKILL);
}

static void end_by_term(void)
{
	raise(SIGTERM);
}

/* exit() and abort() may still write to memory of their own. */
static void hold_loosely(bool counted)
{
	hold(counted);
	expect_any("fault", "anon_bytes");
	expect_anything("brk.grow");
	expect_anything("fault.cow");
}

static void end_by_abort(void)
{
	abort();
}

static void end_by_fault(void)
{
	touch(map_anonymous(PAGE) + PAGE, 1);
	raise(SIGSEGV); /* if something was there */
}

static void hold_and_map(bool counted)
{
	hold(counted);
	expect_calls("mmap", 1, PAGE);
	expect("mmap", "virtual_bytes", PAGE);
}

/* ---- with threads ---- */

static void *be_busy(void *nothing)
{
	for (;;) {
		char *at = map_anonymous(13 * PAGE);

		touch(at, 11 * PAGE);
		munmap(at, 13 * PAGE);
	}
	return nothing;
}

static void *end_later(void *nothing)
{
	usleep(50000); /* so that the other is gone; nothing depends on it */
	touch(map_anonymous(61 * PAGE), 61 * PAGE);
	_exit(19);
	return nothing;
}

static void expect_threads(void)
{
	static const char *const operations[] = { "fault", "fault.cow", "fault.kernel", "mmap",
						  "munmap", "brk.grow" };

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		expect_anything(operations[i]);
}

/* Seven threads are in the middle of something. */
static void seven_busy_threads(bool counted)
{
	(void)counted;
	for (int i = 0; i < 7; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, be_busy, NULL) == 0, "pthread_create");
	}
	expect_threads();
}

/* The first thread goes; the process lives until its last does, and ends as that one says. */
static void start_heir(bool counted)
{
	(void)counted;
	expect_threads();
}

static void leave_to_heir(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, end_later, NULL) == 0, "pthread_create");
	pthread_exit(NULL);
}

/* ---- for want of memory ---- */

static size_t limit;

static void enter(bool counted)
{
	(void)counted;
	limit = enter_cgroup();
	expect_threads();
	expect_anything("reclaim");
}

static void end_by_oom(void)
{
	touch(map_anonymous(3 * limit), 3 * limit);
}

const struct workload workloads[] = {
	{ .name = "at-once", .run = hold, .end = end_at_once, .exit_code = 43, .cold = true },
	{ .name = "exit", .run = hold_loosely, .end = end_by_exit, .exit_code = 7 },
	{ .name = "killed", .run = hold, .end = end_by_kill, .exit_signal = SIGKILL },
	{ .name = "terminated", .run = hold, .end = end_by_term, .exit_signal = SIGTERM },
	{ .name = "aborted", .run = hold_loosely, .end = end_by_abort, .exit_signal = SIGABRT },
	{ .name = "segfault", .run = hold_and_map, .end = end_by_fault, .exit_signal = SIGSEGV },
	{ .name = "threads", .run = seven_busy_threads, .end = end_at_once, .exit_code = 43,
	  .cold = true },
	{ .name = "leader-first", .run = start_heir, .end = leave_to_heir, .exit_code = 19 },
	{ .name = "oom", .run = enter, .end = end_by_oom, .exit_signal = SIGKILL, .cold = true,
	  .needs = "oom" },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
