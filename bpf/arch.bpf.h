/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which system call is in flight, and with what arguments?  Numbers and registers of
 * this architecture; everything else in bpf/ goes through the names here.
 */
#ifndef MEMTRACE_ARCH_BPF_H
#define MEMTRACE_ARCH_BPF_H

#include "bpf/compat.bpf.h"

#if defined(__TARGET_ARCH_x86)

enum {
	NR_OPEN = 2,
	NR_MMAP = 9,
	NR_MUNMAP = 11,
	NR_BRK = 12,
	NR_MREMAP = 25,
	NR_MADVISE = 28,
	NR_SHMAT = 30,
	NR_CLONE = 56,
	NR_FORK = 57,
	NR_VFORK = 58,
	NR_EXECVE = 59,
	NR_SHMDT = 67,
	NR_TRUNCATE = 76,
	NR_FTRUNCATE = 77,
	NR_CREAT = 85,
	NR_MLOCK = 149,
	NR_MUNLOCK = 150,
	NR_MLOCKALL = 151,
	NR_MUNLOCKALL = 152,
	NR_IO_SETUP = 206,
	NR_IO_DESTROY = 207,
	NR_REMAP_FILE_PAGES = 216,
	NR_OPENAT = 257,
	NR_FALLOCATE = 285,
	NR_EXECVEAT = 322,
	NR_MLOCK2 = 325,
	NR_IO_URING_ENTER = 426,
	NR_CLONE3 = 435,
	NR_OPENAT2 = 437,
	NR_PROCESS_MADVISE = 440,
};

#define TS_COMPAT 2

struct call {
	__s64 number; /* negative: not in a call */
	__u64 argument[4];
	__u64 ip;
};

static __always_inline struct pt_regs *user_registers(struct task_struct *task)
{
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

/* Where the number of the call in flight is kept; negative there: none, an exception. */
static __always_inline __u64 call_number_at(struct pt_regs *regs)
{
	return (__u64)&regs->orig_ax;
}

/* A 32-bit call has numbers of its own: only those that matter are translated. */
static __always_inline __s64 native_number(struct task_struct *task, __s64 number)
{
	if (number < 0 || !(task->thread_info.status & TS_COMPAT))
		return number;
	switch (number) {
	case 11:
		return NR_EXECVE;
	case 45:
		return NR_BRK;
	case 90:
	case 192:
		return NR_MMAP;
	case 91:
		return NR_MUNMAP;
	case 120:
		return NR_CLONE;
	case 163:
		return NR_MREMAP;
	case 219:
		return NR_MADVISE;
	}
	return 0xfffe; /* a call without a name here */
}

static __always_inline struct call call_in(struct task_struct *task, struct pt_regs *regs)
{
	struct call call = {
		.number = native_number(task, (__s64)regs->orig_ax),
		.argument = { regs->di, regs->si, regs->dx, regs->r10 },
		.ip = regs->ip,
	};

	return call;
}

static __always_inline struct call call_of(struct task_struct *task)
{
	return call_in(task, user_registers(task));
}

#endif
#endif
