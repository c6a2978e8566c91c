// SPDX-License-Identifier: GPL-2.0
/* Do rows for AArch64 say where x29 and x30 are, and nothing where they cannot? */
#include "tests/unit/sample.h"

#include "user/symbol/cfi.h"
#include "user/symbol/cfi_link.h"
#include "user/symbol/cfi_section.h"
#include "user/symbol/unwind.h"

#include <elf.h>
#include <string.h>

enum { ADVANCE = 0x40, OFFSET = 0x80, RESTORE = 0xc0 }; /* with an operand in the low bits */
enum { UNDEFINED = 7, REGISTER = 9, CFA_OFFSET = 0x0e, SIGN = 0x2d, ABOVE = 0x11 };
enum { X29 = 29, X30 = 30 };

static const struct cfi_machine *machine_for(unsigned char class, uint16_t number)
{
	GElf_Ehdr header = { .e_machine = number };

	header.e_ident[EI_CLASS] = class;
	return cfi_machine_of(&header);
}

/* What holds behind all instructions. */
static bool rules_of(const uint8_t *code, size_t count, uint16_t machine, struct cfi_rules *rules)
{
	const struct cfi_cie cie = { .machine = machine_for(ELFCLASS64, machine),
				     .code_align = 4, .data_align = -8 };
	struct cfi_run run = { .cie = &cie };
	bool whole = cfi_execute(&run, (struct bytes){ code, code + count, false });

	*rules = run.rules;
	return whole;
}

/* By the row that is made of them: in words below the CFA. */
static void assert_places(const uint8_t *code, size_t count, uint32_t frame, uint32_t link)
{
	struct cfi_row row = { .pc = 0 };
	struct cfi_rules rules;

	assert_true(rules_of(code, count, EM_AARCH64, &rules));
	assert_true(cfi_link_place(&rules, &row));
	assert_int_equal(cfi_link_of(row).frame, frame);
	assert_int_equal(cfi_link_of(row).link, link);
}

static void assert_none(const uint8_t *code, size_t count)
{
	struct cfi_row row = { .pc = 0 };
	struct cfi_rules rules;

	assert_true(rules_of(code, count, EM_AARCH64, &rules));
	assert_false(cfi_link_place(&rules, &row));
}

#define CODE(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static void machines_that_are_known(void **state)
{
	(void)state;
	assert_true(machine_for(ELFCLASS64, EM_AARCH64)->links);
	assert_false(machine_for(ELFCLASS64, EM_X86_64)->links);
	assert_null(machine_for(ELFCLASS32, EM_AARCH64));
	assert_null(machine_for(ELFCLASS64, EM_RISCV));
}

static void registers_that_nobody_saved(void **state)
{
	(void)state;
	assert_places(CODE(ADVANCE | 1, CFA_OFFSET, 32), 0, 0);
	assert_places(CODE(OFFSET | X30, 3, RESTORE | X30), 0, 0);
}

static void registers_near_the_cfa(void **state)
{
	(void)state;
	assert_places(CODE(CFA_OFFSET, 32, OFFSET | X29, 4, OFFSET | X30, 3), 4, 3);
	assert_places(CODE(OFFSET | X30, 2), 0, 2);
	assert_places(CODE(OFFSET | X29, 1), 1, 0);
	assert_places(CODE(OFFSET | X29, 3, OFFSET | X30, 127), 3, 127);
}

/* 1000 is 0xe8 0x07 in LEB128, 999 is 0xe7 0x07; 20000 is 0xa0 0x9c 0x01. */
static void registers_far_from_the_cfa(void **state)
{
	(void)state;
	assert_places(CODE(OFFSET | X29, 0xe8, 0x07, OFFSET | X30, 0xe7, 0x07), 1000, 999);
	assert_places(CODE(OFFSET | X30, 0xe8, 0x07), 0, 1000);
	assert_none(CODE(OFFSET | X29, 0xe8, 0x07, OFFSET | X30, 1));
	assert_none(CODE(OFFSET | X30, 0xa0, 0x9c, 0x01));
}

/* Above the CFA, in another register, in none. */
static void registers_that_are_elsewhere(void **state)
{
	(void)state;
	assert_none(CODE(ABOVE, X30, 0x7f));
	assert_none(CODE(REGISTER, X30, 5));
	assert_none(CODE(UNDEFINED, X29));
}

static void signatures_change_nothing(void **state)
{
	static const uint8_t code[] = { SIGN, OFFSET | X30, 1 };
	struct cfi_rules rules;

	(void)state;
	assert_places(code, sizeof(code), 0, 1);
	assert_false(rules_of(code, sizeof(code), EM_X86_64, &rules));
}

/* ---- stacks ---- */

#define STACK 0x7ffc00001000
#define SIGNATURE (0x55ULL << 48)

/* Functions of 0x100 bytes each, in a file that is mapped where it is linked. */
static struct cfi_row rows[] = {
	{ 0x000, CFI_RSP, 0, 0 },	   /* calls nobody */
	{ 0x100, CFI_RSP | 4 << 4, 3, 2 }, /* x29 4 words below, x30 3 */
	{ 0x200, CFI_END, 0, 0 },
};

static struct cfi_table table = { .rows = rows, .count = 3, .links = true };

static bool find(void *context, uint64_t address, struct unwind_code *code)
{
	(void)context;
	*code = (struct unwind_code){ .file = 1, .table = &table };
	return address < 0x300;
}

/* From a stack whose words all are in their places. */
static enum unwind_end walk(uint64_t ip, uint64_t x30, uint64_t word, size_t expected)
{
	const uint64_t words[] = { 1ULL << UNWIND_SHIFT | word };
	const struct unwind_stack stack = { .ip = ip, .sp = STACK, .bx = x30, .words = words,
					    .count = 1 };
	uint64_t frames[UNWIND_FRAMES];
	enum unwind_end end;

	assert_int_equal(unwind(&stack, find, NULL, frames, &end), expected);
	return end;
}

static void callers_by_the_link(void **state)
{
	(void)state;
	assert_int_equal(walk(0x210, 0, 0, 1), UNWIND_WHOLE);
	assert_int_equal(walk(0x110, 0, 0x220, 2), UNWIND_WHOLE);
	assert_int_equal(walk(0x10, 0x110 | SIGNATURE, 0x220, 3), UNWIND_WHOLE);
	/* Who has called somebody does not have it in the register any more. */
	assert_int_equal(walk(0x110, 0, 0x20, 2), UNWIND_UNKNOWN);
	assert_int_equal(walk(0x10, 0, 0, 1), UNWIND_UNREAD);
	assert_int_equal(walk(0x10, 0x999, 0, 2), UNWIND_NO_CODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_that_are_known),
		cmocka_unit_test(registers_that_nobody_saved),
		cmocka_unit_test(registers_near_the_cfa),
		cmocka_unit_test(registers_far_from_the_cfa),
		cmocka_unit_test(registers_that_are_elsewhere),
		cmocka_unit_test(signatures_change_nothing),
		cmocka_unit_test(callers_by_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
