// SPDX-License-Identifier: GPL-2.0
/* Are buckets cumulative, bounded by powers of two, and without bound at the end? */
#include "tests/unit/sample.h"

#include "user/model/histogram.h"

static struct sample sample;
static struct histogram_model *made;
static size_t made_count;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	histograms_free(made, made_count);
	made = NULL;
	made_count = 0;
	return 0;
}

static const struct histogram_model *build(void)
{
	made_count = sample.capture.n_histograms;
	made = histograms_build(&sample.capture, sample.histogram_list, made_count);
	return made;
}

static void buckets_are_cumulative(void **state)
{
	const struct histogram_model *histogram;

	(void)state;
	sample.histograms[0].n_count = 3;
	sample.counts[0][2] = 11;
	histogram = build();
	assert_int_equal(histogram->bucket_count, 3);
	assert_int_equal(histogram->buckets[0].count, 5);
	assert_int_equal(histogram->buckets[1].count, 7);
	assert_int_equal(histogram->buckets[2].count, 18);
	assert_int_equal(histogram->count, 18);
	assert_int_equal(histogram->sum, 30000);
}

/* Bucket i holds what is above 2^(first + i - 1) and up to 2^(first + i). */
static void bounds_are_powers_of_two(void **state)
{
	const struct histogram_model *histogram = build();

	(void)state;
	assert_int_equal(histogram->buckets[0].le, 4096);
	assert_int_equal(histogram->buckets[1].le, 8192);
}

static void from_one_to_the_last_bound(void **state)
{
	const struct histogram_model *histogram;

	(void)state;
	sample.histograms[0].first = 0;
	sample.histograms[0].n_count = 64;
	for (size_t i = 0; i < 64; i++)
		sample.counts[0][i] = 1;
	histogram = build();
	assert_int_equal(histogram->bucket_count, 61);
	for (size_t i = 0; i < 61; i++) {
		assert_int_equal(histogram->buckets[i].le, 1ULL << i);
		assert_int_equal(histogram->buckets[i].count, i + 1);
	}
	assert_int_equal(histogram->count, 64);
}

static void values_without_bound_count(void **state)
{
	const struct histogram_model *histogram;

	(void)state;
	sample.histograms[0].first = 60;
	histogram = build();
	assert_int_equal(histogram->bucket_count, 1);
	assert_int_equal(histogram->buckets[0].le, 1ULL << 60);
	assert_int_equal(histogram->buckets[0].count, 5);
	assert_int_equal(histogram->count, 7);
}

static void an_empty_one_counts_nothing(void **state)
{
	const struct histogram_model *histogram;

	(void)state;
	sample.histograms[0].n_count = 0;
	histogram = build();
	assert_int_equal(histogram->bucket_count, 0);
	assert_int_equal(histogram->count, 0);
}

static void names_have_units(void **state)
{
	const struct histogram_model *histogram;

	(void)state;
	sample.capture.n_histograms = 2;
	sample.histograms[1].name = HIST_SYSCALL;
	sample.histograms[1].has_operation = true;
	sample.histograms[1].operation = OP_MMAP;
	histogram = build();
	assert_string_equal(histogram[0].name, "mmap_bytes");
	assert_string_equal(histogram[0].unit, "bytes");
	assert_null(histogram[0].operation);
	assert_string_equal(histogram[1].name, "syscall_ns");
	assert_string_equal(histogram[1].unit, "nanoseconds");
	assert_string_equal(histogram[1].operation, "mmap");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(buckets_are_cumulative),
		test(bounds_are_powers_of_two),
		test(from_one_to_the_last_bound),
		test(values_without_bound_count),
		test(an_empty_one_counts_nothing),
		test(names_have_units),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
