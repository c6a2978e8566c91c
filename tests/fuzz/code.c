// SPDX-License-Identifier: GPL-2.0
/*
 * Is there an ELF file (which may be an interpreter of Python), an .eh_frame, a name of the linker,
 * a perf map, a line table or a text of Python that breaks its reader?
 * The first byte says which of them libFuzzer's bytes are; an .eh_frame is put into a good file.
 */
#include "user/symbol/code.h"

#include "tests/fuzz/check.h"
#include "user/base/memory.h"
#include "user/symbol/demangle.h"
#include "user/symbol/perf_map.h"
#include "user/symbol/python.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ADDRESSES 16

/* A deadline that never comes. */
#define NEVER UINT64_MAX

struct head {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[24];
};

static void check_table(const struct cfi_table *table)
{
	for (size_t i = 1; i < table->count; i++)
		if (table->rows[i].pc <= table->rows[i - 1].pc)
			abort();
	if (table->count && cfi_kind(table->rows[table->count - 1]) != CFI_NONE)
		abort();
}

static void name_addresses(struct code *code, uint64_t base, uint64_t span)
{
	struct places places;

	for (uint64_t i = 0; i < ADDRESSES; i++) {
		code_places(code, base + span / ADDRESSES * i, NEVER, &places);
		if (!places.count)
			abort();
		places_free(&places);
	}
}

static void read_needs(const struct code *code)
{
	struct code_segment segments[4];
	char **needs = code_needs(code);

	for (size_t i = 0; needs[i]; i++)
		free(needs[i]);
	free(needs);
	if (code_segments(code, segments, 4) > 4)
		abort();
}

static void look_for_python(const void *bytes, size_t count)
{
	int file = memfd_create("file", MFD_CLOEXEC);
	struct python_file found;

	if (file < 0 || write(file, bytes, count) != (ssize_t)count)
		abort();
	found = python_look(file, "python3.9");
	if (found.loop_count > PYTHON_LOOPS || found.layout.frame_bytes > 127)
		abort();
	close(file);
}

static void read_python(const uint8_t *bytes, size_t count)
{
	static const unsigned int minors[] = { 8, 10, 14 };

	for (unsigned int i = 0; i < 3; i++) {
		python_line(minors[i], 1, bytes, count, 5000);
		free(python_text(bytes, count, 1u << i));
	}
}

static void read_file(void *bytes, size_t count)
{
	struct code *code = code_open_image(bytes, count);
	struct cfi_table table;

	if (!code)
		return;
	error_free(code_rows(code, &table));
	check_table(&table);
	name_addresses(code, table.base,
		       table.count ? table.rows[table.count - 1].pc + 1 : 1 << 16);
	cfi_free(&table);
	read_needs(code);
	code_close(code);
}

static void read_frames(const uint8_t *bytes, size_t count, uint16_t machine)
{
	struct head *head = memory_new(sizeof(*head) + count, 1);

	memcpy(head->names, "\0.eh_frame\0.shstrtab", 20);
	head->header = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN, .e_machine = machine, .e_version = EV_CURRENT,
		.e_shoff = offsetof(struct head, sections), .e_ehsize = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 3, .e_shstrndx = 2,
	};
	head->sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_addr = 4096,
					  .sh_offset = sizeof(*head), .sh_size = count,
					  .sh_addralign = 8 };
	head->sections[2] = (Elf64_Shdr){ .sh_name = 11, .sh_type = SHT_STRTAB,
					  .sh_offset = offsetof(struct head, names),
					  .sh_size = sizeof(head->names) };
	memcpy(head + 1, bytes, count);
	read_file(head, sizeof(*head) + count);
	free(head);
}

static void read_name(const char *text)
{
	char *name = demangle(text);

	if (strlen(name) > DEMANGLE_MOST)
		abort();
	free(name);
}

static void read_map(char *text, size_t count)
{
	FILE *file = fmemopen(text, count, "r");
	struct perf_map *map;
	uint64_t offset;

	if (!file)
		return;
	map = perf_map_read(file);
	for (uint64_t i = 0; i < ADDRESSES; i++)
		perf_map_find(map, i << i, &offset);
	perf_map_free(map);
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char *copy;

	if (!count)
		return 0;
	copy = memory_copy(bytes + 1, count - 1);
	switch (bytes[0] % 4) {
	case 0:
		look_for_python(copy, count - 1);
		read_file(copy, count - 1);
		break;
	case 1:
		read_frames(bytes + 1, count - 1, EM_X86_64);
		read_frames(bytes + 1, count - 1, EM_AARCH64);
		break;
	case 2:
		read_name(copy);
		break;
	default:
		read_python(bytes + 1, count - 1);
		read_map(copy, count - 1);
	}
	free(copy);
	return 0;
}
