/* SPDX-License-Identifier: GPL-2.0 */
/* What is a system call called? */
#ifndef MEMTRACE_COLLECT_CALL_H
#define MEMTRACE_COLLECT_CALL_H

/* The name of the call or agent that a row has (number + 1), NULL for 0.  To be freed. */
char *call_name(unsigned int call);

#endif
