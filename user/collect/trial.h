/* SPDX-License-Identifier: GPL-2.0 */
/* Does this kernel take the programs that walk stacks?  Only its verifier can tell, by trying. */
#ifndef MEMTRACE_COLLECT_TRIAL_H
#define MEMTRACE_COLLECT_TRIAL_H

#include "user/collect/probe.h"

#include <stdint.h>

struct kernel;

/* What of the stacks that are asked for (enum mt_stacks) may be tried. */
uint32_t trial_allowed(const struct kernel *kernel, uint32_t asked);

/* Loads them, without attaching any; unknown where nothing can be loaded. */
struct probe trial_stacks(void);

/* Are there frames of Python in them? */
struct probe trial_python(const struct probe *stacks);

#endif
