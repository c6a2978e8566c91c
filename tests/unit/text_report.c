// SPDX-License-Identifier: GPL-2.0
/* Does the text report fit its line, leave the terminal alone, and say what was lost? */
#include "tests/unit/sample.h"

#include "user/base/text.h"
#include "user/report/report.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE "\033]0;title\a\n\r\xe2\x80\xae\xff\xc2\x9b" "2J"

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static char *text;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void write_report(const struct report_options *options)
{
	struct model model;
	size_t bytes = 0;
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &bytes);
	model_build(&model, &sample.capture);
	assert_null(report_text(&model, options, out));
	model_free(&model);
	fclose(out);
}

static void write_plain(void)
{
	const struct report_options options = { .width = 100, .limit = 20 };

	write_report(&options);
}

static void assert_says(const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in\n%s", words, text);
}

static void assert_silent(const char *words)
{
	if (strstr(text, words))
		fail_msg("'%s' is in\n%s", words, text);
}

/* ---- what a terminal sees ---- */

static void put_names(const char *words)
{
	static ProtobufCBinaryData arguments[1];

	arguments[0] = sample_text(words);
	for (size_t i = 0; i < SAMPLE_PROCESSES; i++) {
		Mt__Process *process = &sample.processes[i].process;

		process->command = process->executable = process->cgroup = arguments[0];
		process->arguments = arguments;
		process->n_arguments = i; /* the command alone, and with arguments */
		sample.processes[i].rows[0].has_call = true;
		sample.processes[i].rows[0].call = arguments[0];
	}
	sample.interval_process.command = arguments[0];
}

/* None of its characters came through, the newline no more than the others. */
static void assert_harmless(void)
{
	static const char *const raw[] = { "\033", "\a", "\r", "\xe2\x80\xae", "\xff", "\xc2\x9b",
					   "\\x07\n" };

	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
		assert_silent(raw[i]);
}

static void hostile_names_do_not_steer(void **state)
{
	(void)state;
	put_names(HOSTILE);
	write_plain();
	assert_says("\\x1b]0;title");
	assert_harmless();
}

static void hostile_notes_do_not_steer(void **state)
{
	(void)state;
	sample.notes[0] = HOSTILE;
	sample.capture.n_notes = 1;
	write_plain();
	assert_says("]0;title");
	assert_harmless();
}

static void assert_fits(size_t width)
{
	char *next, *line = text;

	for (; (next = strchr(line, '\n')); line = next + 1) {
		*next = 0;
		if (text_columns(line) > width)
			fail_msg("%zu columns of %zu:\n%s", text_columns(line), width, line);
	}
}

static void lines_fit(void **state)
{
	static const unsigned int widths[] = { 80, 100, 133, 200 };
	struct report_options options = { .limit = 20 };
	char words[2000];

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	for (size_t i = 0; i < 2 * sizeof(widths) / sizeof(widths[0]); i++) {
		put_names(i % 2 ? words : HOSTILE);
		options.width = widths[i / 2];
		options.unicode = options.details = i % 2;
		sample.losses.cells = sample.losses.reads = sample.losses.events = 1234567;
		write_report(&options);
		assert_fits(options.width);
	}
}

static void colour_is_a_choice(void **state)
{
	struct report_options options = { .width = 100, .limit = 20 };

	(void)state;
	one->kernel_bytes[BALANCE_ANON]++;
	write_report(&options);
	assert_silent("\033");
	options.color = true;
	write_report(&options);
	assert_says("\033[");
}

static void ascii_is_a_choice(void **state)
{
	struct report_options options = { .width = 100, .limit = 20, .details = true };

	(void)state;
	write_report(&options);
	for (const char *at = text; *at; at++)
		assert_true((unsigned char)*at < 0x80);
	options.unicode = true;
	write_report(&options);
	assert_says("\xe2");
}

/* ---- what it says ---- */

static void says_whether_the_books_balance(void **state)
{
	(void)state;
	write_plain();
	assert_says("The books balance to the byte.");
	assert_silent("NOT");
	for (size_t i = 0; i < SAMPLE_PROCESSES; i++)
		sample.processes[i].kernel_bytes[BALANCE_LOCKED] = -1;
	write_plain();
	assert_silent("The books balance");
	assert_says("do NOT balance");
}

static void says_that_the_kernel_was_not_read(void **state)
{
	(void)state;
	sample.processes[0].process.kernel = sample.processes[1].process.kernel = NULL;
	write_plain();
	assert_silent("The books balance");
	assert_says("could not be read");
	assert_says("not read");
}

static void says_what_was_lost(void **state)
{
	uint64_t *const figures[] = { &sample.losses.cells, &sample.losses.stacks,
				      &sample.losses.pages, &sample.losses.mappings,
				      &sample.losses.events, &sample.losses.spaces,
				      &sample.losses.storage, &sample.losses.reads,
				      &sample.losses.missed };

	(void)state;
	write_plain();
	assert_says("Lost: nothing.");
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		*figures[i] = 12345;
		write_plain();
		assert_silent("Lost: nothing.");
		assert_says("12,345");
		*figures[i] = 0;
	}
}

static void says_how_a_process_ended(void **state)
{
	(void)state;
	write_plain();
	assert_says("process 7, running");
	one->process.exit = &one->exit;
	one->exit.code = 3;
	write_plain();
	assert_says("process 7, ended with status 3");
	one->exit.signal = 11;
	write_plain();
	assert_says("process 7, killed by signal 11");
}

static void says_how_many_it_left_out(void **state)
{
	struct report_options options = { .width = 100, .limit = 1 };

	(void)state;
	write_report(&options);
	assert_says("and 1 more (--limit)");
	options.limit = 0;
	write_report(&options);
	assert_says("and 2 more (--limit)");
}

static void says_what_failed(void **state)
{
	(void)state;
	one->rows[0].has_failed = one->rows[0].has_requested_bytes = true;
	one->rows[0].failed = 17;
	write_plain();
	assert_says("17 failed");
}

static void says_what_was_lazily_freed(void **state)
{
	(void)state;
	one->process.lazy_free = &one->lazy_free;
	one->lazy_free.has_marked_bytes = true;
	one->lazy_free.marked_bytes = 3 << 20;
	write_plain();
	assert_says("3.0 MiB marked");
	assert_says("unknown");
}

static void says_that_there_was_nobody(void **state)
{
	(void)state;
	sample.capture.n_processes = sample.capture.n_intervals = 0;
	write_plain();
	assert_says("No process was followed.");
}

/* Of those that the table leaves out, too. */
static void says_of_all_whether_they_balance(void **state)
{
	struct report_options options = { .width = 100, .limit = 1 };

	(void)state;
	write_report(&options);
	assert_says("All books balance to the byte.");
	one->kernel_bytes[BALANCE_ANON]++; /* the smaller one, which has no row */
	write_report(&options);
	assert_says("Of 2 books, 1 does NOT balance (!).");
	one->process.kernel = NULL;
	write_report(&options);
	assert_says("Of 2 books, 1 could not be compared with the kernel (?).");
}

static void names_programs_without_their_folders(void **state)
{
	static const char *const names[][2] = {
		{ "/usr/lib/gcc/12/cc1 -o /a/b", " cc1 -o /a/b\n" },
		{ "postgres: 15/main: writer", " postgres: 15/main: writer\n" },
		{ "a/b/ c", " a/b/ c\n" },
		{ "-bash", " -bash\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		one->process.command = sample_text(names[i][0]);
		write_plain();
		assert_says(names[i][1]);
	}
}

static void guests_have_no_figures(void **state)
{
	(void)state;
	one->process.has_shares_with_pid = true;
	one->process.shares_with_pid = 4194304;
	one->process.kernel = NULL;
	write_plain();
	assert_says("  in the memory of process 4194304     seven\n");
	assert_says("All books balance");
}

/* ---- the ledger ---- */

/* What moved page tables alone has no figure in any column. */
static void rows_without_a_figure_are_left_out(void **state)
{
	int64_t *moved = sample_row(one, OP_RECLAIM, 0);

	(void)state;
	moved[BALANCE_PAGE_TABLE] = 4096;
	write_plain();
	assert_silent("reclaim");
	for (size_t i = 0; i < BALANCE_COUNT; i++) {
		memset(moved, 0, sizeof(*moved) * BALANCE_COUNT);
		moved[i] = -4096;
		write_plain();
		if (i != BALANCE_PAGE_TABLE)
			assert_says("reclaim");
	}
	memset(moved, 0, sizeof(*moved) * BALANCE_COUNT);
	one->rows[2].count = 1;
	write_plain();
	assert_says("reclaim");
}

static void what_ending_gave_back_comes_last(void **state)
{
	(void)state;
	sample_row(one, OP_EXIT, 1)[BALANCE_ANON] = -(1 << 30);
	sample_row(&sample.processes[1], OP_EXIT, 1)[BALANCE_ANON] = -(1 << 30);
	write_plain();
	assert_true(strstr(text, "\n  exit ") > strstr(text, "\n  fault "));
	assert_non_null(strstr(text, "\n  fault "));
}

static void calls_say_more(void **state)
{
	(void)state;
	sample_row(one, OP_RECLAIM, 1)[BALANCE_ANON] = -1;
	one->rows[2].has_call = true;
	one->rows[2].call = sample_text("kswapd");
	write_plain();
	assert_says("  taken by kswapd\n");
}

/* ---- intervals ---- */

static void an_interval_names_its_reasons(void **state)
{
	(void)state;
	write_plain();
	assert_says("  fault +12.0 KiB\n");
	assert_silent(" , ");
}

static void an_interval_says_how_many_it_left_out(void **state)
{
	static Mt__ProcessInterval *list[3];
	struct report_options options = { .width = 100, .limit = 1 };

	(void)state;
	list[0] = list[1] = list[2] = &sample.interval_process;
	sample.interval.processes = list;
	sample.interval.n_processes = 3;
	write_report(&options);
	assert_says("    1.00 s ... and 2 more (--limit)\n");
	sample.interval_process.n_rows = 0;
	write_report(&options);
	assert_says("    1.00 s nothing moved\n");
}

static void intervals_are_written_once(void **state)
{
	struct report_options options = { .width = 100, .limit = 20, .intervals_written = true };

	(void)state;
	write_plain();
	assert_says("fault +12.0 KiB");
	write_report(&options);
	assert_silent("fault +12.0 KiB");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(hostile_names_do_not_steer),
		test(hostile_notes_do_not_steer),
		test(lines_fit),
		test(colour_is_a_choice),
		test(ascii_is_a_choice),
		test(says_whether_the_books_balance),
		test(says_that_the_kernel_was_not_read),
		test(says_what_was_lost),
		test(says_how_a_process_ended),
		test(says_how_many_it_left_out),
		test(says_what_failed),
		test(says_what_was_lazily_freed),
		test(says_that_there_was_nobody),
		test(says_of_all_whether_they_balance),
		test(names_programs_without_their_folders),
		test(guests_have_no_figures),
		test(rows_without_a_figure_are_left_out),
		test(what_ending_gave_back_comes_last),
		test(calls_say_more),
		test(an_interval_names_its_reasons),
		test(an_interval_says_how_many_it_left_out),
		test(intervals_are_written_once),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("text_report", tests, NULL, NULL);
}
