// SPDX-License-Identifier: GPL-2.0
/* What does any report have to be, whatever it is made of?  See check.h. */
#include "tests/fuzz/check.h"

#include "user/report/change.h"
#include "user/report/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char *write_report(const struct model *model, const char *format,
			  const struct report_options *options)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	struct error *error = report_find(format)->write(model, options, out);

	fclose(out);
	if (error || strlen(text) != bytes)
		abort();
	return text;
}

/* A line is a stack and a number, whatever the names are. */
static void check_folded(const struct model *model, const struct report_options *options)
{
	char *text = write_report(model, "folded", options), *next;

	for (char *line = text; *line; line = next + 1) {
		char *end;

		next = strchr(line, '\n');
		if (!next)
			abort();
		*next = 0;
		end = strrchr(line, ' ');
		if (!end || end == line || strspn(end + 1, "0123456789") != strlen(end + 1))
			abort();
	}
	free(text);
}

/* It is gzip with something in it. */
static void check_profile(const struct model *model, const struct report_options *options)
{
	char *bytes = NULL;
	size_t count = 0;
	FILE *out = open_memstream(&bytes, &count);
	struct error *error = report_pprof(model, options, out);

	fclose(out);
	if (error || count < 20 || memcmp(bytes, "\x1f\x8b", 2) != 0)
		abort();
	free(bytes);
}

/* Nothing in it steers a terminal. */
static void check_text(char *text)
{
	for (const char *at = text; *at; at++) {
		unsigned char byte = *at, next = at[1];

		if ((byte < ' ' && byte != '\n') || byte == 0x7f || (byte == 0xc2 && next < 0xa0))
			abort();
	}
	free(text);
}

/* A reader takes it. */
static void check_json(char *text)
{
	json_t *document = json_loads(text, 0, NULL);

	if (!json_is_object(document))
		abort();
	json_decref(document);
	free(text);
}

/* What changed from a part of it to the whole. */
static void check_change(const struct model *model, const struct report_options *options)
{
	struct model part = *model;
	char *text[2] = { NULL };
	struct change change;
	size_t bytes[2];
	FILE *out[2] = { open_memstream(&text[0], &bytes[0]),
			 open_memstream(&text[1], &bytes[1]) };

	part.process_count -= part.process_count / 2;
	change_build(&change, &part, model);
	if (change_text(&change, options, out[0]) || change_json(&change, out[1]))
		abort();
	change_free(&change);
	fclose(out[0]);
	fclose(out[1]);
	check_text(text[0]);
	check_json(text[1]);
}

/* Each line is a comment or a series with a value, the last one the mark of the end. */
static void check_metrics(const struct model *model, const struct report_options *options)
{
	char *text = write_report(model, "openmetrics", options), *next;

	for (char *line = text; *line; line = next + 1) {
		next = strchr(line, '\n');
		if (!next || (strncmp(line, "# ", 2) != 0 && strncmp(line, "memtrace_", 9) != 0))
			abort();
		if (!next[1] && strcmp(line, "# EOF\n") != 0)
			abort();
	}
	free(text);
}

void check_reports(const Mt__Capture *capture)
{
	static const struct report_options narrow = { .width = 60, .limit = 3, .details = true };
	static const struct report_options wide = { .unicode = true, .width = 200, .limit = 1000 };
	struct model model;

	model_build(&model, capture);
	check_text(write_report(&model, "text", &narrow));
	check_text(write_report(&model, "text", &wide));
	check_json(write_report(&model, "json", &narrow));
	check_change(&model, &narrow);
	check_metrics(&model, &narrow);
	check_folded(&model, &narrow);
	check_profile(&model, &narrow);
	model_free(&model);
}
