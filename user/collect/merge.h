/* SPDX-License-Identifier: GPL-2.0 */
/* Sites of the same stack, which came to have several numbers: see merge_sites(). */
#ifndef MEMTRACE_COLLECT_MERGE_H
#define MEMTRACE_COLLECT_MERGE_H

#include "build/capture.pb-c.h"

#include <stdint.h>

/*
 * Adds up those sites of a process whose stacks are the same by `same`, which has the first number
 * of each stack.  A stack that was walked late has one number for each way that its words were.
 */
void merge_sites(Mt__Process *process, const uint32_t *same);

#endif
