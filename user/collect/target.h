/* SPDX-License-Identifier: GPL-2.0 */
/* Whom does the user mean?  Pids, checked before anything is attached. */
#ifndef MEMTRACE_COLLECT_TARGET_H
#define MEMTRACE_COLLECT_TARGET_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct targets {
	int epoll;   /* readable when one has ended; -1: there are none */
	int *pidfds; /* -1: it has ended */
	size_t count, living;
};

/* Are there such processes, and can they be followed? */
struct error *targets_open(struct targets *targets, const pid_t *pids, size_t count);
void targets_free(struct targets *targets);

/* Notices the ends of some. */
void targets_poll(struct targets *targets);

/* Has this one ended? */
bool target_ended(const struct targets *targets, size_t number);

/* Calls `each` with the pid of every process; false if there is no /proc to ask. */
bool target_all(void (*each)(void *context, pid_t pid), void *context);

/* Has it memory of its own, unlike a zombie or a kernel thread? */
bool target_has_memory(pid_t pid);

#endif
