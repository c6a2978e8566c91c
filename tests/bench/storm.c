// SPDX-License-Identifier: GPL-2.0
/*
 * What does one fault, one release, one mapping, one other call cost the process itself?
 * A storm of each for every line that comes in; a line of nanoseconds goes out.
 */
#include "tests/bench/memory.h"
#include "tests/bench/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECES 256
#define PIECE_CALLS 256
#define ROUNDS 3

static void storm(char *at, struct times *fault, struct times *release)
{
	for (size_t i = 0; i < PIECES; i++) {
		double start = now_ns(CLOCK_MONOTONIC);

		touch(at + i * PIECE_BYTES, PIECE_BYTES);
		times_add(fault, start, PIECE_PAGES);
	}
	for (size_t i = 0; i < PIECES; i++) {
		double start = now_ns(CLOCK_MONOTONIC);

		madvise(at + i * PIECE_BYTES, PIECE_BYTES, MADV_DONTNEED);
		times_add(release, start, PIECE_PAGES);
	}
}

static void map_and_unmap(struct times *mapping)
{
	double start = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < PIECE_CALLS; i++)
		munmap(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0), 2 * PAGE);
	times_add(mapping, start, PIECE_CALLS);
}

static void call(struct times *calls)
{
	double start = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < PIECE_CALLS; i++)
		syscall(SYS_getppid);
	times_add(calls, start, PIECE_CALLS);
}

int main(void)
{
	static struct times fault, release, mapping, calls;
	char *at = map_small_pages(PIECES * PIECE_BYTES), line[16];

	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i <= ROUNDS; i++) {
			storm(at, &fault, &release);
			if (i == 0) /* not counted: the caches are somebody else's */
				fault.count = release.count = 0;
		}
		for (int i = 0; i < PIECES; i++) {
			map_and_unmap(&mapping);
			call(&calls);
		}
		printf("%.2f %.2f %.2f %.2f\n", times_cheap(&fault), times_cheap(&release),
		       times_cheap(&mapping), times_cheap(&calls));
		fflush(stdout);
	}
	return 0;
}
