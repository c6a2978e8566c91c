// SPDX-License-Identifier: GPL-2.0
/* What lies in a heap of glibc's malloc?  See chunk.h. */
#include "user/heap/chunk.h"

#define ALIGNMENT 16
#define HEADER_BYTES 48 /* what malloc_trim() leaves alone of a free chunk, struct malloc_chunk */
#define FENCE_ROOM 64	/* a fence is not farther than that from the end of its heap */

struct walk {
	struct window *window;
	struct marks *marks;
	struct chunk_sums *sums;
	uint64_t end;
	uint64_t run; /* where the free chunks begin that come before this one; 0: none */
};

/* Of the pages that lie in a range as a whole, those that are not there. */
static uint64_t absent_bytes(const struct image *image, uint64_t start, uint64_t end,
			     uint64_t resident)
{
	const uint64_t first = (start + image->page_bytes - 1) / image->page_bytes;
	const uint64_t last = end / image->page_bytes;

	return last > first ? (last - first) * image->page_bytes - resident : 0;
}

/* Free chunks side by side become one before they are trimmed. */
static void end_run(struct walk *walk, uint64_t end)
{
	const struct image *image = walk->window->image;
	struct chunk_sums *sums = walk->sums;
	uint64_t start = walk->run + HEADER_BYTES, bytes = 0;

	if (!walk->run)
		return;
	if (end - walk->run > image->page_bytes)
		bytes = image_resident_bytes(image, start, end);
	sums->free_resident_bytes += end - walk->run - absent_bytes(image, start, end, bytes);
	sums->trim_bytes += bytes;
	if (bytes > sums->largest_bytes) {
		sums->largest_bytes = bytes;
		sums->above_count = sums->above_bytes = 0;
	}
	walk->run = 0;
}

static void add_chunk(struct walk *walk, uint64_t address, uint64_t bytes, bool used)
{
	struct chunk_sums *sums = walk->sums;

	if (!used || marks_has(walk->marks, address)) {
		sums->free_count++;
		sums->free_bytes += bytes;
		walk->run = walk->run ? walk->run : address;
		return;
	}
	end_run(walk, address);
	sums->used_count++;
	sums->used_bytes += bytes;
	sums->above_count++;
	sums->above_bytes += bytes;
	sums->last_address = address;
	sums->last_bytes = bytes;
}

static bool is_chunk(const struct walk *walk, uint64_t address, uint64_t bytes)
{
	return bytes >= CHUNK_LEAST && bytes % ALIGNMENT == 0 && bytes <= walk->end - address;
}

static bool is_fence(const struct walk *walk, uint64_t address, uint64_t bytes)
{
	return bytes < CHUNK_LEAST && walk->end - address <= FENCE_ROOM;
}

bool chunk_walk(struct window *window, struct marks *marks, uint64_t start, uint64_t end,
		struct chunk_sums *sums)
{
	struct walk walk = { .window = window, .marks = marks, .sums = sums, .end = end };
	uint64_t address = start, head, next;
	bool reached = window_word(window, address + 8, &head);

	while (reached && address < end) {
		uint64_t bytes = head & ~CHUNK_FLAGS;

		if (is_fence(&walk, address, bytes))
			break;
		reached = is_chunk(&walk, address, bytes) &&
			  window_word(window, address + bytes + 8, &next);
		if (!reached)
			break;
		add_chunk(&walk, address, bytes, next & CHUNK_BEFORE_USED);
		address += bytes;
		head = next;
	}
	end_run(&walk, address);
	return reached;
}
