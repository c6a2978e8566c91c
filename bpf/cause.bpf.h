/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is being done to an address space right now, and by whom?  Read from the flags
 * and the saved registers of the task that is doing it: no list of calls to keep, no state.
 */
#ifndef MEMTRACE_CAUSE_BPF_H
#define MEMTRACE_CAUSE_BPF_H

#include "bpf/arch.bpf.h"

#define PF_EXITING 0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_MEMALLOC 0x00000800
#define PF_KSWAPD 0x00020000
#define PF_KTHREAD 0x00200000

#define MAP_FIXED 0x10
#define MAP_POPULATE 0x8000
#define MAP_HUGETLB 0x40000
#define MAP_LOCKED 0x2000

/* A task with one of these is not simply running its own code. */
#define PF_UNUSUAL (PF_KTHREAD | PF_MEMALLOC | PF_IO_WORKER)

/* Agents that are not calls share the number space of calls in a row's key. */
enum {
	AGENT_KSWAPD = 0xff00,
	AGENT_OOM_REAPER = 0xff01,
	AGENT_KERNEL_THREAD = 0xff02,
};

/* An operation, and above it the number of the call in flight + 1, 0: none. */
static __always_inline __u32 cause(__u32 operation, __s64 call)
{
	return operation | (call < 0 ? 0 : (__u32)(call + 1) << 16);
}

static __always_inline __u32 operation_of(__u32 why)
{
	return why & 0xffff;
}

static __always_inline __u32 operation_of_advice(__u64 advice)
{
	switch ((__u32)advice) {
	case 4: /* DONTNEED */
	case 24: /* DONTNEED_LOCKED */
		return MT_OP_MADV_DONTNEED;
	case 8:
		return MT_OP_MADV_FREE;
	case 9:
		return MT_OP_MADV_REMOVE;
	case 21:
		return MT_OP_MADV_PAGEOUT;
	case 22:
	case 23:
		return MT_OP_MADV_POPULATE;
	case 25:
		return MT_OP_MADV_COLLAPSE;
	}
	return MT_OP_MADV_OTHER;
}

static __always_inline bool is_execve(__s64 number)
{
	return number == NR_EXECVE || number == NR_EXECVEAT;
}

static __always_inline bool is_clone(__s64 number)
{
	return number == NR_CLONE || number == NR_CLONE3 || number == NR_FORK ||
	       number == NR_VFORK;
}

/* Calls that are not about memory, but map, unmap or cut what is mapped on their way. */
static __always_inline __u32 cause_of_byway(const struct call *call, __s64 change)
{
	switch (call->number) {
	case NR_REMAP_FILE_PAGES:
	case NR_IO_SETUP:
		return cause(MT_OP_MMAP, call->number);
	case NR_IO_DESTROY:
		return cause(MT_OP_MUNMAP, call->number);
	case NR_TRUNCATE:
	case NR_FTRUNCATE:
	case NR_FALLOCATE:
		return cause(MT_OP_TRUNCATE, call->number);
	case NR_OPEN:
	case NR_CREAT:
	case NR_OPENAT:
	case NR_OPENAT2: /* O_TRUNC */
		if (change < 0)
			return cause(MT_OP_TRUNCATE, call->number);
	}
	/* Pages that come without a fault: get_user_pages.  What else goes is unnamed. */
	return cause(change > 0 ? MT_OP_GUP : MT_OP_OTHER, call->number);
}

/* What a call that a process makes does to itself.  `change` tells brk's direction. */
static __always_inline __u32 cause_of_call(const struct call *call, __s64 change)
{
	switch (call->number) {
	case NR_MMAP:
		return cause(MT_OP_MMAP, -1);
	case NR_MUNMAP:
		return cause(MT_OP_MUNMAP, -1);
	case NR_BRK:
		return cause(change < 0 ? MT_OP_BRK_SHRINK : MT_OP_BRK_GROW, -1);
	case NR_MREMAP:
		return cause(MT_OP_MREMAP, -1);
	case NR_MADVISE:
		return cause(operation_of_advice(call->argument[2]), -1);
	case NR_PROCESS_MADVISE:
		return cause(operation_of_advice(call->argument[3]), -1);
	case NR_MLOCK:
	case NR_MLOCK2:
	case NR_MUNLOCK:
	case NR_MLOCKALL:
	case NR_MUNLOCKALL:
		return cause(MT_OP_MLOCK, -1);
	case NR_SHMAT:
	case NR_SHMDT:
		return cause(MT_OP_SHM, -1);
	}
	if (is_clone(call->number))
		return cause(MT_OP_FORK, -1);
	if (is_execve(call->number))
		return cause(MT_OP_EXEC, -1);
	return cause_of_byway(call, change);
}

__noinline __u32 operation_in_flight(__s64 direction)
{
	struct call call = call_of(current_task());

	return operation_of(cause_of_call(&call, direction));
}

static __always_inline __u32 cause_of_kernel_thread(struct task_struct *task)
{
	if (GET(task, flags) & PF_KSWAPD)
		return cause(MT_OP_RECLAIM, AGENT_KSWAPD);
	if (GET(task, comm[0]) == 'k' && GET(task, comm[1]) == 'h' && GET(task, comm[2]) == 'u')
		return cause(MT_OP_KHUGEPAGED, -1);
	if (GET(task, comm[0]) == 'k' && GET(task, comm[1]) == 's' && GET(task, comm[2]) == 'm')
		return cause(MT_OP_KSM, -1);
	if (GET(task, comm[0]) == 'o' && GET(task, comm[1]) == 'o' && GET(task, comm[2]) == 'm')
		return cause(MT_OP_RECLAIM, AGENT_OOM_REAPER);
	if (GET(task, flags) & PF_MEMALLOC)
		return cause(MT_OP_RECLAIM, AGENT_KERNEL_THREAD);
	return cause(MT_OP_OTHER, AGENT_KERNEL_THREAD);
}

/* A fault in progress has not been counted as served yet. */
static __always_inline bool is_running(const struct mt_mark *mark, struct task_struct *task)
{
	return mark->task == (__u64)task && mark->mode != MT_FAULT_NONE &&
	       mark->served == faults_of(task);
}

/* A fault in kernel mode that failed (EFAULT) never counts: its call must be the same, too. */
static __always_inline bool is_in_kernel_fault(const struct mt_mark *mark, const struct call *call)
{
	return mark->mode == MT_FAULT_IN_KERNEL && mark->ip == call->ip &&
	       mark->call == call->number;
}

static __always_inline bool is_guest(struct task_struct *task)
{
	struct mt_task *state = find_task(task);

	return state && state->followed == MT_FOLLOWED_AS_GUEST;
}

/* A task that is killed within execve has the call's number, too. */
static __always_inline bool is_in_exec(struct task_struct *task, const struct call *call)
{
	return is_execve(call->number) && !(GET(task, flags) & (PF_EXITING | PF_KTHREAD));
}

/* The host of a guest, who is the last to leave, is gone; or it has become another program,
 * which user/collect/ knows. */
static __always_inline __u32 cause_of_end(struct task_struct *task, const struct call *call)
{
	return cause(is_in_exec(task, call) && !is_guest(task) ? MT_OP_EXEC : MT_OP_EXIT, -1);
}

static __always_inline bool is_last_thread(struct task_struct *task)
{
	return GET(FOLLOW(signal_struct, task, signal), live.counter) == 0;
}

/*
 * The last thread is going: what it still touches (its robust list, its tid) goes by its end.
 * Not so a guest, whose host lives on.
 */
static __always_inline bool is_last_going(struct task_struct *task, __u32 users)
{
	if (!(GET(task, flags) & PF_EXITING) || !is_last_thread(task))
		return false;
	return users == 1 || !is_guest(task);
}

static __always_inline __u32 cause_in_own_space(struct task_struct *task,
						const struct mt_mark *mark,
						const struct call *call, __s64 change)
{
	bool running = is_running(mark, task);

	if (GET(task, flags) & PF_IO_WORKER) {
		__u32 operation = running ? MT_OP_FAULT_KERNEL : MT_OP_GUP;

		return cause(operation, NR_IO_URING_ENTER);
	}
	if (running && is_in_kernel_fault(mark, call))
		return cause(MT_OP_FAULT_KERNEL, call->number);
	if (call->number >= 0)
		return cause_of_call(call, change);
	return cause(running && mark->cow == MT_COW_FILE ? MT_OP_FAULT_COW : MT_OP_FAULT, -1);
}

/* Up to 5.11 (3bfe6106693b) io_uring's workers are of the kernel, and take the memory on loan. */
static __always_inline bool is_lent(struct task_struct *task)
{
	return IS_OLD && (GET(task, flags) & PF_IO_WORKER);
}

/*
 * The cause of what just changed in an address space: the current task's own or not, with
 * so many users left.  `change`: by how much, for calls that go both ways.
 */
__noinline __u32 cause_in(__u32 own, __u32 users, __s64 change)
{
	struct task_struct *task = current_task();
	struct call call = call_of(task);

	if (users == 0)
		return cause_of_end(task, &call);
	if ((GET(task, flags) & PF_KTHREAD) && !(own && is_lent(task)))
		return cause_of_kernel_thread(task);
	if (GET(task, flags) & PF_MEMALLOC) {
		/* madvise(PAGEOUT) reclaims, too: it was asked for. */
		if (own && call.number == NR_MADVISE)
			return cause_of_call(&call, change);
		if (call.number != NR_PROCESS_MADVISE)
			return cause(MT_OP_RECLAIM, call.number);
	}
	if (!own)
		return cause(MT_OP_REMOTE, call.number);
	if (is_last_going(task, users))
		return cause(MT_OP_EXIT, -1);
	return cause_in_own_space(task, mark_of(task), &call, change);
}

static __always_inline __u32 cause_now(struct mm_struct *mm, __s64 change)
{
	return cause_in(mm_of(current_task()) == mm, GET(mm, mm_users.counter), change);
}

#endif
