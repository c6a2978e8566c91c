/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How are page faults seen where the kernel has no events for them (all but x86)?  As a software
 * event of perf, one for each CPU, which says where a fault is but not what for.  A CPU that is
 * brought up later is not seen.
 */
#ifndef MEMTRACE_COLLECT_FAULT_H
#define MEMTRACE_COLLECT_FAULT_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct bpf_link;
struct bpf_program;

struct fault_links {
	struct bpf_link **links;
	size_t count;
};

/* Can perf count them here, with the privileges that there are? */
bool fault_allowed(void);

/* Runs the program at each page fault of the machine, on all CPUs that run. */
struct error *fault_attach(const struct bpf_program *program, size_t cpus,
			   struct fault_links *links);
void fault_detach(struct fault_links *links);

#endif
