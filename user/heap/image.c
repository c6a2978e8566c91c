// SPDX-License-Identifier: GPL-2.0
/* How is the memory of another process looked at?  See image.h. */
#include "user/heap/image.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define PAGES_AT_ONCE 4096

const char *image_file_name(const struct image_mapping *mapping)
{
	const char *slash = mapping->path ? strrchr(mapping->path, '/') : NULL;

	return slash ? slash + 1 : "";
}

const struct image_mapping *image_find(const struct image *image, uint64_t address)
{
	size_t low = 0, high = image->mapping_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < image->mapping_count && image->mappings[low].start <= address ?
		       &image->mappings[low] : NULL;
}

uint64_t image_resident_bytes(const struct image *image, uint64_t start, uint64_t end)
{
	const uint64_t page = image->page_bytes;
	bool is[PAGES_AT_ONCE];
	uint64_t count = 0;

	if (start > UINT64_MAX - page)
		return 0;
	start = (start + page - 1) / page * page;
	while (start < end && end - start >= page && !image->expired(image->context)) {
		uint64_t pages = (end - start) / page;

		if (pages > PAGES_AT_ONCE)
			pages = PAGES_AT_ONCE;
		if (!image->resident(image->context, start, is, pages))
			break;
		for (uint64_t i = 0; i < pages; i++)
			count += is[i];
		start += pages * page;
	}
	return count * page;
}

bool image_read(const struct image *image, uint64_t address, void *bytes, size_t count)
{
	const uint64_t page = image->page_bytes, first = address / page * page;
	const uint64_t pages = (address - first + count + page - 1) / page;
	bool is[WINDOW_PAGES];

	if (pages > WINDOW_PAGES || address > UINT64_MAX - WINDOW_PAGES * page ||
	    !image->resident(image->context, first, is, pages))
		return false;
	for (uint64_t i = 0; i < pages; i++) {
		if (!is[i])
			return false;
	}
	return image->read(image->context, address, bytes, count);
}

uint8_t *image_copy(const struct image *image, uint64_t start, uint64_t end, size_t most,
		    size_t *count)
{
	const uint64_t page = image->page_bytes;
	uint8_t *bytes;

	*count = end - start > most ? most : end - start;
	bytes = memory_new(*count, 1);
	for (uint64_t at = 0; at + page <= *count; at += page)
		image_read(image, start + at, bytes + at, page);
	return bytes;
}

/* ---- the window ---- */

void window_open(struct window *window, const struct image *image)
{
	*window = (struct window){ .image = image };
	window->data = memory_new(WINDOW_PAGES, image->page_bytes);
}

void window_close(struct window *window)
{
	free(window->data);
	window->data = NULL;
}

static bool has(const struct window *window, uint64_t address)
{
	return address >= window->start && window->bytes >= sizeof(uint64_t) &&
	       address - window->start <= window->bytes - sizeof(uint64_t);
}

/* Twice as much as before where it goes on with the next page. */
static size_t pages_wanted(struct window *window, bool goes_on)
{
	window->pages = !goes_on ? 1 : window->pages * 2;
	if (window->pages > WINDOW_PAGES)
		window->pages = WINDOW_PAGES;
	return window->pages;
}

/* Of the pages from `start` on, those around the one that is wanted that are resident. */
static bool read_around(struct window *window, uint64_t start, size_t pages, size_t wanted)
{
	const struct image *image = window->image;
	const uint64_t page = image->page_bytes;
	size_t first = wanted, end = wanted + 1;
	bool is[WINDOW_PAGES];

	window->bytes = 0;
	if (!image->resident(image->context, start, is, pages) || !is[wanted])
		return false;
	while (first > 0 && is[first - 1])
		first--;
	while (end < pages && is[end])
		end++;
	if (!image->read(image->context, start + first * page, window->data,
			 (end - first) * page))
		return false;
	window->start = start + first * page;
	window->bytes = (end - first) * page;
	return true;
}

/* Upwards chunks are walked, downwards lists of what was freed one after the other. */
static bool move(struct window *window, uint64_t address)
{
	const uint64_t page = window->image->page_bytes;
	uint64_t wanted = address / page * page, start = wanted;
	bool up = wanted == window->start + window->bytes && window->bytes;
	bool down = wanted + page == window->start && window->bytes;
	size_t pages = pages_wanted(window, up || down);

	if (window->image->expired(window->image->context))
		return false;
	if (down && wanted >= pages * page)
		start = wanted - (pages - 1) * page;
	if (start > UINT64_MAX - pages * page)
		return false;
	return read_around(window, start, pages, (wanted - start) / page);
}

bool window_word(struct window *window, uint64_t address, uint64_t *word)
{
	const uint64_t page = window->image->page_bytes;

	if (!has(window, address) &&
	    (address % page > page - sizeof(*word) || !move(window, address) ||
	     !has(window, address)))
		return false;
	memcpy(word, window->data + (address - window->start), sizeof(*word));
	return true;
}
