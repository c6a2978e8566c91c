// SPDX-License-Identifier: GPL-2.0
/* Where does an interpreter of Python keep its frames?  See python.h. */
#include "user/symbol/python.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOP "_PyEval_EvalFrameDefault"

/* From the DWARF of builds without debugging for x86-64; those of 3.13 are in _Py_DebugOffsets. */
static const struct python_layout layouts[] = {
	{ .minor = 8, .thread_key = 1392, .frame = 24, .current = PYTHON_NOTHING,
	  .frame_bytes = 112, .code = 32, .previous = 24, .instruction = 104,
	  .file_name = 104, .name = 112, .first_line = 40, .lines = 120, .text = 48 },
	{ .minor = 9, .thread_key = 584, .frame = 24, .current = PYTHON_NOTHING,
	  .frame_bytes = 112, .code = 32, .previous = 24, .instruction = 104,
	  .file_name = 104, .name = 112, .first_line = 40, .lines = 120, .text = 48 },
	{ .minor = 10, .thread_key = 584, .frame = 24, .current = PYTHON_NOTHING,
	  .frame_bytes = 104, .code = 32, .previous = 24, .instruction = 96,
	  .file_name = 104, .name = 112, .first_line = 40, .lines = 120, .text = 48 },
	{ .minor = 11, .thread_key = 592, .frame = 56, .current = 8,
	  .frame_bytes = 72, .code = 32, .previous = 48, .instruction = 56, .owner = 69,
	  .entry = 68, .file_name = 112, .name = 128, .first_line = 72, .lines = 136,
	  .instructions = 184, .text = 48 },
	{ .minor = 12, .thread_key = 1544, .frame = 56, .current = 0,
	  .frame_bytes = 72, .code = 0, .previous = 8, .instruction = 56, .owner = 70,
	  .file_name = 112, .name = 128, .first_line = 68, .lines = 136,
	  .instructions = 192, .text = 40 },
	{ .minor = 13, .thread_key = 2160, .frame = 72, .current = PYTHON_NOTHING,
	  .frame_bytes = 72, .code = 0, .previous = 8, .instruction = 56, .owner = 70,
	  .file_name = 112, .name = 128, .first_line = 68, .lines = 136,
	  .instructions = 200, .text = 40 },
};

/* Offsets in struct _typeobject and PyMemberDef, in all of these versions. */
#define TYPE_BASIC_BYTES 32
#define TYPE_MEMBERS 240
#define MEMBER_BYTES 40
#define MEMBER_OFFSET 16
#define MEMBERS 40 /* no type has more that matters */

struct image {
	int descriptor;
	Elf *elf;
	uint64_t runtime, version, code_type; /* symbols, 0: none */
	struct python_file *file;
};

/* ---- symbols ---- */

static bool is_loop(const char *name)
{
	return !strncmp(name, LOOP, strlen(LOOP)) &&
	       (!name[strlen(LOOP)] || name[strlen(LOOP)] == '.');
}

static void take_symbol(struct image *image, const GElf_Sym *symbol, const char *name)
{
	struct python_file *file = image->file;

	if (!name || symbol->st_shndx == SHN_UNDEF || !symbol->st_value)
		return;
	if (!strcmp(name, "_PyRuntime")) {
		image->runtime = symbol->st_value;
	} else if (!strcmp(name, "Py_Version")) {
		image->version = symbol->st_value;
	} else if (!strcmp(name, "PyCode_Type")) {
		image->code_type = symbol->st_value;
	} else if (is_loop(name) && symbol->st_size && file->loop_count < PYTHON_LOOPS) {
		file->loops[file->loop_count].start = symbol->st_value;
		file->loops[file->loop_count++].end = symbol->st_value + symbol->st_size;
	}
}

static void read_symbols(struct image *image, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; data && i < count && gelf_getsym(data, (int)i, &symbol); i++)
		take_symbol(image, &symbol,
			    elf_strptr(image->elf, header->sh_link, symbol.st_name));
}

static void read_tables(struct image *image, GElf_Word type)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(image->elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			read_symbols(image, section, &header);
	}
}

/* .symtab has the parts of the loop that were put far off, too. */
static void read_loops(struct image *image)
{
	struct python_file before = *image->file;

	image->file->loop_count = 0;
	read_tables(image, SHT_SYMTAB);
	if (!image->file->loop_count)
		*image->file = before;
}

/* ---- data ---- */

static bool read_image(const struct image *image, uint64_t address, void *out, size_t bytes)
{
	size_t count;
	GElf_Phdr header;

	if (elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count && gelf_getphdr(image->elf, (int)i, &header); i++) {
		uint64_t offset = address - header.p_vaddr;

		if (header.p_type != PT_LOAD || address < header.p_vaddr ||
		    offset >= header.p_filesz || header.p_filesz - offset < bytes)
			continue;
		return pread(image->descriptor, out, bytes, (off_t)(header.p_offset + offset)) ==
		       (ssize_t)bytes;
	}
	return false;
}

static uint64_t number_at(const struct image *image, uint64_t address)
{
	uint64_t value = 0;

	return read_image(image, address, &value, sizeof(value)) ? value : 0;
}

static uint64_t relocated_in(Elf_Scn *section, const GElf_Shdr *header, uint64_t address)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Rela entry;

	for (size_t i = 0; data && i < count && gelf_getrela(data, (int)i, &entry); i++) {
		if (entry.r_offset == address && GELF_R_TYPE(entry.r_info) == R_X86_64_RELATIVE)
			return (uint64_t)entry.r_addend;
	}
	return 0;
}

/* As the dynamic linker leaves it, less what it adds to all addresses. */
static uint64_t pointer_at(const struct image *image, uint64_t address)
{
	uint64_t value = number_at(image, address);
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while (!value && (section = elf_nextscn(image->elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
			value = relocated_in(section, &header, address);
	}
	return value;
}

/* ---- is it what we take it for? ---- */

static unsigned int minor_of(const struct image *image, const char *name)
{
	const char *version = strstr(name, "python3.");
	uint32_t number;

	if (!image->version) /* up to 3.10 */
		return version ? (unsigned int)atoi(version + strlen("python3.")) : 0;
	number = (uint32_t)number_at(image, image->version);
	return number >> 24 == 3 ? number >> 16 & 255 : 0;
}

/* An attribute of code objects, as the interpreter lists it for programs: where it is. */
static uint64_t attribute(const struct image *image, const char *name)
{
	uint64_t at = pointer_at(image, image->code_type + TYPE_MEMBERS);
	char found[24];

	for (int i = 0; i < MEMBERS && at; i++, at += MEMBER_BYTES) {
		uint64_t text = pointer_at(image, at);

		memset(found, 0, sizeof(found));
		if (!text || !read_image(image, text, found, sizeof(found) - 1))
			return 0;
		if (!strcmp(found, name))
			return number_at(image, at + MEMBER_OFFSET);
	}
	return 0;
}

static bool agrees(const struct image *image, const struct python_layout *layout)
{
	const char *name = layout->minor >= 11 ? "co_qualname" : "co_name";

	return attribute(image, "co_filename") == layout->file_name &&
	       attribute(image, name) == layout->name &&
	       attribute(image, "co_firstlineno") == layout->first_line &&
	       (layout->minor < 11 || number_at(image, image->code_type + TYPE_BASIC_BYTES) ==
					      layout->instructions);
}

static const struct python_layout *layout_of(const struct image *image, unsigned int minor)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].minor == minor)
			return agrees(image, &layouts[i]) ? &layouts[i] : NULL;
	}
	return NULL;
}

struct python_file python_look(int descriptor, const char *name)
{
	struct python_file file = { 0 };
	struct image image = { .descriptor = descriptor, .file = &file };

	elf_version(EV_CURRENT);
	image.elf = elf_begin(descriptor, ELF_C_READ_MMAP, NULL);
	read_tables(&image, SHT_DYNSYM);
	file.found = image.runtime && image.code_type && gelf_getclass(image.elf) == ELFCLASS64;
	if (file.found) {
		read_loops(&image);
		file.layout = layout_of(&image, minor_of(&image, name));
	}
	if (file.layout) {
		file.code_type = image.code_type;
		file.thread_key = image.runtime + file.layout->thread_key;
	}
	elf_end(image.elf);
	return file;
}
