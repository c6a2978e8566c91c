// SPDX-License-Identifier: GPL-2.0
/*
 * Heaps in a state that is known: heaps CASE.  Says what malloc itself makes of it, one arena a
 * line, and does what is asked on standard input: "trim", or to end.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 100003
#define THREADS 5

static pthread_barrier_t ready;

static void *take(size_t bytes)
{
	return memset(malloc(bytes), 1, bytes);
}

/* So many blocks, of which each `kept`th stays; 0: none. */
static void fill(size_t count, size_t bytes, size_t kept)
{
	void **blocks = malloc(count * sizeof(*blocks));

	for (size_t i = 0; i < count; i++)
		blocks[i] = take(bytes);
	for (size_t i = 0; i < count; i++) {
		if (!kept || i % kept)
			free(blocks[i]);
	}
	free(blocks);
}

/* The last block that was taken stays. */
static void pinned(void)
{
	void **blocks = malloc(BLOCKS * sizeof(*blocks));

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = take(700);
	take(1000);
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	free(blocks);
}

/* Blocks of a size that malloc does not join with their neighbours at once. */
static void fast(void)
{
	fill(BLOCKS * 3, 100, 0);
}

/* Nothing is used: the thread keeps the last blocks that were freed for itself. */
static void cached(void)
{
	void **blocks = malloc(BLOCKS * sizeof(*blocks));

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = take(700);
	for (size_t i = BLOCKS; i; i--)
		free(blocks[i - 1]);
	free(blocks);
}

/* Holes, none of which has a page. */
static void holes(void)
{
	fill(BLOCKS, 700, 4);
}

/* Holes of one size, which has a bin of its own. */
static void alternate(void)
{
	fill(BLOCKS, 1000, 2);
}

/* Holes of many pages. */
static void wide_holes(void)
{
	fill(BLOCKS, 700, 101);
}

/* A large block was freed once: others of its kind come from the heap since then, and stay. */
static void grown(void)
{
	void *blocks[4];

	free(take(30 << 20));
	for (size_t i = 0; i < 4; i++)
		blocks[i] = take(10 << 20);
	for (size_t i = 0; i < 4; i++)
		free(blocks[i]);
}

static void full(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		take(700);
}

static void *work(void *nothing)
{
	fill(BLOCKS, 1000, BLOCKS - 1); /* more than one heap of 64 MiB */
	pthread_barrier_wait(&ready);
	pause();
	return nothing;
}

static void threads(void)
{
	pthread_t thread;

	pthread_barrier_init(&ready, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&ready);
}

static const struct {
	const char *name;
	void (*make)(void);
} cases[] = {
	{ "pinned", pinned }, { "fast", fast }, { "cached", cached }, { "holes", holes },
	{ "alternate", alternate },
	{ "wide_holes", wide_holes }, { "grown", grown }, { "full", full },
	{ "threads", threads },
};

int main(int count, char **words)
{
	static char line[64], out[4096]; /* not from the heap */

	setvbuf(stdin, line, _IOFBF, sizeof(line));
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	for (size_t i = 0; count == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(words[1], cases[i].name))
			cases[i].make();
	}
	malloc_stats(); /* to standard error: malloc_info() would take memory */
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "trim\n"))
			malloc_trim(0);
		puts("done");
		fflush(stdout);
	}
	return 0;
}
