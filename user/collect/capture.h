/* SPDX-License-Identifier: GPL-2.0 */
/* What does the capture say?  Host, losses, features, processes, notes. */
#ifndef MEMTRACE_COLLECT_CAPTURE_H
#define MEMTRACE_COLLECT_CAPTURE_H

#include "user/collect/state.h"

/* Notes which processes there are, to be called before the last live_read(): those that it
 * does not find are told in the capture. */
void capture_list_living(struct collector *collector);

/* Made of what the collector has, whose maps and processes are gone then.
 * mt__capture__free_unpacked() frees it. */
Mt__Capture *capture_build(struct collector *collector, uint64_t duration_ns);

/* How things stand: see collector_look(). */
Mt__Capture *capture_look(struct collector *collector, pid_t pid);

#endif
