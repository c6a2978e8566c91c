// SPDX-License-Identifier: GPL-2.0
/*
 * --calls: which memory calls are made, for how much, how long do they take, which fail?
 * The raw system call events cost every call of the machine about 0.1 us while they are
 * attached; unlike the single ones they need no tracefs and are gone in a millisecond.
 */
#include "bpf/copy.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/range.bpf.h"

#define PROT_EXEC 4
#define ENOMEM 12

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

/*
 * What depends on the call's number is in functions that are verified by themselves: else the
 * verifier follows each number to the end of the program.
 */

/*
 * The size that a call asks for, in bytes; brk's is how far it moves the end.  What
 * process_madvise asks for lies in the caller's memory, so what it did is taken.
 */
__noinline __u64 requested(__u64 program_break, __s64 result)
{
	struct call call = call_of(current_task());

	switch (call.number) {
	case NR_MMAP:
	case NR_MUNMAP:
	case NR_MADVISE:
	case NR_MLOCK:
	case NR_MLOCK2:
	case NR_MUNLOCK:
		return call.argument[1];
	case NR_MREMAP:
		return call.argument[2];
	case NR_PROCESS_MADVISE:
		return result > 0 ? result : 0;
	case NR_BRK:
		if (!call.argument[0])
			return 0;
		return call.argument[0] > program_break ? call.argument[0] - program_break :
							   program_break - call.argument[0];
	}
	return 0;
}

/* Before a call that may end, or give back what was copied. */
static __noinline KEEPS_RESULT int settle_copy(struct task_struct *task)
{
	struct mm_struct *mm = task ? mm_of(task) : 0;
	__u32 slot = mm ? slot_of(this_cpu(), mm) : 0;

	return slot ? note_copy(slot) : 0;
}

/* Returns whose it is, 0: nobody's that is followed. */
static __always_inline __u32 take_enter(struct task_struct *task, struct mt_call *state)
{
	struct mm_struct *mm = mm_of(task);
	__u32 slot = slot_of(this_cpu(), mm);
	struct mt_space *space;

	if (!slot)
		return 0;
	space = space_of(slot, mm);
	if (!space)
		return 0;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	if (state->task && state->task != (__u64)task)
		lost(MT_LOSS_STORAGE);
	state->task = (__u64)task;
	state->program_break = GET(mm, brk);
	state->released_pages = state->released_anon = state->brought_anon = 0;
	state->entered_ns = bpf_ktime_get_ns();
	return slot;
}

#define SIGINT 2
#define SIGCONT 18

/*
 * Python frees all that it has before it ends, and makes SIGINT the system's again right before
 * that.  Who is traced (user/collect/hold.c) stops for any signal, and does not get this one: which
 * does nothing, should memtrace have died meanwhile.
 */
__noinline int stop_before_tidying(void)
{
	struct task_struct *task = current_task();
	struct call call = call_of(task);
	__u64 thread = bpf_get_current_pid_tgid(), handler = 1;

	if (call.argument[0] != SIGINT || (__u32)thread != thread >> 32 || pid_of(task) != held_pid)
		return 0;
	bpf_probe_read_user(&handler, sizeof(handler), (void *)call.argument[1]);
	if (!handler) /* SIG_DFL */
		bpf_send_signal_thread(SIGCONT);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(mt_sys_enter, struct pt_regs *regs, long number)
{
	struct task_struct *task = current_task();
	struct mt_call *state = call_state(task);
	__u32 slot;

	state->serial++;
	if (config.stacks && mark_of(task)->cow == MT_COW_MAYBE)
		settle_copy(task);
	if (!is_memory_call(number)) {
		if (number != NR_RT_SIGACTION || !held_pid)
			return 0;
		hold_cpu();
		stop_before_tidying();
		release_cpu();
		return 0;
	}
	hold_cpu();
	slot = take_enter(task, state);
	if (config.stacks && slot)
		state->caller = walk_from(slot, regs);
	release_cpu();
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

__noinline int note_mapping(__u32 slot, __u64 result, __u64 now)
{
	struct call call = call_of(current_task());
	struct mt_mapping old = {};
	__u64 bytes;

	bytes = whole_pages(call.argument[1]);
	if (call.number == NR_MUNMAP)
		return end_mappings(slot, call.argument[0], bytes, now);
	if (call.number == NR_MMAP) {
		if (call.argument[3] & MAP_FIXED)
			end_mappings(slot, result, bytes, now);
		return add_mapping(slot, result, result + bytes, now,
				   !!(call.argument[3] & (MAP_POPULATE | MAP_LOCKED)));
	}
	if (call.number != NR_MREMAP)
		return 0;
	if (call.argument[3] & MREMAP_DONTUNMAP)
		return add_mapping(slot, result, result + bytes, now, 1);
	if (!take_mapping(slot, call.argument[0], bytes, &old))
		return 0;
	return add_mapping(slot, result, result + whole_pages(call.argument[2]), old.made_ns,
			   old.touched);
}

static __always_inline void count_call(__u32 slot, __u32 operation, const struct mt_call *state,
				       __u64 bytes, bool failed, __u64 now)
{
	struct mt_entry *entry = entry_at(slot, operation);
	__u32 sizes = size_histogram(operation);

	if (entry) {
		__sync_fetch_and_add(&entry->count, 1);
		__sync_fetch_and_add(&entry->requested_bytes, bytes);
		__sync_fetch_and_add(&entry->failed, failed);
	}
	/* brk(0) only asks where the end is. */
	if (sizes < MT_HISTOGRAMS && (bytes || sizes != MT_HIST_BRK_BYTES))
		observe(slot, sizes, bytes);
	observe(slot, MT_HIST_SYSCALL_NS + operation - MT_OP_CALL_FIRST, now - state->entered_ns);
	/* One that fails may have given something back before. */
	if (gives_back(operation) && (!failed || state->released_pages))
		observe(slot, MT_HIST_RELEASED_BYTES, state->released_pages * config.page_bytes);
}

/* What a call did to the pages that stacks are kept of, but for those it unmapped. */
static __noinline int note_pages_of_call(__u32 slot, __u32 operation, __u64 result)
{
	struct call call = call_of(current_task());
	__u64 start = call.argument[0], bytes = whole_pages(call.argument[1]), kept;

	switch (operation) {
	case MT_OP_MMAP:
		if ((call.argument[2] & PROT_EXEC) && !(call.argument[3] & MAP_ANONYMOUS))
			note_code(slot, result, false);
		if (call.argument[3] & MAP_FIXED)
			forget_pages(slot, result, bytes, operation);
		break;
	case MT_OP_MADV_DONTNEED:
	case MT_OP_MADV_REMOVE:
		forget_pages(slot, start, bytes, operation);
		break;
	case MT_OP_MREMAP:
		kept = whole_pages(call.argument[2]);
		if (call.argument[3] & MREMAP_FIXED)
			forget_pages(slot, result, kept, operation);
		if (result != start)
			move_pages(slot, start, result, bytes < kept ? bytes : kept);
	}
	return 0;
}

/* What a call touched itself, as with MAP_POPULATE: there is no fault that says where. */
static __noinline KEEPS_RESULT int note_populated(__u32 slot, __u32 operation, __u64 result,
						  __u64 pages)
{
	struct call call = call_of(current_task());
	__u64 start = call.argument[0];
	__u64 bytes = whole_pages(call.argument[1] + (start & 4095)), end;

	if (operation == MT_OP_MMAP) {
		start = result;
	} else if (operation == MT_OP_MADV_COLLAPSE) { /* the huge pages that fit into it */
		end = (start + bytes) & -(1ULL << HUGE_SHIFT);
		start = (start + (1ULL << HUGE_SHIFT) - 1) & -(1ULL << HUGE_SHIFT);
		if (end <= start)
			return 0;
		bytes = end - start;
	} else if (operation != MT_OP_MADV_POPULATE && call.number != NR_MLOCK &&
		   call.number != NR_MLOCK2) {
		return 0;
	}
	note_brought(slot, start, bytes, pages);
	return 0;
}

#define FAILED 0x10000
#define NOT_OURS 0x20000 /* one of 32 bits with a number of ours */

/*
 * Counts a call, and files what it mapped.  Returns its operation.  By itself, so that its part of
 * the stack is free for what comes after: up to 6.12 all of a chain has to fit into 512 bytes.
 */
static __noinline __u32 take_call(struct mm_struct *mm, struct mt_space *space, __u32 slot,
				  const struct mt_call *state, long result)
{
	struct call call = call_of(current_task());
	__s64 direction = call.argument[0] && call.argument[0] < state->program_break ? -1 : 1;
	__u32 operation = operation_in_flight(direction);
	__u64 now = bpf_ktime_get_ns();
	bool failed = is_failure(&call, result);

	if (!mm || !space || !is_call(operation))
		return NOT_OURS;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, operation);
	count_call(slot, operation, state, requested(state->program_break, result), failed, now);
	if (failed)
		return operation | FAILED;
	note_mapping(slot, result, now);
	return operation;
}

/* What the call did to the pages and the address space that stacks are kept of. */
static __always_inline void follow_call(__u32 slot, __u32 operation, const struct mt_call *state,
					long result)
{
	if (state->released_anon && !(operation & NOT_OURS))
		give_back(slot, operation & ~FAILED, state->released_anon, state->caller);
	/* Of a range with a hole all that is there has been given back. */
	if (operation == (MT_OP_MADV_DONTNEED | FAILED) && result == -ENOMEM)
		note_pages_of_call(slot, MT_OP_MADV_DONTNEED, 0);
	if (operation & (FAILED | NOT_OURS))
		return;
	note_pages_of_call(slot, operation, result);
	if (state->brought_anon)
		note_populated(slot, operation, result, state->brought_anon);
	tell_made(slot, state->program_break, result);
}

static __always_inline void take_exit(struct pt_regs *regs, long result)
{
	struct task_struct *task = current_task();
	struct mt_call *state = call_state(task);
	struct mt_space *space;
	struct mm_struct *mm;
	__u32 slot, operation;

	if (!in_call(state, task))
		return;
	mm = mm_of(task);
	slot = slot_of(this_cpu(), mm);
	space = space_of(slot, mm);
	if (slot && space) {
		operation = take_call(mm, space, slot, state, result);
		if (config.stacks)
			follow_call(slot, operation, state, result);
	}
	state->task = 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(mt_sys_exit, struct pt_regs *regs, long result)
{
	if (!is_memory_call(call_number(regs)))
		return 0;
	hold_cpu();
	take_exit(regs, result);
	release_cpu();
	return 0;
}
