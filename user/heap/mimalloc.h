/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What has mimalloc from the kernel, and what of that is in use?  It takes segments of 32 MiB, of
 * which it makes pages of 64 KiB and more, of which each has blocks of one size.  Known are those
 * that CPython brings along: without the GIL all its objects are in them.
 */
#ifndef MEMTRACE_HEAP_MIMALLOC_H
#define MEMTRACE_HEAP_MIMALLOC_H

#include "user/heap/image.h"

struct mimalloc {
	bool complete; /* all that were found were read */
	uint64_t segments, segment_bytes, resident_bytes; /* of them */
	uint64_t pages, page_bytes;
	uint64_t used_blocks, used_bytes; /* freed by another thread, but not taken back: in use */
	uint64_t free_block_bytes;	  /* in pages that are in use, as far as they were begun */
	uint64_t free_page_resident_bytes; /* where pages were, and are no more */
};

/* False where there is none. */
bool mimalloc_read(const struct image *image, struct mimalloc *mimalloc);

#endif
