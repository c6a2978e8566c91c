// SPDX-License-Identifier: GPL-2.0
/* Which line is an instruction of Python, and what is a text of Python?  See python.h. */
#include "user/symbol/bytes.h"
#include "user/symbol/python.h"

#include "user/base/memory.h"

/* ---- lines ---- */

/* Objects/lnotab_notes.txt, up to 3.9: steps of bytes and of lines. */
static int line_of_steps(int line, struct bytes table, int64_t offset)
{
	int64_t at = 0;

	while (table.end - table.at >= 2) {
		at += (uint8_t)bytes_fixed(&table, 1);
		if (at > offset)
			break;
		line += (int8_t)bytes_fixed(&table, 1);
	}
	return line;
}

/* PEP 626, 3.10: lengths in bytes and steps of lines, -128: no line. */
static int line_of_ranges(int line, struct bytes table, int64_t offset)
{
	int64_t end = 0;

	while (table.end - table.at >= 2) {
		int8_t step;

		end += (uint8_t)bytes_fixed(&table, 1);
		step = (int8_t)bytes_fixed(&table, 1);
		if (step != -128)
			line += step;
		if (offset < end)
			return step == -128 ? 0 : line;
	}
	return 0;
}

/* Six bits to a byte, the lowest first. */
static uint32_t varint(struct bytes *table)
{
	uint32_t value = 0;

	for (unsigned int shift = 0;; shift += 6) {
		uint8_t byte = (uint8_t)bytes_fixed(table, 1);

		if (shift < 32)
			value |= (uint32_t)(byte & 63) << shift;
		if (!(byte & 64))
			return value;
	}
}

static int signed_varint(struct bytes *table)
{
	uint32_t value = varint(table);

	return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

/* Objects/locations.md: what an entry's code says of the line; columns are passed over. */
static int64_t step_of(struct bytes *table, unsigned int code)
{
	int step;

	switch (code) {
	case 15: /* no location */
		return 0;
	case 14:
		step = signed_varint(table);
		for (int i = 0; i < 3; i++)
			varint(table);
		return step;
	case 13:
		return signed_varint(table);
	case 10:
	case 11:
	case 12:
		bytes_skip(table, 2);
		return code - 10;
	default:
		bytes_skip(table, 1);
		return 0;
	}
}

/* PEP 657, from 3.11 on. */
static int line_of_locations(int64_t line, struct bytes table, int64_t offset)
{
	int64_t end = 0;

	while (table.at < table.end) {
		uint8_t head = (uint8_t)bytes_fixed(&table, 1);
		unsigned int code = head >> 3 & 15;

		end += 2l * ((head & 7) + 1);
		line += step_of(&table, code);
		if (offset < end)
			return code == 15 || line < 0 || line > INT32_MAX ? 0 : (int)line;
	}
	return 0;
}

int python_line(unsigned int minor, int first_line, const uint8_t *table, size_t bytes,
		uint32_t instruction)
{
	struct bytes reader = { .at = table, .end = table ? table + bytes : NULL };
	int64_t offset = 2 * ((int64_t)instruction - 1);

	if (!instruction)
		return first_line;
	if (!table)
		return 0;
	if (minor <= 9)
		return line_of_steps(first_line, reader, offset);
	if (minor == 10)
		return line_of_ranges(first_line, reader, offset);
	return line_of_locations(first_line, reader, offset);
}

/* ---- texts ---- */

static size_t put_character(char *out, uint32_t character)
{
	static const uint8_t heads[] = { 0, 0xc0, 0xe0, 0xf0 };
	size_t more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;

	out[0] = (char)(heads[more] | character >> 6 * more);
	for (size_t i = 1; i <= more; i++)
		out[i] = (char)(0x80 | (character >> 6 * (more - i) & 63));
	return more + 1;
}

char *python_text(const uint8_t *bytes, size_t count, unsigned int width)
{
	struct bytes reader = { .at = bytes, .end = bytes + count };
	char *text = memory_new(4 * count + 1, 1), *at = text;

	if (width != 1 && width != 2 && width != 4)
		return text;
	while (reader.end - reader.at >= (ptrdiff_t)width) {
		uint32_t character = (uint32_t)bytes_fixed(&reader, width);

		if (character > 0x10ffff || (character >= 0xd800 && character < 0xe000) ||
		    !character)
			character = 0xfffd;
		at += put_character(at, character);
	}
	*at = 0;
	return text;
}
