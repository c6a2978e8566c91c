/* SPDX-License-Identifier: GPL-2.0 */
/* What do the texts of /proc say?  Names in them are those that processes give themselves. */
#ifndef MEMTRACE_COLLECT_PROC_H
#define MEMTRACE_COLLECT_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What /proc/PID/stat tells of a process. */
struct proc_stat {
	char state;
	unsigned int flags;
	int threads;
	unsigned long long start_ticks; /* since boot */
};

/* False where the text is none of a process. */
bool proc_parse_stat(const char *text, struct proc_stat *stat);

/*
 * The rest reads files to their end or to what is looked for; one that could not be opened
 * (NULL) says nothing.
 */

/* The number of a line such as "VmRSS:  1234 kB" in status, smaps_rollup or fdinfo. */
bool proc_find_number(FILE *file, const char *name, uint64_t *number);

/* timens_offsets: what is added to the clocks of a time namespace. */
void proc_read_offsets(FILE *file, int64_t *monotonic_ns, int64_t *boot_ns);

/* mounts: where the cgroup hierarchy is that has the memory controller, the last of its kind
 * (NULL: nowhere).  To be freed, as the next one. */
char *proc_find_hierarchy(FILE *file, bool version_1);

/* cgroup: the path in that hierarchy, NULL where there is none. */
char *proc_find_cgroup(FILE *file, bool version_1);

/* cgroup.procs: the next process, false at the end.  0 is one of another pid namespace. */
bool proc_next_pid(FILE *file, pid_t *pid);

#endif
