/* SPDX-License-Identifier: GPL-2.0 */
/* Which other allocators and heaps of runtimes are there, whose books are not read? */
#ifndef MEMTRACE_HEAP_NAMED_H
#define MEMTRACE_HEAP_NAMED_H

#include "user/heap/image.h"

/* The name of the `number`th of those that are known, some of them twice, NULL behind the last. */
const char *named_allocator(size_t number);

/* It is in the process. */
bool named_is_there(const struct image *image, size_t number);

#endif
