// SPDX-License-Identifier: GPL-2.0
/* What may be shown of text that comes from a traced process?  See text.h. */
#include "user/base/text.h"

#include "user/base/memory.h"

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Decodes one character; returns its bytes, 0 where they are no UTF-8 (RFC 3629). */
static size_t decode(const unsigned char *at, size_t left, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 :
			at[0] >> 3 == 30 ? 4 : 0;
	uint32_t value;

	if (!length || length > left)
		return 0;
	value = length == 1 ? at[0] : at[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*out = value;
	return length;
}

/* Would a terminal act on it, show the text around it in another order, or not show it? */
static bool is_hidden(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{ 0, 0x1f },	     { 0x7f, 0x9f },	  { 0xad, 0xad },
		{ 0x61c, 0x61c },    { 0x180e, 0x180e },  { 0x200b, 0x200f },
		{ 0x2028, 0x202e },  { 0x2060, 0x206f },  { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb },  { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	}
	return false;
}

static char *clean(const void *bytes, size_t count, bool for_terminal)
{
	const unsigned char *at = bytes;
	char *out = memory_new(count * 4 + 1, 1), *to = out; /* \xNN for a byte */

	for (size_t i = 0, length; i < count && at[i]; i += length) {
		uint32_t c = 0;

		length = decode(at + i, count - i, &c);
		if (!length) {
			to = stpcpy(to, "\xef\xbf\xbd");
			length = 1;
		} else if (for_terminal && is_hidden(c)) {
			to += sprintf(to, c < 0x100 ? "\\x%02x" : "\\u{%x}", c);
		} else {
			to = mempcpy(to, at + i, length);
		}
	}
	return memory_trim(out, to - out + 1, 1);
}

char *text_utf8(const void *bytes, size_t count)
{
	return clean(bytes, count, false);
}

char *text_printable(const void *bytes, size_t count)
{
	return clean(bytes, count, true);
}

/* As Unicode has it, whatever the user's locale: names of processes do not depend on that. */
static int width_of(uint32_t c)
{
	static locale_t unicode;
	locale_t before;
	int width;

	if (!unicode)
		unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!unicode)
		return c < 0x1100 ? 1 : 2;
	before = uselocale(unicode);
	width = wcwidth((wchar_t)c);
	uselocale(before);
	return width < 0 ? 1 : width;
}

size_t text_columns(const char *text)
{
	size_t columns = 0, left = strlen(text);

	while (left) {
		uint32_t c = 0xfffd;
		size_t length = decode((const unsigned char *)text, left, &c);

		columns += width_of(c);
		text += length ? length : 1;
		left -= length ? length : 1;
	}
	return columns;
}

/* Of a word, or of as much of it as a line holds. */
static size_t word_length(const char *text, size_t room)
{
	size_t length = strcspn(text, " ");

	if (length <= room || !room)
		return length;
	for (length = room; length > 1 && ((unsigned char)text[length] & 0xc0) == 0x80;)
		length--;
	return length;
}

void text_fill(FILE *out, const char *text, size_t at, size_t indent, size_t width)
{
	bool first = true; /* word of a line */

	while (*text) {
		size_t length = word_length(text, width - indent);

		if (at > indent && at + !first + length > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		at += length + !first;
		fprintf(out, "%s%.*s", first ? "" : " ", (int)length, text);
		first = false;
		text += length + strspn(text + length, " ");
	}
	fputc('\n', out);
}

char *text_bytes(char *out, size_t size, int64_t bytes, int sign)
{
	static const char units[][4] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes < 0 ? -(double)bytes : (double)bytes;
	const char *mark = bytes < 0 ? "-" : sign && bytes ? "+" : "";
	size_t unit = 0;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	/* 1023.96 would print as 1024.0 */
	if (unit && value >= 1023.95 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(out, size, "%s%.*f %s", mark, unit ? 1 : 0, value, units[unit]);
	return out;
}

char *text_count(char *out, size_t size, uint64_t count)
{
	char digits[24];
	size_t length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	size_t at = 0;

	for (size_t i = 0; i < length && at + 2 < size; i++) {
		if (i && (length - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
	return out;
}

char *text_duration(char *out, size_t size, uint64_t ns)
{
	/* 999960 would print as 1000.0 us */
	if (ns < 1000)
		snprintf(out, size, "%u ns", (unsigned)ns);
	else if (ns < 999950)
		snprintf(out, size, "%.1f us", ns / 1e3);
	else if (ns < 999950000)
		snprintf(out, size, "%.1f ms", ns / 1e6);
	else if (ns < 120ULL * 1000000000)
		snprintf(out, size, "%.2f s", ns / 1e9);
	else
		snprintf(out, size, "%llu min %02u s", (unsigned long long)(ns / 60000000000ULL),
			 (unsigned)(ns / 1000000000 % 60));
	return out;
}
