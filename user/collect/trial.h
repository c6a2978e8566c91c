/* SPDX-License-Identifier: GPL-2.0 */
/* Does this kernel take the programs that walk stacks?  Only its verifier can tell, by trying. */
#ifndef MEMTRACE_COLLECT_TRIAL_H
#define MEMTRACE_COLLECT_TRIAL_H

#include "user/collect/probe.h"

/* Loads them, without attaching any; unknown where nothing can be loaded. */
struct probe trial_stacks(void);

#endif
