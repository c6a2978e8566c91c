/* SPDX-License-Identifier: GPL-2.0 */
/* Where are the symbols and lines of a file that was stripped of them? */
#ifndef MEMTRACE_DEBUG_H
#define MEMTRACE_DEBUG_H

#include "user/symbol/debug_search.h"
#include "user/symbol/elf.h"

/* A file of debug symbols, kept open. */
struct debug {
	int descriptor;
	Elf *elf;
	int alt_descriptor;
	Elf *alt; /* what several such files share (dwz) */
};

/* The build-id in hexadecimal digits, "" if there is none. */
void debug_build_id(Elf *elf, char id[DEBUG_ID_TEXT]);

/* What a file wants to have looked for. */
void debug_wish(Elf *elf, struct debug_wish *wish);

/* Takes over the descriptor.  NULL: it is not the file's own, which has its build-id, or else the
 * checksum that it names. */
struct debug *debug_take(Elf *elf, int descriptor);

/* The same of what several such files share: `name` is "" where nothing is. */
void debug_wish_alt(const struct debug *debug, char name[DEBUG_NAME]);
bool debug_take_alt(struct debug *debug, int descriptor);

void debug_free(struct debug *debug);

/* The symbols in .gnu_debugdata (mini debuginfo).  `bytes` belong to them, both are the caller's;
 * NULL: none. */
Elf *debug_mini(Elf *elf, void **bytes);

#endif
