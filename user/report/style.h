/* SPDX-License-Identifier: GPL-2.0 */
/* How is text set for a terminal?  Colour, width, and columns that fit. */
#ifndef MEMTRACE_REPORT_STYLE_H
#define MEMTRACE_REPORT_STYLE_H

#include "user/report/report.h"

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_BAD,
};

/* What switches a style on ("" without colour), and all off. */
const char *style_on(const struct report_options *options, enum style style);
const char *style_off(const struct report_options *options);

/* A rule with a title, as wide as the line. */
void style_rule(const struct report_options *options, FILE *out, const char *title);

/* The columns that are left of a line behind so many: some, however narrow it is. */
size_t style_room(const struct report_options *options, size_t used);

/* Text cut to so many columns, filled up with blanks where `fill`. */
void style_text(const struct report_options *options, FILE *out, const char *text,
		size_t columns, bool fill);

/* Words in lines, as wide as the line, each after so many blanks. */
void style_fill(const struct report_options *options, FILE *out, const char *text, size_t indent);

/* Bytes in units, right in so many columns; `sign` for changes. */
void style_bytes(FILE *out, int64_t bytes, int width, bool sign);

#endif
