/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the kernel side cost?  The kernel times BPF programs if it is asked to, which
 * itself costs as much as the programs: so for a fortieth of the time only.
 */
#ifndef MEMTRACE_COLLECT_COST_H
#define MEMTRACE_COLLECT_COST_H

#include "build/capture.pb-c.h"
#include "user/collect/kernel.h"

struct cost {
	int timing; /* descriptor that keeps the kernel timing, -1 */
	int timer;  /* becomes readable when it is time to change over */
	bool measured;
};

void cost_start(struct cost *cost);
void cost_tick(struct cost *cost);
void cost_stop(struct cost *cost);

/* Programs run so far, for processes followed or not. */
uint64_t cost_runs(const struct kernel *kernel);

/* What it came to; after cost_stop(). */
Mt__Overhead *cost_record(const struct cost *cost, const struct kernel *kernel);

#endif
