// SPDX-License-Identifier: GPL-2.0
/* Which other allocators are there?  See named.h. */
#include "user/heap/named.h"

#include <fnmatch.h>

/*
 * Names of libraries and programs; Go's runtime is in the program, but begins
 * at an address of its own (arenaHint in its malloc.go: x86-64, arm64).
 */
static const struct {
	const char *name, *file;
	uint64_t start;
} known[] = {
	{ "jemalloc", "libjemalloc*", 0 },
	{ "tcmalloc", "libtcmalloc*", 0 },
	{ "mimalloc", "libmimalloc*", 0 },
	{ "musl", "ld-musl-*", 0 },
	{ "Java's heap", "libjvm.so", 0 },
	{ "Ruby's objects", "libruby*", 0 },
	{ "JavaScript's heap (V8)", "libnode.so*", 0 },
	{ "JavaScript's heap (V8)", "node", 0 },
	{ "Go's heap", NULL, 0xc000000000 },
	{ "Go's heap", NULL, 0x4000000000 },
	{ "PHP's memory (Zend)", "php*[0-9]", 0 },
	{ "PHP's memory (Zend)", "libphp*.so*", 0 },
	{ "Erlang's memory", "beam.smp", 0 },
	{ ".NET's heap", "libcoreclr.so", 0 },
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

const char *named_allocator(size_t number)
{
	return number < KNOWN ? known[number].name : NULL;
}

static bool is_it(const struct image_mapping *mapping, size_t number)
{
	const char *file = known[number].file;

	if (!file)
		return mapping->writable && mapping->start == known[number].start &&
		       !*image_file_name(mapping);
	return !fnmatch(file, image_file_name(mapping), 0);
}

bool named_is_there(const struct image *image, size_t number)
{
	for (size_t i = 0; i < image->mapping_count; i++) {
		if (is_it(&image->mappings[i], number))
			return true;
	}
	return false;
}
