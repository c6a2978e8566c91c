/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do programs with a known cause share?  A line on standard input lets a case begin; it says
 * how many bytes its cause is about, and the end of standard input lets it end.
 */
#ifndef MEMTRACE_VERDICT_PROGRAM_H
#define MEMTRACE_VERDICT_PROGRAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1L << 20)

struct program_case {
	const char *name;
	void (*run)(void);
};

/* Of small pages, whatever this machine gives to others. */
static inline char *map(long bytes, int flags)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		abort();
	madvise(at, bytes, MADV_NOHUGEPAGE);
	return at;
}

/* Says the truth, and waits for the end of the test. */
static inline void hold(long bytes)
{
	printf("%ld\n", bytes);
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static inline void rest(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static inline void *wait_for_nothing(void *nothing)
{
	pause();
	return nothing;
}

/* Returns what is reserved for their stacks. */
static inline long start_threads(int count, long stack_bytes)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_bytes);
	for (int i = 0; i < count; i++) {
		if (pthread_create(&thread, &attributes, wait_for_nothing, NULL))
			abort();
	}
	rest(200);
	return count * stack_bytes;
}

/* True in the child, which is to end with wait_for_parent(). */
static inline bool fork_tied(int tie[2])
{
	bool is_child;

	if (pipe(tie))
		abort();
	is_child = !fork();
	if (is_child)
		close(tie[1]);
	return is_child;
}

static inline void wait_for_parent(const int tie[2])
{
	char byte;

	_exit(read(tie[0], &byte, 1) != 0);
}

static inline void let_child_go(const int tie[2])
{
	close(tie[1]);
	wait(NULL);
}

static inline int run_case(const struct program_case *cases, size_t case_count, int count,
			   char **words)
{
	for (size_t i = 0; i < case_count; i++) {
		if (count == 2 && !strcmp(words[1], cases[i].name) && getchar() == '\n') {
			cases[i].run();
			return 0;
		}
	}
	return 1;
}

#endif
