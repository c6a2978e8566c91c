// SPDX-License-Identifier: GPL-2.0
/*
 * Who changed the size of an address space, its locked memory, its page tables?  All of it
 * happens under mmap_lock, and this event comes before the lock is dropped, in the context
 * of whoever did it: no list of the calls that can is needed.
 */
#include "bpf/late.bpf.h"
#include "bpf/range.bpf.h"

/*
 * The lock was taken for writing, the stack grown, the lock downgraded: in a fault, or by now
 * behind one that the kernel took in a call, such as read() into the stack.
 */
static __always_inline bool has_grown_stack(const struct mt_space *space, struct mm_struct *mm,
					    __u32 operation, bool write)
{
	return !write && (is_fault(operation) || operation == MT_OP_GUP) &&
	       GET(mm, total_vm) > (unsigned long)space->seen[0];
}

static __noinline int book_released(struct mm_struct *mm, struct mt_space *space, __u32 slot,
				    bool write)
{
	struct task_struct *task = current_task();
	__u32 operation;

	if (!mm || !space)
		return 0;
	operation = operation_of(cause_now(
		mm, (__s64)GET(mm, total_vm) - space->seen[MT_VIRTUAL - MT_MEMBERS]));
	if (has_grown_stack(space, mm, operation, write)) {
		catch_up_mapped(mm, slot, MT_OP_FAULT);
	} else if (mapped_moved(mm, space) && (write || holds_lock(operation))) {
		/* With the lock held for reading only, some changes may be somebody else's. */
		catch_up_mapped(mm, slot, operation);
		if (!config.calls && is_call(operation) && mm_of(task) == mm)
			count_mapped(slot, operation);
	}
	/* A call that has nothing to do with page tables sees those of a fault in progress. */
	if (tables_moved(mm, space) && operation != MT_OP_OTHER)
		catch_up_tables(mm, slot, operation);
	return 0;
}

static __always_inline void take_release(const __u64 *arguments)
{
	struct mm_struct *mm = (struct mm_struct *)arguments[0];
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	__u32 slot;

	cpu->runs++;
	slot = slot_of(cpu, mm);
	if (!slot)
		return;
	space = space_of(slot, mm);
	if (!space)
		return;
	/* An address space without mappings is torn down without the event below. */
	if (GET(mm, mm_users.counter) == 0 && GET(mm, map_count) == 0)
		close_space(mm, current_task(), slot);
	else if (mapped_moved(mm, space) || tables_moved(mm, space))
		book_released(mm, space, slot, is_lock_for_writing(arguments));
	if (!HAS_CPU_COUNTERS && mm_of(current_task()) == mm)
		look_at_late(current_task(), slot);
	if (config.stacks && mm_of(current_task()) == mm)
		note_unmapped(slot);
}

SEC("tp_btf/mmap_lock_released")
int mt_lock_release(const __u64 *arguments)
{
	hold_cpu();
	take_release(arguments);
	release_cpu();
	return 0;
}

#ifdef MEMTRACE_OLD
#define ERRNO_MOST 4095

static __always_inline bool may_change_mapped(long number)
{
	switch (number) {
	case NR_MMAP:
	case NR_MUNMAP:
	case NR_BRK:
	case NR_MREMAP:
	case NR_SHMAT:
	case NR_SHMDT:
	case NR_MLOCK:
	case NR_MUNLOCK:
	case NR_MLOCKALL:
	case NR_MUNLOCKALL:
	case NR_MLOCK2:
	case NR_IO_SETUP:
	case NR_IO_DESTROY:
	case NR_REMAP_FILE_PAGES:
		return true;
	}
	return is_compat_number(number);
}

static __always_inline bool is_shared(struct mm_struct *mm)
{
	return GET(mm, mm_users.counter) > 1;
}

/* Faults since the last event made these, unless the call touches pages itself. */
static __always_inline bool is_of_faults(__u32 operation)
{
	struct call call = call_of(current_task());

	return operation == MT_OP_OTHER || operation == MT_OP_BRK_GROW ||
	       (operation == MT_OP_MMAP && !(call.argument[3] & (MAP_POPULATE | MAP_LOCKED)));
}

/*
 * By how many pages a call has changed what is mapped, where that can be told from what it asked
 * for; else 0.  A munmap may have met holes: that is for the next call, or reading, to book.
 */
static __always_inline __s64 pages_asked(__u32 operation, __s64 result)
{
	struct call call = call_of(current_task());
	__s64 pages = (call.argument[1] + config.page_bytes - 1) / config.page_bytes;

	if (result < 0 && result >= -ERRNO_MOST)
		return 0;
	if (operation == MT_OP_MUNMAP)
		return -pages;
	return operation == MT_OP_MMAP && !(call.argument[3] & (MAP_FIXED | MAP_HUGETLB)) ? pages :
											   0;
}

/* Others may be within a call, too: what they have done so far is theirs to book. */
static __always_inline void book_asked(struct mm_struct *mm, struct mt_space *space, __u32 slot,
				       __u32 operation, __s64 pages)
{
	__s64 locked = take_seen(space, MT_LOCKED, GET(mm, locked_vm));

	__sync_fetch_and_add(&space->seen[MT_VIRTUAL - MT_MEMBERS], pages);
	post(slot, operation, MT_VIRTUAL, pages);
	if (locked)
		post(slot, operation, MT_LOCKED, locked);
}

static __noinline int book_call(struct mm_struct *mm, struct mt_space *space, __u32 slot,
				__s64 result)
{
	__u32 operation;
	__s64 pages;

	if (!mm || !space)
		return 0;
	catch_up_stack(mm, slot);
	operation = operation_of(cause_now(
		mm, (__s64)GET(mm, total_vm) - space->seen[MT_VIRTUAL - MT_MEMBERS]));
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, is_of_faults(operation) ? MT_OP_FAULT : operation);
	pages = is_shared(mm) ? pages_asked(operation, result) : 0;
	if (!pages && !mapped_moved(mm, space))
		return 0;
	if (pages)
		book_asked(mm, space, slot, operation, pages);
	else
		catch_up_mapped(mm, slot, operation);
	if (!config.calls && is_call(operation))
		count_mapped(slot, operation);
	return 0;
}

/* Where the kernel has no event of the lock: by now others may have changed something, too. */
SEC("?tp_btf/sys_exit")
int BPF_PROG(mt_call_end, struct pt_regs *regs, long result)
{
	struct mt_space *space;
	struct mm_struct *mm;
	__u32 slot;

	if (!may_change_mapped(call_number(regs)))
		return 0;
	mm = mm_of(current_task());
	slot = slot_of(this_cpu(), mm);
	if (!slot)
		return 0;
	look_at_late(current_task(), slot);
	space = space_of(slot, mm);
	if (space && (is_shared(mm) || mapped_moved(mm, space) || tables_moved(mm, space)))
		book_call(mm, space, slot, result);
	return 0;
}
#endif

SEC("tp_btf/exit_mmap")
int BPF_PROG(mt_exit_mmap, struct mm_struct *mm)
{
	__u32 slot = find_slot((__u64)mm);

	if (!slot)
		return 0;
	hold_cpu();
	close_space(mm, current_task(), slot);
	release_cpu();
	return 0;
}
