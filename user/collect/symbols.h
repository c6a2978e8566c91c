/* SPDX-License-Identifier: GPL-2.0 */
/* Which files does the reader get to look for names in, besides the code itself? */
#ifndef MEMTRACE_COLLECT_SYMBOLS_H
#define MEMTRACE_COLLECT_SYMBOLS_H

#include "user/collect/remote.h"

/* Only what may be a program or a part of one is handed over, and no other file or device: the
 * reader must not have us open what it likes. */
bool symbols_is_code(int descriptor);

/* A regular file, -1: it is none.  To open a device or a pipe may do something. */
int symbols_open(const char *path);

/* Looks for the debug symbols of a file: as a process (0: none) sees them, then as memtrace. */
void symbols_find(struct remote *remote, uint32_t number, uint32_t pid, const char *path,
		  const struct debug_wish *wish);

#endif
