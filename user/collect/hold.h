/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is a command held for a moment at its end, while its memory is still there?
 *
 * By ptrace, of its first thread alone, which stops when it ends and when a signal comes for it:
 * that one it gets at once, unless the kernel side has sent it.  Should memtrace die, it goes on.
 * Its children are not traced, so that a debugger which the command is, or starts, works as ever;
 * one that wants to attach to the command itself finds it taken.
 */
#ifndef MEMTRACE_COLLECT_HOLD_H
#define MEMTRACE_COLLECT_HOLD_H

#include <stdbool.h>
#include <sys/types.h>

/* A descriptor that is readable when a child has stopped or ended; -1: there is none. */
int hold_watch(void);

/* What has come by that descriptor is known. */
void hold_forget(int watch);

/* From now on it stops.  False where it may not, or somebody else traces it: it never does. */
bool hold_begin(pid_t pid);

enum hold_stop {
	HOLD_GOES_ON,
	HOLD_TIDIES, /* it may be about to free what it has: see stop_before_tidying() in bpf/ */
	HOLD_ENDS,
	HOLD_NEVER, /* it has become a program that may not be traced, and is let go */
};

/* It has stopped, as wait() says, and goes on, or waits for hold_release(). */
enum hold_stop hold_stopped(pid_t pid, int wait_status);
void hold_release(pid_t pid);

/* It is to go on alone.  It has to stop for that, which wait() says soon ... */
void hold_interrupt(pid_t pid);

/* ... and then it is let go. */
void hold_end(pid_t pid, int wait_status);

#endif
