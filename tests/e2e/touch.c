// SPDX-License-Identifier: GPL-2.0
/* Who touched memory?  A function with a name, when a line comes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BYTES (211 * 4096)

__attribute__((noinline)) void touch_shelf(volatile char *shelf)
{
	for (size_t i = 0; i < BYTES; i += 4096)
		shelf[i] = 1;
}

int main(void)
{
	char *shelf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(shelf, BYTES, MADV_NOHUGEPAGE);
	puts("ready");
	fflush(stdout);
	getchar();
	touch_shelf(shelf);
	puts("done");
	fflush(stdout);
	getchar();
	return 0;
}
