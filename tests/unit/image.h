/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the memory of a process look like whose heaps are known?  A few pages, in which are
 * a main arena, one of a thread, one of Python, and a segment of mimalloc.
 */
#ifndef MEMTRACE_TESTS_IMAGE_H
#define MEMTRACE_TESTS_IMAGE_H

#include "user/heap/image.h"

#include <string.h>

#define PAGE 4096
#define PATIENCE 100000 /* how often it is asked whether there is time */

#define LIBC 0x7fff00000000UL
#define HEAP 0x555500000000UL
#define THREAD 0x7f0000000000UL
#define PYTHON 0x7ffe00000000UL
#define TABLE 0x7e0000000000UL
#define ARENA 0x7d0000000000UL
#define SEGMENT 0x7fffc0000000UL

#define MAIN_STATE (LIBC + 0x100)
#define SETTINGS (LIBC + 0xb00) /* the last of them */
#define THREAD_STATE (THREAD + 0x30)
#define HEAP_PAGES 16
#define THREAD_PAGES 4
#define POOLS_BEGUN 3

/* Chunks of the main heap, in the order of their addresses. */
#define FIRST (HEAP + 0x290)
#define HOLE (FIRST + 0x400)
#define PIN (HOLE + 0x5000)
#define FAST (PIN + 0x1000)
#define LAST (FAST + 0x40)
#define TOP (LAST + 0x40)

#define THREAD_FIRST (THREAD + 0x8d0)
#define THREAD_HOLE (THREAD_FIRST + 0x100)
#define THREAD_LAST (THREAD_HOLE + 0x2000)
#define THREAD_TOP (THREAD_LAST + 0x20)

struct fake_region {
	uint64_t start, pages;
	const char *path;
	uint64_t mapped; /* pages, too: behind the others none is resident */
};

static const struct fake_region fake_regions[] = {
	{ HEAP, HEAP_PAGES, "[heap]", HEAP_PAGES },
	{ ARENA, POOLS_BEGUN, NULL, 64 },
	{ TABLE, 1, NULL, 1 },
	{ THREAD, THREAD_PAGES, NULL, 16384 },
	{ PYTHON, 1, "/usr/bin/python3.9", 1 },
	{ LIBC, 1, "/lib/libc.so.6", 1 },
	{ SEGMENT, 1, NULL, 8192 },
};

#define FAKE_REGIONS (sizeof(fake_regions) / sizeof(fake_regions[0]))
#define FAKE_PAGES (HEAP_PAGES + POOLS_BEGUN + 1 + THREAD_PAGES + 1 + 1 + 1)

struct fake {
	uint8_t bytes[FAKE_PAGES * PAGE];
	bool absent[FAKE_PAGES];
	size_t asked;
	struct image_mapping mappings[FAKE_REGIONS];
	struct image image;
};

/* Where an address lies in its bytes, -1: nowhere. */
static inline int64_t fake_offset(uint64_t address)
{
	int64_t before = 0;

	for (size_t i = 0; i < FAKE_REGIONS; i++) {
		uint64_t bytes = fake_regions[i].pages * PAGE;

		if (address >= fake_regions[i].start && address - fake_regions[i].start < bytes)
			return before + (int64_t)(address - fake_regions[i].start);
		before += (int64_t)bytes;
	}
	return -1;
}

static inline bool fake_read(void *context, uint64_t address, void *bytes, size_t count)
{
	const struct fake *fake = context;
	int64_t first = fake_offset(address), last = fake_offset(address + count - 1);

	if (!count || first < 0 || last - first != (int64_t)count - 1)
		return false;
	memcpy(bytes, fake->bytes + first, count);
	return true;
}

static inline bool fake_resident(void *context, uint64_t address, bool *is, size_t pages)
{
	const struct fake *fake = context;

	for (size_t i = 0; i < pages; i++) {
		int64_t offset = fake_offset(address + i * PAGE);

		is[i] = offset >= 0 && !fake->absent[offset / PAGE];
	}
	return true;
}

static inline bool fake_expired(void *context)
{
	struct fake *fake = context;

	return fake->asked++ > PATIENCE;
}

static inline void fake_put(struct fake *fake, uint64_t address, uint64_t word)
{
	memcpy(fake->bytes + fake_offset(address), &word, sizeof(word));
}

static inline void fake_state(struct fake *fake, uint64_t state, uint64_t top, uint64_t next,
			      uint64_t system)
{
	for (uint64_t bin = state + 0x70; bin < state + 0x860; bin += 16) {
		fake_put(fake, bin, bin - 16);
		fake_put(fake, bin + 8, bin - 16);
	}
	fake_put(fake, state + 0x60, top);
	fake_put(fake, state + 0x870, next);
	fake_put(fake, state + 0x888, system);
}

/* From one chunk to the next: its size, and whether the one before it is used. */
static inline void fake_chunk(struct fake *fake, uint64_t chunk, uint64_t next, bool before_used)
{
	fake_put(fake, chunk + 8, (next - chunk) | before_used);
}

static inline void fake_main(struct fake *fake)
{
	fake_state(fake, MAIN_STATE, TOP, THREAD_STATE, HEAP_PAGES * PAGE);
	fake_put(fake, MAIN_STATE + 0x10, FAST);
	fake_chunk(fake, HEAP, FIRST, true);
	fake_chunk(fake, FIRST, HOLE, true);
	fake_chunk(fake, HOLE, PIN, true);
	fake_chunk(fake, PIN, FAST, false);
	fake_chunk(fake, FAST, LAST, true);
	fake_put(fake, FAST + 16, (FAST + 16) >> 12);
	fake_chunk(fake, LAST, TOP, true);
	fake_chunk(fake, TOP, HEAP + HEAP_PAGES * PAGE, true);
	fake_put(fake, SETTINGS, HEAP);
	fake_put(fake, SETTINGS - 32, 65536);
	fake_put(fake, SETTINGS - 72, 8);
	fake_put(fake, SETTINGS - 80, 1 << 20);
	fake_put(fake, SETTINGS - 96, 2 << 20);
}

static inline void fake_thread(struct fake *fake)
{
	fake_state(fake, THREAD_STATE, THREAD_TOP, MAIN_STATE, THREAD_PAGES * PAGE);
	fake_put(fake, THREAD, THREAD_STATE);
	fake_put(fake, THREAD + 16, THREAD_PAGES * PAGE);
	fake_chunk(fake, THREAD_FIRST, THREAD_HOLE, true);
	fake_chunk(fake, THREAD_HOLE, THREAD_LAST, true);
	fake_chunk(fake, THREAD_LAST, THREAD_TOP, false);
	fake_chunk(fake, THREAD_TOP, THREAD + THREAD_PAGES * PAGE, true);
}

/* So many blocks of 16 bytes more than `size` times that. */
static inline void fake_pool(struct fake *fake, size_t number, uint64_t used, uint64_t size)
{
	uint64_t pool = ARENA + number * PAGE;

	fake_put(fake, pool, used);
	fake_put(fake, pool + 32, 1 | size << 32);
	fake_put(fake, pool + 40, (PAGE - (size + 1) * 16) << 32);
}

static inline void fake_python(struct fake *fake)
{
	fake_put(fake, PYTHON + 0x40, TABLE);
	fake_put(fake, TABLE + 48, ARENA);
	fake_put(fake, TABLE + 48 + 8, ARENA + POOLS_BEGUN * PAGE);
	fake_put(fake, TABLE + 48 + 16, 62 | 64UL << 32);
	fake_pool(fake, 0, 10, 3);
	fake_pool(fake, 1, 0, 7);
	fake_pool(fake, 2, 1, 31);
}

/* A page with 100 blocks of 48 bytes, of which 90 are in use; all behind it is free. */
static inline void fake_segment(struct fake *fake)
{
	fake_put(fake, SEGMENT + 208, 1);
	fake_put(fake, SEGMENT + 224, 512);
	fake_put(fake, SEGMENT + 232, 1);
	fake_put(fake, SEGMENT + 248, 512);
	fake_put(fake, SEGMENT + 264 + 80, 1);
	fake_put(fake, SEGMENT + 264 + 80 + 8, 100UL << 16 | 1365UL << 32);
	fake_put(fake, SEGMENT + 264 + 80 + 24, 90 | 48UL << 32);
	fake_put(fake, SEGMENT + 264 + 160, 510);
}

static inline void fake_init(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	for (size_t i = 0; i < FAKE_REGIONS; i++)
		fake->mappings[i] = (struct image_mapping){
			.start = fake_regions[i].start,
			.end = fake_regions[i].start + fake_regions[i].mapped * PAGE,
			.writable = true,
			.path = (char *)fake_regions[i].path,
		};
	fake->image = (struct image){
		.context = fake,
		.read = fake_read,
		.resident = fake_resident,
		.expired = fake_expired,
		.mappings = fake->mappings,
		.mapping_count = FAKE_REGIONS,
		.page_bytes = PAGE,
	};
	fake_main(fake);
	fake_thread(fake);
	fake_python(fake);
	fake_segment(fake);
}

#endif
