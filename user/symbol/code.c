// SPDX-License-Identifier: GPL-2.0
/* What does an ELF file say of the code in it?  See code.h. */
#include "user/symbol/code.h"

#include "user/base/memory.h"
#include "user/symbol/debug.h"
#include "user/symbol/demangle.h"
#include "user/symbol/line.h"
#include "user/symbol/name.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096

struct code {
	int descriptor; /* -1: in memory */
	Elf *elf;
	struct debug *debug; /* NULL: none */
	Elf *mini;	     /* the same, in the next one */
	void *mini_bytes;
	struct names *names; /* NULL: not asked for so far */
	struct lines *lines; /* the same, or there are none */
	bool asked_lines;
	char build_id[DEBUG_ID_TEXT];
};

static struct code *code_new(int descriptor, Elf *elf)
{
	struct code *code = memory_new(1, sizeof(*code));

	code->descriptor = descriptor;
	code->elf = elf;
	if (elf) {
		debug_build_id(elf, code->build_id);
		return code;
	}
	code_close(code);
	return NULL;
}

struct code *code_open(int descriptor)
{
	return code_new(descriptor, elf_read(descriptor));
}

struct code *code_open_image(void *image, size_t bytes)
{
	return code_new(-1, elf_read_memory(image, bytes));
}

void code_forget_lines(struct code *code)
{
	lines_close(code->lines);
	code->lines = NULL;
	code->asked_lines = false;
}

void code_close(struct code *code)
{
	if (!code)
		return;
	code_forget_lines(code);
	names_close(code->names);
	elf_end(code->mini);
	free(code->mini_bytes);
	debug_free(code->debug);
	elf_end(code->elf);
	if (code->descriptor >= 0)
		close(code->descriptor);
	free(code);
}

void code_wish(const struct code *code, struct debug_wish *wish)
{
	debug_wish(code->elf, wish);
}

bool code_take_debug(struct code *code, int descriptor)
{
	if (code->debug) {
		close(descriptor);
		return true;
	}
	code->debug = debug_take(code->elf, descriptor);
	return code->debug;
}

void code_wish_alt(const struct code *code, char name[DEBUG_NAME])
{
	name[0] = 0;
	if (code->debug && !code->debug->alt)
		debug_wish_alt(code->debug, name);
}

bool code_take_alt(struct code *code, int descriptor)
{
	if (code->debug && !code->debug->alt)
		return debug_take_alt(code->debug, descriptor);
	close(descriptor);
	return false;
}

/* What is read for them is as large as they are, and of no use later. */
struct error *code_rows(struct code *code, struct cfi_table *table)
{
	Elf *elf = code->descriptor >= 0 ? elf_read(code->descriptor) : NULL;
	struct error *error = cfi_build(elf ?: code->elf, table);

	elf_end(elf);
	return error;
}

static void add_need(char ***needs, size_t *count, const char *name)
{
	*needs = memory_grow(*needs, *count, sizeof(**needs));
	(*needs)[(*count)++] = name ? memory_copy(name, strlen(name)) : NULL;
}

static void add_interpreter(const struct code *code, char ***needs, size_t *count)
{
	GElf_Phdr header;
	size_t headers;

	if (elf_getphdrnum(code->elf, &headers))
		return;
	for (size_t i = 0; i < headers && gelf_getphdr(code->elf, (int)i, &header); i++) {
		Elf_Data *data = NULL;

		if (header.p_type == PT_INTERP && header.p_filesz <= PAGE)
			data = elf_getdata_rawchunk(code->elf, (int64_t)header.p_offset,
						    header.p_filesz, ELF_T_BYTE);
		if (data && data->d_buf && memchr(data->d_buf, 0, data->d_size))
			add_need(needs, count, data->d_buf);
	}
}

static void add_libraries(const struct code *code, Elf_Scn *section, const GElf_Shdr *header,
			  char ***needs, size_t *count)
{
	Elf_Data *data = elf_getdata(section, NULL);
	const char *name;
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
		name = entry.d_tag == DT_NEEDED ?
			       elf_strptr(code->elf, header->sh_link, entry.d_un.d_val) : NULL;
		if (name)
			add_need(needs, count, name);
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

/* ---- names ---- */

static const char *find_name(struct code *code, uint64_t address, uint64_t *offset)
{
	if (!code->names) {
		if (!code->debug)
			code->mini = debug_mini(code->elf, &code->mini_bytes);
		code->names = names_open(code->elf, code->debug ? code->debug->elf : NULL,
					 code->mini);
	}
	return names_find(code->names, address, offset);
}

static void find_lines(struct code *code, uint64_t address, uint64_t deadline_ns,
		       struct places *places)
{
	const struct debug *debug = code->debug;

	if (!code->asked_lines)
		code->lines = debug ? lines_open(debug->elf, debug->alt) :
				      lines_open(code->elf, NULL);
	code->asked_lines = true;
	if (!code->lines)
		return;
	lines_limit(code->lines, deadline_ns);
	lines_find(code->lines, address, places);
}

void code_places(struct code *code, uint64_t address, uint64_t deadline_ns,
		 struct places *places)
{
	const char *name = find_name(code, address, &places->offset);
	struct place *last;

	places->count = 0;
	find_lines(code, address, deadline_ns, places);
	if (!places->count)
		places->at[places->count++] = (struct place){ .line = 0 };
	last = &places->at[places->count - 1];
	if (!last->function && name)
		last->function = demangle(name);
}

void places_free(struct places *places)
{
	for (size_t i = 0; i < places->count; i++) {
		free(places->at[i].function);
		free(places->at[i].file);
	}
	places->count = 0;
}

const char *code_build_id(struct code *code)
{
	return code->build_id;
}
