/* SPDX-License-Identifier: GPL-2.0 */
/* How is a command started so that nothing of it is missed?  It waits until all is attached. */
#ifndef MEMTRACE_COLLECT_LAUNCH_H
#define MEMTRACE_COLLECT_LAUNCH_H

#include "user/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid;   /* 0: none */
	int pidfd;   /* readable at its end */
	int go;	     /* closed without a byte: never mind */
	int failure; /* the errno of exec comes here, if it fails */
	int watch;   /* readable when it has stopped; -1: it never does */
	bool traced; /* it stops at its end ... */
	bool held;   /* ... where it is now, until launch_release(); or it begins ... */
	bool tidies; /* ... to free what it has, before that */
	bool ended;
	int wait_status; /* as wait() has it */
};

/* Makes the process, which waits to be let go.  It keeps the signal mask and dispositions of
 * this moment: to be called before ours are set. */
struct error *launch_prepare(struct launch *launch, char *const *command);

/* It is to be held at its end: between the two. */
void launch_watch(struct launch *launch);

/* Lets it become the command; a signal may have ended it before.  SIGPIPE has to be ignored.
 * Exit status of the error: 126 cannot be run, 127 not found. */
struct error *launch_go(struct launch *launch, const char *name);

/* Notices that it has ended, or is held at its end, without waiting for it.  True where it stopped
 * for nothing but a signal, and goes on. */
bool launch_poll(struct launch *launch);

/* What is held goes on to its end. */
void launch_release(struct launch *launch);

/* It is not to be held any more: soon, if possible. */
void launch_let_go(struct launch *launch);

/* Waits for its end. */
void launch_wait(struct launch *launch);

/* What memtrace has to end with: its status, or 128 + the signal. */
int launch_status(const struct launch *launch);

/* A process that still waits ends now; one that runs is left alone. */
void launch_free(struct launch *launch);

#endif
