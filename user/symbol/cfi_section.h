/* SPDX-License-Identifier: GPL-2.0 */
/* What is in .eh_frame: which functions, described by which instructions? */
#ifndef MEMTRACE_CFI_SECTION_H
#define MEMTRACE_CFI_SECTION_H

#include "user/symbol/cfi_rule.h"

#include <elf.h>
#include <gelf.h>
#include <libelf.h>

struct cfi_function {
	uint64_t start, end;
	uint64_t cie; /* its offset */
	struct bytes instructions;
};

struct cfi_section {
	const struct cfi_machine *machine;
	Elf_Data *data; /* of the file, which has to stay open */
	unsigned char ident[EI_NIDENT];
	uint64_t address;
	struct cfi_cie cie; /* the last one that was asked for */
	struct cfi_function *functions; /* in the order of their starts */
	size_t count;
};

/* NULL: none whose code is known here. */
const struct cfi_machine *cfi_machine_of(const GElf_Ehdr *header);

/* False: there is none.  Freed by the caller, whatever the result. */
bool cfi_section_read(struct cfi_section *section, Elf *elf);
void cfi_section_free(struct cfi_section *section);

/* The CIE at an offset, NULL: there is none.  It holds until the next one is asked for. */
const struct cfi_cie *cfi_section_cie(struct cfi_section *section, uint64_t offset);

/* An address in one of the encodings of the LSB (DW_EH_PE_*); 0 in one that is not known. */
uint64_t cfi_section_address(struct cfi_section *section, struct bytes *bytes, uint8_t encoding);

#endif
