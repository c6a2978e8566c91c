// SPDX-License-Identifier: GPL-2.0
/* Does every damage to a file of a capture end in one sentence? */
#include "tests/unit/sample.h"

#include "user/snapshot/file.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 24
#define NAME "the-file"

static struct sample sample;
static uint8_t *file;
static size_t file_bytes;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	file = sample_file(&sample.capture, &file_bytes);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(file);
	return 0;
}

/* A copy of its own for each, so that AddressSanitizer sees a read behind its end. */
static struct error *parse(const uint8_t *bytes, size_t count, Mt__Capture **capture)
{
	uint8_t *copy = malloc(count ? count : 1);
	struct error *error;

	memcpy(copy, bytes, count);
	error = capture_parse(copy, count, NAME, capture);
	free(copy);
	return error;
}

/* One sentence, which names the file. */
static void assert_sentence(struct error *error, const char *what, size_t at)
{
	if (!error || !strstr(error->text, NAME))
		fail_msg("%s %zu of %zu: %s", what, at, file_bytes, error ? error->text : "taken");
	assert_null(strchr(error ? error->text : "\n", '\n'));
	error_free(error);
}

static void assert_refused(const uint8_t *bytes, size_t count, const char *what, size_t at)
{
	Mt__Capture *capture = NULL;
	struct error *error = parse(bytes, count, &capture);

	capture_free(capture);
	assert_sentence(error, what, at);
	assert_null(capture);
}

static void is_good_as_it_is(void **state)
{
	Mt__Capture *capture = NULL;

	(void)state;
	assert_null(parse(file, file_bytes, &capture));
	assert_int_equal(capture->n_processes, SAMPLE_PROCESSES);
	capture_free(capture);
}

static void any_byte_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < file_bytes; i++) {
		file[i] ^= 0xff;
		assert_refused(file, file_bytes, "byte", i);
		file[i] ^= 0xff;
	}
}

/* A bit that means nothing to zstd may turn, but then the capture is the same. */
static void any_bit_is_wrong(void **state)
{
	size_t whole;
	uint8_t *again;

	(void)state;
	for (size_t i = 0; i < file_bytes * 8; i++) {
		Mt__Capture *capture = NULL;
		struct error *error;

		file[i / 8] ^= 1 << i % 8;
		error = parse(file, file_bytes, &capture);
		file[i / 8] ^= 1 << i % 8;
		if (error) {
			assert_sentence(error, "bit", i);
			continue;
		}
		again = sample_file(capture, &whole);
		assert_int_equal(whole, file_bytes);
		assert_memory_equal(again, file, whole);
		free(again);
		capture_free(capture);
	}
}

static void any_end_is_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < file_bytes; i++)
		assert_refused(file, i, "end", i);
}

static void something_is_behind_it(void **state)
{
	uint8_t *longer = malloc(file_bytes + 64);

	(void)state;
	for (size_t more = 1; more < 64; more++) {
		memcpy(longer, file, file_bytes);
		memset(longer + file_bytes, more % 2 ? 0 : 0xff, more);
		assert_refused(longer, file_bytes + more, "behind", more);
	}
	free(longer);
}

static void its_size_is_a_lie(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 1ULL << 30, (1ULL << 30) + 1, 1ULL << 40,
					  INT64_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t size = htole64(sizes[i]), before;

		memcpy(&before, file + 16, 8);
		memcpy(file + 16, &size, 8);
		assert_refused(file, file_bytes, "size", i);
		memcpy(file + 16, &before, 8);
	}
}

/* Both the header and the frame say so: nothing is there that would fill it. */
static void both_sizes_are_a_lie(void **state)
{
	static const uint8_t start[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0 };
	uint8_t bytes[HEADER + 5 + 8 + 16] = "MEMTRACE\1";
	uint64_t size = htole64(1ULL << 30);

	(void)state;
	memcpy(bytes + 16, &size, 8);
	memcpy(bytes + HEADER, start, 5);
	memcpy(bytes + HEADER + 5, &size, 8);
	assert_refused(bytes, sizeof(bytes), "sizes", 0);
}

/* Two bytes of the file make a string of the capture each: memory is what it costs. */
static void it_unpacks_to_more_than_fits(void **state)
{
	size_t packed = mt__capture__get_packed_size(&sample.capture), names = 40 << 20, bytes;
	uint8_t *message = malloc(packed + 2 * names), *bomb;

	(void)state;
	mt__capture__pack(&sample.capture, message);
	for (size_t i = 0; i < names; i++)
		memcpy(message + packed + 2 * i, "\x5a\x00", 2); /* an empty operation */
	bomb = sample_wrap(message, packed + 2 * names, &bytes);
	free(message);
	assert_true(bytes < 1 << 20);
	assert_refused(bomb, bytes, "bomb", bytes);
	free(bomb);
}

static void another_version_wrote_it(void **state)
{
	Mt__Capture *capture = NULL;
	struct error *error;

	(void)state;
	file[8] = 2;
	error = parse(file, file_bytes, &capture);
	assert_non_null(error);
	assert_non_null(strstr(error->text, "capture format 2, this memtrace reads 1"));
	error_free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_good_as_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_byte_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_bit_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_end_is_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(something_is_behind_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_size_is_a_lie, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_sizes_are_a_lie, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_unpacks_to_more_than_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_version_wrote_it, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
