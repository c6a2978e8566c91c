/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do the allocators inside the followed processes have?  Looked at when the capture ends;
 * of a command, whose address space is gone by then, now and then before: the last look counts.
 *
 * To see it at its very end the command would have to be held there: by ptrace, which nobody
 * else could use then, or by a filter of its calls, which would go on without memtrace and stop
 * it for good.  Looks that come ten times a second, if they are cheap, do not touch it.
 */
#ifndef MEMTRACE_COLLECT_LOOK_H
#define MEMTRACE_COLLECT_LOOK_H

#include "build/capture.pb-c.h"
#include "user/collect/process.h"
#include "user/collect/stacks.h"

/* What was seen of one process. */
struct look {
	uint64_t at_ns;	     /* 0: there was none yet */
	uint64_t since_ns;   /* of that, or of when it became worth one */
	uint64_t anon_bytes; /* at the last tick */
	bool late;	     /* it took too long: some was left out */
	Mt__Allocator **allocators;
	size_t count;
};

/* All looks of a capture. */
struct looks {
	bool on;
	bool command; /* look now and then */
	uint32_t page_bytes;
	const struct stacks *stacks; /* NULL: they are not known */
	uint64_t count, spent_ns; /* of CPU time */
	uint64_t next_ns; /* not before that */
	uint64_t skipped; /* processes that there was no time for at the end */
};

void look_free(struct look *look);

/* At each tick: whether it is time to look is found out here. */
void looks_tick(struct looks *looks, struct process_table *table);

/* At one, if it lives. */
void looks_one(struct looks *looks, struct process *process);

/* At the end, at all that live. */
void looks_finish(struct looks *looks, struct process_table *table);

/* Hands over what was seen of a process.  The capture has its stacks by now. */
void look_record(struct process *process, const Mt__Capture *capture, Mt__Process *made,
		 uint64_t end_ns);

/* What it cost, a sentence; false where there was nothing to look at. */
bool looks_note(const struct looks *looks, char *note, size_t size);

#endif
