/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the kernel side cost?  The kernel times BPF programs if it is asked to, which
 * itself costs as much as the programs: so for a fortieth of the time only.
 *
 * To ask takes CAP_SYS_ADMIN, with which a process can do nearly anything.  memtrace itself, which
 * reads what strangers say, is not to have that while it counts: so a process of its own has it,
 * which reads nothing and does nothing else.
 */
#ifndef MEMTRACE_COLLECT_COST_H
#define MEMTRACE_COLLECT_COST_H

#include "build/capture.pb-c.h"
#include "user/collect/kernel.h"

#include <sys/types.h>

struct cost {
	pid_t timer; /* the process, 0 where there is none: it is not allowed */
	int socket;  /* it ends with its end, and with ours */
	bool measured;
};

/* Makes the process.  Call it before memtrace has anything that it should not have, too. */
void cost_open(struct cost *cost);

/* From now on the programs are timed. */
void cost_start(struct cost *cost);
void cost_stop(struct cost *cost);

/* Programs run so far, for processes followed or not. */
uint64_t cost_runs(const struct kernel *kernel);

/* Events so far whose program was skipped, as another task was preempted within it. */
uint64_t cost_missed(const struct kernel *kernel);

/* What it came to; after cost_stop(). */
Mt__Overhead *cost_record(const struct cost *cost, const struct kernel *kernel);

#endif
