/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do signals do to memtrace, and which are passed on to the command?
 *
 * They have handlers, and are not read from a descriptor in the poll loop: memtrace may hang in
 * writing to a terminal or pipe that takes nothing, and the second one has to kill it there.
 */
#ifndef MEMTRACE_CLI_SIGNALS_H
#define MEMTRACE_CLI_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * From here on SIGINT, SIGTERM and SIGHUP ask to stop, and a SIGINT or SIGTERM after one kills.
 * With a command, whose pid (0: none) and pidfd these are, they and others are passed on to it.
 */
void signals_open(pid_t command, int pidfd);

/* Has one asked to stop?  Where it interrupts no call, it may have come just before that. */
bool signals_stopped(void);

/* Was that a key?  Terminals show it as ^C, and leave the cursor there. */
bool signals_stopped_by_key(void);

/*
 * For a screen: notes a new size, and the wish to be stopped (Ctrl-Z).  Who is killed puts the
 * terminal back before, by `drop`, which makes system calls and no more; also by an error of ours.
 */
void signals_open_screen(void (*drop)(void));

/* Was there one since this was asked last? */
bool signals_take_resize(void);
bool signals_take_suspend(void);

/* Stops, as Ctrl-Z does with other programs; returns when it goes on. */
void signals_suspend(void);

/* A write that fails is an error like any other, and no death by signal. */
void signals_spare_writers(void);

#endif
