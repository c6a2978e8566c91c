/* SPDX-License-Identifier: GPL-2.0 */
/* Whom does the user mean?  Pids, checked before anything is attached. */
#ifndef MEMTRACE_COLLECT_TARGET_H
#define MEMTRACE_COLLECT_TARGET_H

#include "user/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Is there such a process, and can it be followed?  `pidfd` becomes readable at its end. */
struct error *target_open(pid_t pid, int *pidfd);

/* Has it ended? */
bool target_ended(int pidfd);

/* Calls `each` with the pid of every process; false if there is no /proc to ask. */
bool target_all(void (*each)(void *context, pid_t pid), void *context);

/* Has it memory of its own, unlike a zombie or a kernel thread? */
bool target_has_memory(pid_t pid);

#endif
