// SPDX-License-Identifier: GPL-2.0
/*
 * The sites as a profile of pprof: protobuf in gzip.  Addresses are those of the files, so each
 * file is a mapping from 0 on.
 */
#include "build/profile.pb-c.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* what goes in is not changed */
#include <zlib.h>

#define PAGE 4096

/* The messages are freed all at once: each is memory of its own. */
#define ADD(array, count, value)                                             \
	do {                                                                 \
		(array) = memory_grow(array, count, sizeof((array)[0]));     \
		(array)[(count)++] = value;                                  \
	} while (0)

/* A frame, and what of the profile it stands for. */
struct place {
	const struct frame_model *frame;
	char *name;
	uint64_t mapping, function;
};

/* ---- texts ---- */

static int64_t add_text(Pprof__Profile *profile, const char *text)
{
	if (!*text && profile->n_strings)
		return 0;
	ADD(profile->strings, profile->n_strings, memory_copy(text, strlen(text)));
	return (int64_t)profile->n_strings - 1;
}

static void add_comment(Pprof__Profile *profile, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_comment(Pprof__Profile *profile, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length >= 0)
		ADD(profile->comments, profile->n_comments, add_text(profile, text));
}

/* ---- code ---- */

static int compare_texts(const char *left, const char *right)
{
	return strcmp(left ?: "", right ?: "");
}

static int by_module(const void *left, const void *right)
{
	const struct place *a = *(struct place *const *)left, *b = *(struct place *const *)right;

	return compare_texts(a->frame->module, b->frame->module) ?:
	       compare_texts(a->frame->build_id, b->frame->build_id);
}

static int by_function(const void *left, const void *right)
{
	const struct place *a = *(struct place *const *)left, *b = *(struct place *const *)right;

	return strcmp(a->name, b->name) ?: compare_texts(a->frame->file, b->frame->file) ?:
	       by_module(left, right);
}

/* All that pprof could look for in the file is in the profile: it need not be there. */
static Pprof__Mapping *new_mapping(Pprof__Profile *profile, const struct frame_model *frame)
{
	Pprof__Mapping *mapping = memory_new(1, sizeof(*mapping));

	pprof__mapping__init(mapping);
	mapping->id = profile->n_mappings + 1;
	mapping->file = add_text(profile, frame->module);
	mapping->build_id = add_text(profile, frame->build_id ?: "");
	mapping->has_functions = mapping->has_files = mapping->has_lines = 1;
	return mapping;
}

static void add_mappings(Pprof__Profile *profile, struct place **order, size_t count)
{
	Pprof__Mapping *mapping = NULL;

	if (count)
		qsort(order, count, sizeof(*order), by_module);
	for (size_t i = 0; i < count; i++) {
		uint64_t limit = (order[i]->frame->address | (PAGE - 1)) + 1;

		if (!order[i]->frame->module)
			continue;
		if (!mapping || by_module(&order[i - 1], &order[i])) {
			mapping = new_mapping(profile, order[i]->frame);
			ADD(profile->mappings, profile->n_mappings, mapping);
		}
		if (mapping->limit < limit || !limit)
			mapping->limit = limit ?: UINT64_MAX;
		order[i]->mapping = mapping->id;
	}
}

static void add_functions(Pprof__Profile *profile, struct place **order, size_t count)
{
	if (count)
		qsort(order, count, sizeof(*order), by_function);
	for (size_t i = 0; i < count; i++) {
		if (!i || by_function(&order[i - 1], &order[i])) {
			Pprof__Function *function = memory_new(1, sizeof(*function));

			pprof__function__init(function);
			function->id = profile->n_functions + 1;
			function->name = add_text(profile, order[i]->name);
			function->system_name = function->name;
			function->file = add_text(profile, order[i]->frame->file ?: "");
			ADD(profile->functions, profile->n_functions, function);
		}
		order[i]->function = profile->n_functions;
	}
}

static void add_location(Pprof__Profile *profile, const struct place *place)
{
	Pprof__Location *location = memory_new(1, sizeof(*location));
	Pprof__Line *line = memory_new(1, sizeof(*line));

	pprof__location__init(location);
	pprof__line__init(line);
	location->id = profile->n_locations + 1;
	location->mapping = place->mapping;
	location->address = place->frame->address;
	line->function = place->function;
	line->line = place->frame->line;
	ADD(location->line, location->n_line, line);
	ADD(profile->locations, profile->n_locations, location);
}

/* pprof drops samples without a location: where nothing of a stack is known there is this one. */
static const struct frame_model nowhere = { .function = (char *)"[unknown]" };

/* A location is a frame: its id is the frame's index and 1; the last one is `nowhere`. */
static void add_code(Pprof__Profile *profile, const struct code_model *code)
{
	size_t count = code->frame_count + 1;
	cleanup_free struct place *places = memory_new(count, sizeof(*places));
	cleanup_free struct place **order = memory_new(count, sizeof(*order));

	for (size_t i = 0; i < count; i++) {
		const struct frame_model *frame = i + 1 < count ? &code->frames[i] : &nowhere;
		cleanup_free char *name = frame_name(frame);

		places[i].frame = frame;
		places[i].name = text_printable(name, strlen(name));
		order[i] = &places[i];
	}
	add_mappings(profile, order, count);
	add_functions(profile, order, count);
	for (size_t i = 0; i < count; i++) {
		add_location(profile, &places[i]);
		free(places[i].name);
	}
}

/* pprof takes the first mapping for the program: that of the largest process. */
static void put_program_first(Pprof__Profile *profile, const struct model *model)
{
	for (size_t i = 0; i < profile->n_mappings && model->process_count; i++) {
		Pprof__Mapping *mapping = profile->mappings[i];

		if (strcmp(profile->strings[mapping->file], model->processes[0].executable) != 0)
			continue;
		profile->mappings[i] = profile->mappings[0];
		profile->mappings[0] = mapping;
		return;
	}
}

/* ---- samples ---- */

static const enum site_value values[] = {
	SITE_RESERVED, SITE_TOUCHED, SITE_RELEASED, SITE_RESIDENT
};
#define VALUES (sizeof(values) / sizeof(values[0]))

static void add_types(Pprof__Profile *profile)
{
	int64_t bytes = add_text(profile, "bytes");

	for (size_t i = 0; i < VALUES; i++) {
		Pprof__ValueType *type = memory_new(1, sizeof(*type));

		pprof__value_type__init(type);
		type->type = add_text(profile, site_value_name(values[i]));
		type->unit = bytes;
		ADD(profile->sample_types, profile->n_sample_types, type);
		profile->default_sample_type = type->type;
	}
}

/* Texts that all samples have. */
struct words {
	int64_t pid, command, truncated, yes;
};

static void add_label(Pprof__Sample *sample, int64_t key, int64_t text, int64_t number)
{
	Pprof__Label *label = memory_new(1, sizeof(*label));

	pprof__label__init(label);
	label->key = key;
	label->text = text;
	label->number = number;
	ADD(sample->label, sample->n_label, label);
}

static Pprof__Sample *new_sample(const struct site_model *site, const struct code_model *code)
{
	Pprof__Sample *sample = memory_new(1, sizeof(*sample));
	const struct stack_model *stack = site->stack;

	pprof__sample__init(sample);
	for (size_t i = 0; i < stack->count; i++)
		ADD(sample->location, sample->n_location, stack->frames[i] - code->frames + 1);
	if (!stack->count)
		ADD(sample->location, sample->n_location, code->frame_count + 1);
	for (size_t i = 0; i < VALUES; i++)
		ADD(sample->value, sample->n_value, site_value(site, values[i]));
	return sample;
}

static void add_process(Pprof__Profile *profile, const struct process_model *process,
			const struct code_model *code, const struct words *words)
{
	cleanup_free char *command = text_printable(process->command, strlen(process->command));
	int64_t text = process->site_count ? add_text(profile, command) : 0;

	for (size_t i = 0; i < process->site_count; i++) {
		Pprof__Sample *sample = new_sample(&process->sites[i], code);

		add_label(sample, words->pid, 0, process->pid);
		add_label(sample, words->command, text, 0);
		if (process->sites[i].stack->truncated)
			add_label(sample, words->truncated, words->yes, 0);
		ADD(profile->samples, profile->n_samples, sample);
	}
	if (process->has_sites && process->unsited_bytes)
		add_comment(profile, "process %u, %s: %" PRId64 " bytes %s are in no sample",
			    process->pid, command, process->unsited_bytes,
			    process->unsited_meaning);
}

/* ---- all of it ---- */

static Pprof__Profile *build(const struct model *model)
{
	Pprof__Profile *profile = memory_new(1, sizeof(*profile));
	struct words words;

	pprof__profile__init(profile);
	add_text(profile, "");
	add_types(profile);
	profile->time_ns = model->capture->started_unix_ns;
	profile->duration_ns = (int64_t)model->capture->duration_ns;
	add_code(profile, &model->code);
	put_program_first(profile, model);
	words.pid = add_text(profile, "pid");
	words.command = add_text(profile, "command");
	words.truncated = add_text(profile, "truncated");
	words.yes = add_text(profile, "yes");
	for (size_t i = 0; i < model->process_count; i++)
		add_process(profile, &model->processes[i], &model->code, &words);
	if (model->capture->sample > 1)
		add_comment(profile, "estimated from one page of %" PRIu32,
			    model->capture->sample);
	for (size_t i = 0; i < LOSSES; i++) {
		if (model->losses[i].count)
			add_comment(profile, "lost: %" PRIu64 " %s", model->losses[i].count,
				    model->losses[i].meaning);
	}
	return profile;
}

static struct error *write_gzip(const uint8_t *bytes, size_t count, FILE *out)
{
	z_stream stream = { .next_in = bytes, .avail_in = (uInt)count };
	cleanup_free uint8_t *room = NULL;
	size_t most;

	if (count > UINT_MAX / 2 ||
	    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return error_new(ENOMEM, "cannot compress the profile");
	most = deflateBound(&stream, count);
	room = memory_new(most, 1);
	stream.next_out = room;
	stream.avail_out = (uInt)most;
	deflate(&stream, Z_FINISH);
	fwrite(room, 1, stream.total_out, out);
	deflateEnd(&stream);
	return NULL;
}

struct error *report_pprof(const struct model *model, const struct report_options *options,
			   FILE *out)
{
	Pprof__Profile *profile = build(model);
	size_t count = pprof__profile__get_packed_size(profile);
	cleanup_free uint8_t *bytes = memory_new(count, 1);

	(void)options;
	pprof__profile__pack(profile, bytes);
	pprof__profile__free_unpacked(profile, NULL);
	return write_gzip(bytes, count, out);
}
