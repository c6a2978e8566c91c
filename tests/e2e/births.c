// SPDX-License-Identifier: GPL-2.0
/*
 * A storm of births: births SECONDS WORKERS.  Each worker makes one short-lived process after the
 * other; some become another program, some leave an orphan behind.  It prints how many processes
 * there were in all, each of which had memory of its own, and the seconds of CPU time they took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES_MOST 61
#define WORKERS_MOST 64

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void touch(long pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	for (long i = 0; at != MAP_FAILED && i < pages; i++)
		at[i * PAGE] = 1;
}

static void live(long number)
{
	touch(1 + number % PAGES_MOST);
	if (number % 7 == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (number % 11 == 0 && fork() == 0)
		touch(3);
	_exit(0);
}

static long make_births(double end)
{
	long count = 0;

	for (long number = 1; now() < end; number++) {
		int pid = fork();

		if (pid == 0)
			live(number);
		if (pid < 0)
			continue;
		waitpid(pid, NULL, 0);
		count += 1 + (number % 11 == 0 && number % 7 != 0);
	}
	return count;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **words)
{
	long *births = mmap(NULL, WORKERS_MOST * sizeof(*births), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double end = now() + (count > 1 ? atof(words[1]) : 1);
	long workers = count > 2 ? atol(words[2]) : 1, total = 0;

	if (births == MAP_FAILED || workers < 1 || workers > WORKERS_MOST)
		return 1;
	for (long i = 0; i < workers; i++) {
		if (fork() == 0) {
			births[i] = make_births(end);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (long i = 0; i < workers; i++)
		total += births[i] + 1;
	printf("%ld %.6f\n", total, cpu_seconds());
	return 0;
}
