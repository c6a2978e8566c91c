/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How did a process come to have what it has: at once, or ever more?  What it had at points of
 * time that lie evenly: where there are too many, every second one is forgotten.
 */
#ifndef MEMTRACE_COLLECT_GROWTH_H
#define MEMTRACE_COLLECT_GROWTH_H

#include "build/capture.pb-c.h"
#include "user/collect/kernel.h"
#include "user/collect/process.h"

#define GROWTH_POINTS 32

struct growth {
	uint64_t first_ns, step_ns; /* of the points */
	uint32_t serial;	    /* of the address space */
	uint32_t count;
	uint64_t virtual_pages[GROWTH_POINTS], resident_pages[GROWTH_POINTS];
};

/* What is resident of an address space, as the kernel side saw it last. */
int64_t growth_resident_pages(const struct kernel *kernel, __u32 slot);

/* All balances of the process with that pid, as the kernel side saw them last: MT_BALANCES of
 * them, in its units.  False where it has no address space. */
bool growth_balances(const struct kernel *kernel, uint32_t pid, int64_t *balances);

/* At each tick: those that are due are noted. */
void growth_tick(const struct kernel *kernel, struct process_table *table, uint64_t now_ns);

/* Hands over what was noted of a process; times are since `started_ns`. */
void growth_record(const struct process *process, Mt__Process *made, uint64_t started_ns,
		   uint32_t page_bytes);

#endif
