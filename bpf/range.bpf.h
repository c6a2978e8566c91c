/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which address space do stacks ask for, and which of it goes?  Each such call is told to user
 * space, which keeps the list: no map is ordered by address, and what one call made may go in
 * pieces by others.  It is told in the order in which it happened.
 */
#ifndef MEMTRACE_RANGE_BPF_H
#define MEMTRACE_RANGE_BPF_H

#include "bpf/event.bpf.h"
#include "bpf/site.bpf.h"

#define MAP_TYPE 0xf
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define MAP_HUGE_SHIFT 26
#define MREMAP_FIXED 2
#define MREMAP_DONTUNMAP 4
#define HUGE_SHIFT 21 /* of huge pages, where the call does not say */

static __always_inline __u64 whole_pages(__u64 bytes)
{
	return (bytes + config.page_bytes - 1) & ~(__u64)(config.page_bytes - 1);
}

#ifndef MEMTRACE_OLD
#include "bpf/vma.bpf.h"

/* A storm of calls must not push out what else goes through the ring. */
static __always_inline bool has_room(__u64 waiting)
{
	return waiting < bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 2;
}

/* User space looks ten times a second.  When much waits it is woken, once in 4 KiB. */
static __always_inline __u64 wakeup_for(__u64 waiting)
{
	bool much = waiting > bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 8;

	return much && (waiting & 4095) <= sizeof(struct mt_event_range) ? BPF_RB_FORCE_WAKEUP :
									   BPF_RB_NO_WAKEUP;
}

/* Of the current task, by its call. */
__noinline int tell_range(__u32 slot, __u32 what, __u64 start, __u64 end, __u64 from)
{
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	struct mt_space *space = space_at(slot);
	struct mt_event_range *event;
	__u32 stack = 0;

	/* Said here, too, for the verifier: without stacks nothing below is reached. */
	if (!config.stacks || !space)
		return 0;
	if (what <= MT_RANGE_GROWN)
		stack = caller_of_call(current_task());
	event = has_room(waiting) ? bpf_ringbuf_reserve(&events, sizeof(*event), 0) : 0;
	if (!event) {
		lost(MT_LOSS_MAPPINGS);
		return 0;
	}
	event->kind = MT_EVENT_RANGE;
	event->what = what;
	event->serial = space->serial;
	event->stack = stack;
	event->start = start;
	event->end = end;
	event->from = from;
	event->unused[0] = event->unused[1] = 0;
	bpf_ringbuf_submit(event, wakeup_for(waiting));
	return 0;
}

static long see_bounds(struct task_struct *task, struct vm_area_struct *vma, __u64 *bounds)
{
	bounds[0] = vma->vm_start;
	bounds[1] = vma->vm_end;
	return 0;
}

/* Shared memory of System V: the call does not say how much. */
static __always_inline int tell_attached(__u32 slot, __u64 address)
{
	__u64 bounds[2] = {};

	if (bpf_find_vma(bpf_get_current_task_btf(), address, see_bounds, bounds, 0))
		return 0;
	return tell_range(slot, MT_RANGE_SHARED, bounds[0], bounds[1], 0);
}

static __always_inline int tell_mapped(__u32 slot, const struct call *call, __u64 at)
{
	__u64 flags = call->argument[3], bytes = whole_pages(call->argument[1]);
	__u32 what = (flags & MAP_TYPE) != MAP_PRIVATE ? MT_RANGE_SHARED :
		     flags & MAP_ANONYMOUS		? MT_RANGE_ANON :
							  MT_RANGE_FILE;
	__u64 huge;

	if (flags & MAP_HUGETLB) {
		huge = 1ULL << (((flags >> MAP_HUGE_SHIFT) & 63) ?: HUGE_SHIFT);
		bytes = (bytes + huge - 1) & -huge;
		what = MT_RANGE_SHARED;
	}
	return tell_range(slot, what, at, at + bytes, 0);
}

static __always_inline int tell_remapped(__u32 slot, const struct call *call, __u64 to)
{
	__u64 from = call->argument[0], before = whole_pages(call->argument[1]);
	__u64 now = whole_pages(call->argument[2]);

	if (!before || call->argument[3] & MREMAP_DONTUNMAP)
		return tell_range(slot, MT_RANGE_COPIED, to, to + now, from);
	if (to != from)
		tell_range(slot, MT_RANGE_MOVED, to, to + (before < now ? before : now), from);
	if (before < now)
		tell_range(slot, MT_RANGE_GROWN, to + before, to + now, 0);
	return 0;
}

/* What a call has made, when it is over: only then is it known where. */
__noinline int tell_made(__u32 slot, __u64 program_break, __u64 result)
{
	struct call call = call_of(current_task());

	switch (call.number) {
	case NR_MMAP:
		return tell_mapped(slot, &call, result);
	case NR_MREMAP:
		return tell_remapped(slot, &call, result);
	case NR_SHMAT:
		return tell_attached(slot, result);
	case NR_SHMDT: /* as much as was attached */
		return tell_range(slot, MT_RANGE_DETACHED, call.argument[0], 0, 0);
	case NR_BRK:
		if (whole_pages(result) > whole_pages(program_break))
			return tell_range(slot, MT_RANGE_ANON, whole_pages(program_break),
					  whole_pages(result), 0);
	}
	return 0;
}

/* The first byte that the call in flight takes away, and what comes after the last: apart, and
 * asked again, since all that is kept is of a stack that walking needs, too. */
__noinline __u64 unmapped_from(void)
{
	struct call call;

	if (!config.stacks)
		return 0;
	call = call_of(current_task());
	if (call.number == NR_MREMAP)
		return call.argument[0] + whole_pages(call.argument[2]);
	if (call.number == NR_BRK)
		return whole_pages(call.argument[0]);
	return call.number == NR_MUNMAP ? call.argument[0] : 0;
}

__noinline __u64 unmapped_to(void)
{
	struct task_struct *task = current_task();
	struct mm_struct *mm = mm_of(task);
	struct call call;

	if (!config.stacks || !mm)
		return 0;
	call = call_of(task);
	if (call.number != NR_BRK)
		return call.argument[0] + whole_pages(call.argument[1]);
	if (!in_call(call_state(task), task) || GET(mm, brk) != call.argument[0])
		return 0;
	return whole_pages(call_state(task)->program_break);
}

/*
 * What the call in flight takes away is gone when it drops the lock of the address space, and
 * nobody else can have mapped anything there so far: at its end somebody may have.
 */
__noinline int note_unmapped(__u32 slot)
{
	struct mm_struct *mm = mm_of(current_task());
	__u64 start, end;

	if (!config.stacks || !mm)
		return 0;
	start = unmapped_from();
	end = unmapped_to();
	/* Something is still there where the call failed. */
	if (!start || (start & 4095) || start >= end || mapping_flags(mm, start))
		return 0;
	return tell_range(slot, MT_RANGE_GONE, start, end,
			  forget_pages(slot, start, end - start, operation_in_flight(-1)));
}

#else

#define tell_made(slot, program_break, result) ((void)(program_break))
#define note_unmapped(slot) 0

#endif
#endif
