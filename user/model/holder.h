/* SPDX-License-Identifier: GPL-2.0 */
/* Whose code is it, for a person?  Sites that differ only in what was called below that. */
#ifndef MEMTRACE_HOLDER_H
#define MEMTRACE_HOLDER_H

#include "user/model/model.h"

/* What of their sites a table is about. */
enum holder_part {
	HOLDER_TOUCHED,
	HOLDER_RESERVED, /* and never touched */
	HOLDER_GAVE_BACK,
};

struct holder {
	const struct stack_model *stack; /* of the largest of its sites */
	/* The frame to show: the innermost of the user's own code, if there is any; the stack's
	 * count where it says nothing, as only libc's end of it is known. */
	size_t at;
	uint64_t key; /* of the frames from there on: those that are the same have the same one */
	int64_t largest_bytes; /* touched by the largest of its sites */
	int64_t held_bytes, touched_bytes, released_bytes;
	int64_t reserved_bytes, unreserved_bytes, untouched_bytes, gave_back_bytes;
	struct released *released_by; /* or what it gave back, if that is what it is about */
	size_t released_count;
};

/* By what they hold, most first; to be freed by holders_free(). */
struct holder *holders_build(const struct process_model *process, size_t *count);

/* The same by what they never touched, or gave back. */
struct holder *holders_build_part(const struct process_model *process, enum holder_part part,
				  size_t *count);

/* The same in no order, which takes less time. */
struct holder *holders_merge(const struct process_model *process, enum holder_part part,
			     size_t *count);
void holders_free(struct holder *holders, size_t count);

/* Is it code that a chain of callers is better without: libc, the interpreter, the start? */
bool holder_is_plumbing(const struct process_model *process, const struct frame_model *frame);

/* "main (list.c:5)", of the file its name alone; to be freed. */
char *frame_place(const struct frame_model *frame);

/* The place of the frame to show; "" where nothing is known.  To be freed. */
char *holder_place(const struct holder *holder);

#endif
