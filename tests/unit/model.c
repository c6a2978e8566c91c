// SPDX-License-Identifier: GPL-2.0
/* Do the books of a model balance, whatever a capture says? */
#include "tests/unit/sample.h"

#include <string.h>

#define PAGE 4096

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static struct model model;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	model_free(&model);
	return 0;
}

/* The model of the sample's first process alone. */
static const struct process_model *build_one(void)
{
	sample.capture.n_processes = 1;
	model_build(&model, &sample.capture);
	assert_int_equal(model.process_count, 1);
	return &model.processes[0];
}

/* ---- sums ---- */

static void closing_is_opening_plus_rows(void **state)
{
	const struct process_model *process;

	(void)state;
	for (size_t i = 0; i < BALANCE_COUNT; i++) {
		one->opening_bytes[i] = 1000 * (int64_t)i + 1;
		one->moved[0][i] = 7 * (int64_t)i;
		one->moved[1][i] = -13 * (int64_t)i;
	}
	process = build_one();
	for (size_t i = 0; i < BALANCE_COUNT; i++)
		assert_int_equal(process->closing.bytes[i], 1000 * (int64_t)i + 1 - 6 * (int64_t)i);
}

static void unexplained_is_kernel_minus_closing(void **state)
{
	const struct process_model *process;

	(void)state;
	one->kernel_bytes[BALANCE_ANON] += 2 * PAGE;
	one->kernel_bytes[BALANCE_SWAP] -= 1;
	process = build_one();
	assert_true(process->has_kernel);
	assert_int_equal(process->unexplained.bytes[BALANCE_ANON], 2 * PAGE);
	assert_int_equal(process->unexplained.bytes[BALANCE_SWAP], -1);
	assert_int_equal(process->unexplained.bytes[BALANCE_VIRTUAL], 0);
	assert_false(balances_are_zero(&process->unexplained));
}

static void what_balances_is_zero(void **state)
{
	(void)state;
	assert_true(balances_are_zero(&build_one()->unexplained));
}

static void nothing_is_unexplained_where_the_kernel_is_not_read(void **state)
{
	const struct process_model *process;

	(void)state;
	one->process.kernel = NULL;
	process = build_one();
	assert_false(process->has_kernel);
	assert_true(balances_are_zero(&process->unexplained));
}

static void sums_wrap_around(void **state)
{
	const struct process_model *process;

	(void)state;
	one->opening_bytes[BALANCE_ANON] = INT64_MAX;
	one->moved[1][BALANCE_ANON] = 1;
	one->kernel_bytes[BALANCE_ANON] = INT64_MAX;
	process = build_one();
	assert_int_equal(process->closing.bytes[BALANCE_ANON], INT64_MIN);
	assert_int_equal(process->unexplained.bytes[BALANCE_ANON], -1);
}

static void resident_is_anon_file_and_shmem(void **state)
{
	const struct balances balances = { { 1, 20, 300, 4000, 50000, 600000, 7000000, 80000000 } };

	(void)state;
	assert_int_equal(balances_resident(&balances), 4320);
	assert_string_equal(balance_name(BALANCE_VIRTUAL), "virtual_bytes");
	assert_string_equal(balance_name(BALANCE_HUGETLB), "hugetlb_bytes");
}

/* ---- at exit ---- */

static void at_exit_leaves_out_what_ending_gave_back(void **state)
{
	const struct process_model *process;
	int64_t *moved = sample_row(one, OP_EXIT, 1);

	(void)state;
	moved[BALANCE_ANON] = -3 * PAGE;
	moved[BALANCE_VIRTUAL] = -6 * PAGE;
	one->process.ended = true;
	process = build_one();
	assert_true(process->has_at_exit);
	assert_int_equal(process->at_exit.bytes[BALANCE_ANON], 3 * PAGE);
	assert_int_equal(process->at_exit.bytes[BALANCE_VIRTUAL], 6 * PAGE);
	assert_int_equal(process->closing.bytes[BALANCE_ANON], 0);
	assert_int_equal(process->closing.bytes[BALANCE_VIRTUAL], 0);
}

static void at_exit_without_rows_of_exit(void **state)
{
	const struct process_model *process;

	(void)state;
	one->process.ended = true;
	process = build_one();
	assert_memory_equal(&process->at_exit, &process->closing, sizeof(process->closing));
}

static void no_exit_while_it_runs(void **state)
{
	const struct process_model *process;

	(void)state;
	process = build_one();
	assert_false(process->has_at_exit);
	assert_false(process->has_exit);
	assert_false(process->has_kernel_at_exit);
}

static void its_end_is_passed_on(void **state)
{
	const struct process_model *process;

	(void)state;
	one->process.exit = &one->exit;
	one->exit.signal = 9;
	one->process.kernel_at_exit = &one->opening;
	one->opening_bytes[BALANCE_SWAP] = 5;
	process = build_one();
	assert_true(process->has_exit);
	assert_int_equal(process->exit_code, 0);
	assert_int_equal(process->exit_signal, 9);
	assert_int_equal(process->kernel_at_exit.bytes[BALANCE_SWAP], 5);
}

/* ---- lazy free ---- */

/* Reclaim took so much anonymous memory, wrote so much of it to swap. */
static uint64_t taken(int64_t anon, int64_t swap, const char *call)
{
	Mt__Row *row = &one->rows[one->process.n_rows];
	int64_t *moved = sample_row(one, OP_RECLAIM, 1);
	uint64_t bytes;

	moved[BALANCE_ANON] = -anon;
	moved[BALANCE_SWAP] = swap;
	row->has_call = call != NULL;
	row->call = sample_text(call ? call : "");
	one->process.lazy_free = &one->lazy_free;
	bytes = build_one()->lazy_free.taken_bytes;
	model_free(&model);
	one->process.n_rows--;
	return bytes;
}

static void what_reclaim_wrote_to_swap_was_not_lazily_freed(void **state)
{
	(void)state;
	assert_int_equal(taken(10 * PAGE, 4 * PAGE, NULL), 6 * PAGE);
	assert_int_equal(taken(10 * PAGE, 10 * PAGE, NULL), 0);
	assert_int_equal(taken(10 * PAGE, 10 * PAGE, "madvise"), 0);
	assert_int_equal(taken(4 * PAGE, 10 * PAGE, NULL), 0);
	assert_int_equal(taken(10 * PAGE, 0, "oom_reaper"), 0);
	assert_int_equal(taken(INT64_MAX, INT64_MIN, NULL), 0);
}

static void lazy_free_says_what_is_known(void **state)
{
	const struct process_model *process;

	(void)state;
	assert_false(build_one()->has_lazy_free);
	model_free(&model);
	one->process.lazy_free = &one->lazy_free;
	one->lazy_free.has_marked_bytes = true;
	one->lazy_free.marked_bytes = 7 * PAGE;
	process = build_one();
	assert_true(process->has_lazy_free && process->lazy_free.has_marked);
	assert_false(process->lazy_free.has_resident);
	assert_int_equal(process->lazy_free.marked_bytes, 7 * PAGE);
}

/* ---- order, names, losses ---- */

static void largest_process_first(void **state)
{
	(void)state;
	model_build(&model, &sample.capture);
	assert_int_equal(model.processes[0].pid, 8);
	assert_int_equal(model.processes[1].pid, 7);
}

static void equal_processes_by_pid_and_start(void **state)
{
	(void)state;
	sample.processes[1].process.peak_bytes = sample.processes[0].process.peak_bytes;
	model_build(&model, &sample.capture);
	assert_int_equal(model.processes[0].pid, 7);
	model_free(&model);
	sample.processes[1].process.pid = 7;
	sample.processes[0].process.started_unix_ns = 2;
	sample.processes[1].process.started_unix_ns = 1;
	model_build(&model, &sample.capture);
	assert_int_equal(model.processes[0].started_unix_ns, 1);
}

static void texts_are_utf8(void **state)
{
	static ProtobufCBinaryData arguments[2];
	const struct process_model *process;

	(void)state;
	one->process.command = sample_text("\xff");
	arguments[0] = sample_text("\xc0\x80");
	arguments[1] = sample_text("\033[m");
	one->process.arguments = arguments;
	one->process.n_arguments = 2;
	process = build_one();
	assert_string_equal(process->command, "\xef\xbf\xbd");
	assert_string_equal(process->arguments[0], "\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(process->arguments[1], "\033[m");
}

static void losses_have_names_and_meanings(void **state)
{
	uint64_t *const figures[] = { &sample.losses.cells, &sample.losses.stacks,
				      &sample.losses.pages, &sample.losses.mappings,
				      &sample.losses.events, &sample.losses.spaces,
				      &sample.losses.storage, &sample.losses.reads,
				      &sample.losses.missed };
	static const char *const names[] = { "cells", "stacks", "pages", "mappings", "events",
					     "spaces", "storage", "reads",
					     "missed" };

	(void)state;
	build_one();
	assert_false(model.has_losses);
	for (size_t i = 0; i < LOSSES; i++) {
		*figures[i] = i + 3;
		model_free(&model);
		build_one();
		assert_true(model.has_losses);
		assert_int_equal(model.losses[i].count, i + 3);
		assert_string_equal(model.losses[i].name, names[i]);
		assert_true(*model.losses[i].meaning);
		*figures[i] = 0;
	}
}

static void intervals_are_built(void **state)
{
	const struct interval_process *process;

	(void)state;
	model_build(&model, &sample.capture);
	assert_int_equal(model.interval_count, 1);
	assert_int_equal(model.intervals[0].at_ns, 1000000000);
	process = &model.intervals[0].processes[0];
	assert_int_equal(process->pid, 7);
	assert_string_equal(process->command, "seven");
	assert_int_equal(process->closing.bytes[BALANCE_ANON], 3 * PAGE);
	assert_string_equal(process->rows[0].operation, "mmap");
	assert_int_equal(process->row_count, 2);
}

static void nothing_makes_an_empty_model(void **state)
{
	(void)state;
	sample.capture.n_processes = sample.capture.n_histograms = sample.capture.n_intervals = 0;
	model_build(&model, &sample.capture);
	assert_int_equal(model.process_count, 0);
	assert_int_equal(model.histogram_count, 0);
	assert_int_equal(model.interval_count, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(closing_is_opening_plus_rows),
		test(unexplained_is_kernel_minus_closing),
		test(what_balances_is_zero),
		test(nothing_is_unexplained_where_the_kernel_is_not_read),
		test(sums_wrap_around),
		test(resident_is_anon_file_and_shmem),
		test(at_exit_leaves_out_what_ending_gave_back),
		test(at_exit_without_rows_of_exit),
		test(no_exit_while_it_runs),
		test(its_end_is_passed_on),
		test(what_reclaim_wrote_to_swap_was_not_lazily_freed),
		test(lazy_free_says_what_is_known),
		test(largest_process_first),
		test(equal_processes_by_pid_and_start),
		test(texts_are_utf8),
		test(losses_have_names_and_meanings),
		test(intervals_are_built),
		test(nothing_makes_an_empty_model),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
