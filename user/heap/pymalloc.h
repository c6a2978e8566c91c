/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What has CPython's own allocator (obmalloc) from the kernel, and what of that is in use?  It
 * takes arenas, which are made of pools, of which each has blocks of one size.  Known are those of
 * 64-bit CPython 3.8 to 3.14; builds without the GIL have another one.
 */
#ifndef MEMTRACE_HEAP_PYMALLOC_H
#define MEMTRACE_HEAP_PYMALLOC_H

#include "user/heap/image.h"

struct pymalloc {
	bool complete; /* all pools were read */
	uint64_t pool_bytes;
	uint64_t arenas, arena_bytes;	 /* of all of them */
	uint64_t used_blocks, used_bytes;
	uint64_t free_block_bytes;	 /* in pools that are in use */
	uint64_t free_pools, free_pool_resident_bytes; /* pools that are not */
	uint64_t unused_pools;		 /* never begun */
	uint64_t sparse_arenas, sparse_blocks, sparse_bytes; /* arenas with little in use, and it */
};

/* False where there is none. */
bool pymalloc_read(const struct image *image, struct pymalloc *pymalloc);

#endif
