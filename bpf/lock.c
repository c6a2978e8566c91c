// SPDX-License-Identifier: GPL-2.0
/*
 * Who changed the size of an address space, its locked memory, its page tables?  All of it
 * happens under mmap_lock, and this event comes before the lock is dropped, in the context
 * of whoever did it: no list of the calls that can is needed.
 */
#include "bpf/space.bpf.h"

/*
 * The lock was taken for writing, the stack grown, the lock downgraded: in a fault, or by now
 * behind one that the kernel took in a call, such as read() into the stack.
 */
static __always_inline bool has_grown_stack(const struct mt_space *space, struct mm_struct *mm,
					    __u32 operation, bool write)
{
	return !write && (is_fault(operation) || operation == MT_OP_GUP) &&
	       mm->total_vm > (unsigned long)space->seen[0];
}

static __noinline int book_released(struct mm_struct *mm, struct mt_space *space, __u32 slot,
				    bool write)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 operation;

	if (!mm || !space)
		return 0;
	operation = operation_of(cause_now(
		mm, (__s64)mm->total_vm - space->seen[MT_VIRTUAL - MT_MEMBERS]));
	if (has_grown_stack(space, mm, operation, write)) {
		catch_up_mapped(mm, slot, MT_OP_FAULT);
	} else if (mapped_moved(mm, space) && (write || holds_lock(operation))) {
		/* With the lock held for reading only, some changes may be somebody else's. */
		catch_up_mapped(mm, slot, operation);
		if (!config.calls && is_call(operation) && mm_of(task) == mm)
			count_cause(slot, operation);
	}
	/* A call that has nothing to do with page tables sees those of a fault in progress. */
	if (tables_moved(mm, space) && operation != MT_OP_OTHER)
		catch_up_tables(mm, slot, operation);
	return 0;
}

SEC("tp_btf/mmap_lock_released")
int BPF_PROG(mt_lock_release, struct mm_struct *mm, bool write)
{
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	__u32 slot;

	cpu->runs++;
	slot = slot_of(cpu, mm);
	if (!slot)
		return 0;
	space = space_of(slot, mm);
	if (!space)
		return 0;
	/* An address space without mappings is torn down without the event below. */
	if (mm->mm_users.counter == 0 && mm->map_count == 0)
		close_space(mm, bpf_get_current_task_btf(), slot);
	else if (mapped_moved(mm, space) || tables_moved(mm, space))
		book_released(mm, space, slot, write);
	return 0;
}

SEC("tp_btf/exit_mmap")
int BPF_PROG(mt_exit_mmap, struct mm_struct *mm)
{
	__u32 slot = find_slot((__u64)mm);

	if (slot)
		close_space(mm, bpf_get_current_task_btf(), slot);
	return 0;
}
