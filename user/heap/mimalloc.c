// SPDX-License-Identifier: GPL-2.0
/* What has mimalloc, and what of that is in use?  See mimalloc.h. */
#include "user/heap/mimalloc.h"

#include "user/base/cleanup.h"

#include <string.h>

#define SEGMENT_BYTES (32ULL << 20)
#define SLICE_BYTES (64ULL << 10)
#define SLICES 512
#define INFO_MOST 4 /* slices that a segment's own books take */
#define PLACES_MOST 8192
#define HEADER_BYTES 288
#define BOOKS_MOST (64 << 10)

enum kind { NORMAL, HUGE };

/* Offsets in struct mi_segment_s, and in struct mi_page_s, of which it has one for each slice. */
struct layout {
	uint16_t used, own_slices, kind, entries, slices;
	uint16_t slice_bytes, blocks, size; /* blocks in use, and how large they are */
	uint16_t blocks_bytes, size_bytes;
};

/* 2.1 and 2.2, without the GIL and with it; a page begins alike in all of them. */
static const struct layout layouts[] = {
	{ 208, 232, 240, 248, 264, 80, 24, 28, 4, 4 },
	{ 208, 232, 240, 248, 264, 96, 24, 28, 4, 4 },
	{ 216, 256, 264, 272, 288, 96, 32, 40, 2, 8 },
	{ 216, 256, 264, 272, 288, 112, 32, 40, 2, 8 },
};

#define COUNT_AT 0
#define OFFSET_AT 4
#define CAPACITY_AT 10
#define RESERVED_AT 12

struct segment {
	const struct layout *layout;
	const uint8_t *books;
	uint64_t address, bytes;
	uint64_t entries, own, pages;
};

static uint64_t number_at(const uint8_t *bytes, size_t offset, size_t width)
{
	uint64_t number = 0;

	memcpy(&number, bytes + offset, width);
	return number;
}

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
	return number_at(bytes, offset, sizeof(uint64_t));
}

/* ---- slices ---- */

static const uint8_t *slice_at(const struct segment *segment, uint64_t i)
{
	return segment->books + segment->layout->slices + i * segment->layout->slice_bytes;
}

static uint64_t block_bytes(const struct segment *segment, const uint8_t *slice)
{
	return number_at(slice, segment->layout->size, segment->layout->size_bytes);
}

static uint64_t used_blocks(const struct segment *segment, const uint8_t *slice)
{
	return number_at(slice, segment->layout->blocks, segment->layout->blocks_bytes);
}

/* A page, or a run of slices that is free: it has no size. */
static bool is_span(const struct segment *segment, const uint8_t *slice)
{
	uint64_t capacity = number_at(slice, CAPACITY_AT, 2);
	uint64_t bytes = number_at(slice, COUNT_AT, 4) * SLICE_BYTES;

	if (!bytes || number_at(slice, OFFSET_AT, 4))
		return false;
	return !block_bytes(segment, slice) ||
	       (capacity <= number_at(slice, RESERVED_AT, 2) &&
		used_blocks(segment, slice) <= capacity &&
		capacity <= bytes / block_bytes(segment, slice));
}

/* The first span is of the books themselves; all together fill the segment. */
static bool count_pages(struct segment *segment)
{
	uint64_t i = segment->own;

	segment->pages = 0;
	while (i < segment->entries) {
		const uint8_t *slice = slice_at(segment, i);

		if (!is_span(segment, slice))
			return false;
		segment->pages += block_bytes(segment, slice) != 0;
		i += number_at(slice, COUNT_AT, 4);
	}
	return i == segment->entries || word_at(segment->books, segment->layout->kind) == HUGE;
}

/* ---- segments ---- */

static bool is_header(const uint8_t *header, const struct layout *layout)
{
	uint64_t own = word_at(header, layout->own_slices);
	uint64_t entries = word_at(header, layout->entries);
	uint64_t kind = number_at(header, layout->kind, 4);

	/* How many slices there are comes before how many of them are its own. */
	return kind <= HUGE && own && own <= INFO_MOST && own < entries && entries <= SLICES &&
	       (kind == HUGE || word_at(header, layout->own_slices - 8u) == entries) &&
	       word_at(header, layout->used) <= entries;
}

/* As long as it says that it is, which may be more than there is. */
static uint64_t segment_bytes(const struct segment *segment, uint64_t room)
{
	uint64_t slices = word_at(segment->books, segment->layout->own_slices - 8u);

	return slices < room / SLICE_BYTES ? slices * SLICE_BYTES : room;
}

static void add_page(const struct segment *segment, struct mimalloc *mimalloc, const uint8_t *slice)
{
	uint64_t size = block_bytes(segment, slice), used = used_blocks(segment, slice);

	mimalloc->pages++;
	mimalloc->page_bytes += number_at(slice, COUNT_AT, 4) * SLICE_BYTES;
	mimalloc->used_blocks += used;
	mimalloc->used_bytes += used * size;
	mimalloc->free_block_bytes += (number_at(slice, CAPACITY_AT, 2) - used) * size;
}

static void add_segment(const struct image *image, struct mimalloc *mimalloc,
			const struct segment *segment)
{
	uint64_t end = segment->address + segment->bytes, at, after;

	mimalloc->complete &= segment->pages == word_at(segment->books, segment->layout->used);
	mimalloc->segments++;
	mimalloc->segment_bytes += segment->bytes;
	mimalloc->resident_bytes += image_resident_bytes(image, segment->address, end);
	for (uint64_t i = segment->own; i < segment->entries;) {
		const uint8_t *slice = slice_at(segment, i);

		at = segment->address + i * SLICE_BYTES;
		i += number_at(slice, COUNT_AT, 4);
		after = segment->address + i * SLICE_BYTES;
		if (block_bytes(segment, slice))
			add_page(segment, mimalloc, slice);
		else
			mimalloc->free_page_resident_bytes +=
				image_resident_bytes(image, at, after < end ? after : end);
	}
}

/* Given up when its last page went, but its memory is kept for the next one. */
static void add_former(const struct image *image, struct mimalloc *mimalloc,
		       const struct segment *segment)
{
	uint64_t bytes = image_resident_bytes(image, segment->address,
					      segment->address + segment->bytes);

	mimalloc->resident_bytes += bytes;
	mimalloc->free_page_resident_bytes += bytes;
}

static bool is_segment(struct segment *segment, const uint8_t *books, const struct layout *layout)
{
	if (!is_header(books, layout))
		return false;
	segment->layout = layout;
	segment->books = books;
	segment->own = word_at(books, layout->own_slices);
	segment->entries = word_at(books, layout->entries);
	return count_pages(segment);
}

/* How long it is, 0: none is there. */
static uint64_t try_place(const struct image *image, struct mimalloc *mimalloc, uint64_t address,
			  uint64_t room)
{
	cleanup_free uint8_t *books = NULL;
	uint8_t header[HEADER_BYTES];
	struct segment segment = { .address = address };
	size_t count;

	if (room < BOOKS_MOST || !image_read(image, address, header, sizeof(header)))
		return 0;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (!is_header(header, &layouts[i]))
			continue;
		if (!books)
			books = image_copy(image, address, address + BOOKS_MOST, BOOKS_MOST,
					   &count);
		if (!is_segment(&segment, books, &layouts[i]))
			continue;
		segment.bytes = segment_bytes(&segment, room);
		if (word_at(books, layouts[i].used))
			add_segment(image, mimalloc, &segment);
		else
			add_former(image, mimalloc, &segment);
		return segment.bytes;
	}
	return 0;
}

static uint64_t next_place(uint64_t address)
{
	return (address + SEGMENT_BYTES - 1) / SEGMENT_BYTES * SEGMENT_BYTES;
}

bool mimalloc_read(const struct image *image, struct mimalloc *mimalloc)
{
	size_t places = 0;

	*mimalloc = (struct mimalloc){ .complete = true };
	for (size_t i = 0; i < image->mapping_count; i++) {
		const struct image_mapping *mapping = &image->mappings[i];
		uint64_t at = next_place(mapping->start), bytes;

		if (!mapping->writable || mapping->path)
			continue;
		for (; at < mapping->end && mimalloc->complete; at = next_place(at + bytes)) {
			bytes = try_place(image, mimalloc, at, mapping->end - at);
			bytes += !bytes; /* then only one place further */
			mimalloc->complete &= places++ < PLACES_MOST &&
					      !image->expired(image->context);
		}
	}
	return mimalloc->segments;
}
