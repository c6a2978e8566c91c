// SPDX-License-Identifier: GPL-2.0
/* Is a command line taken as it is meant, and a wrong one refused with status 2? */
#include "user/cli/options.h"
#include "tests/unit/sample.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MOST 16

static struct options options;

static int tear_down(void **state)
{
	(void)state;
	options_free(&options);
	memset(&options, 0, sizeof(options));
	return 0;
}

/* getopt keeps its place in a word where an error ended the last line. */
static void forget_last_line(void)
{
	char *words[] = { "", NULL };

	optind = 0;
	assert_int_equal(getopt(1, words, "+"), -1);
}

/* Parses a line of words that are separated by single blanks. */
static struct error *parse(const char *line)
{
	static char copy[512], *words[WORDS_MOST];
	char *rest = NULL;
	int count = 1;

	forget_last_line();
	options_free(&options);
	snprintf(copy, sizeof(copy), "%s", line);
	words[0] = "memtrace";
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	words[count] = NULL;
	return options_parse(&options, count, words);
}

static void good(const char *line)
{
	struct error *error = parse(line);

	if (error)
		fail_msg("%s: %s", line, error->text);
}

static void bad(const char *line, const char *words)
{
	struct error *error = parse(line);

	if (!error || !strstr(error->text, words))
		fail_msg("%s: '%s' does not say '%s'", line, error ? error->text : "taken", words);
	assert_int_equal(error ? error->status : 0, 2);
	error_free(error);
}

/* ---- whom ---- */

static void pids(void **state)
{
	(void)state;
	good("-p 1");
	assert_int_equal(options.pid_count, 1);
	good("-p 12,3 --pid=2147483647 -p4");
	assert_int_equal(options.pid_count, 4);
	assert_int_equal(options.pids[0], 12);
	assert_int_equal(options.pids[1], 3);
	assert_int_equal(options.pids[2], 2147483647);
	assert_int_equal(options.pids[3], 4);
	assert_int_equal(options.command, COMMAND_CAPTURE);
	assert_true(options.children);
}

static void pids_that_are_none(void **state)
{
	static const char *const wrong[] = { "-p 0", "-p -1", "-p +1", "-p 1x", "-p x", "-p 1,",
					     "-p ,1", "-p 1,,2", "-p 2147483648",
					     "-p 99999999999999999999", "--pid=", "-p 1.5" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		bad(wrong[i], "-p takes pids separated by commas");
}

static void commands_to_run(void **state)
{
	(void)state;
	good("-- ls -l --all");
	assert_string_equal(options.run[0], "ls");
	assert_string_equal(options.run[1], "-l");
	assert_string_equal(options.run[2], "--all");
	assert_null(options.run[3]);
	good("-q ls -q");
	assert_string_equal(options.run[0], "ls");
	assert_string_equal(options.run[1], "-q");
	good("-- report x");
	assert_int_equal(options.command, COMMAND_CAPTURE);
	assert_string_equal(options.run[0], "report");
}

static void exactly_one_way(void **state)
{
	(void)state;
	bad("", "whom to follow?");
	bad("-q -d 1", "whom to follow?");
	bad("--", "whom to follow?");
	bad("-p 1 -a", "exclude each other");
	bad("-p 1 -- ls", "exclude each other");
	bad("-a -- ls", "exclude each other");
	bad("--cgroup / -p 1", "exclude each other");
	good("-a --cgroup /x");
	assert_string_equal(options.cgroup, "/x");
}

/* ---- values ---- */

static void seconds(void **state)
{
	static const char *const wrong[] = { "0", "-1", "x", "1x", "nan", "inf", "1e10", "1e999" };
	char line[64];

	(void)state;
	good("-a -d 0.5 -i 2");
	assert_true(options.duration == 0.5);
	assert_true(options.interval == 2);
	good("-a");
	assert_true(options.duration == 0 && options.interval == 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), "-a -d %s", wrong[i]);
		bad(line, "--duration takes seconds above 0");
		snprintf(line, sizeof(line), "-a --interval=%s", wrong[i]);
		bad(line, "--interval takes seconds above 0");
	}
}

static void calls_follow_the_mode(void **state)
{
	(void)state;
	good("-p 1");
	assert_int_equal(options.calls, 1);
	good("-- ls");
	assert_int_equal(options.calls, 1);
	good("-a");
	assert_int_equal(options.calls, 0);
	good("--cgroup /");
	assert_int_equal(options.calls, 0);
	good("-a --calls on");
	assert_int_equal(options.calls, 1);
	good("-p 1 --calls off");
	assert_int_equal(options.calls, 0);
	bad("-a --calls maybe", "--calls is on or off, not 'maybe'");
}

static void formats(void **state)
{
	static const char *const names[] = { "text", "json", "openmetrics", "folded", "pprof" };
	char line[64];

	(void)state;
	good("-a");
	assert_string_equal(options.format->name, "text");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "-a -f %s", names[i]);
		good(line);
		assert_string_equal(options.format->name, names[i]);
	}
	bad("-a -f xml", "no format 'xml' in this version");
	bad("-a -f JSON", "no format 'JSON' in this version");
	assert_int_equal(options.value, SITE_RESIDENT);
	good("-a -f folded --value released");
	assert_int_equal(options.value, SITE_RELEASED);
	good("report --value reserved x");
	assert_int_equal(options.value, SITE_RESERVED);
	bad("-a --value peak", "--value is resident, reserved, touched or released, not 'peak'");
}

static void limits(void **state)
{
	(void)state;
	good("-a");
	assert_int_equal(options.limit, 20);
	good("-a --limit 0");
	assert_int_equal(options.limit, 0);
	good("-a --limit 4294967295");
	assert_int_equal(options.limit, 4294967295);
	bad("-a --limit 4294967296", "--limit takes a number of rows");
	bad("-a --limit -1", "--limit takes a number of rows");
	bad("-a --limit 5x", "--limit takes a number of rows");
}

static void stacks(void **state)
{
	(void)state;
	good("-p 1");
	assert_int_equal(options.stacks, STACKS_PYTHON);
	good("--stacks auto -- x");
	assert_int_equal(options.stacks, STACKS_PYTHON);
	good("--stacks native -a");
	assert_int_equal(options.stacks, STACKS_NATIVE);
	assert_true(options.calls);
	good("--stacks native --stacks auto -a");
	assert_int_equal(options.stacks, STACKS_NONE);
	good("--calls off -p 1");
	assert_int_equal(options.stacks, STACKS_NONE);
	good("--cgroup x");
	assert_int_equal(options.stacks, STACKS_NONE);
	good("--stacks none -p 1");
	assert_int_equal(options.stacks, STACKS_NONE);
	bad("--stacks all -p 1", "--stacks is auto, none, native or python, not 'all'");
	bad("--stacks native --calls off -p 1", "--stacks native needs --calls on");
}

static void samples(void **state)
{
	(void)state;
	good("-a");
	assert_int_equal(options.sample, 1);
	good("-a --sample 1000000");
	assert_int_equal(options.sample, 1000000);
	bad("-a --sample 0", "--sample takes a number of pages, from 1 to 1000000, not '0'");
	bad("-a --sample 1000001", "--sample takes a number of pages");
	bad("-a --sample 2.5", "--sample takes a number of pages");
	bad("report --sample 2 x", "--sample means nothing to memtrace report");
}

static void two_captures(void **state)
{
	(void)state;
	good("diff --limit 3 -f json a b");
	assert_int_equal(options.command, COMMAND_DIFF);
	assert_string_equal(options.before, "a");
	assert_string_equal(options.file, "b");
	bad("diff a", "memtrace diff takes two capture FILEs");
	bad("diff a b c", "memtrace diff takes two capture FILEs");
	bad("diff -f pprof a b", "memtrace diff has the formats text and json");
	bad("diff -p 1 a b", "-p means nothing to memtrace diff");
	bad("--limit 3 diff a b", "memtrace diff: the options come after 'diff'");
}

static void flags_and_files(void **state)
{
	(void)state;
	good("-a -o out -w save --strict -q -v --no-children");
	assert_string_equal(options.output, "out");
	assert_string_equal(options.write, "save");
	assert_true(options.strict && options.quiet && options.verbose);
	assert_false(options.children);
	good("-aqv -o -");
	assert_null(options.output);
	assert_true(options.all && options.quiet && options.verbose);
}

/* ---- commands ---- */

static void reports(void **state)
{
	(void)state;
	good("report -f json capture");
	assert_int_equal(options.command, COMMAND_REPORT);
	assert_string_equal(options.file, "capture");
	assert_string_equal(options.format->name, "json");
	good("report -- -x");
	assert_string_equal(options.file, "-x");
	bad("report", "one capture FILE");
	bad("report a b", "one capture FILE");
}

static void tops(void **state)
{
	(void)state;
	good("top");
	assert_int_equal(options.command, COMMAND_TOP);
	assert_true(options.all);
	assert_true(options.interval > 1.9 && options.interval < 2.1);
	assert_false(options.calls);
	assert_false(options.allocators);
	good("top -p 12 -i 0.5 -d 3");
	assert_false(options.all);
	assert_false(options.calls);
	assert_true(options.allocators);
	assert_true(options.interval < 0.6);
	good("top --stacks native -p 1");
	assert_true(options.calls);
	good("top --cgroup /");
	assert_false(options.all);
	bad("top -p 1 -a", "exclude");
	bad("top 12", "-p");
	bad("top -- sleep 1", "takes");
	bad("top -i 0.01", "0.1");
	bad("top -f json", "means nothing to memtrace top");
	bad("top -o /dev/null", "means nothing to memtrace top");
	bad("-p 1 top", "top");
}

static void checks(void **state)
{
	(void)state;
	good("check");
	assert_int_equal(options.command, COMMAND_CHECK);
	bad("check everything", "everything");
}

static void help_and_version(void **state)
{
	(void)state;
	good("--help");
	assert_int_equal(options.command, COMMAND_HELP);
	good("-h");
	assert_int_equal(options.command, COMMAND_HELP);
	good("report --help");
	assert_int_equal(options.command, COMMAND_HELP);
	good("--version");
	assert_int_equal(options.command, COMMAND_VERSION);
	good("-V");
	assert_int_equal(options.command, COMMAND_VERSION);
}

/* The message names what was typed. */
static void what_is_no_option(void **state)
{
	(void)state;
	bad("--frobnicate", "no option --frobnicate");
	bad("-x", "no option -x");
	bad("-a -d", "-d needs an argument");
	bad("-a --duration", "--duration needs an argument");
	bad("-qx -a", "x");
	bad("-xq -a", "x");
}

/* ---- what is made of the table ---- */

static char text[1 << 16];

static char *written(void (*write)(FILE *out))
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	write(out);
	assert_int_equal(fclose(out), 0);
	assert_true(strlen(text) < sizeof(text) - 1);
	return strdup(text);
}

static void help_fits_80_columns(void **state)
{
	char *help = written(options_help), *line = help, *next;

	(void)state;
	for (; (next = strchr(line, '\n')); line = next + 1) {
		*next = 0;
		if (strlen(line) > 80)
			fail_msg("%s", line);
	}
	free(help);
}

/* Each option of the help is in the manual and in the completion. */
static void all_three_name_the_same(void **state)
{
	char *help = written(options_help), *manual = written(options_manual);
	char *completion = written(options_completion), word[64];
	size_t count = 0;

	(void)state;
	for (const char *at = strstr(help, "--"); at; at = strstr(at + 2, "--")) {
		size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");

		if (!length || at[-1] != ' ' || !strchr(" ,", at[-2]))
			continue;
		snprintf(word, sizeof(word), "Fl Fl %.*s", (int)length, at + 2);
		assert_non_null(strstr(manual, word));
		snprintf(word, sizeof(word), " --%.*s", (int)length, at + 2);
		assert_non_null(strstr(completion, word));
		count++;
	}
	assert_true(count >= 10);
	free(help);
	free(manual);
	free(completion);
}

#define test(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(pids),
		test(pids_that_are_none),
		test(commands_to_run),
		test(exactly_one_way),
		test(seconds),
		test(calls_follow_the_mode),
		test(formats),
		test(limits),
		test(stacks),
		test(samples),
		test(two_captures),
		test(flags_and_files),
		test(reports),
		test(tops),
		test(checks),
		test(help_and_version),
		test(what_is_no_option),
		test(help_fits_80_columns),
		test(all_three_name_the_same),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
