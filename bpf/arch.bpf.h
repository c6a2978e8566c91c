/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which system call is in flight, and with what arguments?  Numbers and registers of
 * this architecture, and what it does to the order of loads and stores; everything else in
 * bpf/ goes through the names here.
 */
#ifndef MEMTRACE_ARCH_BPF_H
#define MEMTRACE_ARCH_BPF_H

#include "bpf/compat.bpf.h"

struct call {
	__s64 number; /* negative: not in a call */
	__u64 argument[4];
	__u64 ip;
};

#define CALL_WITHOUT_NAME 0xfffe /* of 32 bits: user/collect/call.c */

/* 5.15 (dd6e10fbd9fb) gave them away.  They lie at the very end of the kernel stack. */
static __always_inline struct pt_regs *user_registers(struct task_struct *task)
{
#ifdef MEMTRACE_OLD
	return (struct pt_regs *)((__u64)GET(task, stack) + hot.registers);
#else
	return (struct pt_regs *)bpf_task_pt_regs(task);
#endif
}

#if defined(__TARGET_ARCH_x86)

enum {
	NR_OPEN = 2,
	NR_MMAP = 9,
	NR_MUNMAP = 11,
	NR_BRK = 12,
	NR_RT_SIGACTION = 13,
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
	NR_BPF = 321,
	NR_EXECVEAT = 322,
	NR_MLOCK2 = 325,
	NR_IO_URING_ENTER = 426,
	NR_CLONE3 = 435,
	NR_OPENAT2 = 437,
	NR_PROCESS_MADVISE = 440,
};

#define TS_COMPAT 2

/* Loads come in the order of the program, stores too. */
static __always_inline void order_loads(struct mt_cpu *cpu)
{
	barrier();
}

static __always_inline void renew_generation(void)
{
	__sync_fetch_and_add(&hot.generation, 1);
}

/* Where the number of the call in flight is kept; negative there: none, an exception. */
static __always_inline __u64 call_number_at(struct pt_regs *regs)
{
	return (__u64)&regs->orig_ax;
}

static __always_inline __s64 load_call_number(__u64 address)
{
	return (__s64)load_u64(address);
}

static __always_inline __s64 call_number(struct pt_regs *regs)
{
	return (__s64)GET(regs, orig_ax);
}

/* Of an event of perf: was it user mode that was interrupted? */
static __always_inline bool is_from_user(const struct event_registers *regs)
{
	return (*(const volatile __u64 *)&regs->cs & 3) == 3;
}

/* A 32-bit call has numbers of its own: only those that matter are translated. */
static __always_inline __s64 native_number(struct task_struct *task, __s64 number)
{
	if (number < 0 || !(GET(task, thread_info.status) & TS_COMPAT))
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
	return CALL_WITHOUT_NAME;
}

static __always_inline struct call call_in(struct task_struct *task, struct pt_regs *regs)
{
	struct call call = {
		.number = native_number(task, call_number(regs)),
		.argument = { GET(regs, di), GET(regs, si), GET(regs, dx), GET(regs, r10) },
		.ip = GET(regs, ip),
	};

	return call;
}

#elif defined(__TARGET_ARCH_arm64)

enum {
	NR_IO_SETUP = 0,
	NR_IO_DESTROY = 1,
	NR_TRUNCATE = 45,
	NR_FTRUNCATE = 46,
	NR_FALLOCATE = 47,
	NR_OPENAT = 56,
	NR_RT_SIGACTION = 134,
	NR_SHMAT = 196,
	NR_SHMDT = 197,
	NR_BRK = 214,
	NR_MUNMAP = 215,
	NR_MREMAP = 216,
	NR_CLONE = 220,
	NR_EXECVE = 221,
	NR_MMAP = 222,
	NR_MLOCK = 228,
	NR_MUNLOCK = 229,
	NR_MLOCKALL = 230,
	NR_MUNLOCKALL = 231,
	NR_MADVISE = 233,
	NR_REMAP_FILE_PAGES = 234,
	NR_BPF = 280,
	NR_EXECVEAT = 281,
	NR_MLOCK2 = 284,
	NR_IO_URING_ENTER = 426,
	NR_CLONE3 = 435,
	NR_OPENAT2 = 437,
	NR_PROCESS_MADVISE = 440,
	/* Not there: numbers that no call has. */
	NR_OPEN = 0x1000000,
	NR_CREAT,
	NR_FORK,
	NR_VFORK,
};

#define IS_32_BITS (1 << 22) /* TIF_32BIT */
#define EXCEPTION_LEVEL 0xf  /* in pstate; 0 is user mode */
#define RUNS_32_BITS 0x10    /* there */
#define TAG_SHIFT 56	     /* the byte above is a tag that memory calls take no notice of */

/*
 * An atomic operation keeps what is before it from what is after it, where its result is used.
 * Old kernels have none: where a book is opened at the very moment in which another thread of the
 * process faults on this CPU, its faults there may miss it until the next book is opened.
 */
#ifdef MEMTRACE_OLD
static __always_inline void order_loads(struct mt_cpu *cpu)
{
	barrier();
}

static __always_inline void renew_generation(void)
{
	__sync_fetch_and_add(&hot.generation, 1);
}
#else
static __always_inline void order_loads(struct mt_cpu *cpu)
{
	__u64 before = __sync_fetch_and_add(&cpu->scratch, 0);

	settle(before);
}

static __always_inline void renew_generation(void)
{
	__u32 before = __sync_fetch_and_add(&hot.generation, 1);

	settle(before);
}
#endif

/* Where the number of the call in flight is kept; negative there: none, an exception. */
static __always_inline __u64 call_number_at(struct pt_regs *regs)
{
	return (__u64)&regs->syscallno;
}

static __always_inline __s64 load_call_number(__u64 address)
{
	return load_s32(address);
}

static __always_inline __s64 call_number(struct pt_regs *regs)
{
	return GET(regs, syscallno);
}

/* Of an event of perf: was it user mode that was interrupted? */
static __always_inline bool is_from_user(const struct event_registers *regs)
{
	return (*(const volatile __u64 *)&regs->pstate & EXCEPTION_LEVEL) == 0;
}

static __always_inline bool is_of_32_bits(const struct event_registers *regs)
{
	return *(const volatile __u64 *)&regs->pstate & RUNS_32_BITS;
}

static __always_inline __u64 interrupted_ip(const struct event_registers *regs)
{
	return *(const volatile __u64 *)&regs->pc;
}

/* A 32-bit call has numbers of its own: only those that matter are translated. */
static __always_inline __s64 native_number(struct task_struct *task, __s64 number)
{
	if (number < 0 || !(GET(task, thread_info.flags) & IS_32_BITS))
		return number;
	switch (number) {
	case 2:
	case 120:
	case 190:
		return NR_CLONE;
	case 11:
		return NR_EXECVE;
	case 45:
		return NR_BRK;
	case 91:
		return NR_MUNMAP;
	case 163:
		return NR_MREMAP;
	case 192:
		return NR_MMAP;
	case 220:
		return NR_MADVISE;
	}
	return CALL_WITHOUT_NAME;
}

/* The register of the first argument is that of the result, too. */
static __always_inline struct call call_in(struct task_struct *task, struct pt_regs *regs)
{
	struct call call = {
		.number = native_number(task, call_number(regs)),
		.argument = { GET(regs, orig_x0) & ((1ULL << TAG_SHIFT) - 1), GET(regs, regs[1]),
			      GET(regs, regs[2]), GET(regs, regs[3]) },
		.ip = GET(regs, pc),
	};

	return call;
}

#else
#error "memtrace's kernel side knows x86-64 and arm64"
#endif

/* May it be, in 32 bits, a call that changes the size of the address space? */
static __always_inline bool is_compat_number(__s64 number)
{
	return number == 45 || number == 90 || number == 91 || number == 163 || number == 192;
}

static __always_inline struct call call_of(struct task_struct *task)
{
	return call_in(task, user_registers(task));
}

#endif
