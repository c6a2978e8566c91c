// SPDX-License-Identifier: GPL-2.0
/* Where does an interpreter of Python keep its frames?  See python.h. */
#include "user/symbol/python.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/symbol/python_loop.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOP "_PyEval_EvalFrameDefault"
#define LOOP_BYTES (1 << 20) /* many times what it has */

/* From the DWARF of builds without debugging for x86-64.  From 3.13 on an interpreter tells most
 * of them itself: that counts. */
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
	{ .minor = 14, .thread_key = 2336, .frame = 72, .current = PYTHON_NOTHING,
	  .frame_bytes = 80, .code = 0, .previous = 8, .instruction = 56, .owner = 74,
	  .file_name = 112, .name = 128, .first_line = 68, .lines = 136,
	  .instructions = 208, .text = 40 },
};

/* Where struct _Py_DebugOffsets, which _PyRuntime begins with, tells of these: in words. */
struct tale {
	uint16_t minor;
	uint16_t current; /* in the state of a thread */
	uint16_t frame, code;
	uint16_t text;
	bool has_copies; /* of instructions, without the lock */
};

static const struct tale tales[] = {
	{ .minor = 13, .current = 23, .frame = 28, .code = 34, .text = 70 },
	{ .minor = 14, .current = 26, .frame = 31, .code = 39, .text = 80,
	  .has_copies = true },
};

#define TALE_WORDS 96
#define TALE_COOKIE "xdebugpy"
#define MOST_IN_STATE 4096
#define MOST_IN_FRAME 120 /* what the kernel side reads */
#define MOST_IN_CODE 152
#define MOST_COPIES 256

/* What each object begins with: two words; without the lock, four. */
#define OBJECT 16
#define OBJECT_WITHOUT_LOCK 32

/* Offsets in struct _typeobject behind that, and in PyMemberDef, in all of these versions. */
#define TYPE_BASIC_BYTES 16
#define TYPE_MEMBERS 224
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

/* ---- the loop ---- */

static void find_parts(const struct image *image)
{
	struct python_file *file = image->file;
	size_t bytes = file->loop_count ? file->loops[0].end - file->loops[0].start : 0;
	cleanup_free uint8_t *code = NULL;

	if (!bytes || bytes > LOOP_BYTES)
		return;
	code = memory_new(bytes, 1);
	if (read_image(image, file->loops[0].start, code, bytes))
		python_loop_find_parts(image->elf, code, file);
}

/* .symtab has the parts that were put far off, too; without it, what the first one jumps to. */
static void read_loops(struct image *image)
{
	struct python_file before = *image->file;

	image->file->loop_count = 0;
	read_tables(image, SHT_SYMTAB);
	if (image->file->loop_count)
		return;
	*image->file = before;
	find_parts(image);
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
static uint64_t attribute(const struct image *image, unsigned int object, const char *name)
{
	uint64_t at = pointer_at(image, image->code_type + object + TYPE_MEMBERS);
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
	const uint16_t object = layout->object;

	return attribute(image, object, "co_filename") == layout->file_name &&
	       attribute(image, object, name) == layout->name &&
	       attribute(image, object, "co_firstlineno") == layout->first_line &&
	       (layout->minor < 11 ||
		number_at(image, image->code_type + object + TYPE_BASIC_BYTES) ==
			layout->instructions);
}

static const struct tale *tale_of(unsigned int minor)
{
	for (size_t i = 0; i < sizeof(tales) / sizeof(tales[0]); i++) {
		if (tales[i].minor == minor)
			return &tales[i];
	}
	return NULL;
}

bool python_is_sane(const struct python_layout *layout)
{
	return layout->frame <= MOST_IN_STATE && layout->previous <= MOST_IN_FRAME &&
	       layout->code <= MOST_IN_FRAME && layout->instruction <= MOST_IN_FRAME &&
	       layout->owner < MOST_IN_FRAME && layout->file_name <= MOST_IN_CODE &&
	       layout->name <= MOST_IN_CODE && layout->lines <= MOST_IN_CODE &&
	       layout->first_line <= MOST_IN_CODE && layout->copies <= MOST_COPIES &&
	       layout->copy_index <= MOST_IN_FRAME && layout->state_shift < 32;
}

static void take_tale(const uint64_t *words, const struct tale *tale, struct python_layout *layout)
{
	const uint64_t *frame = &words[tale->frame], *code = &words[tale->code];

	layout->frame = (uint16_t)words[tale->current];
	layout->previous = (uint16_t)frame[1];
	layout->code = (uint16_t)frame[2];
	layout->instruction = (uint16_t)frame[3];
	layout->owner = (uint16_t)frame[5];
	layout->frame_bytes = (uint16_t)((layout->owner | 7) + 1);
	layout->file_name = (uint16_t)code[1];
	layout->name = (uint16_t)code[3];
	layout->lines = (uint16_t)code[4];
	layout->first_line = (uint16_t)code[5];
	layout->instructions = (uint16_t)code[9];
	layout->text = (uint16_t)words[tale->text];
}

/* Where threads may have copies of instructions, the state of a text is a byte further up, too. */
static void take_copies(const uint64_t *words, const struct tale *tale,
			struct python_layout *layout)
{
	layout->copy_index = (uint16_t)words[tale->frame + 7];
	layout->copies = (uint16_t)words[tale->code + 10];
	layout->state_shift = 6;
}

/* As the interpreter tells it, if it is of a version that does. */
static bool hear(const struct image *image, struct python_layout *layout)
{
	const struct tale *tale = tale_of(layout->minor);
	uint64_t words[TALE_WORDS];

	if (!tale)
		return true;
	if (!read_image(image, image->runtime, words, sizeof(words)) ||
	    memcmp(words, TALE_COOKIE, sizeof(words[0])) != 0 ||
	    words[1] >> 16 != (0x300u | layout->minor) || words[2] > 1)
		return false;
	take_tale(words, tale, layout);
	layout->object = words[2] ? OBJECT_WITHOUT_LOCK : OBJECT;
	if (words[2] && tale->has_copies)
		take_copies(words, tale, layout);
	return python_is_sane(layout);
}

/* minor 0: not to be known. */
static struct python_layout layout_of(const struct image *image, unsigned int minor)
{
	struct python_layout layout;

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		layout = layouts[i];
		layout.object = OBJECT;
		if (layout.minor == minor && hear(image, &layout) && agrees(image, &layout))
			return layout;
	}
	return (struct python_layout){ 0 };
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
	if (file.layout.minor) {
		file.code_type = image.code_type;
		file.thread_key = image.runtime + file.layout.thread_key;
	}
	elf_end(image.elf);
	return file;
}
