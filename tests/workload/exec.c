// SPDX-License-Identifier: GPL-2.0
/* Processes that become another program, and guests that live in an address space of others. */
#include "tests/workload/workload.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_PAGES 307
#define SELF "/proc/self/exe"

/* ---- in the new programs ---- */

/* Touches as many pages as the first word says, and becomes itself with the rest of them. */
static void stage(bool counted)
{
	char *words[16] = { (char *)"workload", (char *)"stage" };
	size_t i;

	(void)counted;
	touch(map_anonymous(BUFFER_PAGES * PAGE), strtoul(workload_words[0], NULL, 10) * PAGE);
	for (i = 1; workload_words[i]; i++)
		words[i + 1] = workload_words[i];
	if (i == 1)
		_exit(13);
	execve(SELF, words, environ);
	_exit(1);
}

/* ---- in the workload ---- */

static void expect_program(pid_t pid, int64_t execs)
{
	static const char *const operations[] = { "fault", "fault.cow", "fault.kernel", "mmap",
						  "munmap", "brk.grow", "exit" };
	static const char *const balances[] = { "virtual_bytes", "anon_bytes", "file_bytes" };

	expect_of(pid);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		expect_anything(operations[i]);
	expect_count("exec", execs);
	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++)
		expect_any("exec", balances[i]);
	expect_exit(13, 0);
	expect_of(0);
}

/* Returns how many faults the kernel counted of it. */
static int64_t wait_for(pid_t child, int code)
{
	struct rusage usage = { 0 };
	int status = 0;

	must(child > 0 && wait4(child, &status, 0, &usage) == child, "wait");
	must(WIFEXITED(status) && WEXITSTATUS(status) == code, "the end of a child");
	return usage.ru_minflt + usage.ru_majflt;
}

/* Addresses that do not differ from run to run, so that the stack begins where it did. */
static pid_t run_stages(char *const words[], int64_t *faults)
{
	pid_t child = vfork();

	if (!child) {
		personality(ADDR_NO_RANDOMIZE);
		execve(SELF, words, environ);
		_exit(1);
	}
	*faults = wait_for(child, 13);
	return child;
}

/* Three programs one after the other: each old address space goes by exec, the last by exit.
 *
 * How many faults map their files is not the same each time: the kernel leaves out of what it maps
 * around a fault those pages that somebody has locked just then.
 */
static void chain(bool counted)
{
	char *const idle_words[] = { (char *)"workload", (char *)"stage", (char *)"000",
				     (char *)"000", (char *)"000", NULL };
	char *const words[] = { (char *)"workload", (char *)"stage", (char *)"101", (char *)"211",
				(char *)"053", NULL };
	int64_t idle_faults, faults;
	pid_t idle = run_stages(idle_words, &idle_faults), child = run_stages(words, &faults);

	(void)counted;
	expect_program(idle, 3);
	expect_of(child);
	expect_beyond(idle);
	expect_exit(13, 0);
	expect_any("fault", "count");
	expect("fault", "anon_bytes", (101 + 211 + 53) * (int64_t)PAGE);
	expect_all_faults(faults - idle_faults);
	expect("exec", "anon_bytes", -(101 + 211) * (int64_t)PAGE);
	expect("exit", "anon_bytes", -53 * (int64_t)PAGE);
	expect_of(0);
}

/* The C library's way to start a program: the child is a guest until it is one. */
static void spawned(bool counted)
{
	char *const words[] = { (char *)"workload", (char *)"stage", (char *)"029", NULL };

	(void)counted;
	for (int i = 0; i < 7; i++) {
		pid_t child;

		must(posix_spawn(&child, SELF, NULL, NULL, words, environ) == 0, "posix_spawn");
		wait_for(child, 13);
		expect_program(child, 1);
	}
	/* For the stack of the child. */
	expect_any("mmap", "count");
	expect_any("mmap", "requested_bytes");
	expect_any("mmap", "virtual_bytes");
	expect_any("munmap", "count");
	expect_any("munmap", "requested_bytes");
	expect_any("munmap", "virtual_bytes");
	expect("mmap+munmap", "virtual_bytes", 0);
	expect_any("munmap", "anon_bytes");
	expect_any("fault", "count");
	expect_any("fault", "anon_bytes");
	expect("fault+munmap", "anon_bytes", 0);
	expect_other_faults();
}

static void *exec_here(void *words)
{
	execve(SELF, words, environ);
	_exit(1);
}

/* The thread that execs becomes the process; the others are gone. */
static void exec_in_thread(bool counted)
{
	char *const words[] = { (char *)"workload", (char *)"stage", (char *)"031", NULL };
	pid_t child = fork();
	pthread_t thread;

	(void)counted;
	if (!child) {
		pthread_create(&thread, NULL, exec_here, (void *)words);
		for (;;)
			pause();
	}
	wait_for(child, 13);
	expect_program(child, 1);
	expect_of(child);
	expect_anything("fork");
	expect_of(0);
	expect_any("fault.cow", "count"); /* after the fork */
}

/* Not a program: nothing changes, though the kernel had begun to make an address space. */
static void not_executable(bool counted)
{
	static int fd = -1;
	char *const words[] = { (char *)"none", NULL };
	int64_t faults;

	if (!counted)
		fd = open_file(3 * PAGE);
	must(fchmod(fd, 0700) == 0, "fchmod");
	faults = faults_of_self();
	for (int i = 0; i < 11; i++)
		must(fexecve(fd, words, environ) == -1 && errno != ENOENT, "execve that fails");
	if (faults_of_self() != faults) /* up to 6.7, in the new address space */
		expect_other_faults();
}

/* ---- guests ---- */

static char *buffer;

static int work_as_guest(void *pages)
{
	touch(buffer, (size_t)pages * PAGE);
	_exit(0);
}

static void expect_buffer(int64_t count)
{
	expect_calls("mmap", count, count * BUFFER_PAGES * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", count * BUFFER_PAGES * (int64_t)PAGE);
}

static pid_t start_guest(void)
{
	pid_t child = vfork();

	if (!child)
		work_as_guest((void *)101);
	return child;
}

/* What a child does before it execs or ends, it does in its parent's address space. */
static void vforked(bool counted)
{
	(void)counted;
	for (int i = 0; i < 13; i++) {
		buffer = map_anonymous(BUFFER_PAGES * PAGE);
		wait_for(start_guest(), 0);
	}
	expect_buffer(13);
	expect_faults("fault", 13 * 101);
	expect_other_faults();
}

static char guest_stack[64 * KIB];

/* The same without the parent's waiting. */
static void shared_and_ended(bool counted)
{
	(void)counted;
	for (int i = 0; i < 11; i++) {
		buffer = map_anonymous(BUFFER_PAGES * PAGE);
		wait_for(clone(work_as_guest, guest_stack + sizeof(guest_stack),
			       CLONE_VM | SIGCHLD, (void *)103), 0);
	}
	expect_buffer(11);
	expect_faults("fault", 11 * 103);
	expect_other_faults();
}

static bool guest_is_done;

static int stay_as_guest(void *pages)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	touch(buffer, (size_t)pages * PAGE);
	__atomic_store_n(&guest_is_done, true, __ATOMIC_RELEASE);
	pause();
	return 0;
}

/* It is still there at the end: a process without a ledger. */
static void shared(bool counted)
{
	pid_t guest;

	buffer = map_anonymous(BUFFER_PAGES * PAGE);
	guest = clone(stay_as_guest, guest_stack + sizeof(guest_stack), CLONE_VM | SIGCHLD,
		      (void *)107);
	must(guest > 0, "clone");
	do
		sched_yield();
	while (!__atomic_load_n(&guest_is_done, __ATOMIC_ACQUIRE));
	expect_buffer(1);
	expect_faults("fault", 107);
	expect_other_faults();
	expect_of(guest);
	expect_guest(getpid());
	expect_of(0);
	guest_is_done = false;
	if (!counted) {
		kill(guest, SIGKILL);
		waitpid(guest, NULL, 0);
	}
}

const struct workload workloads[] = {
	{ .name = "stage", .run = stage, .hidden = true },
	{ .name = "chain", .run = chain },
	{ .name = "spawned", .run = spawned },
	{ .name = "in-thread", .run = exec_in_thread },
	{ .name = "not-executable", .run = not_executable, .needs = "disk" },
	{ .name = "vforked", .run = vforked },
	{ .name = "shared-and-ended", .run = shared_and_ended },
	{ .name = "shared", .run = shared },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
