/* SPDX-License-Identifier: GPL-2.0 */
/* How much of what was given to madvise(MADV_FREE) is still resident? */
#ifndef MEMTRACE_COLLECT_LAZY_H
#define MEMTRACE_COLLECT_LAZY_H

#include "build/capture.pb-c.h"
#include "user/collect/smaps.h"

/*
 * Fills process->lazy_free if the process ever called it, or what is mapped says that it did.
 * Where that is not known (NULL), smaps_rollup is read only for those that called: the kernel
 * walks all page tables of the process for it, with its mmap_lock held.
 */
void lazy_fill(Mt__Process *process, const struct smaps *smaps);

#endif
