// SPDX-License-Identifier: GPL-2.0
/* Why is memory where it is?  Programs that did something else before, or do it at their end. */
#include "tests/verdict/program.h"

#define ROWS 1310719 /* of 64 bytes with malloc's head */

struct row {
	struct row *next;
	char text[48];
};

/* From the first to the last, as a queue or a tree is: in small pieces alone. */
static void free_a_list(void)
{
	struct row *first = NULL, **last = &first;

	for (long i = 0; i < ROWS; i++) {
		*last = calloc(1, sizeof(**last));
		memset((*last)->text, 7, sizeof((*last)->text));
		last = &(*last)->next;
	}
	while (first) {
		struct row *row = first;

		first = row->next;
		free(row);
	}
	hold(ROWS * 64L);
}

/* What it loads is not what it leaks. */
static void load_and_leak(void)
{
	memset(map(97 * MIB, MAP_PRIVATE), 1, 97 * MIB);
	for (int i = 0; i < 150; i++) {
		memset(map(MIB / 2, MAP_PRIVATE), 1, MIB / 2);
		rest(13);
	}
	hold(75 * MIB);
}

/* It grew steadily, and then needed no more of it. */
static void gather_and_free(void)
{
	char *parts[101];

	for (int i = 0; i < 101; i++) {
		parts[i] = memset(map(MIB / 2, MAP_PRIVATE), 1, MIB / 2);
		rest(13);
	}
	for (int i = 0; i < 101; i++)
		munmap(parts[i], MIB / 2);
	hold(101 * MIB / 2);
}

/* None of them has much, and they all have it at once. */
static void have_workers(void)
{
	for (int i = 0; i < 5; i++) {
		if (fork())
			continue;
		memset(map(31 * MIB, MAP_PRIVATE), 7, 31 * MIB);
		rest(1200);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	hold(5 * 31 * MIB);
}

static const struct program_case cases[] = {
	{ "free-a-list", free_a_list },
	{ "load-and-leak", load_and_leak },
	{ "gather-and-free", gather_and_free },
	{ "have-workers", have_workers },
};

int main(int count, char **words)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), count, words);
}
