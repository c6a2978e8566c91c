// SPDX-License-Identifier: GPL-2.0
/* A target whose memory is held by known code: with each line read it goes a step on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_BYTES (8 << 20)
#define GIVEN_BACK_BYTES (3 << 20)
#define ITEMS 20011
#define ITEM_BYTES 512

struct item {
	struct item *next;
	char bytes[ITEM_BYTES];
};

static struct item *list;

static __attribute__((noinline)) char *hold_buffer(void)
{
	char *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(buffer, BUFFER_BYTES, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < BUFFER_BYTES; i += 4096)
		((volatile char *)buffer)[i] = 1;
	return buffer;
}

static __attribute__((noinline)) void hold_list(void)
{
	for (size_t i = 0; i < ITEMS; i++) {
		struct item *item = malloc(sizeof(*item));

		memset(item, 1, sizeof(*item));
		item->next = list;
		list = item;
	}
}

static void step(const char *word)
{
	char line[8];

	puts(word);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		_exit(0);
}

int main(void)
{
	char *buffer;

	step("ready");
	buffer = hold_buffer();
	hold_list();
	madvise(buffer, GIVEN_BACK_BYTES, MADV_DONTNEED);
	step("held");
	return 0;
}
