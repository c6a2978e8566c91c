// SPDX-License-Identifier: GPL-2.0
/* Where are the two registers that a frame on AArch64 is left by?  See cfi_link.h. */
#include "user/symbol/cfi_link.h"

#include "user/symbol/elf.h"

#include <gelf.h>
#include <string.h>

#define INSTRUCTION_BYTES 4
#define RETURN_BYTES (2UL * INSTRUCTION_BYTES) /* the number of the call, and the call */

/* How many words below the CFA; 0: still in the register, -1: neither. */
static int32_t words_below(const struct cfi_register *one)
{
	int64_t words = one->offset / 8;

	if (one->where == CFI_WHERE_SAME)
		return 0;
	/* The linker's entry to the resolver of names takes too low an address for the CFA. */
	if (one->where != CFI_WHERE_OFFSET || one->offset % 8 || words >= 0 || words < -CFI_WORDS)
		return -1;
	return (int32_t)-words;
}

bool cfi_link_place(const struct cfi_rules *rules, struct cfi_row *row)
{
	int32_t frame = words_below(&rules->bp), link = words_below(&rules->ra);
	int32_t form = CFI_APART, words;

	if (frame < 0 || link < 0)
		return false;
	words = frame << 7 | link;
	if (frame > CFI_WORDS_APART || link > CFI_WORDS_APART) {
		if (frame && frame != link + 1)
			return false;
		form = frame ? CFI_PAIR : CFI_LINK;
		words = frame ?: link;
	}
	words |= form << CFI_FORM;
	row->rbp = (int8_t)(words & 255);
	row->rbx = (int8_t)(words >> 8);
	return true;
}

struct cfi_link cfi_link_of(struct cfi_row row)
{
	uint32_t all = (uint8_t)row.rbp | (uint32_t)(uint8_t)row.rbx << 8, words = all & CFI_WORDS;

	switch (all >> CFI_FORM) {
	case CFI_LINK:
		return (struct cfi_link){ 0, words };
	case CFI_PAIR:
		return (struct cfi_link){ words, words - 1 };
	}
	return (struct cfi_link){ words >> 7, words & CFI_WORDS_APART };
}

static bool is_return(Elf *elf, const GElf_Shdr *header, const GElf_Sym *symbol)
{
	const char *name = elf_strptr(elf, header->sh_link, symbol->st_name);

	return name && !strcmp(name, "__kernel_rt_sigreturn");
}

bool cfi_link_signal(Elf *elf, uint64_t *start, uint64_t *end)
{
	Elf_Scn *section = elf_section(elf, ".dynsym");
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	GElf_Shdr header;
	GElf_Sym symbol;

	if (!data || !gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
		return false;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		if (symbol.st_value < INSTRUCTION_BYTES || !is_return(elf, &header, &symbol))
			continue;
		*start = symbol.st_value - INSTRUCTION_BYTES;
		*end = symbol.st_value + RETURN_BYTES;
		return *end > *start;
	}
	return false;
}
