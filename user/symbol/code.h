/* SPDX-License-Identifier: GPL-2.0 */
/* What does an ELF file say of the code in it?  Kept open, whatever becomes of its path. */
#ifndef MEMTRACE_CODE_H
#define MEMTRACE_CODE_H

#include "user/symbol/cfi.h"
#include "user/symbol/debug_search.h"
#include "user/symbol/place.h"

#include <stdbool.h>
#include <stdint.h>

struct code;

/* Takes over the descriptor, NULL: it is no ELF file. */
struct code *code_open(int descriptor);

/* The same of an image in memory, which has to stay. */
struct code *code_open_image(void *image, size_t bytes);
void code_close(struct code *code);

/* The file of debug symbols that it wants; takes over a descriptor, true: that is it.  Then the
 * same of what such files share: `name` is "" where nothing is. */
void code_wish(const struct code *code, struct debug_wish *wish);
bool code_take_debug(struct code *code, int descriptor);
void code_wish_alt(const struct code *code, char name[DEBUG_NAME]);
bool code_take_alt(struct code *code, int descriptor);

/* The rows to unwind it by; freed by the caller. */
struct error *code_rows(struct code *code, struct cfi_table *table);

struct code_segment {
	uint64_t offset; /* in the file, of the page that it begins in */
	uint64_t shift;	 /* address that it is linked at, less offset */
};

/* What it is loaded with: the dynamic linker and the libraries that it names, NULL at the end. */
char **code_needs(const struct code *code);

/* Where its code lies, up to `room` segments by offset.  Returns how many there are. */
size_t code_segments(const struct code *code, struct code_segment *segments, size_t room);

/* The functions and lines at an address, freed with places_free().  After `deadline_ns`
 * (CLOCK_MONOTONIC) no lines are looked for. */
void code_places(struct code *code, uint64_t address, uint64_t deadline_ns,
		 struct places *places);

/* Gives back what code_places() has read to find lines, until it is asked again. */
void code_forget_lines(struct code *code);

/* The build-id in hexadecimal digits, "" if there is none. */
const char *code_build_id(struct code *code);

#endif
