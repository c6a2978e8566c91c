// SPDX-License-Identifier: GPL-2.0
/* Does reading ELF files, .eh_frame and names of the linker survive whatever is in them? */
#include "tests/unit/sample.h"

#include "user/base/memory.h"
#include "user/symbol/code.h"
#include "user/symbol/demangle.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEVER UINT64_MAX
#define DAMAGES 300
#define ADDRESS 0x10000 /* of .eh_frame in the files made here */

/* ---- names ---- */

static void assert_name(const char *name, const char *expected)
{
	char *found = demangle(name);

	assert_string_equal(found, expected);
	free(found);
}

static void names_are_those_of_the_source(void **state)
{
	(void)state;
	assert_name("main", "main");
	assert_name("_start", "_start");
	assert_name("malloc@@GLIBC_2.2.5", "malloc");
	assert_name("_ZN5shelf4book5weighEi", "shelf::book::weigh");
	assert_name("_ZNSt6vectorIiSaIiEE9push_backEOi",
		    "std::vector<int, std::allocator<int> >::push_back");
	assert_name("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
		    "core::fmt::Write::write_fmt");
	assert_name("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example");
	assert_name("_Z", "_Z");
	assert_name("", "");
	assert_name("@", "@");
}

/* Each level doubles the text that the name stands for. */
static void names_have_an_end(void **state)
{
	char name[4096] = "_Z1fISt4pairIiiE";
	char *found;

	(void)state;
	for (int i = 0; i < 60; i++)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "St4pairIS%c_S%c_E",
			 i < 10 ? '0' + i : 'A' + i % 26, i < 10 ? '0' + i : 'A' + i % 26);
	strcat(name, "Evv");
	found = demangle(name);
	assert_true(strlen(found) <= DEMANGLE_MOST);
	free(found);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	found = demangle(name);
	assert_int_equal(strlen(found), DEMANGLE_MOST);
	free(found);
}

/* ---- a file of one section ---- */

struct made {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[24];
	uint8_t frames[1024];
};

static void make(struct made *made, const uint8_t *frames, size_t count)
{
	*made = (struct made){ .names = "\0.eh_frame\0.shstrtab" };
	memcpy(made->header.e_ident, ELFMAG, SELFMAG);
	made->header.e_ident[EI_CLASS] = ELFCLASS64;
	made->header.e_ident[EI_DATA] = ELFDATA2LSB;
	made->header.e_ident[EI_VERSION] = EV_CURRENT;
	made->header.e_type = ET_DYN;
	made->header.e_machine = EM_X86_64;
	made->header.e_version = EV_CURRENT;
	made->header.e_shoff = offsetof(struct made, sections);
	made->header.e_ehsize = sizeof(Elf64_Ehdr);
	made->header.e_shentsize = sizeof(Elf64_Shdr);
	made->header.e_shnum = 3;
	made->header.e_shstrndx = 2;
	made->sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS,
					  .sh_flags = SHF_ALLOC, .sh_addr = ADDRESS,
					  .sh_offset = offsetof(struct made, frames),
					  .sh_size = count, .sh_addralign = 8 };
	made->sections[2] = (Elf64_Shdr){ .sh_name = 11, .sh_type = SHT_STRTAB,
					  .sh_offset = offsetof(struct made, names),
					  .sh_size = sizeof(made->names), .sh_addralign = 1 };
	memcpy(made->frames, frames, count);
}

static void assert_sane(const struct cfi_table *table)
{
	for (size_t i = 1; i < table->count; i++)
		assert_true(table->rows[i].pc > table->rows[i - 1].pc);
	if (table->count)
		assert_int_equal(cfi_kind(table->rows[table->count - 1]), CFI_NONE);
}

static struct cfi_table rows_of(const uint8_t *frames, size_t count)
{
	struct made made;
	struct cfi_table table;
	struct code *code;

	make(&made, frames, count);
	code = code_open_image(&made, sizeof(made));
	assert_non_null(code);
	assert_null(code_rows(code, &table));
	assert_sane(&table);
	code_close(code);
	return table;
}

/* rsp + 8, the return address at CFA - 8; addresses are 8 bytes, absolute. */
#define CIE                                                                                        \
	0x14, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0, 0x0c, 7, 8, 0x90, 1, 0, 0
#define CIE_BYTES 24

/* At an offset in the section; the instructions are up to 4 bytes. */
#define FDE(at, start, length, a, b, c, d)                                                         \
	0x1c, 0, 0, 0, (uint8_t)((at) + 4), 0, 0, 0, (uint8_t)(start), (uint8_t)((start) >> 8), 0, \
		0, 0, 0, 0, 0, (uint8_t)(length), (uint8_t)((length) >> 8), 0, 0, 0, 0, 0, 0, 0,   \
		(a), (b), (c), (d), 0, 0, 0
#define FDE_BYTES 32
#define FIRST CIE_BYTES
#define SECOND (CIE_BYTES + FDE_BYTES)

static enum cfi_kind kind_at(const struct cfi_table *table, uint64_t address)
{
	const struct cfi_row *row = cfi_find(table, address);

	return row ? cfi_kind(*row) : CFI_NONE;
}

static void a_function_has_rows(void **state)
{
	static const uint8_t frames[] = { CIE, FDE(FIRST, 0x1000, 16, 0x41, 0x0e, 16, 0) };
	struct cfi_table table = rows_of(frames, sizeof(frames));

	(void)state;
	assert_int_equal(table.functions, 1);
	assert_int_equal(cfi_offset_bytes(*cfi_find(&table, 0x1000)), 8);
	assert_int_equal(cfi_offset_bytes(*cfi_find(&table, 0x1001)), 16);
	assert_int_equal(kind_at(&table, 0x1010), CFI_NONE);
	cfi_free(&table);
}

static void overlapping_functions_have_one_row_each(void **state)
{
	static const uint8_t frames[] = { CIE, FDE(FIRST, 0x1000, 64, 0x41, 0x0e, 16, 0),
					  FDE(SECOND, 0x1008, 80, 0x0e, 24, 0, 0) };
	struct cfi_table table = rows_of(frames, sizeof(frames));

	(void)state;
	assert_int_equal(cfi_offset_bytes(*cfi_find(&table, 0x1010)), 16);
	assert_int_equal(cfi_offset_bytes(*cfi_find(&table, 0x1050)), 24);
	assert_int_equal(kind_at(&table, 0x1058), CFI_NONE);
	cfi_free(&table);
}

/* Its own CIE; one that is an FDE; a length behind the end of the section. */
static void frames_that_lead_nowhere(void **state)
{
	static const uint8_t itself[] = { CIE, FDE(0, 0x1000, 64, 0, 0, 0, 0) };
	static const uint8_t another[] = { CIE, FDE(FIRST, 0x1000, 64, 0, 0, 0, 0),
					   FDE(SECOND - FIRST, 0x2000, 64, 0, 0, 0, 0) };
	static const uint8_t beyond[] = { CIE, 0xff, 0xff, 0, 0, 0x1c, 0, 0, 0, 1, 2, 3, 4 };
	struct cfi_table table = rows_of(itself, sizeof(itself));

	(void)state;
	assert_int_equal(table.count, 0);
	table = rows_of(another, sizeof(another));
	assert_int_equal(kind_at(&table, 0x2000), CFI_NONE);
	cfi_free(&table);
	table = rows_of(beyond, sizeof(beyond));
	assert_int_equal(table.count, 0);
}

/* What comes behind the damage is not known, and what was before it holds. */
static void damaged_instructions(void **state)
{
	static const uint8_t frames[] = { CIE, FDE(FIRST, 0x1000, 64, 0x48, 0x0b, 0, 0) };
	struct cfi_table table = rows_of(frames, sizeof(frames));

	(void)state;
	assert_int_equal(kind_at(&table, 0x1000), CFI_RSP);
	assert_int_equal(kind_at(&table, 0x1010), CFI_UNKNOWN);
	cfi_free(&table);
}

static void every_truncation(void **state)
{
	static const uint8_t frames[] = { CIE, FDE(FIRST, 0x1000, 64, 0x41, 0x0e, 16, 0) };

	(void)state;
	for (size_t count = 0; count < sizeof(frames); count++) {
		struct cfi_table table = rows_of(frames, count);

		cfi_free(&table);
	}
}

/* ---- a real file, damaged ---- */

static void read_all(struct code *code)
{
	struct code_segment segments[4];
	struct places places;
	struct cfi_table table;
	char **needs;

	if (!code)
		return;
	error_free(code_rows(code, &table));
	assert_sane(&table);
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t span = table.count ? table.rows[table.count - 1].pc : 1 << 20;

		code_places(code, table.base + i * span / 64, NEVER, &places);
		assert_true(places.count);
		places_free(&places);
	}
	cfi_free(&table);
	needs = code_needs(code);
	for (size_t i = 0; needs[i]; i++)
		free(needs[i]);
	free(needs);
	code_segments(code, segments, 4);
	code_close(code);
}

static uint8_t *own_file(size_t *count)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat status;
	uint8_t *bytes;

	assert_int_equal(fstat(file, &status), 0);
	*count = (size_t)status.st_size;
	bytes = memory_new(*count, 1);
	assert_int_equal(read(file, bytes, *count), *count);
	close(file);
	return bytes;
}

/* Headers are hit more often than by chance: of the file, of its segments, of its sections. */
static void damage(uint8_t *bytes, size_t count, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		size_t where = (size_t)random() % count;

		if (i % 3 == 1)
			where = (size_t)random() % 1024;
		if (i % 3 == 2)
			where = count - 1 - (size_t)random() % 3000;
		bytes[where] = (uint8_t)random();
	}
}

static void damaged_files(void **state)
{
	size_t count;
	uint8_t *bytes = own_file(&count), *copy = memory_new(count, 1);

	(void)state;
	srandom(11);
	for (int i = 0; i < DAMAGES; i++) {
		memcpy(copy, bytes, count);
		damage(copy, count, 1 + (size_t)i % 30);
		read_all(code_open_image(copy, i % 5 ? count : (size_t)random() % count));
	}
	free(copy);
	free(bytes);
}

/* It is cut while it is open: what was not read by then is not there. */
static void a_file_that_is_truncated(void **state)
{
	size_t count;
	uint8_t *bytes = own_file(&count);
	int file = memfd_create("code", MFD_CLOEXEC);
	struct code *code;

	(void)state;
	assert_int_equal(write(file, bytes, count), count);
	code = code_open(dup(file));
	assert_non_null(code);
	assert_int_equal(ftruncate(file, 100), 0);
	read_all(code);
	close(file);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_source),
		cmocka_unit_test(names_have_an_end),
		cmocka_unit_test(a_function_has_rows),
		cmocka_unit_test(overlapping_functions_have_one_row_each),
		cmocka_unit_test(frames_that_lead_nowhere),
		cmocka_unit_test(damaged_instructions),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(damaged_files),
		cmocka_unit_test(a_file_that_is_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
