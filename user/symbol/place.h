/* SPDX-License-Identifier: GPL-2.0 */
/* Where in the source is an address of code?  What is inlined there, and the function around it. */
#ifndef MEMTRACE_PLACE_H
#define MEMTRACE_PLACE_H

#include <stddef.h>
#include <stdint.h>

#define PLACES 32 /* inlined into each other at one address; those further in are left out */

struct place {
	char *function; /* as in the source; NULL: not known, as the next one */
	char *file;
	uint32_t line; /* 0: not known */
};

/* The innermost first; the last one is the function whose code it is. */
struct places {
	struct place at[PLACES];
	size_t count; /* one at least */
	uint64_t offset; /* from the beginning of that function, or of what .eh_frame describes */
};

void places_free(struct places *places);

#endif
