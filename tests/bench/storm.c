// SPDX-License-Identifier: GPL-2.0
/*
 * What does one fault, one release, one mapping, one other call cost the process itself?
 * A storm of each for every line that comes in, in CPU time; a line of nanoseconds goes out.
 */
#include "tests/bench/memory.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES 16384UL /* 64 MiB */
#define MAPPINGS 4000
#define CALLS 50000

static double cpu_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void faults(char *at, double *fault, double *release)
{
	double start = cpu_ns(), middle;

	touch(at, PAGES * PAGE);
	middle = cpu_ns();
	madvise(at, PAGES * PAGE, MADV_DONTNEED);
	*fault = (middle - start) / PAGES;
	*release = (cpu_ns() - middle) / PAGES;
}

static double mappings(void)
{
	double start = cpu_ns();

	for (int i = 0; i < MAPPINGS; i++)
		munmap(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 2 * PAGE);
	return (cpu_ns() - start) / MAPPINGS;
}

static double calls(void)
{
	double start = cpu_ns();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return (cpu_ns() - start) / CALLS;
}

int main(void)
{
	char *at = map_small_pages(PAGES * PAGE), line[16];
	double fault, release;

	while (fgets(line, sizeof(line), stdin)) {
		faults(at, &fault, &release); /* not counted: the caches are somebody else's */
		faults(at, &fault, &release);
		printf("%.2f %.2f %.2f %.2f\n", fault, release, mappings(), calls());
		fflush(stdout);
	}
	return 0;
}
