/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who reads files of code, debug symbols and perf maps, which anybody may have written?  A process
 * of its own: it is nobody, can open nothing, run nothing and tell nobody but memtrace, which
 * opens files for it and believes none of its answers.  Whoever finds a mistake in libelf wins
 * wrong names, which whoever wrote the file could have had without.
 */
#ifndef MEMTRACE_COLLECT_READER_H
#define MEMTRACE_COLLECT_READER_H

/* In the process: answers what is asked (wire.h) until the socket is closed, and does not return.
 * It lets go of whatever else memtrace has open. */
void reader_run(int socket) __attribute__((noreturn));

#endif
