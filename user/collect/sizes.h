/* SPDX-License-Identifier: GPL-2.0 */
/* How large are the maps of the kernel side?  What finds no room in them is counted as lost. */
#ifndef MEMTRACE_COLLECT_SIZES_H
#define MEMTRACE_COLLECT_SIZES_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sizes {
	/* Number 0 of these is nobody's. */
	uint32_t slots;	 /* address spaces */
	uint32_t books;	 /* of those that something moved in */
	uint32_t blocks; /* histograms; the first are shared */
	uint32_t mappings;
	uint32_t ring_bytes;
};

/*
 * For so many processes that are there already; `all`: for those of the machine.  Tests make
 * them tiny: MEMTRACE_SIZES="slots=9 books=5 blocks=3 mappings=7 ring=4096", any of these.
 */
struct error *sizes_choose(struct sizes *sizes, size_t targets, bool all, bool calls);

#endif
