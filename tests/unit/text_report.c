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
				      &sample.losses.storage, &sample.losses.reads };

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

/* ---- intervals ---- */

static void an_interval_names_its_reasons(void **state)
{
	(void)state;
	write_plain();
	assert_says("  fault +12.0 KiB\n");
	assert_silent(" , ");
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
		test(an_interval_names_its_reasons),
		test(intervals_are_written_once),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("text_report", tests, NULL, NULL);
}
