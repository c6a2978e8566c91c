/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which calls is a stack within, of which only some words are known?  By the same rows as
 * bpf/unwind.bpf.h has them, for what it could not walk because they were not made yet.
 */
#ifndef MEMTRACE_UNWIND_H
#define MEMTRACE_UNWIND_H

#include "user/symbol/cfi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNWIND_FRAMES 128
#define UNWIND_NO_FILE 0xffff /* in the place of a file's number */
#define UNWIND_SHIFT 48

/* As enum mt_stack_end has them. */
enum unwind_end {
	UNWIND_WHOLE, /* down to where nobody called */
	UNWIND_LONG,  /* more than UNWIND_FRAMES */
	UNWIND_NO_CODE,
	UNWIND_NO_ROW,
	UNWIND_UNKNOWN,	  /* described by what no row can hold */
	UNWIND_UNREAD,	  /* by words that are not known */
	UNWIND_BACKWARDS, /* a caller below its callee */
};

/* Where a task was, and words of its stack in their order: above UNWIND_SHIFT is how many words
 * each is above sp.  The task may have made up any of it. */
struct unwind_stack {
	uint64_t ip, sp, bp, bx, r11;
	const uint64_t *words;
	size_t count;
};

/* Code at an address of a process. */
struct unwind_code {
	uint64_t file; /* its number */
	uint64_t bias; /* address less that in the file */
	const struct cfi_table *table;
};

/* False: no code of a known file is there. */
typedef bool unwind_find(void *context, uint64_t address, struct unwind_code *code);

/* The frames, innermost first: a file's number << UNWIND_SHIFT | the address in it.  Returns how
 * many there are. */
size_t unwind(const struct unwind_stack *stack, unwind_find *find, void *context,
	      uint64_t frames[static UNWIND_FRAMES], enum unwind_end *end);

#endif
