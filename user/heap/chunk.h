/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What lies in a heap of glibc's malloc?  Chunks, one after the other: 8 bytes that belong to
 * the chunk before while that is used, 8 bytes of size and flags, then what the program has.
 */
#ifndef MEMTRACE_HEAP_CHUNK_H
#define MEMTRACE_HEAP_CHUNK_H

#include "user/heap/image.h"
#include "user/heap/marks.h"

#define CHUNK_LEAST 32 /* bytes of the smallest one */
#define CHUNK_FLAGS 7ULL
#define CHUNK_BEFORE_USED 1ULL

/* What was found, in bytes with their headers. */
struct chunk_sums {
	uint64_t used_count, used_bytes;
	uint64_t free_count, free_bytes;  /* without the top */
	uint64_t free_resident_bytes;	  /* of that */
	uint64_t trim_bytes;		  /* and of that what pages have as a whole */
	uint64_t largest_bytes;		  /* trim_bytes of the largest free range ... */
	uint64_t above_count, above_bytes; /* ... and what is used above that */
	uint64_t last_address, last_bytes; /* the last used one */
};

/*
 * Adds the chunks from `start` on, up to `end`, where one begins, or to the fence that ends a
 * heap before it.  False where it could not be followed so far: it changed, or is swapped out.
 */
bool chunk_walk(struct window *window, struct marks *marks, uint64_t start, uint64_t end,
		struct chunk_sums *sums);

#endif
