/* SPDX-License-Identifier: GPL-2.0 */
/* What did the address spaces hold that are gone?  Taken from the shared maps at their end. */
#ifndef MEMTRACE_COLLECT_SPACE_H
#define MEMTRACE_COLLECT_SPACE_H

#include "user/collect/kernel.h"
#include "user/collect/process.h"

/* Adds a space to its process as process_add() does, and its histograms. */
bool space_add(const struct kernel *kernel, struct process *process,
	       const struct mt_space *space, const struct mt_book *book,
	       const struct mt_lane *lanes);

/* The slot of the address space that a process has now, 0: none. */
__u32 space_slot_of(const struct kernel *kernel, __u32 pid);

/* The lanes of a slot, summed over the CPUs. */
struct mt_lane space_lanes(const struct kernel *kernel, __u32 slot);

/* Adds what closed address spaces had to their processes and frees their slots.  Leaves those
 * that closed less than `grace_ns` ago: events that belong to them may still be under way. */
void space_drain(struct kernel *kernel, struct process_table *table, uint64_t grace_ns);

/* Adds, at the end of a capture, those that ended before the last live_read() came to them.
 * What it has read stays as it was then, and what was born since it began is left out. */
void space_drain_last(struct kernel *kernel, struct process_table *table, uint64_t began_ns);

#endif
