/* SPDX-License-Identifier: GPL-2.0 */
/* Where are the symbols and lines of a file that was stripped of them? */
#ifndef MEMTRACE_DEBUG_H
#define MEMTRACE_DEBUG_H

#include "user/symbol/elf.h"

/* A file of debug symbols, kept open. */
struct debug {
	int descriptor;
	Elf *elf;
	int alt_descriptor;
	Elf *alt; /* what several such files share (dwz) */
};

#define DEBUG_ID_BYTES 64

/* The build-id in hexadecimal digits, "" if there is none. */
void debug_build_id(Elf *elf, char id[2 * DEBUG_ID_BYTES + 1]);

/*
 * Looks under a root directory: by build-id, then by .gnu_debuglink from the directory of `path`.
 * What is found is the file's own: it has its build-id, or else its checksum.  NULL: not there.
 */
struct debug *debug_find(Elf *elf, int root, const char *path);
void debug_free(struct debug *debug);

/* The symbols in .gnu_debugdata (mini debuginfo).  `bytes` belong to them, both are the caller's;
 * NULL: none. */
Elf *debug_mini(Elf *elf, void **bytes);

#endif
