/* SPDX-License-Identifier: GPL-2.0 */
/* How is a model written down?  One function for each format, chosen by name. */
#ifndef MEMTRACE_REPORT_H
#define MEMTRACE_REPORT_H

#include "user/base/error.h"
#include "user/model/model.h"

#include <stdio.h>

struct report_options {
	bool color;
	bool unicode; /* more than ASCII may be drawn with */
	unsigned int width; /* columns of a line */
	unsigned int limit; /* rows of a table */
	enum site_value value; /* of folded stacks */
	bool details; /* a line for each bucket of a histogram */
	bool intervals_written; /* already, while the capture ran */
};

struct report_format {
	const char *name;
	bool text; /* follows the terminal's width and colour */
	bool binary; /* nothing for a terminal */
	struct error *(*write)(const struct model *model, const struct report_options *options,
			       FILE *out);
};

/* NULL if there is no such format. */
const struct report_format *report_find(const char *name);

/* The names of all formats, separated by ", ". */
const char *report_names(void);

/* An interval of a running capture, as the text report has it. */
void report_interval(const struct interval_model *interval, const struct report_options *options,
		     FILE *out);

struct error *report_text(const struct model *model, const struct report_options *options,
			  FILE *out);
struct error *report_json(const struct model *model, const struct report_options *options,
			  FILE *out);
struct error *report_openmetrics(const struct model *model, const struct report_options *options,
				 FILE *out);
struct error *report_folded(const struct model *model, const struct report_options *options,
			    FILE *out);
struct error *report_pprof(const struct model *model, const struct report_options *options,
			   FILE *out);

#endif
