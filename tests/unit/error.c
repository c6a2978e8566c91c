// SPDX-License-Identifier: GPL-2.0
/* Does an error say what went wrong, and is it given back? */
#include "tests/unit/sample.h"

#include "user/base/error.h"

#include <errno.h>
#include <string.h>

static void says_the_sentence(void **state)
{
	struct error *error = error_new(0, "cannot %s %d", "count", 3);

	(void)state;
	assert_string_equal(error->text, "cannot count 3");
	assert_int_equal(error->number, 0);
	assert_int_equal(error->status, 0);
	error_free(error);
}

static void says_the_number(void **state)
{
	struct error *error = error_new(ENOENT, "cannot open %s", "x");

	(void)state;
	assert_string_equal(error->text, "cannot open x: No such file or directory");
	assert_int_equal(error->number, ENOENT);
	error_free(error);
}

static void keeps_the_status(void **state)
{
	struct error *error = error_status(126, EACCES, "cannot run x");

	(void)state;
	assert_string_equal(error->text, "cannot run x: Permission denied");
	assert_int_equal(error->status, 126);
	error_free(error);
}

static void bears_any_number(void **state)
{
	static const int numbers[] = { -1, 134, 100000, INT32_MIN, INT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct error *error = error_new(numbers[i], "x");

		assert_memory_equal(error->text, "x: ", 3);
		assert_true(strlen(error->text) > 3);
		error_free(error);
	}
}

/* The reason is the part that must not be cut. */
static void cuts_long_text_but_no_reason(void **state)
{
	char name[5000];
	struct error *error;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	error = error_new(ENOENT, "%s", name);
	assert_true(strlen(error->text) >= 1000);
	assert_non_null(strstr(error->text, ": No such file or directory"));
	error_free(error);
}

static struct error *tried(struct error *result, int *went_on)
{
	TRY(result);
	*went_on = 1;
	return NULL;
}

static void try_returns_errors_alone(void **state)
{
	cleanup_error struct error *error = error_new(0, "x");
	int went_on = 0;

	(void)state;
	assert_ptr_equal(tried(error, &went_on), error);
	assert_int_equal(went_on, 0);
	assert_null(tried(NULL, &went_on));
	assert_int_equal(went_on, 1);
	error_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_the_sentence),
		cmocka_unit_test(says_the_number),
		cmocka_unit_test(keeps_the_status),
		cmocka_unit_test(bears_any_number),
		cmocka_unit_test(cuts_long_text_but_no_reason),
		cmocka_unit_test(try_returns_errors_alone),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
