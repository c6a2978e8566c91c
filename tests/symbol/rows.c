// SPDX-License-Identifier: GPL-2.0
/*
 * Which rows is a file unwound by?  `rows FILE` prints them: address, kind, offset, rbp, rbx (of a
 * file for AArch64 where x29 and x30 are: how many words from the CFA).
 * `rows FILE COUNT` holds those of so many addresses, chosen at random, against libdw's word.
 */
#include "user/symbol/cfi_link.h"
#include "user/symbol/code.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN 10 /* of the differences */

struct tally {
	size_t same, skipped, different;
};

/* What a row tells of, by numbers of DWARF: where the CFA is, and two registers of the caller. */
struct machine {
	unsigned int cfa[CFI_KINDS];
	int registers[2];
};

static const struct machine x86_64 = {
	.cfa = { [CFI_RSP] = 7, [CFI_RBP] = 6, [CFI_RBX] = 3, [CFI_FAR_RSP] = 7,
		 [CFI_FAR_RBP] = 6, [CFI_R11] = 11, [CFI_FAR_R11] = 11 },
	.registers = { 6, 3 },
};

static const struct machine aarch64 = {
	.cfa = { [CFI_RSP] = 31, [CFI_RBP] = 29, [CFI_FAR_RSP] = 31, [CFI_FAR_RBP] = 29 },
	.registers = { 29, 30 },
};

static const struct machine *machine = &x86_64;

static uint64_t offset_of(const struct cfi_table *table, struct cfi_row row)
{
	uint64_t offset = cfi_offset_bytes(row);

	if (cfi_kind(row) == CFI_FAR_RSP || cfi_kind(row) == CFI_FAR_RBP ||
	    cfi_kind(row) == CFI_FAR_R11)
		return table->far[offset / 8];
	return offset;
}

/* Where those two are, in words from the CFA: user/symbol/cfi.h. */
static void places_of(struct cfi_row row, int *places)
{
	struct cfi_link link = cfi_link_of(row);

	places[0] = machine == &x86_64 ? (int)row.rbp : -(int)link.frame;
	places[1] = machine == &x86_64 ? (int)row.rbx : -(int)link.link;
}

static void print_rows(const struct cfi_table *table)
{
	int places[2];

	for (size_t i = 0; i < table->count; i++) {
		struct cfi_row row = table->rows[i];

		places_of(row, places);
		printf("%" PRIx64 " %d %" PRIu64 " %d %d\n", table->base + row.pc, cfi_kind(row),
		       offset_of(table, row), places[0], places[1]);
	}
}

/* ---- libdw's word ---- */

static bool same_cfa(const struct cfi_table *table, struct cfi_row row, Dwarf_Frame *frame)
{
	unsigned int number = machine->cfa[cfi_kind(row)];
	Dwarf_Op *operations;
	size_t count;

	if (dwarf_frame_cfa(frame, &operations, &count))
		return false;
	if (!number) /* an expression */
		return count > 1;
	return count == 1 && operations->atom == DW_OP_bregx && operations->number == number &&
	       operations->number2 == offset_of(table, row);
}

static bool same_register(Dwarf_Frame *frame, int number, int where)
{
	Dwarf_Op memory[3], *operations;
	size_t count;

	if (dwarf_frame_register(frame, number, memory, &operations, &count))
		return false;
	if (where == CFI_LOST && machine == &x86_64)
		return true; /* it may well say more */
	if (where == CFI_THERE && machine == &x86_64)
		return count > 1;
	if (where == CFI_SAME)
		return !count;
	return count == 2 && operations[0].atom == DW_OP_call_frame_cfa &&
	       operations[1].atom == DW_OP_plus_uconst &&
	       (int64_t)operations[1].number == 8 * (int64_t)where;
}

static bool same_registers(Dwarf_Frame *frame, struct cfi_row row)
{
	int places[2];

	places_of(row, places);
	return same_register(frame, machine->registers[0], places[0]) &&
	       same_register(frame, machine->registers[1], places[1]);
}

static bool has_no_caller(Dwarf_Frame *frame)
{
	Dwarf_Op memory[3], *operations;
	size_t count;
	bool signal;
	int number = dwarf_frame_info(frame, NULL, NULL, &signal);

	return !dwarf_frame_register(frame, number, memory, &operations, &count) && !count;
}

static bool is_signal(Dwarf_Frame *frame)
{
	bool signal = false;

	dwarf_frame_info(frame, NULL, NULL, &signal);
	return signal;
}

/* 1: the same, 0: another thing, -1: this row says nothing. */
static int compare(const struct cfi_table *table, Dwarf_CFI *cfi, uint64_t address)
{
	struct cfi_row row = *cfi_find(table, address);
	Dwarf_Frame *frame = NULL;
	int same;

	if (dwarf_cfi_addrframe(cfi, address, &frame))
		return cfi_kind(row) == CFI_NONE || cfi_kind(row) == CFI_END;
	if (cfi_kind(row) == CFI_UNKNOWN)
		same = -1;
	else if (cfi_kind(row) == CFI_END)
		same = has_no_caller(frame);
	else if (cfi_kind(row) == CFI_SIGNAL)
		same = is_signal(frame);
	else
		same = cfi_kind(row) != CFI_NONE && same_cfa(table, row, frame) &&
		       same_registers(frame, row);
	free(frame);
	return same;
}

static int compare_many(const struct cfi_table *table, Elf *elf, unsigned long count)
{
	Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);
	uint32_t span = table->rows[table->count - 1].pc;
	struct tally tally = { 0 };

	for (unsigned long i = 0; cfi && i < count; i++) {
		uint64_t address = table->base + (((uint64_t)random() << 31) ^
						  (uint64_t)random()) % span;
		int same = compare(table, cfi, address);

		tally.same += same == 1;
		tally.skipped += same == -1;
		if (!same && tally.different++ < SHOWN)
			printf("different at %" PRIx64 "\n", address);
	}
	printf("same %zu skipped %zu different %zu\n", tally.same, tally.skipped,
	       tally.different);
	dwarf_cfi_end(cfi);
	return tally.different != 0;
}

int main(int count, char **words)
{
	int file = count > 1 ? open(words[1], O_RDONLY | O_CLOEXEC) : -1;
	struct cfi_table table;
	struct error *error;
	GElf_Ehdr header;
	int status = 0;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(file, ELF_C_READ, NULL);
	if (gelf_getehdr(elf, &header) && header.e_machine == EM_AARCH64)
		machine = &aarch64;
	error = cfi_build(elf, &table);
	if (error || !table.count) {
		fprintf(stderr, "%s\n", error ? error->text : "no rows");
		return 1;
	}
	if (count > 2)
		status = compare_many(&table, elf, strtoul(words[2], NULL, 10));
	else
		print_rows(&table);
	cfi_free(&table);
	elf_end(elf);
	return status;
}
