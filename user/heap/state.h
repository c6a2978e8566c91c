/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where does glibc's malloc keep its books?  Found by what they look like, as the C library
 * has no symbols for them: of 64-bit glibc 2.27 and newer.
 */
#ifndef MEMTRACE_HEAP_STATE_H
#define MEMTRACE_HEAP_STATE_H

#include "user/heap/image.h"

#define FAST_BINS 10

/* struct malloc_state: an arena. */
struct arena_state {
	uint64_t address;
	uint64_t fast[FAST_BINS]; /* the first chunks of lists */
	uint64_t top;
	uint64_t next; /* the next arena, in a ring */
	uint64_t system_bytes;
};

#define ARENA_STATE_BYTES 0x898

/* struct malloc_par. */
struct malloc_settings {
	uint64_t trim_threshold, top_pad, mmap_threshold;
	bool is_dynamic; /* the thresholds grow with what is freed */
	uint64_t mmapped_count, mmapped_bytes;
	uint64_t heap_start; /* where malloc's part of the brk area begins */
};

/* False where there is none at that address. */
bool arena_state_read(const struct image *image, uint64_t address, struct arena_state *state);

/* The main arena; false where this process has no malloc that is known. */
bool arena_state_find(const struct image *image, struct arena_state *state);

/* The settings, which lie near the main arena.  The heap begins somewhere in that mapping. */
bool malloc_settings_find(const struct image *image, const struct arena_state *main,
			  const struct image_mapping *heap, struct malloc_settings *settings);

#endif
