// SPDX-License-Identifier: GPL-2.0
/* Is a message refused that would lead the next stations astray, and any other one borne? */
#include "tests/unit/sample.h"

#include "user/snapshot/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct sample sample;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	return 0;
}

/* What is said of the sample as a file; NULL if it is taken. */
static struct error *verdict(void)
{
	size_t bytes;
	uint8_t *file = sample_file(&sample.capture, &bytes);
	Mt__Capture *capture = NULL;
	struct error *error = capture_parse(file, bytes, "x", &capture);

	assert_true(error ? !capture : !!capture);
	capture_free(capture);
	free(file);
	return error;
}

static void assert_refused(const char *how)
{
	struct error *error = verdict();

	if (!error || !strstr(error->text, how))
		fail_msg("not refused for '%s': %s", how, error ? error->text : "taken");
	error_free(error);
}

static void assert_taken(void)
{
	struct error *error = verdict();

	if (error)
		fail_msg("refused: %s", error->text);
}

/* ---- indexes and lengths ---- */

static void operations_that_are_not_there(void **state)
{
	static const uint32_t wrong[] = { OP_COUNT, OP_COUNT + 1, INT32_MAX, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < LENGTH(wrong); i++) {
		sample.processes[1].rows[1].operation = wrong[i];
		assert_refused("a row of a ledger is invalid");
	}
	sample.processes[1].rows[1].operation = OP_COUNT - 1;
	assert_taken();
	sample.capture.n_operations = 0;
	assert_refused("a row of a ledger is invalid");
}

static void operations_of_intervals(void **state)
{
	static Mt__Row row, *rows[] = { &row };

	(void)state;
	row = sample.processes[0].rows[0];
	sample.interval_process.rows = rows;
	sample.interval_process.n_rows = 1;
	assert_taken();
	row.operation = OP_COUNT;
	assert_refused("an interval is invalid");
}

static void balance_sheets(void **state)
{
	static int64_t more[BALANCE_COUNT + 1];
	Mt__Balances sheet = MT__BALANCES__INIT, *before;
	Mt__Process *process = &sample.processes[0].process;
	Mt__Balances **sheets[] = { &process->opening, &process->kernel, &process->kernel_at_exit,
				    &process->before_tidying };

	(void)state;
	sheet.bytes = more;
	for (size_t i = 0; i < LENGTH(sheets); i++) {
		before = *sheets[i];
		*sheets[i] = &sheet;
		for (sheet.n_bytes = 0; sheet.n_bytes <= BALANCE_COUNT + 1; sheet.n_bytes++) {
			if (sheet.n_bytes == BALANCE_COUNT)
				assert_taken();
			else
				assert_refused("a balance sheet is incomplete");
		}
		*sheets[i] = before;
	}
	sheet.n_bytes = BALANCE_COUNT - 1;
	sample.interval_process.closing = &sheet;
	assert_refused("an interval is invalid");
}

static void rows_that_moved(void **state)
{
	static int64_t more[BALANCE_COUNT + 1];
	Mt__Row *row = &sample.processes[1].rows[0];

	(void)state;
	row->moved = more;
	for (row->n_moved = 0; row->n_moved <= BALANCE_COUNT + 1; row->n_moved++) {
		if (!row->n_moved || row->n_moved == BALANCE_COUNT)
			assert_taken();
		else
			assert_refused("a row of a ledger is invalid");
	}
}

static void check_histogram(Mt__Histogram *histogram, const char *how)
{
	const Mt__Histogram before = *histogram;

	histogram->name = HIST_COUNT;
	assert_refused(how);
	*histogram = before;
	histogram->has_operation = true;
	histogram->operation = OP_COUNT;
	assert_refused(how);
	*histogram = before;
	histogram->first = 64;
	assert_refused(how);
	histogram->first = UINT32_MAX;
	assert_refused(how);
	histogram->first = 63;
	assert_refused(how);
	histogram->first = 62;
	assert_taken();
	histogram->first = 0;
	histogram->n_count = 64;
	assert_taken();
	*histogram = before;
}

static void histograms(void **state)
{
	static Mt__Histogram *own[1];
	static uint64_t counts[65];

	(void)state;
	check_histogram(&sample.histograms[0], "a histogram is invalid");
	sample.histograms[0].count = counts;
	sample.histograms[0].n_count = 65;
	sample.histograms[0].first = 0;
	assert_refused("a histogram is invalid");
	sample.histograms[0].n_count = 0;
	assert_taken();
	own[0] = &sample.histograms[1];
	sample.histograms[1].n_count = 2;
	sample.processes[0].process.histograms = own;
	sample.processes[0].process.n_histograms = 1;
	check_histogram(&sample.histograms[1], "a histogram is invalid");
}

/* ---- more than a process can have ---- */

static void texts_that_are_too_long(void **state)
{
	static uint8_t text[65537];
	static ProtobufCBinaryData arguments[3];
	Mt__Process *process = &sample.processes[0].process;
	ProtobufCBinaryData *const places[] = { &process->command, &process->executable,
						&process->cgroup };

	(void)state;
	for (size_t i = 0; i < LENGTH(places); i++) {
		ProtobufCBinaryData before = *places[i];

		*places[i] = (ProtobufCBinaryData){ sizeof(text), text };
		assert_refused("a text is longer than any process has");
		places[i]->len--;
		assert_taken();
		*places[i] = before;
	}
	process->arguments = arguments;
	process->n_arguments = LENGTH(arguments);
	for (size_t i = 0; i < LENGTH(arguments); i++)
		arguments[i] = (ProtobufCBinaryData){ sizeof(text) / 3, text };
	assert_refused("a text is longer than any process has");
	process->n_arguments = 2;
	assert_taken();
}

static void rows_that_are_too_many(void **state)
{
	static Mt__Row *rows[65537];
	Mt__Process *process = &sample.processes[0].process;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		rows[i] = &sample.processes[0].rows[0];
	process->rows = rows;
	process->n_rows = LENGTH(rows);
	assert_refused("a row of a ledger is invalid");
	process->n_rows--;
	assert_taken();
}

/* ---- names that are our own ---- */

static void names(void **state)
{
	static const char *const bad[] = { "a b", "a\"", "a\\", "\033[2J", "\xff", "\xc3\xa4",
					   "a\n", "\x7f" };
	char **const places[] = { &sample.capture.memtrace_version, &sample.capture.mode,
				  &sample.host.kernel, &sample.host.architecture,
				  &sample.feature.name, &sample.operations[OP_COUNT - 1],
				  &sample.histogram_names[HIST_COUNT - 1] };

	(void)state;
	for (size_t place = 0; place < LENGTH(places); place++) {
		char *before = *places[place];

		for (size_t i = 0; i < LENGTH(bad); i++) {
			*places[place] = (char *)bad[i];
			assert_refused("a name is invalid");
		}
		*places[place] = before;
	}
	assert_taken();
}

/* Reports look each of them up: many would keep one busy for days. */
static void more_names_than_there_are(void **state)
{
	static char *many[257];
	char ***const lists[] = { &sample.capture.operations, &sample.capture.histogram_names };
	size_t *const counts[] = { &sample.capture.n_operations,
				   &sample.capture.n_histogram_names };

	(void)state;
	for (size_t i = 0; i < LENGTH(many); i++)
		many[i] = "x";
	for (size_t list = 0; list < LENGTH(lists); list++) {
		char **before = *lists[list];
		size_t count = *counts[list];

		*lists[list] = many;
		*counts[list] = LENGTH(many);
		assert_refused("a name is invalid");
		*counts[list] = LENGTH(many) - 1;
		assert_taken();
		*lists[list] = before;
		*counts[list] = count;
	}
}

static void a_machine_without_pages(void **state)
{
	(void)state;
	sample.host.page_bytes = 0;
	assert_refused("it lacks the machine's figures");
	sample.host.page_bytes = 4096;
	sample.capture.sample = 0;
	assert_refused("it lacks the machine's figures");
}

static void a_message_without_its_parts(void **state)
{
	static const char *const messages[] = { "", "\x0a\x01x", "\xff\xff\xff\xff\xff\xff",
						"\x6a\x00", "\x0a\xff\xff\xff\xff\x7f" };

	(void)state;
	for (size_t i = 0; i < LENGTH(messages); i++) {
		size_t bytes;
		uint8_t *file = sample_wrap(messages[i], strlen(messages[i]), &bytes);
		Mt__Capture *capture = NULL;
		struct error *error = capture_parse(file, bytes, "x", &capture);

		assert_non_null(error);
		assert_non_null(strstr(error->text, "its message cannot be read"));
		error_free(error);
		free(file);
	}
}

/* ---- numbers that nobody has measured ---- */

static void set_all(int64_t bytes, uint64_t count)
{
	struct sample_process *one = &sample.processes[0];
	Mt__Process *process = &one->process;

	for (size_t i = 0; i < BALANCE_COUNT; i++) {
		one->opening_bytes[i] = one->kernel_bytes[i] = bytes;
		one->moved[0][i] = one->moved[1][i] = bytes;
	}
	one->rows[0].count = one->rows[1].count = count;
	one->rows[0].has_failed = one->rows[0].has_requested_bytes = true;
	one->rows[0].failed = one->rows[0].requested_bytes = count;
	process->peak_bytes = process->peak_at_ns = process->folded = count;
	process->has_folded = process->has_shares_with_pid = true;
	process->pid = process->parent_pid = process->shares_with_pid = count;
	process->started_unix_ns = bytes;
	process->exit = &one->exit;
	one->exit.code = one->exit.signal = count;
	process->lazy_free = &one->lazy_free;
	one->lazy_free.has_marked_bytes = one->lazy_free.has_resident_bytes = true;
	one->lazy_free.marked_bytes = one->lazy_free.resident_bytes = count;
	sample.counts[0][0] = sample.counts[0][1] = sample.histograms[0].sum = count;
	sample.capture.started_unix_ns = bytes;
	sample.capture.duration_ns = sample.overhead.bpf_ns = sample.overhead.bpf_runs = count;
	sample.overhead.user_cpu_ns = sample.overhead.resident_bytes = count;
	sample.overhead.kernel_bytes = sample.losses.cells = sample.losses.reads = count;
	sample.overhead.has_bpf_ns = true;
	sample.host.page_bytes = sample.host.cpus = sample.capture.sample = count;
	sample.interval.at_ns = count;
	sample.interval_process.pid = count;
}

static void report_all(void)
{
	static const char *const formats[] = { "text", "json", "openmetrics" };

	for (size_t i = 0; i < LENGTH(formats); i++) {
		char *text = sample_report(&sample.capture, formats[i]);

		assert_true(strlen(text) > 100);
		free(text);
	}
}

static void numbers_without_bounds(void **state)
{
	static const uint64_t counts[] = { 1, INT64_MAX, UINT64_MAX, 1ULL << 63, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < LENGTH(counts); i++) {
		set_all(INT64_MIN, counts[i]);
		report_all();
		set_all(INT64_MAX, counts[i]);
		report_all();
	}
}

static int64_t figure(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* What has 32 bits in a capture has them in the document: never a sign. */
static void numbers_of_32_bits(void **state)
{
	char *text;
	json_t *document, *process, *interval;

	(void)state;
	set_all(0, UINT32_MAX);
	text = sample_report(&sample.capture, "json");
	document = json_loads(text, 0, NULL);
	assert_non_null(document);
	free(text);
	process = json_array_get(json_object_get(document, "processes"), 0);
	interval = json_array_get(json_object_get(document, "intervals"), 0);
	interval = json_array_get(json_object_get(interval, "processes"), 0);
	assert_int_equal(figure(process, "pid"), UINT32_MAX);
	assert_int_equal(figure(process, "parent_pid"), UINT32_MAX);
	assert_int_equal(figure(process, "shares_memory_with"), UINT32_MAX);
	assert_int_equal(figure(json_object_get(process, "exit"), "code"), UINT32_MAX);
	assert_int_equal(figure(json_object_get(document, "host"), "page_bytes"), UINT32_MAX);
	assert_int_equal(figure(json_object_get(document, "host"), "cpus"), UINT32_MAX);
	assert_int_equal(figure(json_object_get(document, "capture"), "sample"), UINT32_MAX);
	assert_int_equal(figure(interval, "pid"), UINT32_MAX);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(operations_that_are_not_there, set_up),
		cmocka_unit_test_setup(operations_of_intervals, set_up),
		cmocka_unit_test_setup(balance_sheets, set_up),
		cmocka_unit_test_setup(rows_that_moved, set_up),
		cmocka_unit_test_setup(texts_that_are_too_long, set_up),
		cmocka_unit_test_setup(rows_that_are_too_many, set_up),
		cmocka_unit_test_setup(histograms, set_up),
		cmocka_unit_test_setup(names, set_up),
		cmocka_unit_test_setup(more_names_than_there_are, set_up),
		cmocka_unit_test_setup(a_machine_without_pages, set_up),
		cmocka_unit_test_setup(a_message_without_its_parts, set_up),
		cmocka_unit_test_setup(numbers_without_bounds, set_up),
		cmocka_unit_test_setup(numbers_of_32_bits, set_up),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
