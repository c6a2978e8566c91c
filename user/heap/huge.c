// SPDX-License-Identifier: GPL-2.0
/* How much of huge pages was never written to?  See huge.h. */
#include "user/heap/huge.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <string.h>

#define HUGE_BYTES (2ULL << 20)
#define BLOCKS_READ 96 /* 192 MiB */

struct count {
	uint64_t pages, zeros;
};

static bool is_anonymous(const struct image_mapping *mapping)
{
	return mapping->writable && (!mapping->path || !strncmp(mapping->path, "[heap]", 6) ||
				     !strncmp(mapping->path, "[anon:", 6));
}

static uint64_t first_block(const struct image_mapping *mapping)
{
	return mapping->start / HUGE_BYTES + (mapping->start % HUGE_BYTES != 0);
}

static uint64_t blocks_of(const struct image_mapping *mapping)
{
	uint64_t first = first_block(mapping), end = mapping->end / HUGE_BYTES;

	return is_anonymous(mapping) && end > first ? end - first : 0;
}

/* Counts a block if all of it is there. */
static void read_block(const struct image *image, uint64_t block, uint8_t *bytes,
		       struct count *count)
{
	const size_t window = WINDOW_PAGES * image->page_bytes;
	struct count own = { 0 };

	for (uint64_t at = 0; at < HUGE_BYTES; at += window) {
		if (image->expired(image->context) ||
		    !image_read(image, block * HUGE_BYTES + at, bytes, window))
			return;
		for (size_t page = 0; page < window; page += image->page_bytes) {
			own.pages++;
			own.zeros += !bytes[page] && !memcmp(bytes + page, bytes + page + 1,
							     image->page_bytes - 1);
		}
	}
	count->pages += own.pages;
	count->zeros += own.zeros;
}

uint64_t huge_zero_bytes(const struct image *image, uint64_t huge_bytes)
{
	cleanup_free uint8_t *bytes = memory_new(WINDOW_PAGES, image->page_bytes);
	uint64_t blocks = 0, step, number = 0;
	struct count count = { 0 };

	if (!image->page_bytes || HUGE_BYTES % (WINDOW_PAGES * image->page_bytes))
		return 0;
	for (size_t i = 0; i < image->mapping_count; i++)
		blocks += blocks_of(&image->mappings[i]);
	step = blocks / BLOCKS_READ + 1;
	for (size_t i = 0; i < image->mapping_count; i++) {
		uint64_t own = blocks_of(&image->mappings[i]);
		uint64_t skipped = (step - number % step) % step;

		for (uint64_t at = skipped; at < own; at += step)
			read_block(image, first_block(&image->mappings[i]) + at, bytes, &count);
		number += own;
	}
	return count.pages ? (uint64_t)((double)huge_bytes * (double)count.zeros /
					(double)count.pages) : 0;
}
