// SPDX-License-Identifier: GPL-2.0
/* Is text of a traced process valid UTF-8 afterwards, and harmless to a terminal? */
#include "tests/unit/sample.h"

#include "user/base/text.h"

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define BAD "\xef\xbf\xbd"
#define LAST 0x10ffff

struct sample_text {
	const char *given, *expected;
};

static size_t encode(uint32_t c, char *out)
{
	if (c < 0x80)
		return sprintf(out, "%c", (int)c);
	if (c < 0x800)
		return sprintf(out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return sprintf(out, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f),
			       0x80 | (c & 0x3f));
	return sprintf(out, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f),
		       0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
}

static void check(char *(*clean)(const void *bytes, size_t count), const struct sample_text *text)
{
	char *made = clean(text->given, strlen(text->given));

	assert_string_equal(made, text->expected);
	free(made);
}

/* ---- UTF-8 ---- */

static void replaces_each_bad_byte(void **state)
{
	static const struct sample_text texts[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "\x7f\x01\t", "\x7f\x01\t" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\x80z", "a" BAD "z" },		   /* a continuation alone */
		{ "\xc0\x80", BAD BAD },		   /* overlong */
		{ "\xc1\xbf", BAD BAD },
		{ "\xe0\x9f\xbf", BAD BAD BAD },
		{ "\xf0\x8f\xbf\xbf", BAD BAD BAD BAD },
		{ "\xed\xa0\x80\xed\xbf\xbf", BAD BAD BAD BAD BAD BAD }, /* surrogates */
		{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD },   /* beyond the last one */
		{ "\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD },
		{ "\xfe\xff", BAD BAD },
		{ "\xe2\x82", BAD BAD },		   /* cut off */
		{ "\xf0\x9f\x98", BAD BAD BAD },
		{ "\xe2\x82z", BAD BAD "z" },
		{ "\xe2\xe2\x82\xac", BAD "\xe2\x82\xac" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(text_utf8, &texts[i]);
}

static void nul_ends_it(void **state)
{
	char *made = text_utf8("ab\0cd", 5);

	(void)state;
	assert_string_equal(made, "ab");
	free(made);
}

/* The bytes behind the end are not looked at, even where they would complete a character. */
static void ends_where_it_ends(void **state)
{
	char *made = text_utf8("\xe2\x82\xac", 2);

	(void)state;
	assert_string_equal(made, BAD BAD);
	free(made);
}

/* glibc as the second opinion, over all pairs of bytes with one that continues behind them. */
static void agrees_with_glibc(void **state)
{
	(void)state;
	for (unsigned int pair = 0x101; pair < 0x10000; pair++) {
		const char text[] = { pair >> 8, pair & 0xff, '\x80', 0 };
		bool valid = mbstowcs(NULL, text, 0) != (size_t)-1;
		char *made = text_utf8(text, 3);

		if (text[0] && text[1])
			assert_int_equal(valid, !strcmp(made, text));
		assert_true(mbstowcs(NULL, made, 0) != (size_t)-1);
		free(made);
	}
}

/* ---- terminals ---- */

static void shows_what_steers(void **state)
{
	static const struct sample_text texts[] = {
		{ "plain \xc3\xa4", "plain \xc3\xa4" },
		{ "\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m" },
		{ "\033]0;title\a", "\\x1b]0;title\\x07" },
		{ "a\nb\rc\td\b", "a\\x0ab\\x0dc\\x09d\\x08" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b" "31m", "\\x9b31m" },		    /* CSI in one character */
		{ "\xe2\x80\xae" "abc", "\\u{202e}abc" },	    /* right to left */
		{ "\xe2\x81\xa6" "abc\xe2\x81\xa9", "\\u{2066}abc\\u{2069}" },
		{ "a\xe2\x80\x8b" "b\xef\xbb\xbf", "a\\u{200b}b\\u{feff}" },
		{ "\x9b" "31m", BAD "31m" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(text_printable, &texts[i]);
}

/* Unicode's Bidi_Control, and all controls. */
static bool steers(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void every_character(void **state)
{
	(void)state;
	for (uint32_t c = 1; c <= LAST; c++) {
		char given[8], *made, *shown;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		encode(c, given);
		made = text_utf8(given, strlen(given));
		shown = text_printable(given, strlen(given));
		assert_string_equal(made, given);
		if (steers(c) && *shown != '\\')
			fail_msg("U+%04X goes to the terminal", c);
		free(made);
		free(shown);
	}
}

static void counts_columns(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
	} texts[] = {
		{ "", 0 },
		{ "abc", 3 },
		{ "\xc3\xa4", 1 },
		{ "\xe6\xbc\xa2\xe5\xad\x97", 4 }, /* two wide ones */
		{ "e\xcc\x81", 1 },		   /* a combining accent takes none */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(text_columns(texts[i].text), texts[i].columns);
}

/* ---- figures ---- */

#define KIB 1024LL
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)

static void bytes_in_units(void **state)
{
	static const struct {
		int64_t bytes;
		int sign;
		const char *expected;
	} figures[] = {
		{ 0, 0, "0 B" }, { 0, 1, "0 B" }, { 1, 1, "+1 B" }, { -1, 0, "-1 B" },
		{ 1023, 0, "1023 B" }, { 1024, 0, "1.0 KiB" }, { -4096, 1, "-4.0 KiB" },
		{ 12345678, 0, "11.8 MiB" }, { MIB - 1, 0, "1.0 MiB" }, { MIB, 0, "1.0 MiB" },
		{ 1023 * KIB, 0, "1023.0 KiB" }, { GIB - 1, 0, "1.0 GiB" },
		{ INT64_MAX, 0, "8.0 EiB" }, { INT64_MIN, 0, "-8.0 EiB" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		assert_string_equal(text_bytes(text, sizeof(text), figures[i].bytes,
					       figures[i].sign), figures[i].expected);
}

/* No unit is shown with a figure that belongs to the next one; 16 bytes are enough. */
static void bytes_stay_below_the_next_unit(void **state)
{
	char text[16], larger[64];

	(void)state;
	for (int64_t bytes = 1; bytes < INT64_MAX / 1024 * 1023; bytes += bytes / 1021 + 1) {
		text_bytes(text, sizeof(text), bytes, 1);
		assert_string_equal(text_bytes(larger, sizeof(larger), bytes, 1), text);
		assert_true(strtod(text, NULL) < 1024);
		if (strstr(text, "1024"))
			fail_msg("%lld is shown as %s", (long long)bytes, text);
	}
}

static void counts_in_threes(void **state)
{
	static const struct {
		uint64_t count;
		const char *expected;
	} figures[] = {
		{ 0, "0" }, { 7, "7" }, { 999, "999" }, { 1000, "1,000" },
		{ 100000, "100,000" }, { 12345678, "12,345,678" },
		{ UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		assert_string_equal(text_count(text, sizeof(text), figures[i].count),
				    figures[i].expected);
}

#define SECOND 1000000000ULL

static void durations_in_units(void **state)
{
	static const struct {
		uint64_t ns;
		const char *expected;
	} figures[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1000, "1.0 us" }, { 4200, "4.2 us" },
		{ 999940, "999.9 us" }, { 999960, "1.0 ms" }, { 1000000, "1.0 ms" },
		{ 310 * SECOND / 1000, "310.0 ms" }, { SECOND - 1, "1.00 s" },
		{ SECOND, "1.00 s" }, { 1240000000, "1.24 s" }, { 120 * SECOND, "2 min 00 s" },
		{ 3661 * SECOND, "61 min 01 s" }, { UINT64_MAX, "307445734 min 33 s" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		assert_string_equal(text_duration(text, sizeof(text), figures[i].ns),
				    figures[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_each_bad_byte),
		cmocka_unit_test(nul_ends_it),
		cmocka_unit_test(ends_where_it_ends),
		cmocka_unit_test(agrees_with_glibc),
		cmocka_unit_test(shows_what_steers),
		cmocka_unit_test(every_character),
		cmocka_unit_test(counts_columns),
		cmocka_unit_test(bytes_in_units),
		cmocka_unit_test(bytes_stay_below_the_next_unit),
		cmocka_unit_test(counts_in_threes),
		cmocka_unit_test(durations_in_units),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
