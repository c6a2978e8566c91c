// SPDX-License-Identifier: GPL-2.0
/* Is a process of one capture the same program as one of another, and what of it changed? */
#include "tests/unit/sample.h"

#include "user/explain/change.h"
#include "user/model/change.h"

#include <string.h>

static struct sample old_sample, new_sample;
static struct model old_model, new_model;
static struct change change;

static int set_up(void **state)
{
	(void)state;
	sample_init(&old_sample);
	sample_init(&new_sample);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	change_free(&change);
	model_free(&old_model);
	model_free(&new_model);
	return 0;
}

static void compare(void)
{
	model_build(&old_model, &old_sample.capture);
	model_build(&new_model, &new_sample.capture);
	change_build(&change, &old_model, &new_model);
}

static void name(struct sample *sample, size_t index, uint32_t pid, const char *command,
		 const char *executable)
{
	sample->processes[index].process.pid = pid;
	sample->processes[index].process.command = sample_text(command);
	sample->processes[index].process.executable = sample_text(executable);
	sample->processes[index].process.n_arguments = 0;
}

/* The pid that a process has now; 0: it is gone. */
static uint32_t became(uint32_t pid)
{
	for (size_t i = 0; i < change.count; i++) {
		if (change.processes[i].old && change.processes[i].old->pid == pid)
			return change.processes[i].now ? change.processes[i].now->pid : 0;
	}
	fail();
	return 0;
}

static void same_capture(void **state)
{
	(void)state;
	compare();
	assert_int_equal(change.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct process_change *process = &change.processes[i];

		assert_int_equal(process->old->pid, process->now->pid);
		assert_memory_equal(change_end(process->old), change_end(process->now),
				    sizeof(struct balances));
		assert_int_equal(process->row_count, process->now->row_count);
		for (size_t at = 0; at < process->row_count; at++)
			assert_true(process->rows[at].old && process->rows[at].now);
	}
}

static void pid_before_program(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		name(&old_sample, i, 7 + i, "x", "/bin/x");
		name(&new_sample, i, 8 + i, "x", "/bin/x");
	}
	compare();
	assert_int_equal(became(8), 8);
	assert_int_equal(became(7), 9);
}

static void executable_before_command(void **state)
{
	(void)state;
	name(&old_sample, 0, 7, "x", "/bin/x");
	name(&old_sample, 1, 8, "x", "/opt/x");
	name(&new_sample, 0, 17, "x", "/opt/x");
	name(&new_sample, 1, 18, "x", "/srv/x");
	compare();
	assert_int_equal(became(8), 17);
	assert_int_equal(became(7), 18);
}

static void one_came_and_one_went(void **state)
{
	(void)state;
	name(&old_sample, 0, 7, "x", "/bin/x");
	name(&old_sample, 1, 8, "y", "/bin/y");
	name(&new_sample, 0, 17, "z", "/bin/z");
	name(&new_sample, 1, 18, "y", "/bin/y");
	compare();
	assert_int_equal(change.count, 3);
	assert_int_equal(became(7), 0);
	assert_int_equal(became(8), 18);
}

static void rows_of_one(void **state)
{
	const struct row_change *row;

	(void)state;
	name(&old_sample, 1, 8, "y", "/bin/y");
	name(&new_sample, 1, 8, "y", "/bin/y");
	sample_row(&new_sample.processes[1], OP_RECLAIM, 5)[BALANCE_ANON] = -(1LL << 40);
	compare();
	row = &change.processes[0].rows[0];
	assert_int_equal(change.processes[0].now->pid, 8);
	assert_null(row->old);
	assert_string_equal(row->now->operation, new_sample.operations[OP_RECLAIM]);
	assert_int_equal(row->now->count, 5);
}

static void findings_come_and_go(void **state)
{
	struct finding_changes found;

	(void)state;
	compare();
	for (size_t i = 0; i < change.count; i++) {
		struct process_change gone = change.processes[i];

		finding_changes_build(&found, &change, &change.processes[i]);
		for (size_t at = 0; at < found.count; at++)
			assert_string_equal(found.at[at].old->id, found.at[at].now->id);
		finding_changes_free(&found);
		gone.now = NULL;
		finding_changes_build(&found, &change, &gone);
		for (size_t at = 0; at < found.count; at++)
			assert_null(found.at[at].now);
		finding_changes_free(&found);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(same_capture),	     test(pid_before_program),
		test(executable_before_command), test(one_came_and_one_went),
		test(rows_of_one),	     test(findings_come_and_go),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
