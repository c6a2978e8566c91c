/* SPDX-License-Identifier: GPL-2.0 */
/* What changed between two captures?  Process by process, those that changed most first. */
#ifndef MEMTRACE_CHANGE_H
#define MEMTRACE_CHANGE_H

#include "user/model/model.h"

/* One is NULL where there was none, or is none. */
struct row_change {
	const struct ledger_row *old, *now;
};

struct site_figures {
	int64_t held_bytes, touched_bytes, released_bytes, reserved_bytes, never_touched_bytes;
};

/* Stacks that are the same but for lines: to change a program moves those. */
struct site_change {
	const struct stack_model *stack; /* the new one, if there is one */
	struct site_figures old, now;
};

/* One process twice, or two that are the same program; NULL: there was none, or is none. */
struct process_change {
	const struct process_model *old, *now;
	struct row_change *rows; /* those that moved most differently first */
	size_t row_count;
	struct site_change *sites; /* those that hold most more or less first; both need stacks */
	size_t site_count;
};

struct change {
	const struct model *old, *now;
	struct process_change *processes; /* by what they have more or less of, most first */
	size_t count;
};

/* The models have to stay. */
void change_build(struct change *change, const struct model *old, const struct model *now);
void change_free(struct change *change);

/* What a process has at the end, or had before it ended; zeroes where there is none. */
const struct balances *change_end(const struct process_model *process);

/* The process to name it by. */
const struct process_model *change_name(const struct process_change *process);

#endif
