// SPDX-License-Identifier: GPL-2.0
/* Which page faults does a process take, and what for?  Runs before the fault is served. */
#include "bpf/mapping.bpf.h"
#include "bpf/space.bpf.h"
#include "bpf/vma.bpf.h"

#define FAULT_ON_PRESENT_PAGE 1
#define FAULT_WRITE 2

/* A write to a page that is there, in a private mapping, unshares it. */
static __always_inline bool is_copy(struct mm_struct *mm, __u64 address, __u64 error)
{
	if ((error & (FAULT_ON_PRESENT_PAGE | FAULT_WRITE)) !=
	    (FAULT_ON_PRESENT_PAGE | FAULT_WRITE))
		return false;
	return !(mapping_flags(mm, address) & VM_SHARED);
}

/* The slot of the current address space, remembered for the events that follow. */
static __always_inline __u32 remember_slot(struct mt_cpu *cpu, struct mm_struct *mm)
{
	__u32 now = generation;

	if (cpu->mm != (__u64)mm || cpu->generation != now) {
		cpu->slot = find_slot(mm);
		cpu->mm = (__u64)mm;
		cpu->generation = now;
	}
	return cpu->slot;
}

static __always_inline void put_mark(struct mt_mark *mark, struct task_struct *task, __u64 address,
				     __u32 mode, __u32 cow)
{
	mark->task = (__u64)task;
	mark->address = address;
	mark->served = task->min_flt + task->maj_flt;
	mark->mode = mode;
	mark->cow = cow;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(mt_fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = mm_of(task);
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	struct mt_mark *mark;
	struct mt_lane *lane;
	__u32 slot;
	bool copy;

	if (!mm)
		return 0;
	cpu->runs++;
	slot = remember_slot(cpu, mm);
	if (!slot)
		return 0;
	space = space_of(slot, mm);
	lane = lane_at(bpf_get_smp_processor_id(), slot);
	mark = mark_of(task);
	if (!space || !lane)
		return 0;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	copy = is_copy(mm, address, error);
	put_mark(mark, task, address, MT_FAULT_IN_USER, copy ? MT_COW_MAYBE : MT_COW_NO);
	mark->call_at = call_number_at(regs);
	/* Interrupts are off, and only this CPU writes its lane. */
	if (copy)
		lane->cow_faults++;
	else
		lane->faults++;
	if (config.calls && space->untouched)
		note_touch(space, slot, address);
	return 0;
}

/*
 * The kernel touched the process's memory on its behalf.  Reads by other tracers fault here
 * by the hundred thousand and are never served (pagefault_disabled): not the process's.
 */
SEC("tp_btf/page_fault_kernel")
int BPF_PROG(mt_fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = mm_of(task);
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	struct mt_mark *mark;
	struct call call;
	__u32 slot;

	if (!mm)
		return 0;
	cpu->runs++;
	if (task->pagefault_disabled || address >> 63)
		return 0;
	slot = remember_slot(cpu, mm);
	if (!slot)
		return 0;
	space = space_of(slot, mm);
	mark = mark_of(task);
	if (!space)
		return 0;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT_KERNEL);
	call = call_of(task);
	put_mark(mark, task, address, MT_FAULT_IN_KERNEL, MT_COW_NO);
	mark->ip = call.ip;
	mark->call = call.number;
	count_cause(slot, cause(MT_OP_FAULT_KERNEL,
				task->flags & PF_IO_WORKER ? NR_IO_URING_ENTER : call.number));
	__sync_fetch_and_add(&space->events, 1);
	if (config.calls && space->untouched)
		note_touch(space, slot, address);
	return 0;
}
