// SPDX-License-Identifier: GPL-2.0
/*
 * Whose are the pages that a child was born with?  It writes to some of them, and prints the chain
 * of calls that did, as libgcc unwinds it, with the number of pages.
 */
#include "tests/stacks/chain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 211
#define COPIED 61 /* while the parent has them, too, ... */
#define TAKEN 37  /* ... and when it is gone, to no copy */

static NOINLINE void touch(char *pages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((volatile char *)pages)[i * PAGE] = 1;
	remember_chain();
	stay();
}

static void tell(const char *name, size_t count)
{
	printf("case %s %zu", name, count);
	print_chain();
	puts("");
	fflush(stdout);
}

static NOINLINE void in_child(char *pages)
{
	touch(pages, COPIED);
	tell("copied", COPIED);
	touch(pages, COPIED); /* which are its own by now */
	munmap(pages, 11 * PAGE);
}

static NOINLINE void in_orphan(char *pages, int from)
{
	char gone;

	if (read(from, &gone, 1) == 0)
		touch(pages + COPIED * PAGE, TAKEN);
	tell("taken", TAKEN);
}

static NOINLINE void in_parent(void)
{
	char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pipes[2];

	if (pages == MAP_FAILED || pipe(pipes))
		exit(1);
	madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
	touch(pages, PAGES);
	tell("parent", PAGES);
	if (fork() == 0) {
		in_child(pages);
		exit(0);
	}
	wait(NULL);
	if (fork() == 0) {
		close(pipes[1]);
		in_orphan(pages, pipes[0]);
	}
	exit(0);
}

/* Waits until nobody has the other end of a pipe. */
int main(void)
{
	int pipes[2];
	char nothing;

	if (pipe(pipes))
		return 1;
	if (fork() == 0)
		in_parent();
	close(pipes[1]);
	return read(pipes[0], &nothing, 1) != 0;
}
