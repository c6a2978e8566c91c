/* SPDX-License-Identifier: GPL-2.0 */
/* How does following begin, for those that are there already? */
#ifndef MEMTRACE_COLLECT_FOLLOW_H
#define MEMTRACE_COLLECT_FOLLOW_H

#include "user/collect/state.h"

/* Opens the books of whom the options name. */
struct error *follow_targets(struct collector *collector);

/* Those that found no slot get one when there is one again, and open with what they have. */
void follow_late(struct collector *collector);

#endif
