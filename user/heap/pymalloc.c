// SPDX-License-Identifier: GPL-2.0
/* What has CPython's own allocator, and what of that is in use?  See pymalloc.h. */
#include "user/heap/pymalloc.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <string.h>

#define DATA_MOST (8ULL << 20)
#define POINTERS_MOST (1 << 20)
#define ENTRIES_TRIED 16 /* the first arenas[] has so many */
#define ARENAS_MOST (1 << 16)
#define POOLS 64 /* of an arena; one less where it does not begin where a pool may */
#define SIZES 64
#define SPARSE_SHARE 8

/* struct arena_object; only `next` is set where `address` is 0. */
struct arena {
	uint64_t address;
	uint64_t unused; /* where the first pool is that was never begun */
	uint32_t free_pools, pools;
	uint64_t free_pool, next, before;
};

/* struct pool_header. */
struct pool {
	uint32_t used, unused;
	uint64_t free_block, next, before;
	uint32_t arena, size; /* the number of its arena; its size's: 0 are 16 bytes */
	uint32_t offset, last_offset;
};

_Static_assert(sizeof(struct arena) == 48 && sizeof(struct pool) == 48, "as CPython has them");

static bool is_anonymous(const struct image *image, uint64_t address)
{
	const struct image_mapping *mapping = image_find(image, address);

	return mapping && mapping->writable && (!mapping->path || mapping->path[0] == '[');
}

/* ---- pools ---- */

static uint32_t block_bytes(const struct pool *pool)
{
	return (pool->size + 1) * 16;
}

/* The offset of a pool's last block tells how large the pool is. */
static uint64_t pool_bytes_of(const struct pool *pool)
{
	return pool->size < SIZES ? (uint64_t)pool->last_offset + block_bytes(pool) : 0;
}

static bool is_pool(const struct pymalloc *pymalloc, const struct pool *pool, uint32_t arena)
{
	return pool->arena == arena && pool_bytes_of(pool) == pymalloc->pool_bytes &&
	       pool->used <= (pymalloc->pool_bytes - sizeof(*pool)) / block_bytes(pool);
}

static void add_pool(const struct image *image, struct pymalloc *pymalloc, uint64_t address,
		     const struct pool *pool)
{
	uint64_t bytes = block_bytes(pool), room;

	if (!pool->used) {
		pymalloc->free_pools++;
		pymalloc->free_pool_resident_bytes +=
			image_resident_bytes(image, address, address + pymalloc->pool_bytes);
		return;
	}
	room = (pymalloc->pool_bytes - sizeof(*pool)) / bytes;
	pymalloc->used_blocks += pool->used;
	pymalloc->used_bytes += pool->used * bytes;
	pymalloc->free_block_bytes += (room - pool->used) * bytes;
}

/* ---- arenas ---- */

static uint64_t first_pool(const struct pymalloc *pymalloc, const struct arena *arena)
{
	return (arena->address + pymalloc->pool_bytes - 1) / pymalloc->pool_bytes *
	       pymalloc->pool_bytes;
}

static void add_arena(const struct image *image, struct pymalloc *pymalloc,
		      const struct arena *arena, uint32_t number)
{
	const struct pymalloc before = *pymalloc;
	uint64_t address = first_pool(pymalloc, arena);
	uint32_t begun = 0;
	struct pool pool;

	for (; address < arena->unused && begun < arena->pools; address += pymalloc->pool_bytes) {
		begun++;
		if (image_read(image, address, &pool, sizeof(pool)) &&
		    is_pool(pymalloc, &pool, number))
			add_pool(image, pymalloc, address, &pool);
		else
			pymalloc->complete = false;
	}
	pymalloc->unused_pools += arena->pools - begun;
	pymalloc->arenas++;
	pymalloc->arena_bytes += POOLS * pymalloc->pool_bytes;
	if (pymalloc->used_bytes - before.used_bytes <
	    POOLS * pymalloc->pool_bytes / SPARSE_SHARE) {
		pymalloc->sparse_arenas++;
		pymalloc->sparse_blocks += pymalloc->used_blocks - before.used_blocks;
		pymalloc->sparse_bytes += pymalloc->used_bytes - before.used_bytes;
	}
}

static bool is_arena(const struct image *image, const struct arena *arena)
{
	if (!arena->address)
		return !arena->next || is_anonymous(image, arena->next);
	return arena->address % 4096 == 0 && arena->pools >= POOLS - 2 && arena->pools <= POOLS &&
	       arena->free_pools <= arena->pools && arena->unused >= arena->address &&
	       arena->unused - arena->address <= 1 << 20 && is_anonymous(image, arena->address);
}

/* An entry of the table, word by word: it may lie across two pages. */
static bool read_arena(struct window *window, uint64_t table, uint32_t number,
		       struct arena *arena)
{
	uint64_t words[sizeof(*arena) / 8] = { 0 };

	for (size_t i = 0; i < sizeof(*arena) / 8; i++) {
		if (!window_word(window, table + number * sizeof(*arena) + i * 8, &words[i]))
			return false;
	}
	memcpy(arena, words, sizeof(*arena));
	return is_arena(window->image, arena);
}

/* It may be the table. */
static bool is_table(struct window *window, uint64_t table)
{
	struct arena arena;
	size_t count = 0;

	for (uint32_t i = 0; i < ENTRIES_TRIED; i++) {
		if (!read_arena(window, table, i, &arena))
			return false;
		count += arena.address != 0;
	}
	return count;
}

static uint32_t count_arenas(struct window *window, uint64_t table)
{
	struct arena arena;
	uint32_t count = 0;

	for (uint32_t i = 0; i < ARENAS_MOST && read_arena(window, table, i, &arena); i++)
		count += arena.address != 0;
	return count;
}

/* A pool of the first arena that has one tells how large they are. */
static bool learn_pools(struct window *window, struct pymalloc *pymalloc, uint64_t table)
{
	static const uint64_t sizes[] = { 16384, 4096 }; /* since 3.10, and before */
	struct arena arena;
	struct pool pool;

	for (uint32_t i = 0; i < 2 * ENTRIES_TRIED; i++) {
		uint32_t number = i / 2;

		pymalloc->pool_bytes = sizes[i % 2];
		if (read_arena(window, table, number, &arena) && arena.address &&
		    first_pool(pymalloc, &arena) < arena.unused &&
		    image_read(window->image, first_pool(pymalloc, &arena), &pool, sizeof(pool)) &&
		    is_pool(pymalloc, &pool, number))
			return true;
	}
	return false;
}

static void read_table(struct window *window, struct pymalloc *pymalloc, uint64_t table)
{
	const struct image *image = window->image;
	struct arena arena;

	pymalloc->complete = learn_pools(window, pymalloc, table);
	for (uint32_t i = 0; pymalloc->complete && i < ARENAS_MOST; i++) {
		if (!read_arena(window, table, i, &arena))
			break;
		if (arena.address)
			add_arena(image, pymalloc, &arena, i);
		pymalloc->complete &= !image->expired(image->context);
	}
}

/* ---- where the table is ---- */

static bool is_python(const struct image *image, const struct image_mapping *mapping)
{
	return mapping->writable && mapping->path &&
	       (strstr(image_file_name(mapping), "python") ||
		(image->executable && !strcmp(mapping->path, image->executable)));
}

/* What is 0 at first lies behind the file's part. */
static bool is_behind(const struct image *image, size_t i)
{
	const struct image_mapping *mapping = &image->mappings[i];

	return i && mapping->writable && !mapping->path &&
	       mapping->start == image->mappings[i - 1].end &&
	       is_python(image, &image->mappings[i - 1]);
}

/* Words that point to where a table may be. */
struct pointers {
	uint64_t *at;
	size_t count;
};

static void add_pointers(const struct image *image, const struct image_mapping *mapping,
			 struct pointers *pointers)
{
	size_t count;
	cleanup_free uint8_t *data =
		image_copy(image, mapping->start, mapping->end, DATA_MOST, &count);
	uint64_t word;

	for (size_t at = 0; at + 8 <= count && pointers->count < POINTERS_MOST; at += 8) {
		memcpy(&word, data + at, sizeof(word));
		if (word < 4096 || word % 16 || !is_anonymous(image, word))
			continue;
		pointers->at = memory_grow(pointers->at, pointers->count, sizeof(word));
		pointers->at[pointers->count++] = word;
	}
}

static int by_address(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* There are pointers into the table, too, and to copies of it from when it had less room. */
static uint64_t choose(struct window *window, struct pointers *pointers)
{
	uint64_t table = 0;
	uint32_t most = 0;

	/* So that each page is read once. */
	if (pointers->count)
		qsort(pointers->at, pointers->count, sizeof(*pointers->at), by_address);
	for (size_t i = 0; i < pointers->count; i++) {
		struct pymalloc pools;
		uint32_t arenas;

		if ((i && pointers->at[i] == pointers->at[i - 1]) ||
		    !is_table(window, pointers->at[i]) ||
		    !learn_pools(window, &pools, pointers->at[i]))
			continue;
		arenas = count_arenas(window, pointers->at[i]);
		table = arenas > most ? pointers->at[i] : table;
		most = arenas > most ? arenas : most;
	}
	return table;
}

bool pymalloc_read(const struct image *image, struct pymalloc *pymalloc)
{
	struct pointers pointers = { 0 };
	struct window window;
	uint64_t table;

	for (size_t i = 0; i < image->mapping_count; i++) {
		if (is_python(image, &image->mappings[i]) || is_behind(image, i))
			add_pointers(image, &image->mappings[i], &pointers);
	}
	*pymalloc = (struct pymalloc){ 0 };
	window_open(&window, image);
	table = choose(&window, &pointers);
	if (table)
		read_table(&window, pymalloc, table);
	window_close(&window);
	free(pointers.at);
	return pymalloc->arenas;
}
