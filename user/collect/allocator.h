/* SPDX-License-Identifier: GPL-2.0 */
/* Which allocators are in a process, and what do their books say? */
#ifndef MEMTRACE_COLLECT_ALLOCATOR_H
#define MEMTRACE_COLLECT_ALLOCATOR_H

#include "build/capture.pb-c.h"
#include "user/heap/image.h"

Mt__Allocator **allocators_read(const struct image *image, size_t *count);

#endif
