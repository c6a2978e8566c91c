/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do the allocators inside the followed processes have?  Looked at when the capture ends;
 * of a command, which is held at its end for that (hold.h), just before its address space goes.
 * Interpreters tidy up before that: Python is held when it begins to.  Others, and what the command
 * starts, which is not held, are looked at now and then, ten times a second, if it is cheap, and
 * the last look counts.
 */
#ifndef MEMTRACE_COLLECT_LOOK_H
#define MEMTRACE_COLLECT_LOOK_H

#include "build/capture.pb-c.h"
#include "user/collect/process.h"
#include "user/collect/smaps.h"
#include "user/collect/stacks.h"

/* What was seen of one process. */
struct look {
	uint64_t at_ns;	     /* 0: there was none yet */
	uint32_t page_bytes;
	uint64_t since_ns;   /* of that, or of when it became worth one */
	uint64_t anon_bytes; /* at the last tick */
	bool late;	     /* it took too long: some was left out */
	uint64_t huge_zero_bytes; /* of huge pages, at the end */
	Mt__Allocator **allocators;
	size_t count;
	bool last;	     /* taken while it was held at its end, or before it freed all: ... */
	int64_t *balances;   /* ... what it had then, by MT_BALANCES; NULL: at its end */
	uint64_t smaps_ns;   /* when it was held, 0: it was not ... */
	uint64_t busy_ns;    /* ... and had kept a CPU busy for so long ... */
	struct smaps smaps;  /* ... and had mapped this */
};

/* All looks of a capture. */
struct looks {
	bool on;
	bool command; /* look now and then */
	uint32_t page_bytes;
	const struct stacks *stacks; /* NULL: they are not known */
	uint64_t count, spent_ns; /* of CPU time */
	uint64_t wall_ns; /* and by the clock: who is held waits so long */
	uint64_t next_ns; /* not before that */
	uint32_t tidying; /* how often it was held before it frees */
	uint64_t skipped; /* processes that there was no time for at the end */
};

void look_free(struct look *look);

/* At each tick: whether it is time to look is found out here. */
void looks_tick(struct looks *looks, struct process_table *table);

/* At one, if it lives. */
void looks_one(struct looks *looks, struct process *process);

/* At one that is held before it frees what it has to end: what it has, by MT_BALANCES.  It may be
 * mistaken, and go on; NULL: at none.  False: so often that it is not to be held any more. */
bool looks_before_tidying(struct looks *looks, struct process *process, const int64_t *balances);

/* At a process that is held at its end; NULL: at none. */
void looks_held(struct looks *looks, struct process *process);

/* At the end, at all that live. */
void looks_finish(struct looks *looks, struct process_table *table);

/* Hands over what was seen of a process.  The capture has its stacks by now. */
void look_record(struct process *process, const Mt__Capture *capture, Mt__Process *made,
		 uint64_t end_ns);

/* What a process had mapped that was held at its end; NULL: it was not. */
struct smaps *look_mappings(const struct process *process);

void looks_record_cost(const struct looks *looks, Mt__Overhead *overhead);

/* What was left out, a sentence; false where nothing was. */
bool looks_note(const struct looks *looks, char *note, size_t size);

#endif
