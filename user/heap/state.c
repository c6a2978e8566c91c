// SPDX-License-Identifier: GPL-2.0
/* Where does glibc's malloc keep its books?  See state.h. */
#include "user/heap/state.h"

#include "user/base/cleanup.h"

#include <string.h>

/* Offsets in struct malloc_state. */
#define FAST_AT 0x10
#define TOP_AT 0x60
#define BINS_AT 0x70
#define NEXT_AT 0x870
#define SYSTEM_AT 0x888

#define BINS 127
#define EMPTY_BINS_LEAST 24 /* of 127: most sizes are in no bin */
#define DATA_MOST (2ULL << 20)

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

/* ---- arenas ---- */

/* An empty bin is a ring of itself, as if it were a chunk that begins 16 bytes before it. */
static bool is_empty_bin(const uint8_t *state, uint64_t address, size_t bin)
{
	size_t at = BINS_AT + 16 * bin;
	uint64_t itself = address + at - 16;

	return word_at(state, at) == itself && word_at(state, at + 8) == itself;
}

/* The last bin is never used; what comes behind it tells it from the one before. */
static bool is_arena(const uint8_t *state, uint64_t address)
{
	size_t empty = 0;

	if (!is_empty_bin(state, address, BINS - 1) || is_empty_bin(state, address, BINS))
		return false;
	for (size_t bin = 0; bin < BINS; bin++)
		empty += is_empty_bin(state, address, bin);
	return empty >= EMPTY_BINS_LEAST && word_at(state, TOP_AT) % 16 == 0;
}

static void take(struct arena_state *state, const uint8_t *bytes, uint64_t address)
{
	*state = (struct arena_state){
		.address = address,
		.top = word_at(bytes, TOP_AT),
		.next = word_at(bytes, NEXT_AT),
		.system_bytes = word_at(bytes, SYSTEM_AT),
	};
	memcpy(state->fast, bytes + FAST_AT, sizeof(state->fast));
}

bool arena_state_read(const struct image *image, uint64_t address, struct arena_state *state)
{
	uint8_t bytes[ARENA_STATE_BYTES];

	if (address % 8 || !image_read(image, address, bytes, sizeof(bytes)) ||
	    !is_arena(bytes, address))
		return false;
	take(state, bytes, address);
	return true;
}

/* ---- data of the C library ---- */

/* The C library, or a program that it is linked into. */
static bool may_have_malloc(const struct image *image, const struct image_mapping *mapping)
{
	const char *name = image_file_name(mapping);

	return mapping->writable && mapping->path &&
	       (!strncmp(name, "libc.so", 7) || !strncmp(name, "libc-", 5) ||
		(image->executable && !strcmp(mapping->path, image->executable)));
}

/* A bin in use may end a row of empty ones that looks like an arena, too: further down. */
static bool find_in(const struct image *image, const struct image_mapping *mapping,
		    struct arena_state *state)
{
	size_t count;
	cleanup_free uint8_t *data =
		image_copy(image, mapping->start, mapping->end, DATA_MOST, &count);

	for (size_t end = count / 8 * 8; end >= ARENA_STATE_BYTES; end -= 8) {
		size_t at = end - ARENA_STATE_BYTES;

		if (!is_arena(data + at, mapping->start + at))
			continue;
		take(state, data + at, mapping->start + at);
		return true;
	}
	return false;
}

/* A static program may map another C library, as a debugger does; its own has the heap. */
bool arena_state_find(const struct image *image, struct arena_state *state)
{
	for (size_t i = 0; i < image->mapping_count; i++) {
		if (may_have_malloc(image, &image->mappings[i]) &&
		    find_in(image, &image->mappings[i], state))
			return true;
	}
	return false;
}

/* ---- settings ---- */

/* Fields of struct malloc_par, by their distance from the one that has the heap's start. */
struct layout {
	size_t test, mmaps_most, mmaps, no_dynamic;
};

static const struct layout layouts[] = {
	{ .test = 72, .mmaps_most = 32, .mmaps = 36, .no_dynamic = 24 }, /* since 2.35 */
	{ .test = 48, .mmaps_most = 28, .mmaps = 32, .no_dynamic = 20 },
};

#define MMAPPED_BYTES_BEFORE 16
#define LONGEST_BEFORE 96
#define MMAPS_MOST 65536 /* by default, as that an arena more is made only if there are ... */
#define ARENAS_TEST 8

static uint32_t half_at(const uint8_t *bytes)
{
	uint32_t half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

static bool is_settings(const uint8_t *start, const struct layout *layout)
{
	return half_at(start - layout->mmaps_most) == MMAPS_MOST &&
	       word_at(start - layout->test, 0) == ARENAS_TEST;
}

static void take_settings(struct malloc_settings *settings, const uint8_t *start,
			  const struct layout *layout)
{
	const uint8_t *test = start - layout->test;

	settings->mmap_threshold = word_at(test - 8, 0);
	settings->top_pad = word_at(test - 16, 0);
	settings->trim_threshold = word_at(test - 24, 0);
	settings->is_dynamic = !half_at(start - layout->no_dynamic);
	settings->mmapped_count = half_at(start - layout->mmaps);
	settings->mmapped_bytes = word_at(start - MMAPPED_BYTES_BEFORE, 0);
}

static bool find_settings(const uint8_t *start, struct malloc_settings *settings)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (!is_settings(start, &layouts[i]))
			continue;
		take_settings(settings, start, &layouts[i]);
		return true;
	}
	return false;
}

bool malloc_settings_find(const struct image *image, const struct arena_state *main,
			  const struct image_mapping *heap, struct malloc_settings *settings)
{
	const struct image_mapping *mapping = image_find(image, main->address);
	cleanup_free uint8_t *data = NULL;
	size_t count;

	*settings = (struct malloc_settings){ 0 };
	if (!mapping)
		return false;
	data = image_copy(image, mapping->start, mapping->end, DATA_MOST, &count);
	for (size_t at = LONGEST_BEFORE; at + 8 <= count; at += 8) {
		settings->heap_start = word_at(data, at);
		if (settings->heap_start >= heap->start && settings->heap_start < heap->end &&
		    find_settings(data + at, settings))
			return true;
	}
	return false;
}
