// SPDX-License-Identifier: GPL-2.0
/* How is text set for a terminal?  See style.h. */
#include "user/report/style.h"

#include "user/base/text.h"

#include <string.h>

#define ROOM_LEAST 8

static const char *const codes[] = {
	[STYLE_PLAIN] = "",	  [STYLE_BOLD] = "\033[1m",	 [STYLE_DIM] = "\033[2m",
	[STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[1;31m",
};

const char *style_on(const struct report_options *options, enum style style)
{
	return options->color ? codes[style] : "";
}

const char *style_off(const struct report_options *options)
{
	return options->color ? "\033[0m" : "";
}

void style_rule(const struct report_options *options, FILE *out, const char *title)
{
	size_t used = text_columns(title) + 1;

	fprintf(out, "%s%s%s ", style_on(options, STYLE_BOLD), title, style_off(options));
	for (; used < options->width; used++)
		fputs(options->unicode ? "\xe2\x94\x80" : "-", out);
	fputc('\n', out);
}

size_t style_room(const struct report_options *options, size_t used)
{
	return options->width > used + ROOM_LEAST ? options->width - used : ROOM_LEAST;
}

/* The bytes of the character at `text`. */
static size_t length_of(const char *text)
{
	size_t length = 1;

	while ((text[length] & 0xc0) == 0x80)
		length++;
	return length;
}

void style_text(const struct report_options *options, FILE *out, const char *text,
		size_t columns, bool fill)
{
	size_t all = text_columns(text), used = 0;
	size_t room = all > columns ? columns - 1 : columns;

	while (*text) {
		size_t length = length_of(text);
		char character[8] = { 0 };
		size_t wide;

		memcpy(character, text, length < 7 ? length : 7);
		wide = text_columns(character);
		if (used + wide > room)
			break;
		fputs(character, out);
		used += wide;
		text += length;
	}
	if (all > columns) {
		fputs(options->unicode ? "\xe2\x80\xa6" : "~", out);
		used++;
	}
	for (; fill && used < columns; used++)
		fputc(' ', out);
}

void style_fill(const struct report_options *options, FILE *out, const char *text, size_t indent)
{
	fprintf(out, "%*s", (int)indent, "");
	text_fill(out, text, indent, indent, options->width);
}

void style_bytes(FILE *out, int64_t bytes, int width, bool sign)
{
	char text[24];

	fprintf(out, "%*s", width, text_bytes(text, sizeof(text), bytes, sign));
}
