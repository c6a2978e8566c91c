// SPDX-License-Identifier: GPL-2.0
/*
 * A process that does what the lines on its standard input say: what shapes can a process
 * have?  It answers each line with "ok" and a pid, or with the error.  Its children die with it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define STACK_BYTES (64 * 1024)

static char *last;
static size_t last_bytes;
static const char *own_path;

static void fail(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

static void answer(int pid)
{
	printf("ok %d\n", pid);
	fflush(stdout);
}

/* ---- memory ---- */

static void touch(long pages)
{
	last_bytes = pages * PAGE;
	last = mmap(NULL, last_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (last == MAP_FAILED)
		fail("mmap");
	madvise(last, last_bytes, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < last_bytes; at += PAGE)
		last[at] = 1;
}

static void drop(void)
{
	munmap(last, last_bytes);
}

static void lazy(long pages)
{
	madvise(last, pages * PAGE, MADV_FREE);
}

/* ---- children ---- */

static void mortal(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void pause_for_ever(void)
{
	for (;;)
		pause();
}

static int forked(long pages)
{
	int ready[2];
	char byte;
	int pid;

	if (pipe(ready))
		fail("pipe");
	pid = fork();
	if (pid == 0) {
		mortal();
		touch(pages);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause_for_ever();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail("fork");
	close(ready[0]);
	return pid;
}

/* A child that touches so many pages and ends with this status. */
static int born(long pages, int status)
{
	int pid = fork();

	if (pid == 0) {
		touch(pages);
		_exit(status);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static void spawn(long count)
{
	for (long i = 0; i < count; i++) {
		int pid = fork();

		if (pid == 0) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
}

static int vforked(void)
{
	int pid = vfork();

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

struct shared {
	long pages;
	int ready;
};

static int live_in_parents_memory(void *argument)
{
	const struct shared *shared = argument;

	mortal();
	touch(shared->pages);
	if (write(shared->ready, "r", 1) != 1)
		_exit(1);
	pause_for_ever();
	return 0;
}

/* A process of its own in this one's address space. */
static int share(long pages)
{
	static struct shared shared;
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	int ready[2];
	char byte;
	int pid;

	if (stack == MAP_FAILED || pipe(ready))
		fail("share");
	shared = (struct shared){ pages, ready[1] };
	pid = clone(live_in_parents_memory, stack + STACK_BYTES, CLONE_VM | SIGCHLD, &shared);
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		fail("clone");
	return pid;
}

/* A daemon: in a session of its own, its parent gone. */
static int orphan(void)
{
	int up[2], pid, child;

	if (pipe(up))
		fail("pipe");
	child = fork();
	if (child == 0) {
		setsid();
		if (fork())
			_exit(0);
		pid = getpid();
		if (write(up[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		fclose(stdin);
		fclose(stdout);
		close(up[0]);
		close(up[1]);
		alarm(120);
		pause_for_ever();
	}
	waitpid(child, NULL, 0);
	if (read(up[0], &pid, sizeof(pid)) != sizeof(pid))
		fail("orphan");
	close(up[0]);
	close(up[1]);
	return pid;
}

/* ---- threads ---- */

static void serve(void);

static void *wait_in_thread(void *argument)
{
	*(int *)argument = syscall(SYS_gettid);
	kill(getpid(), SIGCONT); /* only to be a call that returns after the store */
	pause_for_ever();
	return NULL;
}

static int thread(void)
{
	static volatile int tid;
	pthread_t made;

	tid = 0;
	pthread_create(&made, NULL, wait_in_thread, (void *)&tid);
	while (!tid)
		usleep(1000);
	return tid;
}

static void *serve_in_thread(void *main_thread)
{
	pthread_join(*(pthread_t *)main_thread, NULL);
	answer(getpid());
	serve();
	exit(0);
}

/* The first thread ends, and another goes on with the work. */
static void end_main_thread(void)
{
	static pthread_t own;
	pthread_t made;

	own = pthread_self();
	pthread_create(&made, NULL, serve_in_thread, &own);
	pthread_exit(NULL);
}

/* ---- itself ---- */

/* As hexadecimal digits: a name may hold anything. */
static void set_name(const char *hex)
{
	char name[32] = { 0 };

	for (size_t i = 0; i < sizeof(name) - 1 && hex[2 * i] && hex[2 * i + 1]; i++) {
		unsigned int byte = 0;

		sscanf(hex + 2 * i, "%2x", &byte);
		name[i] = (char)byte;
	}
	prctl(PR_SET_NAME, name);
}

static void become_again(char *argument)
{
	execl(own_path, own_path, "--again", *argument ? argument : NULL, NULL);
	fail("exec");
}

static int obey(const char *what, char *rest)
{
	long number = strtol(rest, NULL, 10);

	if (!strcmp(what, "touch"))
		touch(number);
	else if (!strcmp(what, "drop"))
		drop();
	else if (!strcmp(what, "lazy"))
		lazy(number);
	else if (!strcmp(what, "fork"))
		return forked(number);
	else if (!strcmp(what, "born"))
		return born(number, 7);
	else if (!strcmp(what, "spawn"))
		spawn(number);
	else if (!strcmp(what, "vfork"))
		return vforked();
	else if (!strcmp(what, "share"))
		return share(number);
	else if (!strcmp(what, "orphan"))
		return orphan();
	else if (!strcmp(what, "thread"))
		return thread();
	else if (!strcmp(what, "main-gone"))
		end_main_thread();
	else if (!strcmp(what, "name"))
		set_name(rest);
	else if (!strcmp(what, "exec"))
		become_again(rest);
	else if (!strcmp(what, "exit"))
		exit((int)number);
	else if (!strcmp(what, "raise"))
		raise((int)number);
	else
		fail(what);
	return getpid();
}

static void serve(void)
{
	static char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line + strcspn(line, " \n");

		if (*rest)
			*rest++ = 0;
		rest[strcspn(rest, "\n")] = 0;
		answer(obey(line, rest));
	}
}

int main(int count, char **words)
{
	(void)count;
	(void)words;
	own_path = getenv("PUPPET"); /* argv[0] may be anything */
	if (!own_path)
		fail("PUPPET");
	mortal();
	answer(getpid());
	serve();
	return 0;
}
