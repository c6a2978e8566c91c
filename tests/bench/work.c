// SPDX-License-Identifier: GPL-2.0
/* The same work under each tool: begins at a line, prints how long it took, in ns of wall time. */
#include "tests/bench/memory.h"

#include <stdio.h>
#include <string.h>

/* 131,072 faults. */
static void faults(void)
{
	size_t bytes = 64UL << 20;
	char *at = map_small_pages(bytes);

	for (int round = 0; round < 8; round++) {
		touch(at, bytes);
		madvise(at, bytes, MADV_DONTNEED);
	}
}

/* 20,000 mappings of 8 pages, touched and unmapped. */
static void mappings(void)
{
	for (int i = 0; i < 20000; i++) {
		char *at = map(8 * PAGE);

		touch(at, 8 * PAGE);
		munmap(at, 8 * PAGE);
	}
}

/* 1,000,000 allocations that the kernel never sees. */
static void allocations(void)
{
	for (int i = 0; i < 1000000; i++) {
		char *volatile at = malloc(64 + i % 7 * 16);

		free(at);
	}
}

int main(int count, char **words)
{
	const char *name = count > 1 ? words[1] : "";
	void (*work)(void) = !strcmp(name, "faults")   ? faults :
			     !strcmp(name, "mappings") ? mappings :
			     !strcmp(name, "malloc")   ? allocations :
							 NULL;
	double start;
	char line[16];

	if (!work || !fgets(line, sizeof(line), stdin))
		return 2;
	start = now_ns(CLOCK_MONOTONIC);
	work();
	fprintf(stderr, "work %.0f\n", now_ns(CLOCK_MONOTONIC) - start);
	return 0;
}
