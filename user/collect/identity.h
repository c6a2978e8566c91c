/* SPDX-License-Identifier: GPL-2.0 */
/* What is a process's program, its arguments, its cgroup?  Asked while it lives. */
#ifndef MEMTRACE_COLLECT_IDENTITY_H
#define MEMTRACE_COLLECT_IDENTITY_H

#include "user/collect/process.h"

/* Fills in what /proc tells of a live process that is not identified yet.  A process that is
 * gone, or whose pid another one has, keeps what is known; `cgroup_v1` as self.h has it. */
void identity_read(struct process *process, bool cgroup_v1);

/* Takes over from its parent what a process has that never called exec. */
void identity_inherit(struct process *process, const struct process *parent);

/* Takes over what the kernel side read at exec. */
void identity_exec(struct process *process, const struct mt_event_exec *event, size_t bytes);

#endif
