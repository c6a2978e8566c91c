// SPDX-License-Identifier: GPL-2.0
/* Does the live screen show what was read, on any size, and do its keys do what they say? */
#include "tests/unit/sample.h"

#include "user/view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((int64_t)1 << 20)
#define PROCESSES 30
#define CHILD 21 /* of process 13 */

static struct sample sample;
static struct model model;
static struct interval_process processes[PROCESSES];
static struct ledger_row rows[PROCESSES];
static struct interval_model before, after;
static char names[PROCESSES][32];
static struct view view;
static struct canvas canvas;

/* Processes 1 to 30 have as many MiB; each grew by a tenth of that in two seconds. */
static void fill_interval(void)
{
	for (size_t i = 0; i < PROCESSES; i++) {
		struct interval_process *process = &processes[i];

		snprintf(names[i], sizeof(names[i]), "name-%zu", i + 1);
		*process = (struct interval_process){ .pid = i + 1, .command = names[i],
						      .parent_pid = 1, .rows = &rows[i] };
		process->closing.bytes[BALANCE_ANON] = (int64_t)(i + 1) * MIB;
		process->closing.bytes[BALANCE_VIRTUAL] = (int64_t)(PROCESSES - i) * MIB * 100;
		rows[i] = (struct ledger_row){ .operation = "fault", .count = 1 };
		rows[i].moved.bytes[BALANCE_ANON] = (int64_t)(i + 1) * MIB / 5;
		process->row_count = 1;
	}
	processes[CHILD - 1].parent_pid = 13;
	before = (struct interval_model){ .at_ns = 1000000000 };
	after = (struct interval_model){ .at_ns = 3000000000, .processes = processes,
					 .process_count = PROCESSES };
}

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	sample.capture.processes[0]->pid = PROCESSES;
	model_build(&model, &sample.capture);
	fill_interval();
	view_init(&view, "-a", 2);
	view_take(&view, &before, &model);
	view_take(&view, &after, &model);
	view_take_process(&view, &model, PROCESSES);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	view_free(&view);
	canvas_free(&canvas);
	model_free(&model);
	return 0;
}

/* So that there is something to be said of it. */
static void grow_sample(void)
{
	sample.processes[0].moved[1][BALANCE_ANON] = 600 * MIB;
	sample.processes[0].moved[0][BALANCE_VIRTUAL] = 2000 * MIB;
	model_free(&model);
	model_build(&model, &sample.capture);
	view_take_process(&view, &model, PROCESSES);
}

static void draw(size_t columns, size_t lines)
{
	canvas_free(&canvas);
	canvas_init(&canvas, columns, lines, true);
	view_draw(&view, &canvas);
}

static void assert_row(size_t row, const char *words)
{
	char *text = canvas_row(&canvas, row);

	if (!strstr(text, words))
		fail_msg("row %zu has no '%s': '%s'", row, words, text);
	free(text);
}

/* The row that has a text, or that after the last. */
static size_t row_of(const char *words)
{
	size_t row;

	for (row = 0; row < canvas.rows; row++) {
		char *text = canvas_row(&canvas, row);
		bool found = strstr(text, words) != NULL;

		free(text);
		if (found)
			break;
	}
	return row;
}

static void assert_shown(const char *words)
{
	if (row_of(words) == canvas.rows)
		fail_msg("'%s' is nowhere", words);
}

static void assert_hidden(const char *words)
{
	if (row_of(words) < canvas.rows)
		fail_msg("'%s' is in row %zu", words, row_of(words));
}

static void press(const char *keys)
{
	for (; *keys; keys++)
		view_press(&view, (unsigned char)*keys);
}

/* ---- figures ---- */

static void bytes(void **state)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" },		  { 512, "+512B" },	    { 1023, "+1023B" },
		{ 1024, "+1K" },	  { 4096, "+4K" },	    { -4096, "-4K" },
		{ 1023 * 1024, "+1023K" }, { 1024 * 1024 - 1, "+1.00M" },
		{ 10 * MIB - 1, "+10.0M" }, { 100 * MIB - 1, "+100M" }, { 1023 * MIB, "+1023M" },
		{ 1280 * MIB, "+1.25G" },  { INT64_MAX, "+8.00E" },  { INT64_MIN, "-8.00E" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(view_bytes(text, sizeof(text), cases[i].bytes, true),
				    cases[i].text);
	assert_string_equal(view_bytes(text, sizeof(text), 4096, false), "4K");
}

static void movers(void **state)
{
	struct ledger_row row = { .operation = "munmap" };
	char text[64];

	(void)state;
	view_mover(NULL, text, sizeof(text));
	assert_string_equal(text, "");
	row.moved.bytes[BALANCE_VIRTUAL] = -MIB;
	view_mover(&row, text, sizeof(text));
	assert_string_equal(text, "munmap -1.00M VSZ");
	row.moved.bytes[BALANCE_ANON] = -4096;
	view_mover(&row, text, sizeof(text));
	assert_string_equal(text, "munmap -4K");
}

/* ---- the table ---- */

static void largest_comes_first(void **state)
{
	(void)state;
	draw(80, 24);
	assert_row(0, "memtrace top -a");
	assert_row(1, "30 processes  RSS 465M (+46.5M/s)");
	assert_row(3, "PID");
	assert_row(4, "     30  30.0M   +3.00M");
	assert_row(4, "fault +6.00M     name-30");
	assert_row(5, "name-29");
	assert_row(23, "F10");
	assert_int_equal(view_chosen(&view), 30);
}

static void figures_stand_below_their_titles(void **state)
{
	size_t title, figure;
	char *text;

	(void)state;
	for (size_t columns = VIEW_COLUMNS_LEAST; columns < 140; columns++) {
		draw(columns, 24);
		text = canvas_row(&canvas, 3);
		title = (size_t)(strstr(text, " RSS") - text);
		free(text);
		text = canvas_row(&canvas, 4);
		figure = (size_t)(strstr(text, "30.0M") - text);
		assert_int_equal(title, figure);
		assert_non_null(strstr(text, "name-30"));
		free(text);
	}
}

static void any_size_can_be_drawn(void **state)
{
	static const enum view_mode modes[] = { MODE_LIST, MODE_SEARCH, MODE_FILTER, MODE_SORT,
						MODE_HELP, MODE_DETAILS };

	(void)state;
	draw(39, 24);
	assert_row(0, "Too small");
	draw(40, 10);
	assert_row(1, "PID");
	assert_row(2, "name-30");
	draw(80, 9);
	assert_row(0, "Too small");
	grow_sample();
	for (size_t i = 0; i < 6 * 70 * 130; i += 7) {
		view.mode = modes[i % 6];
		view_press(&view, VIEW_UP + i * 31 % 24);
		view_press(&view, 33 + i * 7919 % 94);
		draw(1 + i / 6 % 130, 1 + i / 6 / 130);
	}
}

static void sorting(void **state)
{
	(void)state;
	press("N");
	draw(80, 24);
	assert_row(4, "name-1");
	press("V");
	draw(80, 24);
	assert_row(4, "2.93G");
	press("I");
	draw(80, 24);
	assert_row(4, "name-30");
	press("M");
	view_press(&view, VIEW_F1 + 5);
	view_press(&view, VIEW_END);
	draw(80, 24);
	assert_shown("Sort by");
	assert_shown("COMMAND");
	view_press(&view, VIEW_ENTER);
	draw(80, 24);
	assert_hidden("Sort by");
	assert_row(4, "name-1");
	assert_row(5, "name-10");
}

static void filtering(void **state)
{
	(void)state;
	press("\\E-2");
	draw(80, 24);
	assert_row(4, "name-29");
	assert_shown("Filter: E-2_");
	assert_hidden("name-30");
	view_press(&view, VIEW_ENTER);
	draw(80, 24);
	assert_row(0, "only: E-2");
	assert_hidden("name-30");
	press("\\");
	view_press(&view, VIEW_BACKSPACE);
	press("7\303");
	draw(80, 24);
	assert_shown("No process has that in its name");
	view_press(&view, VIEW_ESCAPE);
	draw(80, 24);
	assert_row(4, "name-30");
	press("\\17");
	draw(80, 24);
	assert_row(4, "name-17");
	press("qwertyuiopqwertyuiopqwertyuiopqwertyuiopqwertyuiopqwertyuiopqwertyuiop");
	view_press(&view, 0x1f600);
	draw(80, 24);
	assert_false(view.quit);
}

static void searching(void **state)
{
	(void)state;
	press("/name-2");
	assert_int_equal(view_chosen(&view), 29);
	view_press(&view, VIEW_F1 + 2);
	assert_int_equal(view_chosen(&view), 28);
	view_press(&view, VIEW_ENTER);
	press("n");
	assert_int_equal(view_chosen(&view), 27);
	press("/zzz");
	draw(80, 24);
	assert_shown("not found");
	assert_int_equal(view_chosen(&view), 27);
	view_press(&view, VIEW_ESCAPE);
	assert_int_equal(view.mode, MODE_LIST);
}

static void tree(void **state)
{
	size_t parent;

	(void)state;
	press("t");
	draw(80, 60);
	parent = row_of("name-13");
	assert_row(parent + 1, "name-21");
	assert_int_equal(view.list.rows[0].process->pid, 1);
	assert_int_equal(view.list.count, PROCESSES);
	press("t");
	draw(80, 60);
	assert_int_equal(view.list.rows[0].process->pid, 30);
}

/* Pids are used again: two may be each other's parents. */
static void tree_without_a_root(void **state)
{
	(void)state;
	processes[0].parent_pid = 13;
	processes[12].parent_pid = 1;
	press("t");
	assert_int_equal(view.list.count, PROCESSES);
}

static void losses_are_told(void **state)
{
	(void)state;
	draw(80, 24);
	assert_row(1, "lost: nothing");
	sample.losses.stacks = 12;
	sample.losses.cells = 3;
	grow_sample();
	draw(80, 24);
	assert_row(1, "lost: 12 stacks not kept");
	draw(60, 10);
	assert_row(0, "lost: 12 stacks not kept");
}

/* ---- the cursor ---- */

static void moving(void **state)
{
	(void)state;
	draw(80, 24);
	view_press(&view, VIEW_DOWN);
	assert_int_equal(view_chosen(&view), 29);
	view_press(&view, VIEW_PAGE_DOWN);
	draw(80, 24);
	assert_int_equal(view_chosen(&view), 29 - view.table_rows);
	assert_shown("name-19");
	view_press(&view, VIEW_END);
	view_press(&view, VIEW_DOWN);
	assert_int_equal(view_chosen(&view), 1);
	draw(80, 24);
	assert_int_equal(row_of("name-1"), 3 + 1 + view.table_rows - 10);
	view_press(&view, VIEW_HOME);
	view_press(&view, VIEW_UP);
	assert_int_equal(view_chosen(&view), 30);
}

static void cursor_stays_with_a_process(void **state)
{
	(void)state;
	view_press(&view, VIEW_DOWN);
	processes[28].closing.bytes[BALANCE_ANON] = 0;
	view_take(&view, &after, &model);
	assert_int_equal(view_chosen(&view), 29);
	assert_int_equal(view.cursor, PROCESSES - 1);
	after.process_count = 28;
	view_take(&view, &after, &model);
	assert_int_equal(view_chosen(&view), 1);
	after.process_count = 0;
	view_take(&view, &after, &model);
	assert_int_equal(view_chosen(&view), 0);
	view_press(&view, VIEW_DOWN);
	draw(80, 24);
	assert_shown("No process so far");
}

static void untouched_cursor_stays_at_the_top(void **state)
{
	(void)state;
	processes[4].closing.bytes[BALANCE_ANON] = 1000 * MIB;
	view_take(&view, &after, &model);
	assert_int_equal(view_chosen(&view), 5);
}

/* ---- the process ---- */

static void pane_has_the_verdict(void **state)
{
	(void)state;
	grow_sample();
	draw(80, 24);
	assert_shown("600.0 MiB  in use");
	assert_shown("asked for, but never used");
	assert_shown("Moved since the start: fault +600M (touched by the program)");
	view_press(&view, VIEW_DOWN);
	draw(80, 24);
	assert_hidden("in use");
}

static void details_scroll(void **state)
{
	(void)state;
	view_press(&view, VIEW_ENTER);
	draw(80, 12);
	assert_row(0, "process 30, running");
	view_press(&view, VIEW_DOWN);
	draw(80, 12);
	assert_hidden("process 30, running");
	view_press(&view, VIEW_END);
	draw(80, 12);
	assert_shown("touched by the program");
	view_press(&view, VIEW_HOME);
	draw(100, 30);
	assert_row(0, "process 30, running");
	press("q");
	assert_false(view.quit);
	assert_int_equal(view.mode, MODE_LIST);
}

static void details_stay_when_it_ends(void **state)
{
	(void)state;
	view_press(&view, VIEW_ENTER);
	after.process_count = 10;
	view_take(&view, &after, &model);
	assert_int_equal(view_chosen(&view), 30);
	draw(80, 24);
	assert_row(0, "process 30, running");
}

/* ---- other keys ---- */

static void help_pause_quit(void **state)
{
	(void)state;
	press("h");
	draw(80, 24);
	assert_shown("Any key goes back");
	press("q ");
	assert_false(view.quit);
	assert_true(view.paused);
	draw(80, 24);
	assert_row(0, "PAUSED");
	press(" q");
	assert_false(view.paused);
	assert_true(view.quit);
}

/* ---- characters ---- */

static void names_cannot_steer_the_terminal(void **state)
{
	(void)state;
	processes[PROCESSES - 1].line = "\033[2Jx\nab\xe2\x80\xae" "c\xff "
					"\xe8\xa8\x98\xe6\x86\xb6 e\xcc\x81";
	draw(200, 24);
	assert_row(4, "\\x1b[2Jx\\x0aab\\u{202e}c\xef\xbf\xbd \xe8\xa8\x98\xe6\x86\xb6 e\xcc\x81");
	canvas_free(&canvas);
	canvas_init(&canvas, 200, 24, false);
	view_draw(&view, &canvas);
	assert_row(4, "c? ???? e");
	for (size_t i = 0; i < 200 * 24; i++)
		assert_false(canvas.cells[i].text[0] & 0x80);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes),
		CASE(movers),
		CASE(largest_comes_first),
		CASE(figures_stand_below_their_titles),
		CASE(any_size_can_be_drawn),
		CASE(sorting),
		CASE(filtering),
		CASE(searching),
		CASE(tree),
		CASE(tree_without_a_root),
		CASE(losses_are_told),
		CASE(moving),
		CASE(cursor_stays_with_a_process),
		CASE(untouched_cursor_stays_at_the_top),
		CASE(pane_has_the_verdict),
		CASE(details_scroll),
		CASE(details_stay_when_it_ends),
		CASE(help_pause_quit),
		CASE(names_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
