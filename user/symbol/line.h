/* SPDX-License-Identifier: GPL-2.0 */
/* Which lines of the source is an address, and which functions are inlined there?  (DWARF) */
#ifndef MEMTRACE_LINE_H
#define MEMTRACE_LINE_H

#include "user/symbol/place.h"

#include <libelf.h>

struct lines;

/* Both files have to stay open; `alt` is what `elf` shares with others, or NULL.  NULL: there are
 * no lines in it, or too many. */
struct lines *lines_open(Elf *elf, Elf *alt);
void lines_close(struct lines *lines);

/* Until when (CLOCK_MONOTONIC) lines are looked for; then nothing is found any more. */
void lines_limit(struct lines *lines, uint64_t deadline_ns);

/* Fills in places, freed by the caller; none where nothing says so. */
void lines_find(struct lines *lines, uint64_t address, struct places *places);

#endif
