// SPDX-License-Identifier: GPL-2.0
/* Which chunks of a heap are in a list of free ones?  See marks.h. */
#include "user/heap/marks.h"

#include "user/base/memory.h"

#include <stdlib.h>

#define CHUNK_ALIGNMENT 16

void marks_add_region(struct marks *marks, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	marks->regions = memory_grow(marks->regions, marks->count, sizeof(*marks->regions));
	marks->regions[marks->count++] = (struct marks_region){ .start = start, .end = end };
}

void marks_free(struct marks *marks)
{
	for (size_t i = 0; i < marks->count; i++)
		free(marks->regions[i].bits);
	free(marks->regions);
	*marks = (struct marks){ 0 };
}

static bool is_in(const struct marks_region *region, uint64_t address)
{
	return address >= region->start && address < region->end;
}

static struct marks_region *region_of(struct marks *marks, uint64_t address)
{
	if (marks->last < marks->count && is_in(&marks->regions[marks->last], address))
		return &marks->regions[marks->last];
	for (size_t i = 0; i < marks->count; i++) {
		if (!is_in(&marks->regions[i], address))
			continue;
		marks->last = i;
		return &marks->regions[i];
	}
	return NULL;
}

bool marks_covers(struct marks *marks, uint64_t address)
{
	return region_of(marks, address) && address % CHUNK_ALIGNMENT == 0;
}

static bool make_bits(struct marks *marks, struct marks_region *region)
{
	uint64_t bytes = (region->end - region->start) / CHUNK_ALIGNMENT / 8 + 1;

	if (region->bits)
		return true;
	if (bytes > MARKS_MOST - marks->bytes)
		return false;
	region->bits = memory_new(bytes, 1);
	marks->bytes += bytes;
	return true;
}

bool marks_set(struct marks *marks, uint64_t address)
{
	struct marks_region *region = region_of(marks, address);
	uint64_t number = region ? (address - region->start) / CHUNK_ALIGNMENT : 0;
	uint8_t bit = 1U << number % 8;

	if (!region || !make_bits(marks, region) || region->bits[number / 8] & bit)
		return false;
	region->bits[number / 8] |= bit;
	return true;
}

bool marks_has(struct marks *marks, uint64_t address)
{
	const struct marks_region *region = region_of(marks, address);
	uint64_t number = region ? (address - region->start) / CHUNK_ALIGNMENT : 0;

	return region && region->bits && region->bits[number / 8] >> number % 8 & 1;
}
