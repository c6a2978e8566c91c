// SPDX-License-Identifier: GPL-2.0
/* Why is memory where it is?  The causes of cases.c in other shapes, and those of allocators. */
#include "tests/verdict/program.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/wait.h>

#define HUGE_BYTES (2 * MIB)

/* Not inlined: what is freed at once would not be taken at all. */
static __attribute__((noinline)) void *take(long bytes)
{
	return memset(malloc(bytes), 7, bytes);
}

/* So many blocks, of which each `kept`th stays; 0: none.  What malloc has free of them then. */
static long fill(long count, long bytes, long kept)
{
	void **blocks = (void **)map(count * (long)sizeof(*blocks), MAP_PRIVATE);
	long freed = 0;

	for (long i = 0; i < count; i++)
		blocks[i] = take(bytes);
	for (long i = 0; i < count; i++) {
		if (kept && i % kept == 0)
			continue;
		freed += (long)malloc_usable_size(blocks[i]) + 8;
		free(blocks[i]);
	}
	munmap(blocks, count * (long)sizeof(*blocks));
	return freed;
}

/* The first ones go, and the last one stays. */
static void pin(long count, long bytes)
{
	void **blocks = (void **)map(count * (long)sizeof(*blocks), MAP_PRIVATE);
	long freed = 0;

	for (long i = 0; i < count; i++)
		blocks[i] = take(bytes);
	take(100);
	for (long i = 0; i < count; i++) {
		freed += (long)malloc_usable_size(blocks[i]) + 8;
		free(blocks[i]);
	}
	hold(freed);
}

static void pin_small(void)
{
	pin(20011, 1040);
}

static void pin_large(void)
{
	pin(600011, 500);
}

static void pin_buffers(void)
{
	pin(811, 65536);
}

static void free_every_second(void)
{
	hold(fill(400009, 300, 2));
}

static void free_nine_of_ten(void)
{
	hold(fill(200003, 1000, 10));
}

/* ---- heaps of threads ---- */

#define THREADS 16

static pthread_barrier_t filled;
static long freed_by_thread[THREADS];

static void *fill_and_free(void *freed)
{
	*(long *)freed = fill(10007, 1000, 10);
	pthread_barrier_wait(&filled);
	pause();
	return NULL;
}

static void free_in_threads(void)
{
	pthread_t thread;
	long sum = 0;

	pthread_barrier_init(&filled, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, fill_and_free, &freed_by_thread[i]);
	pthread_barrier_wait(&filled);
	for (size_t i = 0; i < THREADS; i++)
		sum += freed_by_thread[i];
	hold(sum);
}

/* Each has what the one before it has freed, if they share a heap. */
static void *work_and_free(void *freed)
{
	*(long *)freed += fill(4001, 1000, 7);
	pthread_barrier_wait(&filled);
	pause();
	return NULL;
}

static void free_in_turn(void)
{
	pthread_t thread;
	long sum = 0;

	pthread_barrier_init(&filled, NULL, 2);
	for (int i = 0; i < 40; i++) {
		pthread_create(&thread, NULL, work_and_free, &sum);
		pthread_barrier_wait(&filled);
	}
	hold(sum);
}

static void have_threads(void)
{
	hold(start_threads(101, 8 * MIB));
}

/* ---- large blocks ---- */

static void raise_thresholds(void)
{
	void *first, *second;

	free(take(20 * MIB));
	first = take(15 * MIB);
	second = take(15 * MIB);
	free(second);
	free(first);
	hold(30 * MIB);
}

static void churn_large(void)
{
	for (int i = 0; i < 11; i++)
		free(take(40 * MIB));
	hold(10 * 40 * MIB);
}

/* By brk, as each block is small. */
static void churn_small(void)
{
	void *blocks[3001];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 3001; i++)
			blocks[i] = take(20000);
		for (size_t i = 3001; i-- > 0;)
			free(blocks[i]);
	}
	hold(19 * 3001 * 20016L);
}

static void give_back_large(void)
{
	free(take(307 * MIB));
	hold(307 * MIB);
}

static void clear_and_leave(void)
{
	char *at = calloc(256, MIB);

	for (long i = 0; i < 256; i += 8)
		at[i * MIB] = 1;
	hold(256 * MIB);
}

static void take_without_use(void)
{
	for (int i = 0; i < 199; i++)
		*(volatile char *)malloc(2 * MIB) = 1;
	hold(199 * 2 * MIB);
}

/* As Go, Java and jemalloc do. */
static char *set_aside(long bytes)
{
	char *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		abort();
	return at;
}

static void set_aside_alone(void)
{
	set_aside(701 * MIB);
	hold(701 * MIB);
}

static void set_aside_and_use(void)
{
	char *at = set_aside(4096 * MIB);

	if (mprotect(at, 60 * MIB, PROT_READ | PROT_WRITE))
		abort();
	madvise(at, 60 * MIB, MADV_NOHUGEPAGE);
	memset(at, 7, 60 * MIB);
	hold(60 * MIB);
}

/* ---- leaks ---- */

static void leak_small(void)
{
	for (int i = 0; i < 120011; i++) {
		take(500);
		if (i % 1000 == 0)
			rest(13);
	}
	hold(120011L * 512);
}

/* As leak of cases.c, with what was missing there. */
static void leak_not(void)
{
	for (int i = 0; i < 97; i++) {
		munmap(memset(map(MIB, MAP_PRIVATE), 1, MIB), MIB);
		rest(13);
	}
	hold(1);
}

/* What it works with goes back, what it makes does not. */
static void leak_beside_churn(void)
{
	for (int i = 0; i < 101; i++) {
		char *work = map(MIB, MAP_PRIVATE);

		memset(map(MIB, MAP_PRIVATE), 1, MIB);
		memset(work, 1, MIB);
		rest(12);
		munmap(work, MIB);
	}
	hold(101 * MIB);
}

/* ---- what the kernel may take, and what is shared ---- */

static void free_parts_lazily(void)
{
	char *at = memset(map(120 * MIB, MAP_PRIVATE), 7, 120 * MIB);

	for (long i = 0; i < 120; i += 2)
		madvise(at + i * MIB, MIB, MADV_FREE);
	hold(60 * MIB);
}

static void page_out(void)
{
	char *at = map(70 * MIB, MAP_PRIVATE);

	for (long i = 0; i < 70 * MIB; i++)
		at[i] = (char)(i * 31 >> 5);
	madvise(at, 70 * MIB, MADV_PAGEOUT);
	hold(70 * MIB);
}

static void share_anonymous(void)
{
	memset(map(90 * MIB, MAP_SHARED), 7, 90 * MIB);
	hold(90 * MIB);
}

/* A child that has what it was born with, and a parent that writes to all of it. */
static void copy_in_parent(void)
{
	char *at = memset(map(80 * MIB, MAP_PRIVATE), 7, 80 * MIB);
	int tie[2];

	if (fork_tied(tie))
		wait_for_parent(tie);
	memset(at, 8, 71 * MIB);
	hold(71 * MIB);
	let_child_go(tie);
}

/* What it writes to is its own from the beginning. */
static void fork_first(void)
{
	int tie[2];

	if (fork_tied(tie)) {
		memset(map(53 * MIB, MAP_PRIVATE), 7, 53 * MIB);
		hold(53 * MIB);
		wait_for_parent(tie);
	}
	memset(map(67 * MIB, MAP_PRIVATE), 7, 67 * MIB);
	while (getchar() != EOF)
		;
	let_child_go(tie);
}

static void let_child_do_it(void)
{
	if (!fork()) {
		memset(map(110 * MIB, MAP_PRIVATE), 7, 110 * MIB);
		_exit(0);
	}
	wait(NULL);
	hold(110 * MIB);
}

/* A page of each huge page. */
static void touch_sparsely(void)
{
	char *at = map(60 * HUGE_BYTES + HUGE_BYTES, MAP_PRIVATE);

	at += HUGE_BYTES - ((uintptr_t)at & (HUGE_BYTES - 1));
	madvise(at, 60 * HUGE_BYTES, MADV_HUGEPAGE);
	for (long i = 0; i < 60; i++)
		memset(at + i * HUGE_BYTES, 7, 4096);
	hold(60 * (HUGE_BYTES - 4096));
}

/* ---- nothing to mend ---- */

static void serve(void)
{
	static void *answers[997];

	for (unsigned int i = 0; i < 200003; i++) {
		void **answer = &answers[i * 7919 % 997];

		free(*answer);
		*answer = take(100 + i * 31 % 4000);
		if (i % 3000 == 0)
			rest(8);
	}
	hold(1);
}

static void fill_a_cache(void)
{
	for (int i = 0; i < 60; i++) {
		memset(map(MIB, MAP_PRIVATE), 1, MIB);
		rest(4);
	}
	rest(1200);
	hold(60 * MIB);
}

static void work_in_one_buffer(void)
{
	char *buffer = take(3 * MIB);

	for (int i = 0; i < 401; i++) {
		memset(buffer, i, 3 * MIB);
		free(take(200000));
	}
	hold(1);
}

/* All that it has is shared for a moment, and its own again when it writes to it. */
static void run_others(void)
{
	char *at = memset(map(80 * MIB, MAP_PRIVATE), 7, 80 * MIB);

	for (int i = 0; i < 7; i++) {
		if (!fork())
			exit(execl("/bin/true", "true", (char *)NULL));
		wait(NULL);
		memset(at, i, 80 * MIB);
	}
	hold(80 * MIB);
}

static const struct program_case cases[] = {
	{ "pin-small", pin_small },
	{ "pin-large", pin_large },
	{ "pin-buffers", pin_buffers },
	{ "free-every-second", free_every_second },
	{ "free-nine-of-ten", free_nine_of_ten },
	{ "free-in-threads", free_in_threads },
	{ "free-in-turn", free_in_turn },
	{ "have-threads", have_threads },
	{ "raise-thresholds", raise_thresholds },
	{ "churn-large", churn_large },
	{ "churn-small", churn_small },
	{ "give-back-large", give_back_large },
	{ "clear-and-leave", clear_and_leave },
	{ "take-without-use", take_without_use },
	{ "set-aside-alone", set_aside_alone },
	{ "set-aside-and-use", set_aside_and_use },
	{ "leak-small", leak_small },
	{ "leak-not", leak_not },
	{ "leak-beside-churn", leak_beside_churn },
	{ "free-parts-lazily", free_parts_lazily },
	{ "page-out", page_out },
	{ "share-anonymous", share_anonymous },
	{ "copy-in-parent", copy_in_parent },
	{ "fork-first", fork_first },
	{ "let-child-do-it", let_child_do_it },
	{ "touch-sparsely", touch_sparsely },
	{ "run-others", run_others },
	{ "serve", serve },
	{ "fill-a-cache", fill_a_cache },
	{ "work-in-one-buffer", work_in_one_buffer },
};

int main(int count, char **words)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), count, words);
}
