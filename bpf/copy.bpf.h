/* SPDX-License-Identifier: GPL-2.0 */
/* Did a write to a page that was shared copy it, and whose code did? */
#ifndef MEMTRACE_COPY_BPF_H
#define MEMTRACE_COPY_BPF_H

#include "bpf/site.bpf.h"

#ifndef MEMTRACE_OLD

/* A fault that may copy begins: where is the page?  0: not known, as on arm64.  Only where faults
 * are counted at once is there room for that. */
static __always_inline void begin_note_of_copy(struct mt_mark *mark, __u64 address)
{
	if (config.stacks && HAS_CPU_COUNTERS)
		mark->ip = glance(my_tables(), address);
}

/* It is where it was: nobody else had it any more, and nothing was copied. */
static __always_inline bool was_kept(const struct mt_mark *mark)
{
	return HAS_CPU_COUNTERS && mark->ip && glance(my_tables(), mark->address) == mark->ip;
}

/*
 * It has written to a page that it shared: that is its own from now on, whether it was copied or
 * nobody else had it any more.  No counter of the kernel's moves, so it is known when the fault is
 * over; one that went otherwise has been settled.  What a child was born with has no site yet.
 */
__noinline int note_copy(__u32 slot)
{
	struct task_struct *task = current_task();
	struct mt_space *space = space_at(slot);
	struct mt_mark *mark = mark_of(task);

	if (!config.stacks || !space || mark->task != (__u64)task ||
	    mark->mode != MT_FAULT_IN_USER || mark->cow != MT_COW_MAYBE || is_running(mark, task))
		return 0;
	if (was_kept(mark))
		__sync_fetch_and_add(&space->kept_pages, 1);
	mark->cow = MT_COW_FILE;
	if (space->birth != MT_BORN_FORK)
		return 0;
	return note_pages(slot, mark->address, 1, mark->caller);
}

#else

#define begin_note_of_copy(mark, address) ((void)0)
#define note_copy(slot) 0

#endif
#endif
