// SPDX-License-Identifier: GPL-2.0
/* What is in .eh_frame: which functions, described by which instructions?  See cfi_section.h. */
#include "user/symbol/cfi_section.h"

#include "user/base/memory.h"
#include "user/symbol/elf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>

/* More than any linker writes: who does wants to have our time or memory. */
#define MOST_SECTION (256 << 20)
#define MOST_FUNCTIONS (4 << 20)
#define MOST_INITIAL 1024 /* bytes, executed for each function in the worst case */

const struct cfi_machine *cfi_machine_of(const GElf_Ehdr *header)
{
	/* System V ABI for x86-64, 3.6.2; DWARF for the Arm 64-bit Architecture, 4.1. */
	static const struct cfi_machine x86_64 = { .sp = 7, .bp = 6, .bx = 3, .ra = 16,
						   .probe = 11 };
	static const struct cfi_machine aarch64 = { .sp = 31, .bp = 29, .bx = CFI_REGISTER_NONE,
						    .ra = 30, .probe = CFI_REGISTER_NONE,
						    .links = true };

	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	switch (header->e_machine) {
	case EM_X86_64:
		return &x86_64;
	case EM_AARCH64:
		return &aarch64;
	}
	return NULL;
}

/* ---- numbers in the section ---- */

uint64_t cfi_section_address(struct cfi_section *section, struct bytes *bytes, uint8_t encoding)
{
	const uint8_t *start = bytes->at;
	uint64_t value;

	switch (encoding & 15) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = bytes_fixed(bytes, 8);
		break;
	case DW_EH_PE_udata4:
		value = bytes_fixed(bytes, 4);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int32_t)bytes_fixed(bytes, 4);
		break;
	case DW_EH_PE_udata2:
		value = bytes_fixed(bytes, 2);
		break;
	case DW_EH_PE_sdata2:
		value = (uint64_t)(int16_t)bytes_fixed(bytes, 2);
		break;
	case DW_EH_PE_uleb128:
		value = bytes_uleb(bytes);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)bytes_sleb(bytes);
		break;
	default:
		return 0;
	}
	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		value += section->address + (uint64_t)(start - (uint8_t *)section->data->d_buf);
	return value;
}

static uint64_t read_location(void *context, struct bytes *bytes, uint8_t encoding)
{
	return cfi_section_address(context, bytes, encoding);
}

/* ---- CIEs ---- */

/* What the letters of the augmentation say that matters here. */
static void read_augmentation(struct cfi_section *section, const Dwarf_CIE *from,
			      struct cfi_cie *cie)
{
	struct bytes data = { from->augmentation_data,
			      from->augmentation_data + from->augmentation_data_size, false };

	cie->has_data = from->augmentation[0] == 'z';
	if (!cie->has_data)
		return;
	for (const char *letter = from->augmentation + 1; *letter; letter++) {
		switch (*letter) {
		case 'R':
			cie->encoding = (uint8_t)bytes_fixed(&data, 1);
			break;
		case 'P':
			cfi_section_address(section, &data, (uint8_t)bytes_fixed(&data, 1));
			break;
		case 'L':
			bytes_fixed(&data, 1);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		}
	}
}

/* The CIE at an offset, remembered: nearly all FDEs share a few, and those in a row one. */
const struct cfi_cie *cfi_section_cie(struct cfi_section *section, uint64_t offset)
{
	struct cfi_run run = { .cie = &section->cie, .read_address = read_location,
			       .context = section };
	struct cfi_cie *cie = &section->cie;
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;

	if (cie->code_align && cie->offset == offset)
		return cie;
	*cie = (struct cfi_cie){ .machine = section->machine, .offset = offset };
	if (dwarf_next_cfi(section->ident, section->data, true, offset, &next, &entry) ||
	    !dwarf_cfi_cie_p(&entry) || !entry.cie.code_alignment_factor ||
	    entry.cie.initial_instructions_end - entry.cie.initial_instructions > MOST_INITIAL)
		return NULL;
	cie->data_align = entry.cie.data_alignment_factor;
	cie->instructions = (struct bytes){ entry.cie.initial_instructions,
					    entry.cie.initial_instructions_end, false };
	cie->code_align = entry.cie.code_alignment_factor;
	read_augmentation(section, &entry.cie, cie);
	cfi_execute(&run, cie->instructions);
	cie->initial = run.rules;
	return cie;
}

/* ---- FDEs ---- */

static void note_function(struct cfi_section *section, const Dwarf_FDE *fde)
{
	const struct cfi_cie *cie = cfi_section_cie(section, fde->CIE_pointer);
	struct bytes bytes = { fde->start, fde->end, false };
	struct cfi_function function = { .cie = fde->CIE_pointer };
	uint64_t length;

	if (!cie)
		return;
	function.start = cfi_section_address(section, &bytes, cie->encoding);
	length = cfi_section_address(section, &bytes, cie->encoding & 15);
	if (cie->has_data)
		bytes_skip(&bytes, bytes_uleb(&bytes));
	function.instructions = bytes;
	if (bytes.short_of || !length ||
	    __builtin_add_overflow(function.start, length, &function.end) ||
	    section->count == MOST_FUNCTIONS)
		return;
	section->functions = memory_grow(section->functions, section->count,
					 sizeof(function));
	section->functions[section->count++] = function;
}

static void note_functions(struct cfi_section *section)
{
	Dwarf_Off at = 0, next;
	Dwarf_CFI_Entry entry;
	int result;

	while ((result = dwarf_next_cfi(section->ident, section->data, true, at, &next, &entry)) !=
	       1) {
		if (result == 0 && !dwarf_cfi_cie_p(&entry))
			note_function(section, &entry.fde);
		if (next <= at)
			return;
		at = next;
	}
}

static int compare_functions(const void *a, const void *b)
{
	const struct cfi_function *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->end < right->end ? -1 : left->end > right->end;
}

bool cfi_section_read(struct cfi_section *section, Elf *elf)
{
	Elf_Scn *found = elf_section(elf, ".eh_frame");
	GElf_Shdr shape;
	GElf_Ehdr header;

	*section = (struct cfi_section){ .address = 0 };
	if (!found || !gelf_getehdr(elf, &header) || !gelf_getshdr(found, &shape) ||
	    shape.sh_size > MOST_SECTION)
		return false;
	section->machine = cfi_machine_of(&header);
	if (!section->machine)
		return false;
	section->data = elf_rawdata(found, NULL);
	if (!section->data || !section->data->d_buf)
		return false;
	memcpy(section->ident, header.e_ident, sizeof(section->ident));
	section->address = shape.sh_addr;
	note_functions(section);
	if (section->count)
		qsort(section->functions, section->count, sizeof(section->functions[0]),
		      compare_functions);
	return true;
}

void cfi_section_free(struct cfi_section *section)
{
	free(section->functions);
	section->functions = NULL;
}
