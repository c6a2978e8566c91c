/* SPDX-License-Identifier: GPL-2.0 */
/* What do the instructions of a CIE or an FDE say, at each address?  (DWARF 5, 6.4.2) */
#ifndef MEMTRACE_CFI_RULE_H
#define MEMTRACE_CFI_RULE_H

#include "user/symbol/bytes.h"

#define CFI_REGISTER_NONE 255

/* The registers that rows tell of, by their DWARF numbers for a machine. */
struct cfi_machine {
	uint8_t sp, bp, bx, ra;
	uint8_t probe; /* where the stack ends while it is probed */
	bool links; /* a call puts the return address into ra, and not on the stack */
};

enum cfi_where {
	CFI_WHERE_SAME,
	CFI_WHERE_OFFSET,     /* at CFA + offset */
	CFI_WHERE_EXPRESSION, /* at what the expression says */
	CFI_WHERE_UNDEFINED,
	CFI_WHERE_ELSE,	      /* anything that a row cannot say */
};

struct cfi_register {
	enum cfi_where where;
	int64_t offset;
	struct bytes expression;
};

struct cfi_rules {
	bool by_expression; /* the CFA; else a register and an offset */
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct bytes cfa_expression;
	struct cfi_register bx, bp, ra;
};

/* What an FDE takes from its CIE. */
struct cfi_cie {
	const struct cfi_machine *machine;
	uint64_t offset; /* in the section: which one it is */
	struct bytes instructions;
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding; /* of addresses */
	bool has_data, is_signal;
	struct cfi_rules initial;
};

/* Is given the rules that hold up to an address. */
typedef void cfi_emit(void *context, uint64_t end, const struct cfi_rules *rules);

/*
 * Runs the instructions from an address on.  `read_address` reads DW_CFA_set_loc's operand.
 * False where they are damaged: what was emitted before holds.
 */
struct cfi_run {
	const struct cfi_cie *cie;
	cfi_emit *emit;
	void *context;
	uint64_t (*read_address)(void *context, struct bytes *bytes, uint8_t encoding);
	uint64_t address;
	struct cfi_rules rules;
};

bool cfi_execute(struct cfi_run *run, struct bytes instructions);

#endif
