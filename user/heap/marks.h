/* SPDX-License-Identifier: GPL-2.0 */
/* Which chunks of a heap are in a list of free ones, though they look as if they were used? */
#ifndef MEMTRACE_HEAP_MARKS_H
#define MEMTRACE_HEAP_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARKS_MOST (32ULL << 20) /* bytes of all bits: enough for 4 GiB of heap */

struct marks_region {
	uint64_t start, end;
	uint8_t *bits; /* one for 16 bytes; NULL: none is set */
};

/* Ranges of addresses that do not overlap, and bits for what begins there. */
struct marks {
	struct marks_region *regions;
	size_t count;
	size_t last; /* the region that was found last */
	uint64_t bytes;
};

void marks_add_region(struct marks *marks, uint64_t start, uint64_t end);
void marks_free(struct marks *marks);

bool marks_covers(struct marks *marks, uint64_t address);

/* False where it is set already, in no region, or takes more memory than it may. */
bool marks_set(struct marks *marks, uint64_t address);
bool marks_has(struct marks *marks, uint64_t address);

#endif
