/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What have the faults of a task brought that the kernel has not counted so far?  Up to 6.1 a
 * task adds its faults to the counters later, 64 at a time or before it gives something back.
 */
#ifndef MEMTRACE_LATE_BPF_H
#define MEMTRACE_LATE_BPF_H

#include "bpf/cause.bpf.h"
#include "bpf/count.bpf.h"

static __always_inline __s32 uncounted(struct task_struct *task, __u32 member)
{
	if (HAS_CPU_COUNTERS)
		return 0;
	stay_below();
	return load_s32((__u64)task + OFFSET(task_struct___old, rss_stat.count) +
			member * sizeof(__s32));
}

/* Whatever the task does by now, this is what its last faults brought; or took out of swap; or
 * replaced, of files. */
static __always_inline bool is_late(struct task_struct *task, struct mm_struct *mm,
				    __u32 member, __s64 pages)
{
	return !HAS_CPU_COUNTERS && (pages > 0 || member != MT_ANON) && mm_of(task) == mm &&
	       uncounted(task, member) == pages;
}

static __always_inline __u32 cause_of_late(const struct mt_mark *mark, struct task_struct *task,
					   __u32 member, __s64 pages)
{
	if (mark->task == (__u64)task && mark->mode == MT_FAULT_IN_KERNEL)
		return cause(MT_OP_FAULT_KERNEL, mark->call);
	return cause(pages < 0 && member != MT_SWAP ? MT_OP_FAULT_COW : MT_OP_FAULT, -1);
}

/*
 * How many of these pages came for the call in flight, as if it had faulted (mlock and the like)?
 * Such faults have no event, but they count as served.
 */
static __always_inline __s64 brought_by_call(const struct mt_mark *mark, struct task_struct *task,
					     __s64 pages)
{
	__s64 without_event = faults_of(task) - mark->served - 1;

	if (mark->task != (__u64)task || without_event <= 0)
		return 0;
	return without_event < pages ? without_event : pages;
}

/* ---- anonymous pages: who brought them is asked before the kernel counts them ---- */

static __always_inline void keep_late(struct mt_task *state, __u32 why, __s64 pages,
				      __s64 uncounted_pages)
{
	for (__u32 i = 0; i < MT_LATE_CAUSES; i++)
		uncounted_pages -= state->late_pages[i];
	if (pages > uncounted_pages)
		pages = uncounted_pages;
	if (pages <= 0)
		return;
	for (__u32 i = 0; i < MT_LATE_CAUSES; i++) {
		if (state->late_pages[i] && state->late_why[i] != why)
			continue;
		state->late_why[i] = why;
		state->late_pages[i] += pages;
		return;
	}
}

static __always_inline __u32 cause_of_kernel_fault(struct task_struct *task,
						   const struct mt_mark *mark)
{
	return cause(MT_OP_FAULT_KERNEL,
		     GET(task, flags) & PF_IO_WORKER ? NR_IO_URING_ENTER : mark->call);
}

/* Pages that a call touched itself: such faults have no event, but they count as served. */
static __always_inline void keep_of_call(struct task_struct *task, struct mt_task *state,
					 __u32 slot, __s64 faults, __s64 uncounted_pages)
{
	struct call call = call_of(task);
	__u32 why;

	if (call.number < 0 || faults <= 0)
		return;
	why = cause_of_call(&call, 1);
	if (counts_itself(operation_of(why)) || releases(operation_of(why)))
		return;
	keep_late(state, why, faults, uncounted_pages);
	note_call(slot, why, 0, MT_ANON);
}

/* One that failed (EFAULT) has the mark to itself, too, as long as no other fault comes. */
static __always_inline bool was_served(const struct mt_mark *mark, struct task_struct *task,
				       __u64 faults)
{
	struct call call;

	if (faults <= mark->served)
		return false;
	if (IS_OLD || mark->mode != MT_FAULT_IN_KERNEL)
		return true;
	call = call_of(task);
	return is_in_kernel_fault(mark, &call);
}

/*
 * Who brought what came since the last look?  That is asked when the lock of the address space is
 * let go of, and when the kernel faults; the rest came by faults in user mode.
 */
static __noinline KEEPS_RESULT int look_at_late(struct task_struct *task, __u32 slot)
{
	__u64 faults, known;
	struct mt_task *state;
	struct mt_mark *mark;
	__s32 pages;

	if (!task)
		return 0;
	mark = mark_of(task);
	if (call_number(user_registers(task)) < 0 && mark->mode != MT_FAULT_IN_KERNEL)
		return 0;
	state = task_state(task);
	if (!state)
		return 0;
	faults = faults_of(task);
	known = state->faults ? state->faults - 1 : 0;
	pages = uncounted(task, MT_ANON);
	if (mark->task == (__u64)task && mark->mode != MT_FAULT_NONE && mark->served >= known) {
		known = mark->served;
		if (was_served(mark, task, faults)) {
			known++;
			if (mark->mode == MT_FAULT_IN_KERNEL && pages > (__s32)mark->call_at)
				keep_late(state, cause_of_kernel_fault(task, mark), 1, pages);
		}
	} else if (!state->faults) {
		known = faults;
	}
	state->faults = faults + 1;
	keep_of_call(task, state, slot, faults - known, pages);
	return 0;
}

/* The kernel counts them: books what is known of them, and returns how many are left. */
static __noinline __s64 book_kept(struct task_struct *task, __u32 slot, __s64 pages)
{
	struct mt_task *state;

	if (!task)
		return pages;
	state = find_task(task);
	for (__u32 i = 0; state && i < MT_LATE_CAUSES; i++) {
		__s64 kept = state->late_pages[i];

		if (kept > pages)
			kept = pages;
		if (kept)
			post(slot, state->late_why[i], MT_ANON, kept);
		state->late_pages[i] = 0;
		pages -= kept;
	}
	return pages;
}

/* The same of all members; what is left has the cause that is returned. */
static __always_inline __u32 book_late(struct task_struct *task, const struct mt_mark *mark,
				       __u32 slot, __u32 member, __u32 why, __s64 *pages)
{
	__s64 of_call;

	if (member == MT_ANON) {
		look_at_late(task, slot);
		*pages = book_kept(task, slot, *pages);
		return cause(MT_OP_FAULT, -1);
	}
	if (is_fault(operation_of(why)))
		return why;
	of_call = *pages > 0 ? brought_by_call(mark, task, *pages) : 0;
	if (of_call == *pages)
		return why;
	if (of_call)
		post(slot, why, member, of_call);
	*pages -= of_call;
	return cause_of_late(mark, task, member, *pages);
}

/* ---- copies ---- */

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
	if (member == MT_ANON && mark->mode == MT_FAULT_IN_KERNEL)
		mark->call_at = 0;
	else if (member == MT_ANON)
		mark->ip &= ~0xffffffffULL;
	else if (member == MT_FILE && mark->mode != MT_FAULT_IN_KERNEL)
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
