// SPDX-License-Identifier: GPL-2.0
/* Does text stay in its place on a canvas, however wide its characters are? */
#include "tests/unit/sample.h"

#include "user/view/canvas.h"

#include <stdlib.h>
#include <string.h>

static struct canvas canvas;

static int tear_down(void **state)
{
	(void)state;
	canvas_free(&canvas);
	return 0;
}

static void assert_row(size_t row, const char *words)
{
	char *text = canvas_row(&canvas, row);

	assert_string_equal(text, words);
	free(text);
}

static void wide_characters_are_not_cut(void **state)
{
	(void)state;
	canvas_init(&canvas, 10, 2, true);
	assert_int_equal(canvas_put(&canvas, 0, 5, 8, LOOK_PLAIN, "\xe8\xa8\x98\xe6\x86\xb6"), 7);
	assert_row(0, "     \xe8\xa8\x98");
	assert_string_equal(canvas_at(&canvas, 0, 6)->text, "");
	assert_int_equal(canvas_put(&canvas, 2, 0, 8, LOOK_PLAIN, "x"), 0);
	assert_int_equal(canvas_put(&canvas, 1, 9, 99, LOOK_PLAIN, "xy"), 10);
	canvas_put_right(&canvas, 1, 0, 4, LOOK_PLAIN, "12");
	assert_row(1, "  12     x");
}

static void styles_become_looks(void **state)
{
	(void)state;
	canvas_init(&canvas, 10, 1, true);
	canvas_put_styled(&canvas, 0, 0, 10, "a\033[1mb\033[1;31mc\033[0md\033[");
	assert_row(0, "abcd");
	assert_int_equal(canvas_at(&canvas, 0, 1)->look, LOOK_BOLD);
	assert_int_equal(canvas_at(&canvas, 0, 2)->look, LOOK_BAD);
	assert_int_equal(canvas_at(&canvas, 0, 3)->look, LOOK_PLAIN);
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(wide_characters_are_not_cut),
		CASE(styles_become_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
