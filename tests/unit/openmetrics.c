// SPDX-License-Identifier: GPL-2.0
/* Is every series in the OpenMetrics text there once, with labels that hurt nobody? */
#include "tests/unit/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MOST 1000

static struct sample sample;
static struct sample_process *const one = &sample.processes[0];
static struct sample_process *const other = &sample.processes[1];
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

static void write_metrics(void)
{
	free(text);
	text = sample_report(&sample.capture, "openmetrics");
}

/* That line is there, as a whole. */
static void assert_line(const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(text, whole))
		fail_msg("no line '%s'", line);
}

static int compare(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* A series is what stands before the last blank of a line that is no comment. */
static void assert_no_series_twice(void)
{
	char *series[SAMPLES_MOST] = { NULL }, *rest = NULL, *copy = strdup(text);
	size_t count = 0;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (*line == '#')
			continue;
		assert_true(count < SAMPLES_MOST);
		*strrchr(line, ' ') = 0;
		series[count++] = line;
	}
	assert_true(count > 30);
	qsort(series, count, sizeof(*series), compare);
	for (size_t i = 1; i < count; i++) {
		if (!strcmp(series[i - 1], series[i]))
			fail_msg("twice: %s", series[i]);
	}
	free(copy);
}

static void ends_with_its_mark(void **state)
{
	(void)state;
	write_metrics();
	assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
}

static void one_series_for_each_command_and_cgroup(void **state)
{
	(void)state;
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_anon_bytes{command=\"seven\",cgroup=\"/\"} 12288");
	assert_line("memtrace_anon_bytes{command=\"eight\",cgroup=\"/\"} 20480");
	other->process.command = one->process.command;
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_anon_bytes{command=\"seven\",cgroup=\"/\"} 32768");
	assert_line("memtrace_processes{command=\"seven\",cgroup=\"/\"} 2");
	other->process.cgroup = sample_text("/else");
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_anon_bytes{command=\"seven\",cgroup=\"/else\"} 20480");
}

/* By size, the one of another cgroup stands between the two of one. */
static void one_series_whatever_the_order(void **state)
{
	static Mt__Process *list[3], third;

	(void)state;
	third = one->process;
	third.peak_bytes = 1 << 30;
	third.folded = 10;
	third.has_folded = true;
	other->process.command = one->process.command;
	other->process.cgroup = sample_text("/else");
	list[0] = &third;
	list[1] = &other->process;
	list[2] = &one->process;
	sample.capture.processes = list;
	sample.capture.n_processes = 3;
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_processes{command=\"seven\",cgroup=\"/\"} 11");
	assert_line("memtrace_processes{command=\"seven\",cgroup=\"/else\"} 1");
}

/* A reader of metrics refuses all of them where one is there twice. */
static void names_that_look_alike_are_one_series(void **state)
{
	(void)state;
	one->process.command = sample_text("a\x01z");
	other->process.command = sample_text("a\x02z");
	write_metrics();
	assert_no_series_twice();
}

static void rows_of_one_operation_are_one_series(void **state)
{
	(void)state;
	sample_row(one, OP_FAULT, 100)[BALANCE_ANON] = 1;
	one->rows[2].has_call = true;
	one->rows[2].call = sample_text("read");
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_operations_total{command=\"seven\",cgroup=\"/\","
		    "operation=\"fault\"} 103");
}

static void labels_are_escaped(void **state)
{
	(void)state;
	one->process.command = sample_text("\"\\\n}# ");
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_anon_bytes{command=\"\\\"\\\\\\n}# \",cgroup=\"/\"} 12288");
}

static void unexplained_has_no_sign(void **state)
{
	(void)state;
	one->kernel_bytes[BALANCE_ANON] += 100;
	one->kernel_bytes[BALANCE_FILE] -= 30;
	write_metrics();
	assert_line("memtrace_unexplained_bytes{command=\"seven\",cgroup=\"/\"} 130");
}

static void buckets_have_all_their_values(void **state)
{
	(void)state;
	sample.histograms[0].first = 59;
	sample.histograms[0].n_count = 3;
	sample.counts[0][2] = 1;
	write_metrics();
	assert_no_series_twice();
	assert_line("memtrace_mmap_bytes_bucket{le=\"576460752303423488.0\"} 5");
	assert_line("memtrace_mmap_bytes_bucket{le=\"1152921504606846976.0\"} 7");
	assert_line("memtrace_mmap_bytes_bucket{le=\"+Inf\"} 8");
	assert_line("memtrace_mmap_bytes_count{} 8");
}

/* An exact power of two is in the bucket whose bound it is: the bound must not be rounded. */
static void bounds_in_seconds_are_exact(void **state)
{
	(void)state;
	sample.histograms[0].name = HIST_SYSCALL;
	sample.histograms[0].has_operation = true;
	sample.histograms[0].operation = OP_MMAP;
	sample.histograms[0].first = 30;
	sample.histograms[0].sum = 123456789012345678;
	write_metrics();
	assert_line("memtrace_syscall_seconds_bucket{operation=\"mmap\",le=\"1.073741824\"} 5");
	assert_line("memtrace_syscall_seconds_sum{operation=\"mmap\"} 123456789.012345678");
}

static void calls_that_are_not_followed_have_no_series(void **state)
{
	(void)state;
	write_metrics();
	assert_null(strstr(text, "\nmemtrace_failed_calls_total{"));
	one->rows[0].has_failed = one->rows[0].has_requested_bytes = true;
	one->rows[0].failed = 3;
	write_metrics();
	assert_line("memtrace_failed_calls_total{command=\"seven\",cgroup=\"/\","
		    "operation=\"mmap\"} 3");
}

static void its_own_cost_and_losses(void **state)
{
	(void)state;
	sample.losses.stacks = 17;
	sample.overhead.has_bpf_ns = true;
	sample.overhead.bpf_ns = 1500000000;
	write_metrics();
	assert_line("memtrace_losses_total{cause=\"stacks\"} 17");
	assert_non_null(strstr(text, "\nmemtrace_bpf_seconds_total 1.5"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(ends_with_its_mark),
		test(one_series_for_each_command_and_cgroup),
		test(one_series_whatever_the_order),
		test(names_that_look_alike_are_one_series),
		test(rows_of_one_operation_are_one_series),
		test(labels_are_escaped),
		test(unexplained_has_no_sign),
		test(buckets_have_all_their_values),
		test(bounds_in_seconds_are_exact),
		test(calls_that_are_not_followed_have_no_series),
		test(its_own_cost_and_losses),
	};

	return cmocka_run_group_tests_name("openmetrics", tests, NULL, NULL);
}
