/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much of huge pages was never written to?  The kernel clears a huge page as a whole when
 * one byte of it is touched, and does not say which others are.  What has nothing but zeros in it
 * looks like that; a program may have written them.
 */
#ifndef MEMTRACE_HEAP_HUGE_H
#define MEMTRACE_HEAP_HUGE_H

#include "user/heap/image.h"

/* Of so many bytes in anonymous huge pages, what small pages of zeros make up; of many huge pages
 * some are read, which stand for the others. */
uint64_t huge_zero_bytes(const struct image *image, uint64_t huge_bytes);

#endif
