/* SPDX-License-Identifier: GPL-2.0 */
/* What is mapped in a process that lives, and what of it is resident?  By kind and name. */
#ifndef MEMTRACE_COLLECT_SMAPS_H
#define MEMTRACE_COLLECT_SMAPS_H

#include "user/snapshot/file.h"

#include <stdio.h>

struct smaps {
	Mt__Mapping **mappings; /* what holds most comes first */
	size_t count;
	uint64_t lazy_bytes; /* given to MADV_FREE, and still there */
};

/* Reads a text such as /proc/PID/smaps to its end; NULL says nothing.  What it hands out is for a
 * capture, which frees it. */
struct smaps smaps_read(FILE *file);

struct smaps smaps_of(uint32_t pid);
void smaps_free(struct smaps *smaps);

#endif
