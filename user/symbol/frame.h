/* SPDX-License-Identifier: GPL-2.0 */
/* What is said of an address of code in a capture? */
#ifndef MEMTRACE_FRAME_H
#define MEMTRACE_FRAME_H

#include "build/capture.pb-c.h"
#include "user/symbol/place.h"

/* Frames whose lines are looked for share so much time; the rest has functions alone. */
#define FRAME_LINES_NS 2000000000ULL

/* A monotonic time, so far from now. */
uint64_t frame_deadline(uint64_t ns);

/* Appends what is said of an address in a file: what is inlined there first.  No file is known
 * where `path` is NULL. */
void frame_record(Mt__Capture *capture, const struct places *places, const char *path,
		  const char *build_id, uint64_t address);

#endif
