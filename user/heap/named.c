// SPDX-License-Identifier: GPL-2.0
/* Which other allocators are there?  See named.h. */
#include "user/heap/named.h"

#include <string.h>

/* The beginning of a library's name. */
static const struct {
	const char *name, *library;
} known[] = {
	{ "jemalloc", "libjemalloc" }, { "tcmalloc", "libtcmalloc" },
	{ "mimalloc", "libmimalloc" }, { "musl", "ld-musl-" },
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

const char *named_allocator(size_t number)
{
	return number < KNOWN ? known[number].name : NULL;
}

bool named_is_there(const struct image *image, size_t number)
{
	const char *library = known[number].library;

	for (size_t i = 0; i < image->mapping_count; i++) {
		if (!strncmp(image_file_name(&image->mappings[i]), library, strlen(library)))
			return true;
	}
	return false;
}
