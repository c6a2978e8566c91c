// SPDX-License-Identifier: GPL-2.0
/* Does the JSON document hold what the model does, whatever its texts and figures are? */
#include "tests/unit/sample.h"

#include "user/report/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static json_t *document;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(document);
	document = NULL;
	return 0;
}

static void write_document(void)
{
	char *text = sample_report(&sample.capture, "json");
	json_error_t error;

	json_decref(document);
	document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
}

/* A value by its path: "processes.0.opening.anon_bytes". */
static const json_t *value(const char *path)
{
	char words[128], *rest = NULL;
	const json_t *at = document;

	snprintf(words, sizeof(words), "%s", path);
	for (char *word = strtok_r(words, ".", &rest); word; word = strtok_r(NULL, ".", &rest))
		at = json_is_array(at) ? json_array_get(at, strtoul(word, NULL, 10)) :
					 json_object_get(at, word);
	if (!at)
		fail_msg("there is no %s", path);
	return at;
}

static void assert_figure(const char *path, int64_t figure)
{
	assert_true(json_is_integer(value(path)));
	assert_int_equal(json_integer_value(value(path)), figure);
}

static void assert_text(const char *path, const char *text)
{
	assert_true(json_is_string(value(path)));
	assert_string_equal(json_string_value(value(path)), text);
}

static void it_says_what_it_is(void **state)
{
	(void)state;
	write_document();
	assert_text("schema", "memtrace/1");
	assert_text("host.kernel", "6.1.0");
	assert_figure("host.page_bytes", 4096);
	assert_figure("host.cpus", 2);
	assert_text("capture.mode", "attach");
	assert_figure("capture.duration_ns", 2000000000);
	assert_true(json_is_true(value("capture.features.rss_stat")));
}

static void balances_are_those_of_the_model(void **state)
{
	(void)state;
	one->process.peak_bytes = 1 << 30; /* the first in the document */
	one->opening_bytes[BALANCE_SWAP] = 5;
	one->kernel_bytes[BALANCE_SWAP] = 7;
	write_document();
	assert_figure("processes.0.pid", 7);
	assert_figure("processes.0.opening.swap_bytes", 5);
	assert_figure("processes.0.closing.anon_bytes", 3 * 4096);
	assert_figure("processes.0.kernel.swap_bytes", 7);
	assert_figure("processes.0.unexplained.swap_bytes", 2);
	assert_figure("processes.0.ledger.0.virtual_bytes", 6 * 4096);
	assert_figure("processes.0.peak.resident_bytes", 1 << 30);
}

static void what_is_not_known_is_null(void **state)
{
	static const char *const paths[] = { "exit", "kernel", "at_exit", "kernel_at_exit",
					     "lazy_free", "ledger.0.call", "ledger.0.failed",
					     "ledger.0.requested_bytes" };
	char path[64];

	(void)state;
	one->process.peak_bytes = 1 << 30;
	one->process.kernel = NULL;
	write_document();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(path, sizeof(path), "processes.0.%s", paths[i]);
		assert_true(json_is_null(value(path)));
	}
	assert_true(json_is_null(value("capture.overhead.bpf_ns")));
}

static void texts_may_be_anything(void **state)
{
	static ProtobufCBinaryData arguments[2];

	(void)state;
	one->process.peak_bytes = 1 << 30;
	one->process.command = sample_text("\"\\\n\033\x01\xff\xed\xa0\x80/");
	arguments[0] = sample_text("");
	arguments[1] = (ProtobufCBinaryData){ .len = 3, .data = (uint8_t *)"a\0b" };
	one->process.arguments = arguments;
	one->process.n_arguments = 2;
	one->rows[0].has_call = true;
	one->rows[0].call = sample_text("\xc3");
	write_document();
	assert_text("processes.0.command", "\"\\\n\033\x01\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
					   "\xef\xbf\xbd/");
	assert_text("processes.0.arguments.0", "");
	assert_text("processes.0.arguments.1", "a");
	assert_text("processes.0.ledger.0.call", "\xef\xbf\xbd");
}

static void figures_have_all_their_digits(void **state)
{
	(void)state;
	one->process.peak_bytes = INT64_MAX;
	one->opening_bytes[BALANCE_VIRTUAL] = (1LL << 53) + 1;
	one->moved[1][BALANCE_ANON] = INT64_MIN;
	one->process.started_unix_ns = INT64_MIN;
	write_document();
	assert_figure("processes.0.peak.resident_bytes", INT64_MAX);
	assert_figure("processes.0.opening.virtual_bytes", (1LL << 53) + 1);
	assert_figure("processes.0.ledger.0.anon_bytes", INT64_MIN);
	assert_figure("processes.0.started_unix_ns", INT64_MIN);
}

/* JSON has no integers above that in most languages: they are cut, not turned negative. */
static void figures_without_a_sign_get_none(void **state)
{
	(void)state;
	one->process.peak_bytes = one->rows[0].count = UINT64_MAX;
	sample.counts[0][0] = UINT64_MAX - 10;
	sample.losses.pages = 1ULL << 63;
	write_document();
	assert_figure("processes.0.peak.resident_bytes", INT64_MAX);
	assert_figure("processes.0.ledger.0.count", INT64_MAX);
	assert_figure("histograms.0.buckets.0.count", INT64_MAX);
	assert_figure("capture.losses.pages", INT64_MAX);
}

static void the_last_bucket_has_no_bound(void **state)
{
	(void)state;
	write_document();
	assert_int_equal(json_array_size(value("histograms.0.buckets")), 3);
	assert_figure("histograms.0.buckets.0.le", 4096);
	assert_figure("histograms.0.buckets.0.count", 5);
	assert_figure("histograms.0.buckets.1.le", 8192);
	assert_figure("histograms.0.buckets.1.count", 7);
	assert_true(json_is_null(value("histograms.0.buckets.2.le")));
	assert_figure("histograms.0.buckets.2.count", 7);
	assert_figure("histograms.0.sum", 30000);
}

static void intervals_where_there_are_some(void **state)
{
	(void)state;
	write_document();
	assert_figure("intervals.0.at_ns", 1000000000);
	assert_text("intervals.0.processes.0.command", "seven");
	assert_figure("intervals.0.processes.0.closing.anon_bytes", 3 * 4096);
	sample.capture.n_intervals = 0;
	write_document();
	assert_null(json_object_get(document, "intervals"));
}

static void nothing_makes_a_document_too(void **state)
{
	(void)state;
	sample.capture.n_processes = sample.capture.n_histograms = sample.capture.n_features = 0;
	sample.capture.n_intervals = 0;
	write_document();
	assert_int_equal(json_array_size(value("processes")), 0);
	assert_int_equal(json_array_size(value("histograms")), 0);
}

static void a_full_disk_is_an_error(void **state)
{
	const struct report_options options = { .width = 100, .limit = 20 };
	FILE *out = fopen("/dev/full", "w");
	struct error *error;
	struct model model;

	(void)state;
	setvbuf(out, NULL, _IONBF, 0);
	model_build(&model, &sample.capture);
	error = report_json(&model, &options, out);
	model_free(&model);
	fclose(out);
	assert_non_null(error);
	assert_string_equal(error->text, "cannot write the JSON report: No space left on device");
	error_free(error);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_says_what_it_is),
		test(balances_are_those_of_the_model),
		test(what_is_not_known_is_null),
		test(texts_may_be_anything),
		test(figures_have_all_their_digits),
		test(figures_without_a_sign_get_none),
		test(the_last_bucket_has_no_bound),
		test(intervals_where_there_are_some),
		test(nothing_makes_a_document_too),
		test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
