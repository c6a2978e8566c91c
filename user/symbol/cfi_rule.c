// SPDX-License-Identifier: GPL-2.0
/* What do the instructions of a CIE or an FDE say, at each address? */
#include "user/symbol/cfi_rule.h"

#include <dwarf.h>
#include <stddef.h>

#define DEPTH 16 /* of remembered states */

struct state {
	struct cfi_run *run;
	struct bytes code;
	struct cfi_rules saved[DEPTH];
	size_t depth;
};

/* NULL: one that rows do not tell of. */
static struct cfi_register *register_of(const struct state *state, struct cfi_rules *rules,
					uint64_t number)
{
	const struct cfi_machine *machine = state->run->cie->machine;

	if (number == machine->ra)
		return &rules->ra;
	if (number == machine->bp)
		return &rules->bp;
	return number == machine->bx && number != CFI_REGISTER_NONE ? &rules->bx : NULL;
}

static void set_register(struct state *state, uint64_t number, enum cfi_where where, int64_t offset)
{
	struct cfi_register *one = register_of(state, &state->run->rules, number);

	if (one)
		*one = (struct cfi_register){ .where = where, .offset = offset };
}

static void set_offset(struct state *state, uint64_t number, int64_t factored)
{
	int64_t offset;

	if (__builtin_mul_overflow(factored, state->run->cie->data_align, &offset))
		set_register(state, number, CFI_WHERE_ELSE, 0);
	else
		set_register(state, number, CFI_WHERE_OFFSET, offset);
}

static void restore_register(struct state *state, uint64_t number)
{
	struct cfi_rules initial = state->run->cie->initial;
	struct cfi_register *now = register_of(state, &state->run->rules, number);

	if (now)
		*now = *register_of(state, &initial, number);
}

static void set_expression(struct state *state, uint64_t number, enum cfi_where where)
{
	struct cfi_register *one = register_of(state, &state->run->rules, number);
	uint64_t length = bytes_uleb(&state->code);
	const uint8_t *start = state->code.at;

	if (bytes_skip(&state->code, length) && one)
		*one = (struct cfi_register){ .where = where,
					      .expression = { start, start + length, false } };
}

static void set_cfa(struct state *state, uint64_t number, int64_t offset)
{
	struct cfi_rules *rules = &state->run->rules;

	rules->by_expression = false;
	rules->cfa_register = number;
	rules->cfa_offset = offset;
}

static void set_cfa_expression(struct state *state)
{
	struct cfi_rules *rules = &state->run->rules;
	uint64_t length = bytes_uleb(&state->code);
	const uint8_t *start = state->code.at;

	if (!bytes_skip(&state->code, length))
		return;
	rules->by_expression = true;
	rules->cfa_expression = (struct bytes){ start, start + length, false };
}

static void go_to(struct state *state, uint64_t address)
{
	struct cfi_run *run = state->run;

	if (run->emit)
		run->emit(run->context, address, &run->rules);
	run->address = address;
}

static void advance(struct state *state, uint64_t factored)
{
	go_to(state, state->run->address + factored * state->run->cie->code_align);
}

static void remember(struct state *state)
{
	if (state->depth < DEPTH)
		state->saved[state->depth++] = state->run->rules;
	else
		state->code.short_of = true;
}

static void recall(struct state *state)
{
	if (state->depth)
		state->run->rules = state->saved[--state->depth];
	else
		state->code.short_of = true;
}

static int64_t factored_sleb(struct state *state)
{
	return (int64_t)((uint64_t)bytes_sleb(&state->code) *
			 (uint64_t)state->run->cie->data_align);
}

/* Those that say where a register of the caller is.  False: none of them. */
static bool execute_register(struct state *state, uint8_t operation)
{
	struct bytes *code = &state->code;
	uint64_t number;

	switch (operation) {
	case DW_CFA_offset_extended:
		number = bytes_uleb(code);
		set_offset(state, number, (int64_t)bytes_uleb(code));
		return true;
	case DW_CFA_offset_extended_sf:
		number = bytes_uleb(code);
		set_offset(state, number, bytes_sleb(code));
		return true;
	case DW_CFA_restore_extended:
		restore_register(state, bytes_uleb(code));
		return true;
	case DW_CFA_undefined:
		set_register(state, bytes_uleb(code), CFI_WHERE_UNDEFINED, 0);
		return true;
	case DW_CFA_same_value:
		set_register(state, bytes_uleb(code), CFI_WHERE_SAME, 0);
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf: /* the second operand's length does not depend on its sign */
		number = bytes_uleb(code);
		bytes_uleb(code);
		set_register(state, number, CFI_WHERE_ELSE, 0);
		return true;
	case DW_CFA_expression:
		set_expression(state, bytes_uleb(code), CFI_WHERE_EXPRESSION);
		return true;
	case DW_CFA_val_expression:
		set_expression(state, bytes_uleb(code), CFI_WHERE_ELSE);
		return true;
	}
	return false;
}

/* Those that say where the CFA is. */
static bool execute_cfa(struct state *state, uint8_t operation)
{
	struct bytes *code = &state->code;
	struct cfi_rules *rules = &state->run->rules;
	uint64_t number;

	switch (operation) {
	case DW_CFA_def_cfa:
		number = bytes_uleb(code);
		set_cfa(state, number, (int64_t)bytes_uleb(code));
		return true;
	case DW_CFA_def_cfa_sf:
		number = bytes_uleb(code);
		set_cfa(state, number, factored_sleb(state));
		return true;
	case DW_CFA_def_cfa_register:
		rules->cfa_register = bytes_uleb(code);
		return true;
	case DW_CFA_def_cfa_offset:
		rules->cfa_offset = (int64_t)bytes_uleb(code);
		return true;
	case DW_CFA_def_cfa_offset_sf:
		rules->cfa_offset = factored_sleb(state);
		return true;
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(state);
		return true;
	}
	return false;
}

static bool execute_other(struct state *state, uint8_t operation)
{
	struct bytes *code = &state->code;

	switch (operation) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_set_loc:
		go_to(state, state->run->read_address(state->run->context, code,
						      state->run->cie->encoding));
		return true;
	case DW_CFA_advance_loc1:
		advance(state, bytes_fixed(code, 1));
		return true;
	case DW_CFA_advance_loc2:
		advance(state, bytes_fixed(code, 2));
		return true;
	case DW_CFA_advance_loc4:
		advance(state, bytes_fixed(code, 4));
		return true;
	case DW_CFA_remember_state:
		remember(state);
		return true;
	case DW_CFA_restore_state:
		recall(state);
		return true;
	case DW_CFA_GNU_args_size:
		bytes_uleb(code);
		return true;
	case DW_CFA_AARCH64_negate_ra_state: /* a signature is taken off whatever is read */
		return state->run->cie->machine->links;
	}
	return execute_register(state, operation) || execute_cfa(state, operation);
}

static bool execute_one(struct state *state)
{
	uint8_t byte = (uint8_t)bytes_fixed(&state->code, 1), low = byte & 63;

	switch (byte & 0xc0) {
	case DW_CFA_advance_loc:
		advance(state, low);
		return true;
	case DW_CFA_offset:
		set_offset(state, low, (int64_t)bytes_uleb(&state->code));
		return true;
	case DW_CFA_restore:
		restore_register(state, low);
		return true;
	}
	return execute_other(state, low);
}

bool cfi_execute(struct cfi_run *run, struct bytes instructions)
{
	struct state state = { .run = run, .code = instructions };

	while (state.code.at < state.code.end)
		if (!execute_one(&state) || state.code.short_of)
			return false;
	return true;
}
