/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does work cost that is done in small pieces?  The cheapest pieces count (less the
 * luckiest): what else goes on in a machine hits some and spares others.
 */
#ifndef MEMTRACE_TESTS_BENCH_PIECES_H
#define MEMTRACE_TESTS_BENCH_PIECES_H

#include "tests/bench/memory.h"

#define PIECE_PAGES 256UL
#define PIECE_BYTES (PIECE_PAGES * PAGE)
#define PIECES_MOST 1024
#define CHEAPEST 50 /* the first in so many counts */

struct times {
	double ns[PIECES_MOST];
	size_t count;
};

static inline int times_compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* A piece of so many units has just ended. */
static inline void times_add(struct times *times, double start, double units)
{
	times->ns[times->count++] = (now_ns(CLOCK_MONOTONIC) - start) / units;
}

/* ns for a unit; begins anew. */
static inline double times_cheap(struct times *times)
{
	size_t at = times->count / CHEAPEST;

	qsort(times->ns, times->count, sizeof(times->ns[0]), times_compare);
	times->count = 0;
	return times->ns[at];
}

#endif
