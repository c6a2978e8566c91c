// SPDX-License-Identifier: GPL-2.0
/* A heap of so many MiB in blocks of so many bytes, of which each `kept`th stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER 16

int main(int count, char **words)
{
	static void **block; /* it stays */
	size_t mib, bytes, kept, blocks;

	if (count != 4)
		return 2;
	mib = strtoul(words[1], NULL, 0);
	bytes = strtoul(words[2], NULL, 0);
	kept = strtoul(words[3], NULL, 0) ?: 1;
	blocks = (mib << 20) / (bytes + HEADER);
	block = malloc((blocks + 1) * sizeof(*block));
	for (size_t i = 0; i < blocks; i++)
		block[i] = memset(malloc(bytes), 1, bytes);
	for (size_t i = 0; i < blocks; i++) {
		if (i % kept)
			free(block[i]);
	}
	puts("there");
	fflush(stdout);
	pause();
	return 0;
}
