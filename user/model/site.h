/* SPDX-License-Identifier: GPL-2.0 */
/* Which code holds how much of what is resident?  The sites of a process, the largest first. */
#ifndef MEMTRACE_SITE_H
#define MEMTRACE_SITE_H

#include "build/capture.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_model;

struct frame_model {
	const char *kind; /* "native", "python", "kernel" */
	char *function;	  /* NULL: not known, as the next three */
	char *module;
	char *build_id;
	char *file;
	uint32_t line; /* 0: not known */
	uint64_t address, offset;
	bool inlined; /* into the next one of the stack */
};

struct stack_model {
	const struct frame_model **frames; /* the innermost first */
	size_t count;
	bool truncated; /* there are callers that are not known ... */
	const char *why; /* ... for this reason; NULL: it is whole */
};

/* All code that a capture names, whichever process ran it. */
struct code_model {
	struct frame_model *frames;
	size_t frame_count;
	struct stack_model *stacks;
	size_t stack_count;
};

struct released {
	const char *operation;
	int64_t bytes;
};

struct site_model {
	const struct stack_model *stack;
	int64_t reserved_bytes, unreserved_bytes;
	int64_t never_touched_bytes; /* of anonymous memory that is still reserved */
	int64_t gone_untouched_bytes; /* and of what is not, at the least */
	int64_t touched_bytes, released_bytes, resident_bytes;
	int64_t swapped_bytes;
	int64_t held_bytes; /* resident; of a process that ended, before that */
	struct released *released_by;
	size_t released_count;
	int64_t gave_back_bytes; /* whoever had touched it */
	struct released *gave_back_by;
	size_t gave_back_count;
};

void code_build(struct code_model *code, const Mt__Capture *capture);
void code_free(struct code_model *code);

/* Of a process whose balances are known by now. */
void sites_build(struct process_model *process, const Mt__Capture *capture,
		 const struct code_model *code, const Mt__Process *from);
void sites_free(struct site_model *sites, size_t count);

enum site_value {
	SITE_RESIDENT,
	SITE_RESERVED,
	SITE_TOUCHED,
	SITE_RELEASED,
	SITE_VALUES,
};

/* "resident", ...; NULL: there is no such value. */
const char *site_value_name(enum site_value value);
int64_t site_value(const struct site_model *site, enum site_value value);

/* The anonymous memory that the sites are held against: that of now, or before it ended. */
int64_t sites_total(const struct process_model *process);

/* "main"; of a function that is not known "libc.so.6+0x16e0ba", or its address.  To be freed. */
char *frame_name(const struct frame_model *frame);

#endif
