// SPDX-License-Identifier: GPL-2.0
/* How is the caller found, at each instruction of a file? */
#include "user/symbol/cfi.h"

#include "user/base/memory.h"
#include "user/symbol/cfi_link.h"
#include "user/symbol/cfi_section.h"

#include <dwarf.h>
#include <gelf.h>
#include <stdlib.h>

struct builder {
	struct cfi_table *table;
	struct cfi_section section;
	uint64_t last; /* where the rows so far end */
};

/* ---- rules into rows ---- */

static uint16_t rule(enum cfi_kind kind, uint64_t offset_bytes)
{
	return (uint16_t)(kind | offset_bytes / 8 << 4);
}

static bool fits(uint64_t offset_bytes)
{
	return offset_bytes % 8 == 0 && offset_bytes / 8 < 1 << 12;
}

/* DW_OP_bregN and its operand, and nothing more but `then` (0: nothing). */
static bool is_at_register(struct bytes expression, uint8_t operation, uint8_t then,
			   int64_t *offset)
{
	if (bytes_fixed(&expression, 1) != operation)
		return false;
	*offset = bytes_sleb(&expression);
	if (then && bytes_fixed(&expression, 1) != then)
		return false;
	return !expression.short_of && expression.at == expression.end;
}

/*
 * What the linker writes for the procedure linkage table: rsp + 8, and 8 more behind the push
 * of an entry, the N bytes from its start: ((rip & 15) >= N) << 3.
 */
static bool is_plt(struct bytes expression, uint64_t *push_ends)
{
	static const uint8_t before[] = { DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and };
	static const uint8_t after[] = { DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };
	const uint8_t *at = expression.at;

	if (expression.end - at != sizeof(before) + 1 + sizeof(after) ||
	    memcmp(at, before, sizeof(before)) ||
	    memcmp(at + sizeof(before) + 1, after, sizeof(after)) ||
	    at[sizeof(before)] < DW_OP_lit0 || at[sizeof(before)] > DW_OP_lit15)
		return false;
	*push_ends = at[sizeof(before)] - DW_OP_lit0;
	return true;
}

static uint16_t far_rule(struct cfi_table *table, enum cfi_kind kind, uint64_t offset)
{
	size_t at = 0;

	while (at < table->far_count && table->far[at] != offset)
		at++;
	if (at == CFI_FAR)
		return CFI_UNKNOWN;
	if (at == table->far_count)
		table->far[table->far_count++] = offset;
	return rule(kind, 8 * at);
}

static uint16_t rule_of_register(struct builder *builder, const struct cfi_rules *rules)
{
	const struct cfi_machine *machine = builder->section.machine;
	struct cfi_table *table = builder->table;
	uint64_t offset = (uint64_t)rules->cfa_offset;

	if (rules->cfa_register == machine->sp)
		return fits(offset) ? rule(CFI_RSP, offset) : far_rule(table, CFI_FAR_RSP, offset);
	if (rules->cfa_register == machine->bp)
		return fits(offset) ? rule(CFI_RBP, offset) : far_rule(table, CFI_FAR_RBP, offset);
	if (rules->cfa_register == CFI_REGISTER_NONE)
		return CFI_UNKNOWN;
	if (rules->cfa_register == machine->probe)
		return fits(offset) ? rule(CFI_R11, offset) : far_rule(table, CFI_FAR_R11, offset);
	if (rules->cfa_register == machine->bx)
		return fits(offset) ? rule(CFI_RBX, offset) : CFI_UNKNOWN;
	return CFI_UNKNOWN;
}

static uint16_t rule_of_cfa(struct builder *builder, const struct cfi_rules *rules)
{
	uint64_t push_ends;
	int64_t offset;

	if (!rules->by_expression)
		return rule_of_register(builder, rules);
	if (builder->section.machine->links) /* their numbers are for x86-64 */
		return CFI_UNKNOWN;
	if (is_plt(rules->cfa_expression, &push_ends))
		return rule(CFI_PLT, 8 * push_ends);
	if (is_at_register(rules->cfa_expression, DW_OP_breg6, DW_OP_deref, &offset) &&
	    offset <= 0 && fits((uint64_t)-offset))
		return rule(CFI_AT_RBP, (uint64_t)-offset);
	return CFI_UNKNOWN;
}

static int8_t saved_at(const struct cfi_register *one)
{
	int64_t words = one->offset / 8, offset;

	switch (one->where) {
	case CFI_WHERE_SAME:
		return CFI_SAME;
	case CFI_WHERE_OFFSET:
		if (one->offset % 8 || words == 0 || words < INT8_MIN || words >= CFI_THERE)
			return CFI_LOST;
		return (int8_t)words;
	case CFI_WHERE_EXPRESSION:
		return is_at_register(one->expression, DW_OP_breg6, 0, &offset) && offset == 0 ?
			       CFI_THERE : CFI_LOST;
	default:
		return CFI_LOST;
	}
}

/* False: it is not where a row can say. */
static bool place_registers(const struct builder *builder, const struct cfi_rules *rules,
			    struct cfi_row *row)
{
	if (builder->section.machine->links)
		return cfi_link_place(rules, row);
	row->rbx = saved_at(&rules->bx);
	row->rbp = saved_at(&rules->bp);
	return rules->ra.where == CFI_WHERE_OFFSET && rules->ra.offset == -8;
}

static struct cfi_row row_of(struct builder *builder, const struct cfi_rules *rules)
{
	struct cfi_row row = { .rule = CFI_UNKNOWN };

	if (builder->section.cie.is_signal)
		row.rule = CFI_SIGNAL;
	else if (rules->ra.where == CFI_WHERE_UNDEFINED)
		row.rule = CFI_END;
	else if (place_registers(builder, rules, &row))
		row.rule = rule_of_cfa(builder, rules);
	if (cfi_kind(row) == CFI_UNKNOWN)
		row.rbp = row.rbx = 0;
	return row;
}

/* Rows that say the same as the one before are not kept. */
static void add_row(struct cfi_table *table, uint64_t address, struct cfi_row row)
{
	struct cfi_row *last = table->count ? &table->rows[table->count - 1] : NULL;

	row.pc = (uint32_t)(address - table->base);
	if (last && last->pc == row.pc) {
		*last = row;
		return;
	}
	if (last && last->rule == row.rule && last->rbp == row.rbp && last->rbx == row.rbx)
		return;
	table->rows = memory_grow(table->rows, table->count, sizeof(row));
	table->rows[table->count++] = row;
}

/* What holds from where the rows so far end up to an address, clipped to the function. */
struct span {
	struct builder *builder;
	const struct cfi_function *function;
};

static void add_span(struct builder *builder, const struct cfi_function *function, uint64_t end,
		     const struct cfi_rules *rules)
{
	if (end > function->end)
		end = function->end;
	if (end <= builder->last || builder->table->count >= CFI_ROWS)
		return;
	add_row(builder->table, builder->last, row_of(builder, rules));
	builder->last = end;
}

static void emit(void *context, uint64_t end, const struct cfi_rules *rules)
{
	struct span *span = context;

	add_span(span->builder, span->function, end, rules);
}

static uint64_t read_in_span(void *context, struct bytes *bytes, uint8_t encoding)
{
	struct span *span = context;

	return cfi_section_address(&span->builder->section, bytes, encoding);
}

static void add_function(struct builder *builder, const struct cfi_function *function)
{
	const struct cfi_cie *cie = cfi_section_cie(&builder->section, function->cie);
	struct span span = { builder, function };
	struct cfi_run run = { .emit = emit, .context = &span, .read_address = read_in_span,
			       .address = function->start };
	bool whole;

	/* Two descriptions of the same code: the first one holds. */
	if (!cie || function->end <= builder->last)
		return;
	if (function->start > builder->last) {
		add_row(builder->table, builder->last, (struct cfi_row){ .rule = CFI_NONE });
		builder->last = function->start;
	}
	run.cie = cie;
	run.rules = cie->initial;
	whole = cfi_execute(&run, function->instructions);
	if (!whole) /* what comes behind the damage, nobody knows */
		run.rules = (struct cfi_rules){ .cfa_register = CFI_REGISTER_NONE };
	add_span(builder, function, function->end, &run.rules);
}

/* The dynamic linker's _start, which the kernel jumps to, is described by nobody. */
static void mark_entry(struct cfi_table *table, uint64_t entry)
{
	const struct cfi_row *row = cfi_find(table, entry);
	size_t at = row ? (size_t)(row - table->rows) + 1 : 0;
	struct cfi_row end = { .pc = (uint32_t)(entry - table->base), .rule = CFI_END };

	/* Behind the last function it would have no end. */
	if (!row || cfi_kind(*row) != CFI_NONE || at == table->count)
		return;
	if (row->pc == end.pc) {
		table->rows[at - 1] = end;
		return;
	}
	table->rows = memory_grow(table->rows, table->count, sizeof(end));
	memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(end));
	table->rows[at] = end;
	table->count++;
}

static struct error *build_rows(struct builder *builder, uint64_t entry)
{
	struct cfi_table *table = builder->table;
	const struct cfi_function *functions = builder->section.functions;
	size_t count = builder->section.count;

	if (!count)
		return NULL;
	/* Down to the entry, which may lie before the first function. */
	table->base = entry && entry < functions[0].start ? entry : functions[0].start;
	for (size_t i = 0; i < count; i++)
		if (functions[i].end - table->base > UINT32_MAX)
			return error_new(0, "code of more than 4 GiB cannot be unwound");
	builder->last = table->base;
	for (size_t i = 0; i < count; i++)
		add_function(builder, &functions[i]);
	add_row(table, builder->last, (struct cfi_row){ .rule = CFI_NONE });
	table->functions = count;
	if (entry)
		mark_entry(table, entry);
	return NULL;
}

/* In the vdso of arm64 nothing is described. */
static void make_signal(struct cfi_table *table, uint64_t start, uint64_t end)
{
	table->base = start;
	add_row(table, start, (struct cfi_row){ .rule = CFI_SIGNAL });
	add_row(table, end, (struct cfi_row){ .rule = CFI_NONE });
	table->functions = 1;
}

struct error *cfi_build(Elf *elf, struct cfi_table *table)
{
	struct builder builder = { .table = table };
	const struct cfi_machine *machine;
	struct error *error = NULL;
	uint64_t start, end;
	GElf_Ehdr header;

	*table = (struct cfi_table){};
	if (!gelf_getehdr(elf, &header))
		return error_new(0, "not an ELF file");
	machine = cfi_machine_of(&header);
	if (!machine)
		return error_new(0, "not a file for x86-64 or AArch64");
	table->links = machine->links;
	if (cfi_section_read(&builder.section, elf))
		error = build_rows(&builder, header.e_entry);
	cfi_section_free(&builder.section);
	if (!error && !table->count && machine->links && cfi_link_signal(elf, &start, &end))
		make_signal(table, start, end);
	return error;
}

void cfi_free(struct cfi_table *table)
{
	free(table->rows);
	*table = (struct cfi_table){};
}

const struct cfi_row *cfi_find(const struct cfi_table *table, uint64_t address)
{
	size_t low = 0, high = table->count;

	if (address < table->base || address - table->base > UINT32_MAX)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->rows[middle].pc <= address - table->base)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->rows[low - 1] : NULL;
}
