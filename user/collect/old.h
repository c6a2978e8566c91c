/* SPDX-License-Identifier: GPL-2.0 */
/* Is this kernel one for which the kernel side was compiled anew, and what is different there? */
#ifndef MEMTRACE_COLLECT_OLD_H
#define MEMTRACE_COLLECT_OLD_H

#include "user/collect/kernel.h"

/* Does this kernel lack what the usual programs need? */
bool old_is_needed(void);

/* The programs for it, as memtrace_bpf__open() gives the usual ones.  NULL: errno says why. */
struct memtrace_bpf *old_open(void);

/* Before loading: what of it is used here. */
void old_choose(struct kernel *kernel);

/* After loading: puts all numbers into the pools. */
struct error *old_fill_pools(struct kernel *kernel);

/* Attaches the programs that the usual ones do not have; old_free() detaches them. */
struct error *old_attach(struct kernel *kernel);
void old_free(struct kernel *kernel);

#endif
