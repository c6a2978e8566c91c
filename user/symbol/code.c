// SPDX-License-Identifier: GPL-2.0
/* What does an ELF file say of the code in it?  See code.h. */
#include "user/symbol/code.h"

#include "user/base/memory.h"
#include "user/symbol/name.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096

struct code {
	int descriptor;
	Elf *elf;
	struct names *names; /* NULL: not asked for so far */
};

static struct code *open_elf(int descriptor, Elf *elf)
{
	struct code *code = memory_new(1, sizeof(*code));

	code->descriptor = descriptor;
	code->elf = elf;
	if (elf && elf_kind(elf) == ELF_K_ELF)
		return code;
	code_close(code);
	return NULL;
}

struct code *code_open(int descriptor)
{
	elf_version(EV_CURRENT);
	return open_elf(descriptor, elf_begin(descriptor, ELF_C_READ_MMAP, NULL));
}

struct code *code_open_image(void *image, size_t bytes)
{
	elf_version(EV_CURRENT);
	return open_elf(-1, elf_memory(image, bytes));
}

void code_close(struct code *code)
{
	if (!code)
		return;
	names_close(code->names);
	elf_end(code->elf);
	if (code->descriptor >= 0)
		close(code->descriptor);
	free(code);
}

struct error *code_rows(struct code *code, struct cfi_table *table)
{
	return cfi_build(code->elf, table);
}

static void add_need(char ***needs, size_t *count, const char *name)
{
	*needs = memory_grow(*needs, *count, sizeof(**needs));
	(*needs)[(*count)++] = name ? memory_copy(name, strlen(name)) : NULL;
}

static void add_interpreter(const struct code *code, char ***needs, size_t *count)
{
	size_t headers, bytes;
	GElf_Phdr header;
	const char *file = elf_rawfile(code->elf, &bytes);

	if (!file || elf_getphdrnum(code->elf, &headers))
		return;
	for (size_t i = 0; i < headers && gelf_getphdr(code->elf, (int)i, &header); i++) {
		if (header.p_type == PT_INTERP && header.p_offset < bytes &&
		    header.p_filesz <= bytes - header.p_offset &&
		    memchr(file + header.p_offset, 0, header.p_filesz))
			add_need(needs, count, file + header.p_offset);
	}
}

static void add_libraries(const struct code *code, Elf_Scn *section, const GElf_Shdr *header,
			  char ***needs, size_t *count)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
		if (entry.d_tag == DT_NEEDED)
			add_need(needs, count,
				 elf_strptr(code->elf, header->sh_link, entry.d_un.d_val));
	}
}

char **code_needs(const struct code *code)
{
	Elf_Scn *section = NULL;
	char **needs = NULL;
	GElf_Shdr header;
	size_t count = 0;

	add_interpreter(code, &needs, &count);
	while ((section = elf_nextscn(code->elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNAMIC)
			add_libraries(code, section, &header, &needs, &count);
	}
	add_need(&needs, &count, NULL);
	return needs;
}

size_t code_segments(const struct code *code, struct code_segment *segments, size_t room)
{
	GElf_Phdr header;
	size_t count, found = 0;

	if (elf_getphdrnum(code->elf, &count))
		return 0;
	for (size_t i = 0; i < count && found < room && gelf_getphdr(code->elf, (int)i, &header);
	     i++) {
		if (header.p_type != PT_LOAD || !(header.p_flags & PF_X))
			continue;
		segments[found++] = (struct code_segment){
			.offset = header.p_offset & ~(uint64_t)(PAGE - 1),
			.shift = header.p_vaddr - header.p_offset,
		};
	}
	return found;
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
