// SPDX-License-Identifier: GPL-2.0
/* Stacks that are walked by some of their words: callers, ends, and words that make no sense. */
#include "tests/unit/sample.h"

#include "user/symbol/unwind.h"

#include <stdlib.h>
#include <string.h>

#define CODE 0x400000
#define LENGTH 0x10000
#define STACK 0x7ffc00001000
#define FILE_NUMBER 5
#define RULE(kind, words) ((uint16_t)((kind) | (words) << 4))

/* A function of each kind, 0x100 bytes long. */
static struct cfi_row rows[] = {
	{ 0x000, RULE(CFI_RSP, 4), CFI_SAME, CFI_SAME },  /* 3 words and the return address */
	{ 0x100, RULE(CFI_RBP, 2), -2, CFI_SAME },	  /* with a frame pointer */
	{ 0x200, RULE(CFI_R11, 1), CFI_SAME, CFI_SAME },  /* while it probes */
	{ 0x300, RULE(CFI_FAR_RSP, 0), CFI_SAME, CFI_SAME },
	{ 0x400, RULE(CFI_SIGNAL, 0), CFI_SAME, CFI_SAME },
	{ 0x500, RULE(CFI_END, 0), CFI_SAME, CFI_SAME },
	{ 0x600, RULE(CFI_UNKNOWN, 0), CFI_SAME, CFI_SAME },
	{ 0x700, RULE(CFI_RBX, 1), CFI_SAME, -3 },
	{ 0x800, RULE(CFI_PLT, 11), CFI_SAME, CFI_SAME },
	{ 0x900, RULE(CFI_NONE, 0), CFI_SAME, CFI_SAME },
};

static struct cfi_table table = { .base = 0x1000, .rows = rows,
				  .count = sizeof(rows) / sizeof(rows[0]),
				  .far = { 0x8000 }, .far_count = 1 };
static uint64_t words[1024];
static struct unwind_stack stack;
static uint64_t frames[UNWIND_FRAMES];
static enum unwind_end end;

/* The file is mapped so that its address 0x1000 is at CODE. */
static bool find(void *context, uint64_t address, struct unwind_code *code)
{
	(void)context;
	if (address < CODE || address >= CODE + LENGTH)
		return false;
	*code = (struct unwind_code){ FILE_NUMBER, CODE - 0x1000, &table };
	return true;
}

static int begin(void **state)
{
	(void)state;
	stack = (struct unwind_stack){ .words = words };
	stack.sp = STACK;
	return 0;
}

static void word(uint64_t place, uint64_t value)
{
	words[stack.count++] = place << UNWIND_SHIFT | value;
}

static size_t walk(uint64_t ip)
{
	stack.ip = ip;
	return unwind(&stack, find, NULL, frames, &end);
}

static uint64_t frame(uint64_t offset)
{
	return (uint64_t)FILE_NUMBER << 48 | (0x1000 + offset);
}

static void callers_down_to_the_first(void **state)
{
	(void)state;
	word(3, CODE + 0x150); /* called from there */
	word(8, STACK + 8 * 12ul);
	word(9, CODE + 0x580);
	stack.bp = STACK + 8 * 8ul;
	assert_int_equal(walk(CODE + 0x10), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	assert_int_equal(frames[0], frame(0x10));
	assert_int_equal(frames[1], frame(0x150));
	assert_int_equal(frames[2], frame(0x580));
}

/* The last byte of a call can be the last of its function. */
static void a_call_at_the_end_of_a_function(void **state)
{
	(void)state;
	word(3, CODE + 0x600); /* 0x5ff is in the one that nobody called */
	assert_int_equal(walk(CODE + 0x10), 2);
	assert_int_equal(end, UNWIND_WHOLE);
}

static void probed_frames(void **state)
{
	(void)state;
	word(4, CODE + 0x210);
	word(100, CODE + 0x510);
	stack.r11 = STACK + 8 * 100ul;
	assert_int_equal(walk(CODE + 0x210), 2);
	assert_int_equal(end, UNWIND_WHOLE);
	/* It is another one's in a caller. */
	begin(NULL);
	word(3, CODE + 0x210);
	stack.r11 = STACK + 8 * 100ul;
	assert_int_equal(walk(CODE + 0x10), 2);
	assert_int_equal(end, UNWIND_UNKNOWN);
}

static void far_and_registers(void **state)
{
	(void)state;
	word(0, CODE + 0x710); /* of the entry of a procedure linkage table, before its push */
	word(1, CODE + 0x310); /* what rbx + 8 leads to ... */
	word(0x8000 / 8 + 1, CODE + 0x510); /* ... and from there 32 KiB on */
	stack.bx = STACK + 8;
	assert_int_equal(walk(CODE + 0x804), 4);
	assert_int_equal(end, UNWIND_WHOLE);
	assert_int_equal(frames[3], frame(0x510));
}

static void signals(void **state)
{
	const uint64_t registers = 5; /* words up to struct sigcontext */

	(void)state;
	word(registers + 10, STACK + 8 * 60ul); /* rbp */
	word(registers + 15, STACK + 8 * 50ul); /* rsp */
	word(registers + 16, CODE + 0x100);	/* rip: the first byte of a function */
	word(61, CODE + 0x510);
	assert_int_equal(walk(CODE + 0x400), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	assert_int_equal(frames[1], frame(0x100));
}

static void what_cannot_be_walked(void **state)
{
	static const struct {
		uint64_t ip;
		uint32_t end;
	} cases[] = {
		{ CODE + 0x600, UNWIND_UNKNOWN }, { CODE + 0x900, UNWIND_NO_ROW },
		{ CODE + LENGTH, UNWIND_NO_CODE }, { CODE + 0x10, UNWIND_UNREAD },
		{ 0, UNWIND_NO_CODE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(walk(cases[i].ip), 1);
		assert_int_equal(end, cases[i].end);
	}
	word(3, CODE + 0x150); /* whose frame pointer leads to below it */
	stack.bp = STACK - 64;
	assert_int_equal(walk(CODE + 0x10), 2);
	assert_int_equal(end, UNWIND_BACKWARDS);
}

/* However they point to each other, it comes to an end. */
static void words_of_a_liar(void **state)
{
	(void)state;
	srandom(42);
	for (int round = 0; round < 20000; round++) {
		begin(NULL);
		for (uint64_t place = 0; stack.count < 512; place += 1 + random() % 3)
			word(place, random() % 2 ? CODE + random() % 0xa00 :
						   STACK + 8 * (random() % 2048));
		stack.bp = STACK + random() % 4096;
		stack.bx = STACK + 8 * (random() % 512);
		stack.r11 = (uint64_t)random() << 32;
		assert_in_range(walk(CODE + random() % 0xa00), 1, UNWIND_FRAMES);
		assert_in_range(end, UNWIND_WHOLE, UNWIND_BACKWARDS);
	}
}

#define test(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(callers_down_to_the_first),
		test(a_call_at_the_end_of_a_function),
		test(probed_frames),
		test(far_and_registers),
		test(signals),
		test(what_cannot_be_walked),
		test(words_of_a_liar),
	};

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
