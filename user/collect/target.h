/* SPDX-License-Identifier: GPL-2.0 */
/* Whom does the user mean?  Pids and cgroups, checked before anything is attached. */
#ifndef MEMTRACE_COLLECT_TARGET_H
#define MEMTRACE_COLLECT_TARGET_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Is there such a process, and can it be followed?  `pidfd` becomes readable at its end. */
struct error *target_open(pid_t pid, int *pidfd);

/* Calls `each` with the pid of every process that has memory of its own. */
void target_all(void (*each)(void *context, pid_t pid), void *context);

/* Has it ended? */
bool target_ended(int pidfd);

/* The directory of a cgroup given as the user writes it (a path in the hierarchy, or the
 * directory itself), and its id.  `directory` has to be freed. */
struct error *target_cgroup(const char *path, char **directory, uint64_t *id);

/* Calls `each` with the pids in a cgroup and those below it. */
struct error *target_members(const char *directory, struct error *(*each)(void *context, pid_t pid),
			     void *context);

#endif
