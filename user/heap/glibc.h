/* SPDX-License-Identifier: GPL-2.0 */
/* What has glibc's malloc from the kernel, and what of that is in use? */
#ifndef MEMTRACE_HEAP_GLIBC_H
#define MEMTRACE_HEAP_GLIBC_H

#include "user/heap/chunk.h"
#include "user/heap/state.h"

/* All arenas of a kind: the main one in the brk area, or those of threads. */
struct glibc_arenas {
	uint64_t count;
	uint64_t system_bytes;		       /* had from the kernel */
	uint64_t top_bytes, top_resident_bytes; /* never used, or given back, at their ends */
	struct chunk_sums chunks;
};

struct glibc_heap {
	bool complete; /* all of it was followed to its end */
	bool has_settings;
	bool last_is_cached; /* the last used chunk is free, kept for its thread (tcache) */
	struct malloc_settings settings;
	struct glibc_arenas main, threads;
};

/* False where the process has no such malloc, or has not used it. */
bool glibc_heap_read(const struct image *image, struct glibc_heap *heap);

#endif
