// SPDX-License-Identifier: GPL-2.0
/* Does a ledger come in the order of what moved, and does it know each operation? */
#include "tests/unit/sample.h"

#include "user/model/ledger.h"

#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static struct ledger_row *rows;
static size_t row_count;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	one->process.n_rows = 0;
	memset(one->moved, 0, sizeof(one->moved));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ledger_free(rows, row_count);
	rows = NULL;
	row_count = 0;
	return 0;
}

static void build(void)
{
	rows = ledger_build(&sample.capture, one->row_list, one->process.n_rows, &row_count);
	assert_int_equal(row_count, one->process.n_rows);
}

/* The counts of the rows tell which is which. */
static void assert_order(uint64_t first, uint64_t second, uint64_t third)
{
	build();
	assert_int_equal(rows[0].count, first);
	assert_int_equal(rows[1].count, second);
	assert_int_equal(rows[2].count, third);
}

static void what_moved_most_first_whatever_the_sign(void **state)
{
	(void)state;
	sample_row(one, OP_FAULT, 1)[BALANCE_ANON] = 10;
	sample_row(one, OP_MMAP, 2)[BALANCE_SHMEM] = -30;
	sample_row(one, OP_EXIT, 3)[BALANCE_FILE] = 20;
	assert_order(2, 3, 1);
}

/* 40 bytes of anonymous memory that became files are no residency at all. */
static void residency_counts_as_a_sum(void **state)
{
	int64_t *moved = sample_row(one, OP_FAULT, 1);

	(void)state;
	moved[BALANCE_ANON] = 40;
	moved[BALANCE_FILE] = -40;
	sample_row(one, OP_MMAP, 2)[BALANCE_ANON] = 2;
	sample_row(one, OP_EXIT, 3)[BALANCE_SWAP] = 1;
	assert_order(2, 3, 1);
}

static void any_balance_counts(void **state)
{
	static const enum balance balances[] = { BALANCE_VIRTUAL, BALANCE_SWAP, BALANCE_PAGE_TABLE,
						 BALANCE_LOCKED, BALANCE_HUGETLB };

	(void)state;
	for (size_t i = 0; i < LENGTH(balances); i++) {
		set_up(NULL);
		sample_row(one, OP_FAULT, 1)[BALANCE_ANON] = 10;
		sample_row(one, OP_MMAP, 2)[balances[i]] = -20;
		sample_row(one, OP_EXIT, 3)[BALANCE_ANON] = 30;
		assert_order(3, 2, 1);
		tear_down(NULL);
	}
}

static void residency_decides_between_equals(void **state)
{
	(void)state;
	sample_row(one, OP_FAULT, 9)[BALANCE_VIRTUAL] = 10;
	sample_row(one, OP_MMAP, 2)[BALANCE_ANON] = -10;
	sample_row(one, OP_EXIT, 3)[BALANCE_ANON] = 1;
	assert_order(2, 9, 3);
}

static void bears_the_least_number(void **state)
{
	(void)state;
	sample_row(one, OP_FAULT, 1)[BALANCE_ANON] = INT64_MAX;
	sample_row(one, OP_MMAP, 2)[BALANCE_ANON] = INT64_MIN;
	sample_row(one, OP_EXIT, 3)[BALANCE_ANON] = -1;
	assert_order(2, 1, 3);
}

static void then_the_count_then_the_name_then_the_call(void **state)
{
	static const char *const calls[] = { "write", NULL, "read" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sample_row(one, OP_FAULT, 5);
		one->rows[i].has_call = calls[i] != NULL;
		one->rows[i].call = sample_text(calls[i] ? calls[i] : "");
	}
	sample_row(one, OP_EXIT, 5);
	assert_order(5, 5, 5);
	assert_string_equal(rows[0].operation, "exit");
	assert_null(rows[1].call);
	assert_string_equal(rows[2].call, "read");
	assert_string_equal(rows[3].call, "write");
}

static void figures_are_passed_on(void **state)
{
	Mt__Row *row = &one->rows[0];

	(void)state;
	sample_row(one, OP_MMAP, 11)[BALANCE_LOCKED] = -13;
	row->has_failed = row->has_requested_bytes = true;
	row->failed = 3;
	row->requested_bytes = UINT64_MAX;
	row->has_call = true;
	row->call = sample_text("\xfe");
	build();
	assert_int_equal(rows[0].count, 11);
	assert_true(rows[0].has_calls);
	assert_int_equal(rows[0].failed, 3);
	assert_int_equal(rows[0].requested_bytes, UINT64_MAX);
	assert_int_equal(rows[0].moved.bytes[BALANCE_LOCKED], -13);
	assert_string_equal(rows[0].call, "\xef\xbf\xbd");
}

/* Without --calls, or where nothing moved. */
static void figures_that_are_not_there(void **state)
{
	(void)state;
	sample_row(one, OP_MMAP, 1);
	one->rows[0].has_failed = true;
	one->rows[0].n_moved = 0;
	build();
	assert_false(rows[0].has_calls);
	assert_true(balances_are_zero(&rows[0].moved));
}

static void no_rows_make_no_ledger(void **state)
{
	(void)state;
	build();
	assert_int_equal(row_count, 0);
}

/* Those of the contract. */
static const char *const operations[] = {
	"fault", "fault.kernel", "fault.cow", "mmap", "munmap", "brk.grow", "brk.shrink", "mremap",
	"madvise.dontneed", "madvise.free", "madvise.remove", "madvise.pageout",
	"madvise.populate", "madvise.collapse", "madvise.other", "mlock", "stack", "shm", "fork",
	"exec", "exit", "reclaim", "khugepaged", "ksm", "truncate", "gup", "remote", "other",
};

static void every_operation_has_a_meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(operations); i++) {
		if (!*operation_meaning(operations[i]))
			fail_msg("%s means nothing", operations[i]);
	}
	assert_string_equal(operation_meaning("unheard-of"), "");
	assert_string_equal(operation_meaning(""), "");
}

static void others_act_in_four_of_them(void **state)
{
	size_t foreign = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(operations); i++)
		foreign += operation_is_foreign(operations[i]);
	assert_int_equal(foreign, 4);
	assert_true(operation_is_foreign("reclaim") && operation_is_foreign("khugepaged"));
	assert_true(operation_is_foreign("ksm") && operation_is_foreign("remote"));
	assert_false(operation_is_foreign("unheard-of"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_moved_most_first_whatever_the_sign),
		test(residency_counts_as_a_sum),
		test(any_balance_counts),
		test(residency_decides_between_equals),
		test(bears_the_least_number),
		test(then_the_count_then_the_name_then_the_call),
		test(figures_are_passed_on),
		test(figures_that_are_not_there),
		test(no_rows_make_no_ledger),
		cmocka_unit_test(every_operation_has_a_meaning),
		cmocka_unit_test(others_act_in_four_of_them),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
