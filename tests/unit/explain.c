// SPDX-License-Identifier: GPL-2.0
/* Does a finding say what the books say, and nothing that they do not? */
#include "tests/unit/sample.h"

#include "user/base/text.h"
#include "user/explain/finding.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1L << 20)
#define PEAK (100 * MIB)

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static struct model model;
static struct findings findings;

/* A process that touched 100 MiB of 100 MiB, and nothing else of what the sample has. */
static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	sample.capture.n_processes = 1;
	one->process.n_rows = 0;
	one->process.peak_bytes = PEAK;
	sample_row(one, OP_MMAP, 1)[BALANCE_VIRTUAL] = PEAK;
	sample_row(one, OP_FAULT, 25600)[BALANCE_ANON] = PEAK;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	findings_free(&findings);
	if (model.capture)
		model_free(&model);
	return 0;
}

static void explain(void)
{
	tear_down(NULL);
	model_build(&model, &sample.capture);
	findings_build(&findings, &model, &model.processes[0]);
}

/* One more row, of an operation that the sample does not have yet. */
static int64_t *row(const char *operation, uint64_t count)
{
	sample.operations[OP_RECLAIM] = (char *)operation;
	return sample_row(one, OP_RECLAIM, count);
}

static const struct finding *find(const char *id)
{
	for (size_t i = 0; i < findings.count; i++) {
		if (!strcmp(findings.at[i].id, id))
			return &findings.at[i];
	}
	return NULL;
}

static void assert_first(const char *id, int64_t bytes)
{
	explain();
	assert_true(findings.count > 0);
	assert_string_equal(findings.at[0].id, id);
	assert_int_equal(findings.at[0].bytes, bytes);
}

/* ---- what is said ---- */

static void what_is_held_is_in_use(void **state)
{
	(void)state;
	assert_first("still-in-use", PEAK);
	assert_false(findings.at[0].alarm);
	assert_int_equal(findings.count, 1);
}

static void what_went_back_is_named_by_its_call(void **state)
{
	(void)state;
	row("munmap", 3)[BALANCE_ANON] = -90 * MIB;
	assert_first("returned", 90 * MIB);
	assert_non_null(strstr(findings.at[0].why, "munmap (90.0 MiB)"));
	assert_int_equal(find("peak-then-fell")->bytes, 90 * MIB);
	assert_int_equal(find("still-in-use")->bytes, 10 * MIB);
}

static void what_was_reserved_alone_was_never_touched(void **state)
{
	(void)state;
	one->moved[0][BALANCE_VIRTUAL] = 700 * MIB;
	assert_first("never-touched", 600 * MIB);
	assert_true(findings.at[0].inferred);
}

static void what_comes_again_is_churn(void **state)
{
	(void)state;
	one->moved[1][BALANCE_ANON] = 10 * PEAK;
	row("madvise.dontneed", 9)[BALANCE_ANON] = -9 * PEAK;
	assert_first("churn", 9 * PEAK);
	assert_true(findings.at[0].alarm);
	assert_null(find("returned"));
}

static void swap_is_not_told_twice(void **state)
{
	int64_t *moved = row("reclaim", 7);

	(void)state;
	moved[BALANCE_ANON] = -60 * MIB;
	moved[BALANCE_SWAP] = 60 * MIB;
	assert_first("swapped-out", 60 * MIB);
	assert_null(find("reclaimed-by-kernel"));
	moved[BALANCE_SWAP] = 0;
	assert_first("reclaimed-by-kernel", 60 * MIB);
	assert_null(find("swapped-out"));
}

static void huge_pages_are_told_from_use(void **state)
{
	(void)state;
	row("khugepaged", 50)[BALANCE_ANON] = 20 * MIB;
	explain();
	assert_int_equal(find("thp-inflation")->bytes, 20 * MIB);
	assert_int_equal(find("still-in-use")->bytes, PEAK);
}

static void what_was_marked_is_known_only_where_it_was_measured(void **state)
{
	(void)state;
	one->process.lazy_free = &one->lazy_free;
	one->lazy_free.has_marked_bytes = true;
	one->lazy_free.marked_bytes = 80 * MIB;
	explain();
	assert_null(find("lazily-freed"));
	one->lazy_free.has_resident_bytes = true;
	one->lazy_free.resident_bytes = 20 * MIB;
	explain();
	assert_int_equal(find("lazily-freed")->bytes, 20 * MIB);
	assert_int_equal(find("still-in-use")->bytes, 80 * MIB);
}

/* What only says how things are is left out beside what is to be done. */
static void an_alarm_comes_first(void **state)
{
	(void)state;
	one->process.lazy_free = &one->lazy_free;
	one->lazy_free.has_resident_bytes = true;
	one->lazy_free.resident_bytes = 40 * MIB;
	assert_first("lazily-freed", 40 * MIB);
	assert_null(find("still-in-use"));
}

static void copies_need_a_fork(void **state)
{
	(void)state;
	row("fault.cow", 20 * MIB / 4096);
	explain();
	assert_null(find("cow-after-fork"));
	row("fork", 1)[BALANCE_ANON] = 90 * MIB;
	one->process.rows[2]->operation = OP_EXIT;
	sample.operations[OP_EXIT] = "fault.cow";
	explain();
	assert_int_equal(find("cow-after-fork")->bytes, 20 * MIB);
	assert_int_equal(find("shared-not-yours")->bytes, 70 * MIB);
}

/* What is written to when nobody else has it any more is not copied. */
static void what_was_kept_is_no_copy(void **state)
{
	copies_need_a_fork(state);
	one->process.has_kept_count = true;
	one->process.kept_count = 13 * MIB / 4096;
	explain();
	assert_int_equal(find("cow-after-fork")->bytes, 7 * MIB);
}

/* Less than a fiftieth of the highest RSS. */
static void little_is_not_worth_a_word(void **state)
{
	(void)state;
	row("munmap", 3)[BALANCE_ANON] = -MIB;
	explain();
	assert_null(find("returned"));
	one->process.shares_with_pid = one->process.has_shares_with_pid = 1;
	explain();
	assert_int_equal(findings.count, 0);
}

/* A child with a name of that kind that held more than its parent. */
static void long_names_fit(void **state)
{
	Mt__Process *child = &sample.processes[1].process;
	char name[600], *text, *line;

	(void)state;
	memset(name, 'w', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	sample.capture.n_processes = 2;
	child->parent_pid = one->process.pid;
	child->peak_bytes = 4 * PEAK;
	child->command = sample_text(name);
	sample.processes[1].moved[1][BALANCE_ANON] = 4 * PEAK;
	text = sample_report(&sample.capture, "text");
	assert_non_null(strstr(text, "(child-processes)"));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_in_range(text_columns(line), 0, 100);
	free(text);
}

/* ---- every number is evidence ---- */

static bool is_evidence(const struct finding *finding, const char *number, size_t length)
{
	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct evidence *at = &finding->evidence[i];
		char bytes[32], count[32], duration[32];

		text_bytes(bytes, sizeof(bytes), at->value, 0);
		text_count(count, sizeof(count), at->value);
		text_duration(duration, sizeof(duration), at->value);
		if (!strncmp(bytes, number, length) || !strncmp(count, number, length) ||
		    !strncmp(duration, number, length) || (at->text && strstr(at->text, number)))
			return true;
	}
	return false;
}

/* In sentences a number stands before its unit; in parentheses behind a call, in {calls}. */
static void assert_numbers_are_evidence(const struct finding *finding)
{
	for (const char *at = finding->why; (at = strpbrk(at, "0123456789"));) {
		size_t length = strspn(at, "0123456789.,");

		while (length && ispunct(at[length - 1]))
			length--;
		if ((at == finding->why || at[-1] == ' ') &&
		    !is_evidence(finding, at, length))
			fail_msg("'%.*s' of '%s'", (int)length, at, finding->why);
		at += length;
	}
}

static void numbers_are_evidence(void **state)
{
	(void)state;
	one->process.peak_bytes = 2003 * MIB;
	one->moved[0][BALANCE_VIRTUAL] = 4001 * MIB;
	one->moved[1][BALANCE_ANON] = 1303 * MIB;
	one->moved[1][BALANCE_SHMEM] = 131 * MIB;
	one->moved[1][BALANCE_FILE] = 631 * MIB;
	row("munmap", 17)[BALANCE_ANON] = -301 * MIB;
	explain();
	assert_true(findings.count >= 5);
	for (size_t i = 0; i < findings.count; i++) {
		assert_numbers_are_evidence(&findings.at[i]);
		assert_true(!i || findings.at[i - 1].bytes >= findings.at[i].bytes);
		assert_null(strpbrk(findings.at[i].why, "{}[]"));
		assert_null(strpbrk(findings.at[i].remedy, "{}[]"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_held_is_in_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_went_back_is_named_by_its_call, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_reserved_alone_was_never_touched, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_comes_again_is_churn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(swap_is_not_told_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(huge_pages_are_told_from_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_marked_is_known_only_where_it_was_measured, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_alarm_comes_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies_need_a_fork, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_kept_is_no_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(little_is_not_worth_a_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_names_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_are_evidence, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
