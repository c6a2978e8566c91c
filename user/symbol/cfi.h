/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is the caller found, at each instruction of a file?  What .eh_frame says of it, as rows
 * of 8 bytes that a program without frame pointers can be unwound with, in the kernel too.
 */
#ifndef MEMTRACE_CFI_H
#define MEMTRACE_CFI_H

#include "user/base/error.h"

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How to find the CFA: the stack pointer of the caller, with the return address 8 below it.  On
 * AArch64 rsp is sp, rbp is x29, and the row has where the return address is.
 */
enum cfi_kind {
	CFI_NONE,	/* no function is described here */
	CFI_RSP,	/* rsp + offset */
	CFI_RBP,	/* rbp + offset */
	CFI_RBX,	/* rbx + offset: the dynamic linker's resolver */
	CFI_PLT,	/* rsp + 8, and 8 more where rip & 15 is offset / 8 or above */
	CFI_AT_RBP,	/* what lies at rbp - offset: realigned stacks */
	CFI_FAR_RSP,	/* rsp + far[offset / 8] */
	CFI_FAR_RBP,	/* rbp + far[offset / 8] */
	CFI_R11,	/* r11 + offset, in the innermost frame: a big frame's pages are probed */
	CFI_FAR_R11,	/* r11 + far[offset / 8] */
	CFI_SIGNAL,	/* the frame that the kernel builds for a signal: rsp points to it */
	CFI_END,	/* nobody called this */
	CFI_UNKNOWN,	/* described by what no row can hold */
	CFI_KINDS
};

/* Where the caller's rbp or rbx is: so many words of 8 bytes from the CFA, or one of these. */
enum {
	CFI_SAME = 0,	 /* still in the register */
	CFI_LOST = 127,	 /* nobody can tell */
	CFI_THERE = 126, /* at the address that is in rbp */
};

/*
 * On AArch64 these two bytes have how many words below the CFA the caller's x29 and x30 are, in one
 * of these forms (cfi_link.h); 0: still in the register.
 */
enum cfi_form {
	CFI_APART, /* 7 bits each */
	CFI_LINK,  /* x30 alone */
	CFI_PAIR,  /* x29, and x30 one word above */
};

#define CFI_FORM 14 /* its first bit */
#define CFI_WORDS ((1 << CFI_FORM) - 1)
#define CFI_WORDS_APART 127

/* Holds from its pc to that of the next row. */
struct cfi_row {
	uint32_t pc;   /* from the base of the table */
	uint16_t rule; /* kind in the low 4 bits, offset / 8 above them */
	int8_t rbp, rbx;
};
_Static_assert(sizeof(struct cfi_row) == 8, "cfi_row");

#define CFI_FAR 32 /* offsets of 32 KiB and more, in one file */
#define CFI_ROWS (16 << 20)

struct cfi_table {
	uint64_t base; /* virtual address in the file, which pc counts from */
	struct cfi_row *rows; /* by pc; the last one is CFI_NONE */
	size_t count;
	size_t functions; /* that are described */
	uint64_t far[CFI_FAR];
	size_t far_count;
	bool links; /* of AArch64 */
};

/*
 * The rows of a file for x86-64 or AArch64, from its .eh_frame (DWARF 5, 6.4).  A file
 * without one gives no rows.  Trusts nothing in the file.  `table` is cfi_free()d by the
 * caller, after an error too.
 */
struct error *cfi_build(Elf *elf, struct cfi_table *table);

void cfi_free(struct cfi_table *table);

static inline enum cfi_kind cfi_kind(struct cfi_row row)
{
	return row.rule & 15;
}

static inline uint32_t cfi_offset_bytes(struct cfi_row row)
{
	return (uint32_t)(row.rule >> 4) * 8;
}

/* The row of an address, NULL where there is none. */
const struct cfi_row *cfi_find(const struct cfi_table *table, uint64_t address);

#endif
