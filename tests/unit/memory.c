// SPDX-License-Identifier: GPL-2.0
/* Is memory zeroed, grown without loss, and its end announced? */
#include "tests/unit/sample.h"

#include "user/base/memory.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void is_zeroed(void **state)
{
	static const char zero[7 * 13];
	char *made = memory_new(7, 13);

	(void)state;
	assert_memory_equal(made, zero, sizeof(zero));
	free(made);
}

static void nothing_is_something(void **state)
{
	void *none = memory_new(0, 0), *copy = memory_copy(NULL, 0);

	(void)state;
	assert_non_null(none);
	assert_string_equal(copy, "");
	free(none);
	free(copy);
}

static void grows_without_loss(void **state)
{
	size_t *array = NULL;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		array = memory_grow(array, i, sizeof(*array));
		array[i] = i * i;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(array[i], i * i);
	free(array);
}

static void copies_end_with_a_nul(void **state)
{
	char *copy = memory_copy("a\0bcd", 4);

	(void)state;
	assert_memory_equal(copy, "a\0bc", 5);
	free(copy);
}

/* Asks for more than there can be, in a child that says so and dies. */
static void child(int out)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	dup2(out, STDERR_FILENO);
	memory_new(SIZE_MAX / 2, 4);
	_exit(0);
}

static void its_end_is_said(void **state)
{
	char said[4096] = "";
	size_t bytes = 0;
	int ends[2], status;
	ssize_t got;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid)
		child(ends[1]);
	close(ends[1]);
	while ((got = read(ends[0], said + bytes, sizeof(said) - 1 - bytes)) > 0)
		bytes += got;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(said, "memtrace: out of memory\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_zeroed),
		cmocka_unit_test(nothing_is_something),
		cmocka_unit_test(grows_without_loss),
		cmocka_unit_test(copies_end_with_a_nul),
		cmocka_unit_test(its_end_is_said),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
