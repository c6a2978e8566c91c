// SPDX-License-Identifier: GPL-2.0
/*
 * Where can a program be when it is stopped?  Roams through calls of all kinds until it is killed:
 * built with -O2 -fomit-frame-pointer, nothing but .eh_frame tells its frames.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 40
#define FAR_BYTES 70000
#define THREADS 3
#define RARE 97 /* is what most time is spent in, and under one lock */
#define NOINLINE __attribute__((noinline, noclone))
#define stay() __asm__ volatile("" ::: "memory")
#define use(pointer) __asm__ volatile("" ::"r"(pointer) : "memory")

static NOINLINE unsigned int work(unsigned int number)
{
	for (int i = 0; i < 50; i++)
		number = number * 1664525 + 1013904223 + (number >> 13);
	stay();
	return number;
}

static NOINLINE unsigned int recurse(unsigned int depth, unsigned int number)
{
	unsigned int result = depth ? recurse(depth - 1, number + depth) : work(number);

	stay();
	return result + work(result);
}

static NOINLINE unsigned int with_alloca(unsigned int number)
{
	char *room = alloca(number % 5000 + 1); /* cppcheck-suppress allocaCalled */

	use(room);
	number = recurse(3, number);
	use(room);
	return number;
}

static NOINLINE unsigned int with_far_frame(unsigned int number)
{
	char room[FAR_BYTES];

	use(room);
	number = with_alloca(number);
	use(room);
	return number;
}

/* The frame's address cannot be told from rsp or rbp alone. */
static NOINLINE unsigned int realigned(unsigned int number)
{
	char room[64] __attribute__((aligned(64)));
	char *more = alloca(number % 300 + 1); /* cppcheck-suppress allocaCalled */

	use(room);
	use(more);
	number = recurse(2, number);
	use(room);
	use(more);
	return number;
}

static int compare(const void *a, const void *b)
{
	unsigned int left = work(*(const unsigned int *)a), right = work(*(const unsigned int *)b);

	return (left > right) - (left < right);
}

static NOINLINE unsigned int with_callback(unsigned int number)
{
	unsigned int numbers[64];

	for (size_t i = 0; i < 64; i++)
		numbers[i] = number = work(number);
	qsort(numbers, 64, sizeof(numbers[0]), compare);
	stay();
	return numbers[0];
}

static void handle(int signal_number)
{
	recurse(4, (unsigned int)signal_number);
	stay();
}

static NOINLINE unsigned int with_handler(unsigned int number)
{
	raise(SIGUSR1);
	stay();
	return number + 1;
}

static NOINLINE unsigned int with_stdio(unsigned int number)
{
	char text[200], *end = text;

	snprintf(text, sizeof(text), "%u %s %.17g %p", number, "of a shelf", number / 3.0,
		 (void *)&end);
	stay();
	return (unsigned int)strtod(text, &end) + (unsigned int)strlen(end);
}

/* Its own calls are bound when they are first made, which is each time. */
static NOINLINE unsigned int with_lazy_calls(unsigned int number)
{
	void *library = dlopen("libz.so.1", RTLD_LAZY | RTLD_LOCAL);
	int (*compress)(void *, unsigned long *, const void *, unsigned long);
	unsigned char from[600] = { 1, 2, 3 }, to[1200];
	unsigned long bytes = sizeof(to);

	if (!library)
		abort();
	compress = (int (*)(void *, unsigned long *, const void *, unsigned long))dlsym(library,
											"compress");
	memcpy(from + 90, &number, sizeof(number));
	compress(to, &bytes, from, sizeof(from));
	dlclose(library);
	return number + (unsigned int)bytes;
}

static NOINLINE unsigned int with_heap(unsigned int number)
{
	void *blocks[40];

	for (size_t i = 0; i < 40; i++)
		blocks[i] = calloc(1, work(number + (unsigned int)i) % 3000);
	for (size_t i = 0; i < 40; i++)
		free(blocks[i]);
	stay();
	return number + 1;
}

static unsigned int (*const ways[])(unsigned int) = {
	with_alloca, with_far_frame, realigned, with_callback,
	with_handler, with_stdio, with_heap,
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void *roam(void *from)
{
	unsigned int number = (unsigned int)(size_t)from;

	for (;;) {
		number = work(number) % RARE ? ways[work(number) % WAYS](number) :
					       with_lazy_calls(number);
		number += recurse(number % DEEPEST, number);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	signal(SIGUSR1, handle);
	for (size_t i = 1; i < THREADS; i++)
		pthread_create(&thread, NULL, roam, (void *)i);
	puts("ready");
	fflush(stdout);
	roam(NULL);
	return 0;
}
