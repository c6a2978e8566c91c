// SPDX-License-Identifier: GPL-2.0
/* Which function, file and line is an address of an ELF file?  See name.h. */
#include "user/symbol/name.h"

#include "user/base/memory.h"

#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_ID_BYTES 64

struct symbol {
	uint64_t start, end;
	uint64_t reach; /* the furthest end of this one and those before it */
	const char *name;
	bool global;
};

struct names {
	Elf *elf;
	Dwarf *dwarf; /* NULL: none */
	bool asked_dwarf;
	struct symbol *symbols;
	size_t count;
	char build_id[2 * BUILD_ID_BYTES + 1];
};

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	/* Of several names for one place the global one, the shorter one: printed last is found. */
	if (left->global != right->global)
		return left->global ? 1 : -1;
	return strcmp(right->name, left->name);
}

static void add_symbol(struct names *names, const GElf_Sym *from, const char *name)
{
	struct symbol symbol = { .start = from->st_value, .name = name };

	if (GELF_ST_TYPE(from->st_info) != STT_FUNC &&
	    GELF_ST_TYPE(from->st_info) != STT_GNU_IFUNC)
		return;
	if (from->st_shndx == SHN_UNDEF || !from->st_size || !name || !*name ||
	    __builtin_add_overflow(symbol.start, from->st_size, &symbol.end))
		return;
	symbol.global = GELF_ST_BIND(from->st_info) != STB_LOCAL;
	names->symbols = memory_grow(names->symbols, names->count, sizeof(symbol));
	names->symbols[names->count++] = symbol;
}

static void read_table(struct names *names, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; data && i < count && gelf_getsym(data, (int)i, &symbol); i++)
		add_symbol(names, &symbol, elf_strptr(names->elf, header->sh_link, symbol.st_name));
}

/* .symtab has all of .dynsym, where it is there. */
static bool read_tables(struct names *names, GElf_Word type)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;

	while ((section = elf_nextscn(names->elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		read_table(names, section, &header);
		found = true;
	}
	return found;
}

static void note_reach(struct names *names)
{
	uint64_t reach = 0;

	for (size_t i = 0; i < names->count; i++) {
		if (names->symbols[i].end > reach)
			reach = names->symbols[i].end;
		names->symbols[i].reach = reach;
	}
}

static void read_build_id(struct names *names)
{
	const uint8_t *bytes;
	const void *found;
	ssize_t count = dwelf_elf_gnu_build_id(names->elf, &found);

	if (count > BUILD_ID_BYTES)
		count = BUILD_ID_BYTES;
	bytes = found;
	for (ssize_t i = 0; i < count; i++)
		sprintf(&names->build_id[2 * i], "%02x", bytes[i]);
}

struct names *names_open(Elf *elf)
{
	struct names *names = memory_new(1, sizeof(*names));

	names->elf = elf;
	if (!read_tables(names, SHT_SYMTAB))
		read_tables(names, SHT_DYNSYM);
	if (names->count)
		qsort(names->symbols, names->count, sizeof(names->symbols[0]), compare_symbols);
	note_reach(names);
	read_build_id(names);
	return names;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	if (names->dwarf)
		dwarf_end(names->dwarf);
	free(names->symbols);
	free(names);
}

const char *names_function(const struct names *names, uint64_t address, uint64_t *offset)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i-- > 0 && names->symbols[i].reach > address;) {
		if (names->symbols[i].end <= address)
			continue;
		*offset = address - names->symbols[i].start;
		return names->symbols[i].name;
	}
	return NULL;
}

const char *names_line(struct names *names, uint64_t address, int *line)
{
	Dwarf_Line *found;
	Dwarf_Die unit;

	if (!names->asked_dwarf)
		names->dwarf = dwarf_begin_elf(names->elf, DWARF_C_READ, NULL);
	names->asked_dwarf = true;
	if (!names->dwarf || !dwarf_addrdie(names->dwarf, address, &unit))
		return NULL;
	found = dwarf_getsrc_die(&unit, address);
	if (!found || dwarf_lineno(found, line))
		return NULL;
	return dwarf_linesrc(found, NULL, NULL);
}

const char *names_build_id(const struct names *names)
{
	return names->build_id;
}
