// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a capture that breaks a report?  libFuzzer's bytes are taken as a file, and as the
 * message in a file whose frame is right: what a checksum would keep from being looked at.
 */
#include "user/report/report.h"
#include "user/snapshot/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 24
#define BLOCK_MOST (128 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void put(uint8_t **at, const void *bytes, size_t count)
{
	*at = (uint8_t *)mempcpy(*at, bytes, count);
}

/* Header, and a frame of raw blocks (RFC 8878): no compressing, no checksum. */
static uint8_t *wrap(const uint8_t *message, size_t count, size_t *file_bytes)
{
	size_t blocks = count / BLOCK_MOST + 1;
	uint8_t *file = malloc(HEADER + 13 + blocks * 3 + count), *at = file;
	uint64_t size = count;

	put(&at, "MEMTRACE\1\0\0\0\0\0\0\0", 16);
	put(&at, &size, 8);
	put(&at, "\x28\xb5\x2f\xfd\xe0", 5);
	put(&at, &size, 8);
	for (size_t i = 0; i < blocks; i++) {
		size_t part = i + 1 < blocks ? BLOCK_MOST : count % BLOCK_MOST;
		uint32_t head = (uint32_t)part << 3 | (i + 1 == blocks);

		put(&at, &head, 3);
		put(&at, message + i * BLOCK_MOST, part);
	}
	*file_bytes = at - file;
	return file;
}

/* ---- what any report has to be ---- */

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

/* Nothing in it steers a terminal. */
static void check_text(const struct model *model, const struct report_options *options)
{
	char *text = write_report(model, "text", options);

	for (const char *at = text; *at; at++) {
		unsigned char byte = *at, next = at[1];

		if ((byte < ' ' && byte != '\n') || byte == 0x7f || (byte == 0xc2 && next < 0xa0))
			abort();
	}
	free(text);
}

/* A reader takes it. */
static void check_json(const struct model *model, const struct report_options *options)
{
	char *text = write_report(model, "json", options);
	json_t *document = json_loads(text, 0, NULL);

	if (!json_is_object(document))
		abort();
	json_decref(document);
	free(text);
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

static void report(const Mt__Capture *capture)
{
	static const struct report_options narrow = { .width = 60, .limit = 3, .details = true };
	static const struct report_options wide = { .unicode = true, .width = 200, .limit = 1000 };
	struct model model;

	model_build(&model, capture);
	check_text(&model, &narrow);
	check_text(&model, &wide);
	check_json(&model, &narrow);
	check_metrics(&model, &narrow);
	model_free(&model);
}

static void take(const uint8_t *bytes, size_t count)
{
	Mt__Capture *capture = NULL;
	struct error *error = capture_parse(bytes, count, "it", &capture);

	if (!error != !!capture)
		abort();
	if (capture)
		report(capture);
	capture_free(capture);
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	size_t file_bytes;
	uint8_t *file = wrap(bytes, count, &file_bytes);

	take(bytes, count);
	take(file, file_bytes);
	free(file);
	return 0;
}
