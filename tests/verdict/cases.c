// SPDX-License-Identifier: GPL-2.0
/* Why is memory where it is?  Each case has one known cause, and knows its bytes. */
#include "tests/verdict/program.h"

#include <sys/wait.h>

static char *fill(char *at, long bytes)
{
	return memset(at, 7, bytes);
}

static void hold_mapping(void)
{
	fill(map(83 * MIB, MAP_PRIVATE), 83 * MIB);
	hold(83 * MIB);
}

static void hold_heap(void)
{
	for (int i = 0; i < 67 * 1021; i++)
		fill(malloc(1000), 1000);
	hold(67L * 1021 * 1008);
}

static void never_touch(void)
{
	fill(map(509 * MIB, MAP_PRIVATE), 13 * MIB);
	hold(496 * MIB);
}

static void give_back(void)
{
	munmap(fill(map(101 * MIB, MAP_PRIVATE), 101 * MIB), 101 * MIB);
	hold(101 * MIB);
}

static void give_back_by_advice(void)
{
	madvise(fill(map(73 * MIB, MAP_PRIVATE), 73 * MIB), 71 * MIB, MADV_DONTNEED);
	hold(71 * MIB);
}

static void give_back_heap(void)
{
	char *blocks[311];

	for (size_t i = 0; i < 311; i++)
		blocks[i] = fill(malloc(100000), 100000);
	for (size_t i = 311; i-- > 0;)
		free(blocks[i]);
	hold(311L * 100016);
}

static void free_lazily(void)
{
	madvise(fill(map(61 * MIB, MAP_PRIVATE), 61 * MIB), 59 * MIB, MADV_FREE);
	hold(59 * MIB);
}

static void churn(void)
{
	for (int i = 0; i < 31; i++)
		munmap(fill(map(7 * MIB, MAP_PRIVATE), 7 * MIB), 7 * MIB);
	hold(30 * 7 * MIB);
}

static void churn_by_advice(void)
{
	char *at = map(5 * MIB, MAP_PRIVATE);

	for (int i = 0; i < 37; i++)
		madvise(fill(at, 5 * MIB), 5 * MIB, MADV_DONTNEED);
	hold(36 * 5 * MIB);
}

/* A child that does what it is told with what it was born with, until the test ends. */
static void be_parent(long bytes, long written, long truth)
{
	char *at = fill(map(bytes, MAP_PRIVATE), bytes);
	int tie[2];

	if (fork_tied(tie)) {
		fill(at, written);
		hold(truth);
		wait_for_parent(tie);
	}
	while (getchar() != EOF)
		;
	let_child_go(tie);
}

static void copy_in_child(void)
{
	be_parent(67 * MIB, 53 * MIB, 53 * MIB);
}

static void share_with_parent(void)
{
	be_parent(67 * MIB, 1 * MIB, 66 * MIB);
}

static void share_memory(void)
{
	int fd = memfd_create("shared", 0);
	char *at;

	if (fd < 0 || ftruncate(fd, 43 * MIB))
		abort();
	at = mmap(NULL, 43 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		abort();
	fill(at, 43 * MIB);
	hold(43 * MIB);
}

static void map_file(void)
{
	char path[] = "/var/tmp/memtrace-verdict-XXXXXX";
	int fd = mkstemp(path);
	char *block = fill(malloc(MIB), MIB), *at;
	long sum = 0;

	unlink(path);
	for (int i = 0; i < 47; i++) {
		if (write(fd, block, MIB) != MIB)
			abort();
	}
	free(block);
	at = mmap(NULL, 47 * MIB, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		abort();
	for (long i = 0; i < 47 * MIB; i += 4096)
		sum += at[i];
	hold(47 * MIB + !sum);
}

static void have_children(void)
{
	int pipes[2], filled[2];
	char byte;

	if (pipe(pipes) || pipe(filled))
		abort();
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			close(pipes[1]);
			fill(map(31 * MIB, MAP_PRIVATE), 31 * MIB);
			if (write(filled[1], "", 1) != 1)
				abort();
			_exit(read(pipes[0], &byte, 1) != 0);
		}
	}
	for (int i = 0; i < 3; i++) {
		if (read(filled[0], &byte, 1) != 1)
			abort();
	}
	hold(3 * 31 * MIB);
	close(pipes[1]);
	while (wait(NULL) > 0)
		;
}

static void have_threads(void)
{
	hold(start_threads(37, 4 * MIB));
}

/* Goes on until the test ends it. */
static void leak(void)
{
	for (int i = 0; i < 97; i++) {
		fill(map(MIB, MAP_PRIVATE), MIB);
		rest(13);
	}
	hold(97 * MIB);
}

static const struct program_case cases[] = {
	{ "hold-mapping", hold_mapping },
	{ "hold-heap", hold_heap },
	{ "never-touch", never_touch },
	{ "give-back", give_back },
	{ "give-back-by-advice", give_back_by_advice },
	{ "give-back-heap", give_back_heap },
	{ "free-lazily", free_lazily },
	{ "churn", churn },
	{ "churn-by-advice", churn_by_advice },
	{ "copy-in-child", copy_in_child },
	{ "share-with-parent", share_with_parent },
	{ "share-memory", share_memory },
	{ "map-file", map_file },
	{ "have-children", have_children },
	{ "have-threads", have_threads },
	{ "leak", leak },
};

int main(int count, char **words)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), count, words);
}
