/* SPDX-License-Identifier: GPL-2.0 */
/* What do all benchmarks do with memory, and by which clock? */
#ifndef MEMTRACE_TESTS_BENCH_MEMORY_H
#define MEMTRACE_TESTS_BENCH_MEMORY_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096UL

static inline double now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static inline char *map(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		exit(1);
	return at;
}

/* Of which each page is a fault. */
static inline char *map_small_pages(size_t bytes)
{
	char *at = map(bytes);

	madvise(at, bytes, MADV_NOHUGEPAGE);
	return at;
}

static inline void touch(char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)at)[i] = 1;
}

#endif
