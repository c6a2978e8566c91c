// SPDX-License-Identifier: GPL-2.0
/* Which function is an address of an ELF file in?  See name.h. */
#include "user/symbol/name.h"

#include "user/base/memory.h"
#include "user/symbol/cfi_section.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t start, end;
	uint64_t reach; /* the furthest end of this one and those before it */
	const char *name;
	bool global;
};

/* Code that .eh_frame describes together. */
struct extent {
	uint64_t start, end;
};

struct names {
	struct symbol *symbols;
	size_t count;
	struct extent *extents; /* in the order of their starts */
	size_t extent_count;
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

static void read_table(struct names *names, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; data && i < count && gelf_getsym(data, (int)i, &symbol); i++)
		add_symbol(names, &symbol, elf_strptr(elf, header->sh_link, symbol.st_name));
}

static bool read_tables(struct names *names, Elf *elf, GElf_Word type)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;

	while (elf && (section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		read_table(names, elf, section, &header);
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

static void read_extents(struct names *names, Elf *elf)
{
	struct cfi_section section;

	if (cfi_section_read(&section, elf)) {
		names->extents = memory_new(section.count, sizeof(names->extents[0]));
		names->extent_count = section.count;
		for (size_t i = 0; i < section.count; i++)
			names->extents[i] = (struct extent){ section.functions[i].start,
							     section.functions[i].end };
	}
	cfi_section_free(&section);
}

struct names *names_open(Elf *elf, Elf *debug, Elf *mini)
{
	struct names *names = memory_new(1, sizeof(*names));

	/* .symtab has all of .dynsym, where it is there; mini debuginfo has the rest of it. */
	if (!read_tables(names, debug, SHT_SYMTAB) && !read_tables(names, elf, SHT_SYMTAB)) {
		read_tables(names, elf, SHT_DYNSYM);
		read_tables(names, mini, SHT_SYMTAB);
	}
	if (names->count)
		qsort(names->symbols, names->count, sizeof(names->symbols[0]), compare_symbols);
	note_reach(names);
	read_extents(names, elf);
	return names;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	free(names->symbols);
	free(names->extents);
	free(names);
}

static const struct symbol *find_symbol(const struct names *names, uint64_t address)
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
		if (names->symbols[i].end > address)
			return &names->symbols[i];
	}
	return NULL;
}

/* The extent that begins last at or before an address, NULL: none is over it. */
static const struct extent *find_extent(const struct names *names, uint64_t address)
{
	size_t low = 0, high = names->extent_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->extents[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && names->extents[low - 1].end > address ? &names->extents[low - 1] : NULL;
}

const char *names_find(const struct names *names, uint64_t address, uint64_t *offset)
{
	const struct symbol *symbol = find_symbol(names, address);
	const struct extent *extent = symbol ? NULL : find_extent(names, address);

	*offset = symbol ? address - symbol->start : extent ? address - extent->start : 0;
	return symbol ? symbol->name : NULL;
}
