// SPDX-License-Identifier: GPL-2.0
/*
 * --calls: which memory calls are made, for how much, how long do they take, which fail?
 * The raw system call events cost every call of the machine about 0.1 us while they are
 * attached; unlike the single ones they need no tracefs and are gone in a millisecond.
 */
#include "bpf/mapping.bpf.h"
#include "bpf/space.bpf.h"

#define MAP_FIXED 0x10
#define MAP_POPULATE 0x8000
#define MAP_LOCKED 0x2000
#define MREMAP_DONTUNMAP 4

static __always_inline bool is_memory_call(long number)
{
	switch (number) {
	case NR_MMAP:
	case NR_MUNMAP:
	case NR_BRK:
	case NR_MREMAP:
	case NR_MADVISE:
	case NR_SHMAT:
	case NR_SHMDT:
	case NR_MLOCK:
	case NR_MUNLOCK:
	case NR_MLOCKALL:
	case NR_MUNLOCKALL:
	case NR_MLOCK2:
	case NR_PROCESS_MADVISE:
		return true;
	}
	return false;
}

/* The size that a call asks for, in bytes; brk's is how far it moves the end. */
static __always_inline __u64 requested(const struct call *call, __u64 program_break)
{
	switch (call->number) {
	case NR_MMAP:
	case NR_MUNMAP:
	case NR_MADVISE:
	case NR_MLOCK:
	case NR_MLOCK2:
	case NR_MUNLOCK:
		return call->argument[1];
	case NR_MREMAP:
		return call->argument[2];
	case NR_BRK:
		if (!call->argument[0])
			return 0;
		return call->argument[0] > program_break ? call->argument[0] - program_break :
							   program_break - call->argument[0];
	}
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(mt_sys_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task;
	struct mt_space *space;
	struct mm_struct *mm;
	struct mt_task *state;
	struct call call;
	__s64 direction;
	__u32 slot;

	if (!is_memory_call(number))
		return 0;
	task = bpf_get_current_task_btf();
	mm = mm_of(task);
	if (!mm)
		return 0;
	slot = slot_of(this_cpu(), mm);
	space = space_of(slot, mm);
	if (!slot || !space)
		return 0;
	state = task_state(task);
	if (!state)
		return 0;
	call = call_of(task);
	if (!is_memory_call(call.number)) /* a 32-bit call that shares the number */
		return 0;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	direction = call.argument[0] && call.argument[0] < mm->brk ? -1 : 1;
	state->operation = operation_of(cause_of_call(&call, direction)) + 1;
	state->requested_bytes = requested(&call, mm->brk);
	state->released_pages = 0;
	state->entered_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline bool is_failure(const struct call *call, long result)
{
	if (call->number == NR_BRK)
		return call->argument[0] && (__u64)result != call->argument[0];
	return result < 0 && result >= -4095;
}

/* Sizes asked go into one histogram for each kind of call. */
static __always_inline __u32 size_histogram(__u32 operation)
{
	switch (operation) {
	case MT_OP_MMAP:
		return MT_HIST_MMAP_BYTES;
	case MT_OP_MUNMAP:
		return MT_HIST_MUNMAP_BYTES;
	case MT_OP_BRK_GROW:
	case MT_OP_BRK_SHRINK:
		return MT_HIST_BRK_BYTES;
	case MT_OP_MREMAP:
		return MT_HIST_MREMAP_BYTES;
	}
	return operation >= MT_OP_MADV_DONTNEED && operation <= MT_OP_MADV_OTHER ?
		       MT_HIST_MADVISE_BYTES :
		       MT_HISTOGRAMS;
}

static __always_inline bool gives_back(__u32 operation)
{
	return operation == MT_OP_MUNMAP || operation == MT_OP_BRK_SHRINK ||
	       (operation >= MT_OP_MADV_DONTNEED && operation <= MT_OP_MADV_PAGEOUT);
}

static __always_inline __u64 whole_pages(__u64 bytes)
{
	return (bytes + config.page_bytes - 1) & ~(__u64)(config.page_bytes - 1);
}

static __noinline int note_mapping(__u32 slot, const struct call *call, __u64 result, __u64 now)
{
	struct mt_mapping old = {};
	__u64 bytes;

	if (!call)
		return 0;
	bytes = whole_pages(call->argument[1]);
	if (call->number == NR_MUNMAP)
		return end_mappings(slot, call->argument[0], bytes, now);
	if (call->number == NR_MMAP) {
		if (call->argument[3] & MAP_FIXED)
			end_mappings(slot, result, bytes, now);
		return add_mapping(slot, result, result + bytes, now,
				   !!(call->argument[3] & (MAP_POPULATE | MAP_LOCKED)));
	}
	if (call->argument[3] & MREMAP_DONTUNMAP)
		return add_mapping(slot, result, result + bytes, now, 1);
	if (!take_mapping(slot, call->argument[0], bytes, &old))
		return 0;
	return add_mapping(slot, result, result + whole_pages(call->argument[2]), old.made_ns,
			   old.touched);
}

static __noinline int count_call(__u32 slot, struct mt_task *state, bool failed, __u64 now)
{
	__u32 operation, sizes;
	struct mt_entry *entry;

	if (!state || !state->operation)
		return 0;
	operation = state->operation - 1;
	entry = entry_at(slot, operation);
	if (!entry || !is_call(operation))
		return 0;
	__sync_fetch_and_add(&entry->count, 1);
	__sync_fetch_and_add(&entry->requested_bytes, state->requested_bytes);
	if (failed)
		__sync_fetch_and_add(&entry->failed, 1);
	sizes = size_histogram(operation);
	if (sizes < MT_HISTOGRAMS)
		observe(slot, sizes, state->requested_bytes);
	observe(slot, MT_HIST_SYSCALL_NS + operation - MT_OP_CALL_FIRST,
		now - state->entered_ns);
	if (gives_back(operation) && !failed)
		observe(slot, MT_HIST_RELEASED_BYTES, state->released_pages * config.page_bytes);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(mt_sys_exit, struct pt_regs *regs, long result)
{
	struct task_struct *task;
	struct mt_space *space;
	struct mm_struct *mm;
	struct mt_task *state;
	struct call call;
	__u32 slot;
	bool failed;
	__u64 now;

	if (!is_memory_call(regs->orig_ax))
		return 0;
	now = bpf_ktime_get_ns();
	task = bpf_get_current_task_btf();
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	mm = mm_of(task);
	if (!state || !state->operation || !mm)
		return 0;
	slot = slot_of(this_cpu(), mm);
	space = space_of(slot, mm);
	if (slot && space) {
		call = call_of(task);
		failed = is_failure(&call, result);
		if (tables_moved(mm, space))
			catch_up_tables(mm, slot, state->operation - 1);
		count_call(slot, state, failed, now);
		if (!failed && (call.number == NR_MMAP || call.number == NR_MUNMAP ||
				call.number == NR_MREMAP))
			note_mapping(slot, &call, result, now);
	}
	state->operation = 0;
	return 0;
}
