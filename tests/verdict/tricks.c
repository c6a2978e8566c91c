// SPDX-License-Identifier: GPL-2.0
/* Why is memory where it is?  Programs that look as if it were something else. */
#include "tests/verdict/program.h"


/* Each time it may move: nothing of that is given back. */
static void grow_by_realloc(void)
{
	char *at = NULL;

	for (long bytes = MIB; bytes <= 307 * MIB; bytes += MIB) {
		char *now = realloc(at, bytes);

		if (!now)
			abort();
		at = now;
		memset(at + bytes - MIB, 7, MIB);
	}
	hold(307 * MIB);
}

/* Given up lazily, and in part taken back before the kernel came. */
static void use_part_again(void)
{
	char *at = memset(map(200 * MIB, MAP_PRIVATE), 7, 200 * MIB);

	madvise(at, 150 * MIB, MADV_FREE);
	memset(at, 8, 50 * MIB);
	hold(100 * MIB);
}

static void shrink_mapping(void)
{
	char *at = memset(map(130 * MIB, MAP_PRIVATE), 7, 130 * MIB);

	if (mremap(at, 130 * MIB, 10 * MIB, 0) != at)
		abort();
	hold(120 * MIB);
}

/* Compilers leave out what is for nothing. */
static void *volatile taken;

static void *leak_slowly(void *nothing)
{
	for (int i = 0; i < 100; i++) {
		taken = malloc(200000);
		memset(taken, 7, 200000);
		rest(12);
	}
	return nothing;
}

/* None of them much, all together. */
static void leak_in_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, leak_slowly, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	hold(400 * 200000L);
}

/* A byte of every second page, while a child has them all. */
static void write_sparsely_in_parent(void)
{
	char *at = memset(map(100 * MIB, MAP_PRIVATE), 7, 100 * MIB);
	int tie[2];

	if (fork_tied(tie))
		wait_for_parent(tie);
	for (long i = 0; i < 100 * MIB; i += 8192)
		at[i] = 8;
	hold(50 * MIB);
	let_child_go(tie);
}

/* It is written to, and yet the file's. */
static void write_to_file(void)
{
	char path[] = "/var/tmp/memtrace-verdict-XXXXXX", *at;
	int fd = mkstemp(path);

	unlink(path);
	if (fd < 0 || ftruncate(fd, 93 * MIB))
		abort();
	at = mmap(NULL, 93 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		abort();
	memset(at, 7, 93 * MIB);
	hold(93 * MIB);
}

/* Read alone, memory is nothing but zeros that all processes share. */
static void read_alone(void)
{
	char *at = map(300 * MIB, MAP_PRIVATE);
	long sum = 0;

	for (long i = 0; i < 300 * MIB; i += 4096)
		sum += at[i];
	hold(300 * MIB + sum);
}

static const struct program_case cases[] = {
	{ "grow-by-realloc", grow_by_realloc },
	{ "use-part-again", use_part_again },
	{ "shrink-mapping", shrink_mapping },
	{ "leak-in-threads", leak_in_threads },
	{ "write-sparsely-in-parent", write_sparsely_in_parent },
	{ "write-to-file", write_to_file },
	{ "read-alone", read_alone },
};

int main(int count, char **words)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), count, words);
}
