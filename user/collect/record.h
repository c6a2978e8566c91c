/* SPDX-License-Identifier: GPL-2.0 */
/* How does what was collected become a capture?  Kernel units become bytes here. */
#ifndef MEMTRACE_COLLECT_RECORD_H
#define MEMTRACE_COLLECT_RECORD_H

#include "build/capture.pb-c.h"
#include "user/collect/cgroup.h"
#include "user/collect/kernel.h"
#include "user/collect/process.h"

struct record_options {
	uint64_t started_ns; /* of the capture, monotonic: times in it count from there */
	uint64_t read_ns;    /* when its last reading began */
	int64_t boot_to_unix_ns;
	uint32_t page_bytes;
	bool calls;
	bool screen; /* intervals are for one: with the parent, and the arguments as a line */
};

/* The names that a capture's numbers stand for. */
void record_names(Mt__Capture *capture);
void record_free_names(Mt__Capture *capture);

/* A process: its live state where it has one. */
Mt__Process *record_process(const struct process *process, struct cgroup_names *cgroups,
			    const struct record_options *options);

/* What a process has now, and what moved since the last interval.  NULL where nothing has, unless
 * it is wanted `unmoved`, too. */
Mt__ProcessInterval *record_interval(struct process *process, bool unmoved,
				     const struct record_options *options);

/* The histograms of all processes together, and the kernel side's shared blocks. */
void record_histograms(Mt__Capture *capture, const struct process_table *table,
		       const struct kernel *kernel);

Mt__Balances *record_balances(const int64_t *balances, uint32_t page_bytes);

#endif
