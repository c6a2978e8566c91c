/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do the live address spaces hold?  They are read through the kernel side's iterator,
 * which brings the ledger and the kernel's own counters from one moment.
 */
#ifndef MEMTRACE_COLLECT_LIVE_H
#define MEMTRACE_COLLECT_LIVE_H

#include "user/collect/kernel.h"
#include "user/collect/process.h"

/*
 * Reads all live address spaces into process->live, of which each has then what it had at one
 * moment, and what the kernel said of that moment.  `unread` gets the number of those that
 * could not be caught standing still, or not be read at all (ending at this very moment):
 * their kernel figures are as near as could be had, or missing.  Children that were born after
 * `began_ns` need not be among them.
 */
struct error *live_read(struct kernel *kernel, struct process_table *table, uint64_t began_ns,
			uint32_t *unread);

/* Drops what live_read() has read. */
void live_forget(struct process_table *table);

#endif
