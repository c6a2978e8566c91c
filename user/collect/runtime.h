/* SPDX-License-Identifier: GPL-2.0 */
/* Which functions made by a runtime (node, java) are in the stacks of a process? */
#ifndef MEMTRACE_COLLECT_RUNTIME_H
#define MEMTRACE_COLLECT_RUNTIME_H

#include "build/capture.pb-c.h"

/*
 * Names frames in code of no file by the process's own perf map, as far as it is there still.  Of
 * such a stack the process gets its own: in another process the same address is something else.
 */
void runtime_name(Mt__Capture *capture, Mt__Process *process);

#endif
