/* SPDX-License-Identifier: GPL-2.0 */
/* Who are the processes that are counted?  Their births, names and ends, as they come. */
#ifndef MEMTRACE_COLLECT_ROSTER_H
#define MEMTRACE_COLLECT_ROSTER_H

#include "user/collect/state.h"

/* Takes in an event of the kernel side; `context` is a struct process_table. */
void roster_event(void *context, const struct mt_event *event, size_t bytes);

/* Makes a process of each address space that was born since, and asks so many at the most for
 * their names. */
void roster_identify(struct collector *collector, uint32_t most);

/* Closes the files of processes that are gone, and whose memory was another's or never seen. */
void roster_sweep(struct collector *collector);

#endif
