/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What may memtrace still do, once it has what it needs?
 *
 * It reads what others say of themselves: names, arguments, captures.  Whoever finds a mistake
 * in how it does that is to win nothing by it.  So capabilities go as soon as the kernel side is
 * attached, and the kernel takes from then on only those calls that are needed.  Neither can be
 * taken back, and both hold for memtrace alone: a command has its user's rights, and no filter.
 *
 * With stacks memtrace reads files of code, too, and keeps what opens them and CAP_BPF for their
 * tables.  It does so in the same process: under the filter nothing can be loaded into the kernel,
 * run, traced, sent, or written but to the report and the capture, so that a process of its own
 * for ELF would be kept from little more.  It could not be kept from telling wrong names.
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

/* In the process that has the kernel time its programs: see cost.h. */
struct error *confine_timer(void);

#endif
