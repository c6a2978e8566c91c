// SPDX-License-Identifier: GPL-2.0
/* What does a page fault cost under ten calls?  Measured as storm.c does. */
#include "tests/bench/memory.h"
#include "tests/bench/pieces.h"

#include <stdio.h>

#define PIECES 256
#define ROUNDS 4 /* the first does not count */
#define CALLS 8	 /* with main and this one's own: ten */

/* Each has something to keep, so that none is left out and no two are one. */
static __attribute__((noinline)) int deeper(char *at, int calls)
{
	volatile int kept[4] = { calls };

	if (calls)
		return deeper(at, calls - 1) + kept[0];
	touch(at, PIECE_BYTES);
	return kept[0];
}

int main(void)
{
	static struct times fault;
	char *at = map_small_pages(PIECES * PIECE_BYTES), line[16];

	while (fgets(line, sizeof(line), stdin)) {
		for (int round = 0; round < ROUNDS; round++) {
			for (size_t i = 0; i < PIECES; i++) {
				double start = now_ns(CLOCK_MONOTONIC);

				deeper(at + i * PIECE_BYTES, CALLS);
				times_add(&fault, start, PIECE_PAGES);
			}
			madvise(at, PIECES * PIECE_BYTES, MADV_DONTNEED);
			if (!round)
				fault.count = 0;
		}
		printf("%.2f\n", times_cheap(&fault));
		fflush(stdout);
	}
	return 0;
}
