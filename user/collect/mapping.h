/* SPDX-License-Identifier: GPL-2.0 */
/* Who clears away the mappings of address spaces that are gone?  The kernel side leaves them. */
#ifndef MEMTRACE_COLLECT_MAPPING_H
#define MEMTRACE_COLLECT_MAPPING_H

#include "user/collect/kernel.h"

/* Deletes mappings of closed address spaces, when they have become many. */
void mapping_sweep(struct kernel *kernel);

#endif
