// SPDX-License-Identifier: GPL-2.0
/* What do signals do to memtrace, and which are passed on to the command?  See signals.h. */
#include "user/cli/signals.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TWICE_NS 100000000 /* nearer to each other they have one cause, as timeout(1) */

static struct {
	pid_t command; /* 0: none */
	int pidfd;
	volatile sig_atomic_t stopped_by; /* 0: nothing so far */
	volatile sig_atomic_t by_key;
	volatile sig_atomic_t resized, suspended;
	uint64_t stopped_ns;
	void (*drop)(void); /* NULL: there is no screen */
} signals;

static const int stopping[] = { SIGINT, SIGTERM, SIGHUP };

/* Those that programs agree on with who runs them; beside them the real-time ones. */
static const int passed[] = { SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH };

static bool stops(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP;
}

/* A terminal sends it to a group: has the command got it already, or left the terminal?  One
 * that makes a group of its own, as timeout(1), would lead ours if memtrace were not there. */
static bool is_told_by_terminal(pid_t command)
{
	return getpgid(command) == getpgrp() || getsid(command) != getsid(0);
}

static void pass_on(int number, bool from_terminal)
{
	if (!signals.command || (from_terminal && is_told_by_terminal(signals.command)))
		return;
	syscall(SYS_pidfd_send_signal, signals.pidfd, number, NULL, 0);
}

/* As any program dies of it; the first process of a container does not, and ends. */
static void die_of(int number)
{
	sigset_t set;

	if (signals.drop)
		signals.drop();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number);
}

/* A terminal that goes sends SIGHUP, its shell another, and the shell's end a third. */
static void note_stop(int number, bool from_terminal, uint64_t now_ns)
{
	if (signals.stopped_by && number != SIGHUP && now_ns - signals.stopped_ns >= TWICE_NS)
		die_of(number);
	if (signals.stopped_by)
		return;
	signals.stopped_ns = now_ns;
	signals.by_key = from_terminal;
	signals.stopped_by = number;
}

static void take(int number, siginfo_t *info, void *context)
{
	bool from_terminal = info->si_code == SI_KERNEL;
	struct timespec now;
	uint64_t now_ns;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	if (number != signals.stopped_by || now_ns - signals.stopped_ns >= TWICE_NS)
		pass_on(number, from_terminal);
	if (stops(number))
		note_stop(number, from_terminal, now_ns);
}

static void take_with(sigset_t *taken, int number)
{
	struct sigaction before, action = { .sa_sigaction = take,
					    .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(number, NULL, &before);
	if (number == SIGHUP && before.sa_handler == SIG_IGN) /* nohup */
		return;
	sigfillset(&action.sa_mask);
	sigaction(number, &action, NULL);
	sigaddset(taken, number);
}

void signals_open(pid_t command, int pidfd)
{
	sigset_t taken;

	signals.command = command;
	signals.pidfd = pidfd;
	sigemptyset(&taken);
	for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++)
		take_with(&taken, stopping[i]);
	for (size_t i = 0; command && i < sizeof(passed) / sizeof(passed[0]); i++)
		take_with(&taken, passed[i]);
	for (int number = SIGRTMIN; command && number <= SIGRTMAX; number++)
		take_with(&taken, number);
	/* Who starts memtrace may have them blocked, and forget. */
	sigprocmask(SIG_UNBLOCK, &taken, NULL);
}

bool signals_stopped(void)
{
	return signals.stopped_by;
}

bool signals_stopped_by_key(void)
{
	return signals.by_key;
}

/* ---- with a screen ---- */

/* What ends a program that has nothing against it. */
static const int fatal[] = { SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV };

static void note(int number)
{
	if (number == SIGWINCH)
		signals.resized = 1;
	else
		signals.suspended = 1;
}

void signals_open_screen(void (*drop)(void))
{
	struct sigaction noting = { .sa_handler = note, .sa_flags = SA_RESTART };
	struct sigaction dying = { .sa_handler = die_of };

	signals.drop = drop;
	sigaction(SIGWINCH, &noting, NULL);
	sigaction(SIGTSTP, &noting, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &dying, NULL);
}

bool signals_take_resize(void)
{
	bool was = signals.resized;

	signals.resized = 0;
	return was;
}

bool signals_take_suspend(void)
{
	bool was = signals.suspended;

	signals.suspended = 0;
	return was;
}

void signals_suspend(void)
{
	const struct sigaction noting = { .sa_handler = note, .sa_flags = SA_RESTART };

	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &noting, NULL);
}

void signals_spare_writers(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
