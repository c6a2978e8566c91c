/* SPDX-License-Identifier: GPL-2.0 */
/* Which functions made by a runtime (node, java) are in the stacks of a process? */
#ifndef MEMTRACE_COLLECT_RUNTIME_H
#define MEMTRACE_COLLECT_RUNTIME_H

#include "bpf/abi.h"
#include "build/capture.pb-c.h"
#include "user/collect/remote.h"

#include <stddef.h>
#include <stdint.h>

/* Processes whose perf maps are held open, so that they can be read when the process is gone. */
struct runtimes {
	struct runtime *all;
	size_t count;
};

/* An event of the kernel side: a stack with code of no file has its process's map opened. */
void runtimes_add(struct runtimes *runtimes, const struct mt_event *event, size_t bytes);
void runtimes_free(struct runtimes *runtimes);

/*
 * Names frames in code of no file by the process's own perf map.  Of such a stack the process
 * gets its own: in another process the same address is something else.
 */
void runtimes_name(const struct runtimes *runtimes, struct remote *remote, uint64_t start_boot_ns,
		   Mt__Capture *capture, Mt__Process *process);

#endif
