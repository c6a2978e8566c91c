/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What have the faults of a task brought that the kernel has not counted so far?  Up to 6.1 a
 * task adds its faults to the counters later, 64 at a time or before it gives something back.
 */
#ifndef MEMTRACE_LATE_BPF_H
#define MEMTRACE_LATE_BPF_H

#include "bpf/cause.bpf.h"
#include "bpf/space.bpf.h"

static __always_inline __s32 uncounted(struct task_struct *task, __u32 member)
{
	if (HAS_CPU_COUNTERS)
		return 0;
	stay_below();
	return load_s32((__u64)task + OFFSET(task_struct___old, rss_stat.count) +
			member * sizeof(__s32));
}

/* Whatever the task does by now, this is what its last faults brought. */
static __always_inline bool is_late(struct task_struct *task, struct mm_struct *mm,
				    __u32 member, __s64 pages)
{
	return !HAS_CPU_COUNTERS && pages > 0 && mm_of(task) == mm &&
	       uncounted(task, member) == pages;
}

static __always_inline __u32 cause_of_late(const struct mt_mark *mark, struct task_struct *task)
{
	if (mark->task == (__u64)task && mark->mode == MT_FAULT_IN_KERNEL)
		return cause(MT_OP_FAULT_KERNEL, mark->call);
	return cause(MT_OP_FAULT, -1);
}

/*
 * How many of these pages came for the call in flight, as if it had faulted (mlock and the like)?
 * Such faults have no event, but they count as served.
 */
static __always_inline __s64 brought_by_call(const struct mt_mark *mark, struct task_struct *task,
					     __s64 pages)
{
	__s64 without_event = GET(task, min_flt) + GET(task, maj_flt) - mark->served - 1;

	if (mark->task != (__u64)task || without_event <= 0)
		return 0;
	return without_event < pages ? without_event : pages;
}

static __always_inline __u64 both_uncounted(struct task_struct *task)
{
	return (__u64)uncounted(task, MT_FILE) << 32 | (__u32)uncounted(task, MT_ANON);
}

/* A fault that may copy begins: what is not counted by then is not of it. */
static __always_inline void begin_copy(struct task_struct *task)
{
	if (!HAS_CPU_COUNTERS)
		mark_of(task)->ip = both_uncounted(task);
}

/* It has begun with the others being counted. */
static __always_inline void begin_anew(struct mt_mark *mark, __u32 member)
{
	if (member == MT_ANON)
		mark->ip &= ~0xffffffffULL;
	else if (member == MT_FILE)
		mark->ip &= 0xffffffffULL;
}

/*
 * It is over, and no event said what it replaced: a page of its own, if nothing came; a file's, if
 * one of those went; zeroes.
 */
static __noinline KEEPS_RESULT int settle_late(struct task_struct *task, __u32 slot)
{
	struct mt_lane *lane = lane_by(this_cpu(), slot);
	struct mt_mark *mark;
	__u64 before, now;

	if (!task || !lane)
		return 0;
	mark = mark_of(task);
	before = mark->ip;
	if (mark->task != (__u64)task || mark->mode != MT_FAULT_IN_USER ||
	    mark->cow != MT_COW_MAYBE || is_running(mark, task))
		return 0;
	now = both_uncounted(task);
	if ((__u32)now == (__u32)before)
		return 0;
	mark->cow = MT_COW_FILE;
	if (now >> 32 != before >> 32)
		return 0;
	mark->cow = MT_COW_NO;
	__sync_fetch_and_add(&lane->cow_faults, -1);
	__sync_fetch_and_add(&lane->faults, 1);
	return 0;
}

/* Before something else of it is seen. */
static __always_inline void settle_before(struct task_struct *task, struct mm_struct *mm,
					  __u32 slot)
{
	if (!HAS_CPU_COUNTERS && mm_of(task) == mm)
		settle_late(task, slot);
}

#endif
