/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How often was it called, and what did each call give back?  Without --calls no event says so:
 * a call is known by what it changes.
 */
#ifndef MEMTRACE_COUNT_BPF_H
#define MEMTRACE_COUNT_BPF_H

#include "bpf/space.bpf.h"

static __always_inline bool counts_itself(__u32 operation)
{
	return is_fault(operation) || operation == MT_OP_FORK || operation == MT_OP_EXEC ||
	       operation == MT_OP_EXIT;
}

/* A call whose pages are summed for released_bytes; not one that releases on its way. */
static __always_inline bool is_release(__u32 why)
{
	return why == MT_OP_MUNMAP || why == MT_OP_BRK_SHRINK || why == MT_OP_MREMAP ||
	       (why >= MT_OP_MADV_DONTNEED && why <= MT_OP_MADV_PAGEOUT);
}

static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15ULL;
}

/*
 * Tells this call from the one before: by its serial number, or without --calls by what is
 * called from where.  A call that frees the same range again can do so only after a fault, so
 * the count of faults tells those apart.
 */
static __always_inline __u64 identity_of(struct task_struct *task, __u32 slot, __u32 why)
{
	struct call call = call_of(task);
	__u64 hash = mix(slot, why);

	if (config.calls)
		return mix(hash, call_state(task)->serial) | 1;
	hash = mix(hash, call.ip);
	hash = mix(hash, call.argument[0]);
	hash = mix(hash, call.argument[1]);
	if (is_release(why))
		hash = mix(hash, faults_of(task));
	return hash | 1;
}

static __always_inline void flush_released(struct mt_task *state)
{
	struct mt_space *space;

	if (!state->released_by)
		return;
	space = space_at(state->slot);
	if (space && space->state == MT_SPACE_OPEN)
		observe(state->slot, MT_HIST_RELEASED_BYTES,
			state->released_pages * config.page_bytes);
	state->released_by = 0;
	state->released_pages = 0;
}

/*
 * What changes the size of an address space, or what of it is locked, is counted by who sees that
 * (bpf/lock.c): pages go before it in some calls, and come after it in others.
 */
static __always_inline bool is_counted_as_mapped(__u32 operation)
{
	switch (operation) {
	case MT_OP_MMAP:
		return !(call_of(current_task()).argument[3] & MAP_FIXED);
	case MT_OP_MUNMAP:
	case MT_OP_BRK_GROW:
	case MT_OP_BRK_SHRINK:
	case MT_OP_MREMAP:
	case MT_OP_MLOCK:
	case MT_OP_SHM:
		return true;
	}
	return false;
}

/* Without --calls: a mapping put over another may have been counted by the pages that went. */
static __always_inline void count_mapped(__u32 slot, __u32 operation)
{
	struct task_struct *task = current_task();
	struct mt_task *state;

	if (!is_counted_as_mapped(operation)) {
		state = find_task(task);
		if (state && state->identity == identity_of(task, slot, operation))
			return;
	}
	count_cause(slot, operation);
}

/* Counts calls that nobody else counts, and sums up what a call gives back. */
__noinline int note_call(__u32 slot, __u32 why, __s64 pages, __u32 member)
{
	__u64 released = pages < 0 && member != MT_SWAP ? -pages : 0;
	struct task_struct *task = current_task();
	struct mt_task *state;
	__u64 identity;

	if (GET(task, flags) & PF_KTHREAD)
		return count_cause(slot, why);
	if (config.calls && is_call(operation_of(why)) && in_call(call_state(task), task)) {
		call_state(task)->released_pages += released;
		call_state(task)->released_anon += member == MT_ANON ? released : 0;
		call_state(task)->brought_anon += member == MT_ANON && pages > 0 ? pages : 0;
		return 0;
	}
	state = task_state(task);
	if (!state)
		return 0;
	identity = identity_of(task, slot, why);
	if (state->identity != identity) {
		flush_released(state);
		state->identity = identity;
		if (!is_counted_as_mapped(operation_of(why)))
			count_cause(slot, why);
	}
	if (is_release(why)) {
		state->released_by = operation_of(why) + 1;
		state->slot = slot;
		state->released_pages += released;
	}
	return 0;
}

#endif
