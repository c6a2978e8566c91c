/* SPDX-License-Identifier: GPL-2.0 */
/* How much of what was given to madvise(MADV_FREE) is still resident? */
#ifndef MEMTRACE_COLLECT_LAZY_H
#define MEMTRACE_COLLECT_LAZY_H

#include "build/capture.pb-c.h"

/* Fills process->lazy_free if the process ever called it.  Only then is smaps_rollup read:
 * the kernel walks all page tables of the process for it, with its mmap_lock held. */
void lazy_fill(Mt__Process *process);

#endif
