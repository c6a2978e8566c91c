// SPDX-License-Identifier: GPL-2.0
/* How is a command held for a moment at its end, while its memory is still there?  See hold.h. */
#include "user/collect/hold.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <cap-ng.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Blocked, it comes although it is ignored. */
int hold_watch(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void hold_forget(int watch)
{
	struct signalfd_siginfo info;

	while (watch >= 0 && read(watch, &info, sizeof(info)) == sizeof(info))
		;
}

#define NAMES_MOST (1 << 20) /* names of what is linked to come early in a file */

/*
 * LeakSanitizer, which AddressSanitizer has in it, traces its own process at the end, and fails
 * where somebody else does.
 */
static bool traces_itself(pid_t pid)
{
	static const char *const names[] = { "__asan_init", "__lsan_init" };
	cleanup_free char *bytes = memory_new(NAMES_MOST, 1);
	cleanup_fclose FILE *file = NULL;
	char path[64];
	size_t count;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	file = fopen(path, "re");
	count = file ? fread(bytes, 1, NAMES_MOST, file) : 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (memmem(bytes, count, names[i], strlen(names[i])))
			return true;
	}
	/* cppcheck-suppress resourceLeak ; cleanup_fclose */
	return false;
}

/* Who is traced by somebody without the capability gets no rights by exec (sudo, ping). */
bool hold_begin(pid_t pid)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE) && !traces_itself(pid) &&
	       !ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC);
}

static int event_of(int wait_status)
{
	return wait_status >> 16;
}

/* Stopped by one of these it stays so until it is continued by SIGCONT. */
static bool stops(int number)
{
	return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* The signal that it stopped for; 0: it was for no signal. */
static long signal_of(int wait_status)
{
	return event_of(wait_status) ? 0 : WSTOPSIG(wait_status);
}

/* The kernel side sends it; the kernel by itself sends it to those alone that stand still. */
static bool is_ours(pid_t pid, int wait_status)
{
	siginfo_t info;

	return signal_of(wait_status) == SIGCONT &&
	       !ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) && info.si_code == SI_KERNEL;
}

enum hold_stop hold_stopped(pid_t pid, int wait_status)
{
	int event = event_of(wait_status);

	if (event == PTRACE_EVENT_EXIT)
		return HOLD_ENDS;
	if (event == PTRACE_EVENT_EXEC && traces_itself(pid)) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return HOLD_NEVER;
	}
	if (is_ours(pid, wait_status))
		return HOLD_TIDIES;
	if (event == PTRACE_EVENT_STOP && stops(WSTOPSIG(wait_status)))
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	else
		ptrace(PTRACE_CONT, pid, NULL, signal_of(wait_status));
	return HOLD_GOES_ON;
}

void hold_release(pid_t pid)
{
	ptrace(PTRACE_CONT, pid, NULL, NULL);
}

void hold_interrupt(pid_t pid)
{
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
}

void hold_end(pid_t pid, int wait_status)
{
	ptrace(PTRACE_DETACH, pid, NULL, is_ours(pid, wait_status) ? 0 : signal_of(wait_status));
}
