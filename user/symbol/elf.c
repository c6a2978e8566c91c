// SPDX-License-Identifier: GPL-2.0
/* Which ELF files are read, and how?  See elf.h. */
#include "user/symbol/elf.h"

#include <gelf.h>
#include <stdint.h>
#include <string.h>

#define MOST_SECTION ((uint64_t)512 << 20) /* node's symbols: 20 MiB */
#define MOST_DWARF ((uint64_t)1 << 30)	   /* all of it is read at once */

static bool has_name(Elf *elf, const GElf_Shdr *header, size_t names, const char *name)
{
	const char *own = elf_strptr(elf, names, header->sh_name);

	return own && !strcmp(own, name);
}

Elf_Scn *elf_section(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS &&
		    header.sh_size && has_name(elf, &header, names, name))
			return section;
	return NULL;
}

/* What a section takes in memory, a compressed one when it is not so any more. */
static uint64_t size_of(Elf_Scn *section, const GElf_Shdr *header)
{
	GElf_Chdr compressed;

	if (header->sh_type == SHT_NOBITS)
		return 0;
	if (header->sh_flags & SHF_COMPRESSED && gelf_getchdr(section, &compressed) &&
	    compressed.ch_size > header->sh_size)
		return compressed.ch_size;
	return header->sh_size;
}

static bool is_sane(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (!gelf_getshdr(section, &header) ||
		    (!(header.sh_flags & SHF_COMPRESSED) && header.sh_type != SHT_PROGBITS &&
		     size_of(section, &header) > MOST_SECTION))
			return false;
	return true;
}

static Elf *checked(Elf *elf)
{
	if (elf && elf_kind(elf) == ELF_K_ELF && is_sane(elf))
		return elf;
	elf_end(elf);
	return NULL;
}

Elf *elf_read(int descriptor)
{
	elf_version(EV_CURRENT);
	return checked(elf_begin(descriptor, ELF_C_READ, NULL));
}

Elf *elf_read_memory(const void *bytes, size_t count)
{
	elf_version(EV_CURRENT);
	return checked(elf_memory((char *)bytes, count));
}

bool elf_has_dwarf(Elf *elf)
{
	Elf_Scn *section = NULL;
	uint64_t sum = 0, size;
	GElf_Shdr header;

	if (!elf_section(elf, ".debug_info"))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_flags & SHF_ALLOC)
			continue;
		size = size_of(section, &header);
		if (size > MOST_DWARF || (sum += size) > MOST_DWARF)
			return false;
	}
	return true;
}
