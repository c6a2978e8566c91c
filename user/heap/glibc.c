// SPDX-License-Identifier: GPL-2.0
/* What has glibc's malloc from the kernel, and what of that is in use?  See glibc.h. */
#include "user/heap/glibc.h"

#include <string.h>

#define HEAP_BYTES (64ULL << 20) /* the most that a heap of a thread has; their alignment */
#define HEAP_HEAD_MOST 0x40	 /* struct heap_info, before the arena in its first heap */
#define ARENAS_MOST 4096
#define HEAPS_MOST 1024 /* of one arena */

struct reading {
	const struct image *image;
	struct window window;
	struct marks marks;
	struct glibc_heap *heap;
};

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* ---- lists of free chunks that look like used ones ---- */

/*
 * Since 2.32 a pointer in a list has the address of where it lies, in pages, mixed in; the last
 * one, which is NULL, too.  Returns 0 at the end of the list.
 */
static uint64_t next_in_list(struct reading *reading, uint64_t at, uint64_t header)
{
	uint64_t word, plain;

	if (!window_word(&reading->window, at, &word) || !word)
		return 0;
	plain = word ^ at >> 12;
	if (plain >= header && marks_covers(&reading->marks, plain - header))
		return plain;
	return marks_covers(&reading->marks, word - header) ? word : 0;
}

/* Chunks that are in use by themselves: none is there twice. */
static void mark_fast(struct reading *reading, const struct arena_state *arena)
{
	for (size_t bin = 0; bin < FAST_BINS; bin++) {
		uint64_t chunk = arena->fast[bin];

		while (chunk && marks_set(&reading->marks, chunk))
			chunk = next_in_list(reading, chunk + 16, 0);
	}
}

/* struct tcache_perthread_struct: how many there are of each size, and where the first is. */
#define CACHE_SIZES 64
#define CACHE_CHUNK_BYTES 0x290 /* 2.30 and newer */
#define CACHE_LISTS_AT (16 + 2 * CACHE_SIZES)
#define CACHED_MOST 64 /* of a size; 7 by default */

static bool list_has(struct reading *reading, uint64_t first, uint64_t wanted)
{
	uint64_t at = first;

	for (size_t i = 0; i < CACHED_MOST && at; i++) {
		if (at == wanted)
			return true;
		at = next_in_list(reading, at, 16);
	}
	return false;
}

/* The main thread's is the first chunk of the heap. */
static bool is_cached(struct reading *reading, uint64_t start, uint64_t chunk)
{
	uint64_t head, first;

	if (!window_word(&reading->window, start + 8, &head) ||
	    (head & ~CHUNK_FLAGS) != CACHE_CHUNK_BYTES)
		return false;
	for (size_t i = 0; i < CACHE_SIZES; i++) {
		uint64_t at = start + CACHE_LISTS_AT + 8 * i;

		if (window_word(&reading->window, at, &first) && first &&
		    list_has(reading, first, chunk + 16))
			return true;
	}
	return false;
}

/* ---- the main arena ---- */

static const struct image_mapping *brk_area(const struct image *image)
{
	for (size_t i = 0; i < image->mapping_count; i++) {
		const char *path = image->mappings[i].path;

		if (path && !strcmp(path, "[heap]"))
			return &image->mappings[i];
	}
	return NULL;
}

/* Who used brk before malloc, as a static program for its main thread, has what is below. */
static uint64_t start_of_heap(struct reading *reading, const struct arena_state *arena,
			      const struct image_mapping *area)
{
	struct glibc_heap *heap = reading->heap;

	heap->has_settings = malloc_settings_find(reading->image, arena, area, &heap->settings);
	return round_up(heap->has_settings ? heap->settings.heap_start : area->start, 16);
}

static void add_top(struct reading *reading, struct glibc_arenas *arenas, uint64_t top)
{
	const struct image_mapping *mapping = image_find(reading->image, top);
	uint64_t head;

	if (!mapping || !window_word(&reading->window, top + 8, &head))
		return;
	head &= ~CHUNK_FLAGS;
	if (head > mapping->end - top)
		return;
	arenas->top_bytes += head;
	arenas->top_resident_bytes +=
		image_resident_bytes(reading->image, top + CHUNK_LEAST, top + head);
}

static bool read_main(struct reading *reading, const struct arena_state *arena)
{
	const struct image_mapping *area = brk_area(reading->image);
	struct glibc_arenas *main = &reading->heap->main;
	uint64_t start = area ? start_of_heap(reading, arena, area) : 0;

	if (!area || arena->top < start)
		return false;
	main->count = 1;
	main->system_bytes = arena->system_bytes;
	marks_add_region(&reading->marks, start, arena->top);
	mark_fast(reading, arena);
	reading->heap->complete = chunk_walk(&reading->window, &reading->marks, start, arena->top,
					     &main->chunks);
	add_top(reading, main, arena->top);
	reading->heap->last_is_cached =
		main->chunks.last_address && is_cached(reading, start, main->chunks.last_address);
	return true;
}

/* ---- arenas of threads ---- */

struct sub_heap {
	uint64_t arena, before, bytes; /* struct heap_info begins with them */
};

static bool read_sub_heap(struct reading *reading, uint64_t base, uint64_t arena,
			  struct sub_heap *heap)
{
	return window_word(&reading->window, base, &heap->arena) && heap->arena == arena &&
	       window_word(&reading->window, base + 8, &heap->before) &&
	       heap->before % HEAP_BYTES == 0 &&
	       window_word(&reading->window, base + 16, &heap->bytes) &&
	       heap->bytes <= HEAP_BYTES;
}

/* An arena's first heap has its books at the beginning. */
static uint64_t first_chunk(uint64_t base, uint64_t arena, uint64_t head_bytes)
{
	if (arena - base <= HEAP_HEAD_MOST)
		return round_up(arena + ARENA_STATE_BYTES, 16);
	return base + head_bytes;
}

/* Newest first; `ends` has where the chunks of each end. */
struct heaps {
	size_t count;
	uint64_t base[HEAPS_MOST], end[HEAPS_MOST];
};

static bool list_heaps(struct reading *reading, const struct arena_state *arena,
		       struct heaps *heaps)
{
	uint64_t base = arena->top / HEAP_BYTES * HEAP_BYTES;
	struct sub_heap heap;

	for (heaps->count = 0; heaps->count < HEAPS_MOST && base; heaps->count++) {
		if (!read_sub_heap(reading, base, arena->address, &heap))
			return false;
		heaps->base[heaps->count] = base;
		heaps->end[heaps->count] = heaps->count ? base + heap.bytes : arena->top;
		base = heap.before;
	}
	return !base && heaps->count &&
	       arena->address - heaps->base[heaps->count - 1] <= HEAP_HEAD_MOST;
}

static bool read_arena(struct reading *reading, const struct arena_state *arena)
{
	struct glibc_arenas *threads = &reading->heap->threads;
	struct marks marks = reading->marks;
	struct heaps heaps;
	uint64_t head_bytes;
	bool complete = true;

	if (!list_heaps(reading, arena, &heaps))
		return false;
	head_bytes = arena->address - heaps.base[heaps.count - 1];
	reading->marks = (struct marks){ .bytes = marks.bytes };
	for (size_t i = 0; i < heaps.count; i++)
		marks_add_region(&reading->marks, heaps.base[i], heaps.end[i]);
	mark_fast(reading, arena);
	for (size_t i = 0; i < heaps.count; i++)
		complete &= chunk_walk(&reading->window, &reading->marks,
				       first_chunk(heaps.base[i], arena->address, head_bytes),
				       heaps.end[i], &threads->chunks);
	add_top(reading, threads, arena->top);
	threads->count++;
	threads->system_bytes += arena->system_bytes;
	marks_free(&reading->marks);
	reading->marks = marks;
	return complete;
}

static bool read_threads(struct reading *reading, const struct arena_state *main)
{
	struct arena_state arena = *main;
	bool complete = true;

	for (size_t i = 0; i < ARENAS_MOST && arena.next != main->address; i++) {
		if (!arena_state_read(reading->image, arena.next, &arena))
			return false;
		complete &= read_arena(reading, &arena);
	}
	return complete;
}

bool glibc_heap_read(const struct image *image, struct glibc_heap *heap)
{
	struct reading reading = { .image = image, .heap = heap };
	struct arena_state main;
	bool found;

	*heap = (struct glibc_heap){ 0 };
	if (!arena_state_find(image, &main))
		return false;
	window_open(&reading.window, image);
	found = read_main(&reading, &main);
	if (main.next != main.address) {
		bool all = read_threads(&reading, &main);

		heap->complete = all && (heap->complete || !found);
		found = true;
	}
	marks_free(&reading.marks);
	window_close(&reading.window);
	return found;
}
