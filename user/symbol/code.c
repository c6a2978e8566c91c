// SPDX-License-Identifier: GPL-2.0
/* What does an ELF file say of the code in it?  See code.h. */
#include "user/symbol/code.h"

#include "user/base/memory.h"
#include "user/symbol/name.h"

#include <gelf.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE 4096

struct code {
	int descriptor;
	Elf *elf;
	struct names *names; /* NULL: not asked for so far */
};

struct code *code_open(int descriptor)
{
	struct code *code = memory_new(1, sizeof(*code));

	elf_version(EV_CURRENT);
	code->descriptor = descriptor;
	code->elf = elf_begin(descriptor, ELF_C_READ_MMAP, NULL);
	if (code->elf && elf_kind(code->elf) == ELF_K_ELF)
		return code;
	code_close(code);
	return NULL;
}

void code_close(struct code *code)
{
	if (!code)
		return;
	names_close(code->names);
	elf_end(code->elf);
	close(code->descriptor);
	free(code);
}

struct error *code_rows(struct code *code, struct cfi_table *table)
{
	return cfi_build(code->elf, table);
}

bool code_address(struct code *code, uint64_t offset, uint64_t *address)
{
	GElf_Phdr header;
	size_t count;

	if (elf_getphdrnum(code->elf, &count))
		return false;
	for (size_t i = 0; i < count && gelf_getphdr(code->elf, (int)i, &header); i++) {
		uint64_t start = header.p_offset & ~(uint64_t)(PAGE - 1);

		if (header.p_type != PT_LOAD || !(header.p_flags & PF_X) || offset < start ||
		    offset - start >= header.p_filesz + (header.p_offset - start))
			continue;
		*address = header.p_vaddr - header.p_offset + offset;
		return true;
	}
	return false;
}

static struct names *names_of(struct code *code)
{
	if (!code->names)
		code->names = names_open(code->elf);
	return code->names;
}

const char *code_function(struct code *code, uint64_t address, uint64_t *offset)
{
	return names_function(names_of(code), address, offset);
}

const char *code_line(struct code *code, uint64_t address, int *line)
{
	return names_line(names_of(code), address, line);
}

const char *code_build_id(struct code *code)
{
	return names_build_id(names_of(code));
}
