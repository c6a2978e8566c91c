// SPDX-License-Identifier: GPL-2.0
/* What may memtrace still do, once it has what it needs?  See confine.h. */
#include "user/collect/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <unistd.h>

#define PERF_EVENT_IOC_DISABLE 0x2401 /* of linux/perf_event.h, by which libbpf detaches */
#define NOBODY 65534
#define MOST_MEMORY (2ULL << 30)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- capabilities ---- */

#define BIT(capability) (1ULL << (capability))

static uint64_t permitted(void)
{
	uint64_t set = 0;

	capng_get_caps_process();
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		if (capng_have_capability(CAPNG_PERMITTED, i))
			set |= BIT(i);
	}
	return set;
}

/* Of those that it has, `used` stay in force, and `reserve` within reach. */
static void keep(uint64_t used, uint64_t reserve)
{
	uint64_t had = permitted();

	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		if (had & used & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
		else if (had & reserve & BIT(i))
			capng_update(CAPNG_ADD, CAPNG_PERMITTED, i);
	}
	capng_apply(CAPNG_SELECT_ALL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * Other users' processes are looked at, and their commands may have become another user's.
 * Since 5.19 (c8644cd0efe7) what is loaded is used without a capability, before that not.
 */
static void drop_capabilities(const struct kernel *kernel, bool has_command)
{
	uint64_t needed = BIT(CAP_SYS_PTRACE) | (has_command ? BIT(CAP_KILL) : 0);
	uint64_t kernel_side = permitted() & BIT(CAP_BPF) ? BIT(CAP_BPF) | BIT(CAP_PERFMON) :
							    BIT(CAP_SYS_ADMIN);

	/* Tables are made of files when they are seen first, opened by what is mapped of them. */
	if (kernel->stacks)
		needed |= (kernel_side & ~BIT(CAP_PERFMON)) | BIT(CAP_CHECKPOINT_RESTORE) |
			  BIT(CAP_DAC_READ_SEARCH);
	keep(needed, kernel_side);
	keep(kernel_is_reachable(kernel) ? needed : needed | kernel_side, 0);
}

/* ---- calls ---- */

/* What the C library needs to compute and to write, and signals to be handled. */
static const int plain[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(ftruncate), SCMP_SYS(fcntl),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo), SCMP_SYS(clock_gettime), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getpgid), SCMP_SYS(getpgrp), SCMP_SYS(getsid), SCMP_SYS(wait4),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* What a capture does besides, to end with a file that is taken back, and with a narrower
 * filter.  What may be opened, allow_reading() says. */
static const int capturing[] = {
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(stat),
	SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(uname), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(dup),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(fchmod), SCMP_SYS(unlinkat), SCMP_SYS(capget),
	SCMP_SYS(capset), SCMP_SYS(prctl), SCMP_SYS(seccomp),
};

/* What is inside allocators: other processes' memory, which CAP_SYS_PTRACE is for, and which of
 * its pages are resident. */
static const int reading_memory[] = { SCMP_SYS(process_vm_readv), SCMP_SYS(pread64) };

/* With stacks: files of code, and tables made of them. */
static const int reading_code[] = { SCMP_SYS(pread64) };
static const int making_tables[] = { BPF_MAP_CREATE };

/* In the process that reads those: what it was given is read, and nothing opened. */
static const int reading_files[] = {
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(fcntl), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(brk),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(clock_gettime), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(setitimer), SCMP_SYS(exit_group),
};

static const int timing[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit_group),
};

/* Of bpf(2): what is there is read, written, walked and let go; nothing is loaded. */
static const int bpf_commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_TEST_RUN,
	BPF_LINK_CREATE, BPF_LINK_DETACH, BPF_ITER_CREATE,
};

static const unsigned long terminal_requests[] = { TCGETS, TIOCGWINSZ, TIOCGPGRP,
						   PERF_EVENT_IOC_DISABLE };
static const unsigned long screen_requests[] = { TCSETS, TCSETSW, TCSETSF, TCFLSH };

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count && !wrong; i++)
		wrong = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return wrong;
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* Memory, but none to run what is in it; and how much there may be. */
static int allow_memory(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ?:
	       allow_if(filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ?:
	       allow_if(filter, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));
}

/* To memtrace itself, which dies of it, and to the command. */
static int allow_signals(scmp_filter_ctx filter, int command)
{
	int wrong = allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, getpid()));

	if (wrong || command < 0)
		return wrong;
	return allow_if(filter, SCMP_SYS(pidfd_send_signal), SCMP_A0(SCMP_CMP_EQ, command));
}

/* Of the command, if it is held at its end: nobody else can be traced by these. */
static const unsigned long holding[] = { PTRACE_CONT, PTRACE_LISTEN, PTRACE_INTERRUPT,
					 PTRACE_DETACH, PTRACE_GETSIGINFO };

static int allow_holding(scmp_filter_ctx filter)
{
	int wrong = 0;

	for (size_t i = 0; i < COUNT(holding) && !wrong; i++)
		wrong = allow_if(filter, SCMP_SYS(ptrace), SCMP_A0(SCMP_CMP_EQ, holding[i]));
	return wrong;
}

static int allow_seizing(scmp_filter_ctx filter, pid_t pid)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ptrace), 2,
				SCMP_A0(SCMP_CMP_EQ, PTRACE_SEIZE), SCMP_A1(SCMP_CMP_EQ, pid));
}

static int allow_requests(scmp_filter_ctx filter, const unsigned long *requests, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count && !wrong; i++)
		wrong = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, requests[i]));
	return wrong;
}

static int allow_reading(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(openat),
			SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
}

static int allow_bpf(scmp_filter_ctx filter, const int *commands, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count && !wrong; i++)
		wrong = allow_if(filter, SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, commands[i]));
	return wrong;
}

/* ---- filters ---- */

static int add_report(scmp_filter_ctx filter, const struct confine_needs *needs)
{
	int wrong = allow(filter, plain, COUNT(plain)) ?: allow_memory(filter) ?:
		    allow_signals(filter, needs->command) ?:
		    (needs->command < 0 ? 0 : allow_holding(filter));

	return wrong ?: allow_requests(filter, terminal_requests, COUNT(terminal_requests));
}

static int add_stacks(scmp_filter_ctx filter, int reader)
{
	return allow(filter, reading_code, COUNT(reading_code)) ?:
	       allow_bpf(filter, making_tables, COUNT(making_tables)) ?:
	       allow_if(filter, SCMP_SYS(sendmsg), SCMP_A0(SCMP_CMP_EQ, (unsigned int)reader));
}

static int add_capture(scmp_filter_ctx filter, const struct confine_needs *needs)
{
	int wrong = add_report(filter, needs) ?: allow(filter, capturing, COUNT(capturing)) ?:
		    allow_reading(filter) ?:
		    allow_bpf(filter, bpf_commands, COUNT(bpf_commands));

	if (!wrong && needs->memory)
		wrong = allow(filter, reading_memory, COUNT(reading_memory));
	if (!wrong && needs->screen)
		wrong = allow_requests(filter, screen_requests, COUNT(screen_requests));
	if (!wrong && needs->held)
		wrong = allow_seizing(filter, needs->held);
	return wrong || !needs->stacks ? wrong : add_stacks(filter, needs->reader);
}

/* The socket has the place of standard input. */
static int add_reader(scmp_filter_ctx filter, const struct confine_needs *unused)
{
	(void)unused;
	return allow(filter, reading_files, COUNT(reading_files)) ?: allow_memory(filter) ?:
	       allow_signals(filter, -1) ?:
	       allow_if(filter, SCMP_SYS(recvmsg), SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO)) ?:
	       allow_if(filter, SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO));
}

static int add_timer(scmp_filter_ctx filter, const struct confine_needs *unused)
{
	const int command = BPF_ENABLE_STATS;

	(void)unused;
	return allow(filter, timing, COUNT(timing)) ?: allow_bpf(filter, &command, 1);
}

/* What is not allowed is as if this kernel had no such call: the C library knows that. */
static struct error *set_filter(int (*add)(scmp_filter_ctx, const struct confine_needs *),
				const struct confine_needs *needs)
{
	scmp_filter_ctx filter;
	int wrong;

#ifdef __SANITIZE_ADDRESS__ /* its own calls are not foreseen here, the leak check's least of all */
	return NULL;
#endif
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	wrong = filter ? add(filter, needs) ?: seccomp_load(filter) : -ENOMEM;
	seccomp_release(filter);
	return wrong ? error_new(-wrong, "memtrace runs without a filter of its calls") : NULL;
}

struct error *confine_capture(const struct kernel *kernel, const struct confine_needs *needs)
{
	drop_capabilities(kernel, needs->command >= 0);
	return set_filter(add_capture, needs);
}

struct error *confine_report(int command)
{
	const struct confine_needs needs = { .command = command };

	keep(command >= 0 ? BIT(CAP_KILL) : 0, 0);
	return set_filter(add_report, &needs);
}

/* A quarter of the memory that there is, 2 GiB at most: a file that wants more is not read. */
static void limit_memory(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
	const struct rlimit none = { 0, 0 };
	struct rlimit memory = { .rlim_cur = bytes < MOST_MEMORY ? bytes : MOST_MEMORY };

	memory.rlim_max = memory.rlim_cur;
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
#ifndef __SANITIZE_ADDRESS__ /* which takes terabytes of addresses */
	setrlimit(RLIMIT_DATA, &memory);
#endif
}

static bool become(unsigned int id)
{
	return !setgroups(0, NULL) && !setresgid(id, id, id) && !setresuid(id, id, id);
}

/* Who may not become another user stays who it is, and without rights as well. */
struct error *confine_reader(void)
{
	struct error *error = NULL;

	limit_memory();
	keep(BIT(CAP_SETUID) | BIT(CAP_SETGID), 0);
	if (!geteuid() && !become(NOBODY))
		error = error_new(errno, "memtrace reads files as root");
	keep(0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return error_first(error, set_filter(add_reader, NULL));
}

struct error *confine_timer(void)
{
	keep(BIT(CAP_SYS_ADMIN), 0);
	return set_filter(add_timer, NULL);
}
