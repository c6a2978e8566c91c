/* SPDX-License-Identifier: GPL-2.0 */
/* What does a running capture consist of?  Known in this folder only; cli/ has collector.h. */
#ifndef MEMTRACE_COLLECT_STATE_H
#define MEMTRACE_COLLECT_STATE_H

#include "user/collect/cgroup.h"
#include "user/collect/collector.h"
#include "user/collect/cost.h"
#include "user/collect/interval.h"
#include "user/collect/kernel.h"
#include "user/collect/launch.h"
#include "user/collect/look.h"
#include "user/collect/process.h"
#include "user/collect/record.h"
#include "user/collect/remote.h"
#include "user/collect/runtime.h"
#include "user/collect/stacks.h"
#include "user/collect/target.h"

struct collector {
	struct collector_options options;
	struct kernel kernel;
	struct process_table processes;
	struct cgroup_names cgroups;
	struct launch launch;
	struct cost cost;
	struct looks looks;
	struct remote remote; /* what reads files of code for the next one */
	struct stacks *stacks; /* NULL: not asked for */
	struct runtimes runtimes;
	struct targets targets;
	char *cgroup_directory;
	uint64_t cgroup_id;
	uint64_t started_ns;
	int64_t started_unix_ns;
	struct record_options record;
	Mt__Capture names; /* what the numbers of intervals stand for, and nothing else */
	struct interval_list intervals;
	uint64_t taken_in_ns; /* the last tick */
	uint32_t unread;
	uint32_t unmapped; /* processes of which nobody read what they have mapped */
	pid_t *living; /* before the last reading */
	size_t living_count;
	uint64_t late_losses; /* of spaces, when follow_late() last tried */
};

#endif
