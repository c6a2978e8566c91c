/* SPDX-License-Identifier: GPL-2.0 */
/* Which cgroup is meant, who is in it, and what is one called that is known by its id? */
#ifndef MEMTRACE_COLLECT_CGROUP_H
#define MEMTRACE_COLLECT_CGROUP_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The directory of a cgroup given as the user writes it (a path in the hierarchy, or the
 * directory itself), and its id.  `directory` has to be freed. */
struct error *cgroup_open(const char *path, char **directory, uint64_t *id);

/* Calls `each` with the pids in a cgroup and those below it. */
struct error *cgroup_members(const char *directory, struct error *(*each)(void *context, pid_t pid),
			     void *context);

/* Names of cgroups, as /proc/PID/cgroup has them, learnt while they are there. */
struct cgroup_names {
	struct cgroup_name *names; /* by id */
	size_t count;
	char *root;	/* where the hierarchy is mounted, NULL: nowhere */
	bool version_1; /* the memory controller has a hierarchy of its own */
	bool searched;
};

void cgroup_names_init(struct cgroup_names *names);
void cgroup_names_free(struct cgroup_names *names);

/* Asks what the cgroup of a live process is called, if its id is not known yet. */
void cgroup_learn(struct cgroup_names *names, uint64_t id, pid_t pid);

/* The name of a cgroup, NULL where nobody knows any more.  Looks for an unknown one in the
 * whole hierarchy, but only once. */
const char *cgroup_name(struct cgroup_names *names, uint64_t id);

#endif
