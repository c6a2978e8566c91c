/* SPDX-License-Identifier: GPL-2.0 */
/* What did the programmer call it?  C++ and Rust, whose linkers see other names. */
#ifndef MEMTRACE_DEMANGLE_H
#define MEMTRACE_DEMANGLE_H

/* The name in the source, without parameters, or a copy of what it is; never longer than
 * DEMANGLE_MOST.  Freed by the caller. */
#define DEMANGLE_MOST 1000

char *demangle(const char *name);

#endif
