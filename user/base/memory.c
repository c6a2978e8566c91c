// SPDX-License-Identifier: GPL-2.0
/* Where does memory of our own come from?  See memory.h. */
#include "user/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *pointer)
{
	if (!pointer) {
		fputs("memtrace: out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *memory_new(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *memory_grow(void *array, size_t count, size_t size)
{
	/* Full at each power of two from 4 on. */
	if (count && (count < 4 || (count & (count - 1))))
		return array;
	return checked(reallocarray(array, count ? count * 2 : 4, size));
}

void *memory_trim(void *array, size_t count, size_t size)
{
	return checked(reallocarray(array, count ? count : 1, size));
}

void *memory_copy(const void *bytes, size_t count)
{
	char *copy = checked(malloc(count + 1));

	if (count)
		memcpy(copy, bytes, count);
	copy[count] = 0;
	return copy;
}
