/* SPDX-License-Identifier: GPL-2.0 */
/* What is a process's program, and with which arguments?  Asked while it lives. */
#ifndef MEMTRACE_COLLECT_IDENTITY_H
#define MEMTRACE_COLLECT_IDENTITY_H

#include "user/collect/process.h"

/* Fills in what /proc tells of a live process.  One that is gone, or whose pid another one
 * has, keeps what is known. */
void identity_read(struct process *process);

/* Notes how an address space of a process came to be: as a copy of its parent's (NULL: not
 * known), whose words it has, or for a new program, whose words the kernel side has sent. */
void identity_born(struct process *process, const struct mt_space *space,
		   const struct process *parent);

/* Takes over what a process has from its parent that never called exec, if that is not known
 * yet and the parent's words are still those of that time. */
void identity_inherit(struct process *process, const struct process *parent);

/* Takes over what the kernel side read at exec. */
void identity_exec(struct process *process, const struct mt_event_exec *event, size_t bytes);

#endif
