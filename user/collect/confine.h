/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What may memtrace still do, once it has what it needs?
 *
 * It reads what others say of themselves: names, arguments, captures.  Whoever finds a mistake
 * in how it does that is to win nothing by it.  So capabilities go as soon as the kernel side is
 * attached, and the kernel takes from then on only those calls that are needed.  Neither can be
 * taken back, and both hold for memtrace alone: a command has its user's rights, and no filter.
 *
 * With stacks there are files of code, their debug symbols and perf maps besides, which take much
 * to read (libelf, libdw).  A process of its own does that: see reader.h.  It is nobody, has no
 * capability and bounded memory, and may compute, read what it is given, and answer.  It cannot
 * open a file by itself, make a socket or a process, run, signal, or write but to memtrace.
 *
 * memtrace opens files for it, and keeps CAP_CHECKPOINT_RESTORE and CAP_DAC_READ_SEARCH for that,
 * and CAP_BPF for tables, which it makes of rows that the reader tells of and that it checks.  What
 * the reader names, as debug symbols and libraries, it gets only if it begins as a program does.
 * What memtrace itself still reads of others with these rights is simple, or of its own making:
 * texts of /proc, events of the kernel side with names and line tables of Python in them, and
 * heaps, in pieces of fixed sizes.  tests/fuzz looks for what would break it, as for what breaks it
 * in the reader's answers.
 */
#ifndef MEMTRACE_COLLECT_CONFINE_H
#define MEMTRACE_COLLECT_CONFINE_H

#include "user/base/error.h"
#include "user/collect/kernel.h"

#include <sys/types.h>

/* What else than a report is to be possible. */
struct confine_needs {
	int command; /* the pidfd that signals are passed on to, -1: none */
	pid_t held;  /* the command, where it is to be held at its end; 0: it is not */
	bool stacks;
	int reader; /* the socket of the process that reads files of code, -1: none */
	bool memory; /* that of other processes is read */
	bool screen; /* the terminal's settings are changed, and put back */
};

/*
 * While a capture goes on: files are opened to be read, and none to be written.
 * An error says that there is no filter; the capabilities are gone all the same.
 */
struct error *confine_capture(const struct kernel *kernel, const struct confine_needs *needs);

/* While a report is made: what is open is read and written, and nothing is opened any more. */
struct error *confine_report(int command);

/* In the process that reads files of code: see reader.h. */
struct error *confine_reader(void);

/* In the process that has the kernel time its programs: see cost.h. */
struct error *confine_timer(void);

#endif
