/* SPDX-License-Identifier: GPL-2.0 */
/* How much memory may the cgroups of the processes have, and how near to that are they? */
#ifndef MEMTRACE_LIMIT_H
#define MEMTRACE_LIMIT_H

#include "build/capture.pb-c.h"
#include "user/collect/cgroup.h"

/* Fills in capture->cgroups: those with a limit, of processes that live. */
void limits_fill(Mt__Capture *capture, const struct cgroup_names *names);

#endif
