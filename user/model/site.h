/* SPDX-License-Identifier: GPL-2.0 */
/* Which code holds how much of what is resident?  The sites of a process, the largest first. */
#ifndef MEMTRACE_SITE_H
#define MEMTRACE_SITE_H

#include "build/capture.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_model {
	char *function; /* NULL: not known, as the next three */
	char *module;
	char *build_id;
	char *file;
	uint32_t line; /* 0: not known */
	uint64_t address, offset;
};

struct released {
	const char *operation;
	int64_t bytes;
};

struct site_model {
	const struct frame_model **frames; /* the innermost first */
	size_t frame_count;
	bool truncated; /* there are callers that are not known */
	int64_t touched_bytes, released_bytes, resident_bytes;
	struct released *released_by;
	size_t released_count;
};

struct frame_model *frames_build(const Mt__Capture *capture);
void frames_free(struct frame_model *frames, size_t count);

struct site_model *sites_build(const Mt__Capture *capture, const struct frame_model *frames,
			       const Mt__Process *from);
void sites_free(struct site_model *sites, size_t count);

#endif
