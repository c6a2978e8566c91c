// SPDX-License-Identifier: GPL-2.0
/* Which code of Python is on the stacks?  See python.h. */
#include "user/collect/python.h"

#include "build/memtrace.skel.h"
#include "user/base/memory.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#define PYTHON_FRAME 1 /* kind, as capture.proto has it */

struct interpreter {
	uint32_t number; /* of its file */
	struct python_file file;
};

struct code_object {
	bool known;
	unsigned int minor;
	int first_line;
	char *file, *name;
	uint8_t *lines;
	size_t line_bytes;
};

struct python {
	struct kernel *kernel;
	struct interpreter *interpreters;
	size_t interpreter_count;
	struct code_object *codes; /* by number */
};

struct python *python_new(struct kernel *kernel)
{
	struct python *python = memory_new(1, sizeof(*python));

	python->kernel = kernel;
	python->codes = memory_new(MT_PYTHON_CODES, sizeof(*python->codes));
	return python;
}

void python_free(struct python *python)
{
	if (!python)
		return;
	for (size_t i = 0; i < MT_PYTHON_CODES; i++) {
		free(python->codes[i].file);
		free(python->codes[i].name);
		free(python->codes[i].lines);
	}
	free(python->codes);
	free(python->interpreters);
	free(python);
}

/* ---- interpreters ---- */

static void tell_kernel(const struct python *python, const struct interpreter *interpreter)
{
	const struct python_layout *from = &interpreter->file.layout;
	struct mt_python layout = {
		.code_type = interpreter->file.code_type,
		.thread_key = interpreter->file.thread_key,
		.minor = from->minor,
		.frame = from->frame,
		.current = from->current,
		.frame_bytes = from->frame_bytes,
		.code = from->code,
		.previous = from->previous,
		.instruction = from->instruction,
		.owner = from->owner,
		.entry = from->entry,
		.file_name = from->file_name,
		.name = from->name,
		.first_line = from->first_line,
		.lines = from->lines,
		.instructions = from->instructions,
		.text = from->text,
		.object = from->object,
		.copies = from->copies,
		.copy_index = from->copy_index,
		.state_shift = from->state_shift,
	};

	bpf_map_update_elem(bpf_map__fd(python->kernel->skeleton->maps.pythons),
			    &interpreter->number, &layout, BPF_ANY);
}

void python_see_file(struct python *python, uint32_t number, const struct python_file *file)
{
	const struct interpreter found = { number, *file };

	if (!found.file.found)
		return;
	python->interpreters = memory_grow(python->interpreters, python->interpreter_count,
					   sizeof(found));
	python->interpreters[python->interpreter_count++] = found;
	if (found.file.layout.minor)
		tell_kernel(python, &found);
}

uint32_t python_unknown(const struct python *python)
{
	uint32_t unknown = 0;

	for (size_t i = 0; i < python->interpreter_count; i++)
		unknown += !python->interpreters[i].file.layout.minor;
	return unknown;
}

/* ---- code objects ---- */

static char *read_text(const struct mt_python_text *text)
{
	unsigned int width = text->state >> 2 & 7;
	size_t bytes = (size_t)text->count * width;

	if (bytes > sizeof(text->bytes) / 4 * 4)
		bytes = sizeof(text->bytes) / 4 * 4;
	return python_text(text->bytes, bytes, width);
}

static void add_code(struct code_object *code, const struct mt_event_python *from)
{
	if (code->known)
		return;
	code->known = true;
	code->minor = from->minor;
	code->first_line = (int)from->first_line;
	code->file = read_text(&from->file);
	code->name = read_text(&from->name);
}

static void add_lines(struct code_object *code, const struct mt_event_lines *from)
{
	uint8_t *lines;

	/* A table with a gap in it is of no use behind that. */
	if (from->offset != code->line_bytes || from->count > MT_PYTHON_LINES)
		return;
	lines = memory_new(code->line_bytes + from->count + 1, 1);
	if (code->line_bytes)
		memcpy(lines, code->lines, code->line_bytes);
	memcpy(lines + code->line_bytes, from->bytes, from->count);
	free(code->lines);
	code->lines = lines;
	code->line_bytes += from->count;
}

void python_add(struct python *python, const struct mt_event *event, size_t bytes)
{
	uint32_t number = (uint32_t)event->value;

	if (number >= MT_PYTHON_CODES)
		return;
	if (event->kind == MT_EVENT_PYTHON && bytes >= sizeof(struct mt_event_python))
		add_code(&python->codes[number], (const struct mt_event_python *)event);
	else if (event->kind == MT_EVENT_LINES && bytes >= sizeof(struct mt_event_lines))
		add_lines(&python->codes[number], (const struct mt_event_lines *)event);
}

static ProtobufCBinaryData binary(const char *text)
{
	return (ProtobufCBinaryData){ strlen(text), memory_copy(text, strlen(text)) };
}

static Mt__Frame *name_frame(const struct code_object *code, uint32_t instruction)
{
	Mt__Frame *made = memory_new(1, sizeof(*made));
	int line;

	mt__frame__init(made);
	made->has_kind = 1;
	made->kind = PYTHON_FRAME;
	if (!code->known)
		return made;
	made->has_function = made->has_file = 1;
	made->function = binary(code->name);
	made->file = binary(code->file);
	line = python_line(code->minor, code->first_line, code->lines, code->line_bytes,
			   instruction);
	made->has_line = line > 0;
	made->line = line > 0 ? (uint32_t)line : 0;
	return made;
}

void python_record(const struct python *python, uint64_t frame, Mt__Capture *capture)
{
	uint32_t number = frame >> MT_PYTHON_CODE_SHIFT & (MT_PYTHON_CODES - 1);

	capture->frames = memory_grow(capture->frames, capture->n_frames,
				      sizeof(*capture->frames));
	capture->frames[capture->n_frames++] =
		name_frame(&python->codes[number], frame & (MT_PYTHON_ENTRY - 1));
}

/* ---- both kinds of frames ---- */

static bool is_python(uint64_t frame)
{
	return frame >> 48 == MT_PYTHON;
}

/* Does a native frame evaluate one of Python? */
static bool is_loop(const struct python *python, uint64_t frame, bool innermost)
{
	uint64_t address = (frame & 0xffffffffffff) - !innermost;

	for (size_t i = 0; i < python->interpreter_count; i++) {
		const struct python_file *file = &python->interpreters[i].file;

		if (python->interpreters[i].number != frame >> 48)
			continue;
		for (size_t part = 0; part < file->loop_count; part++) {
			if (address >= file->loops[part].start && address < file->loops[part].end)
				return true;
		}
	}
	return false;
}

/* The frames of an entry into the loop end with the one that it was entered for. */
static size_t count_entries(const uint64_t *frames, size_t count)
{
	size_t entries = 0;

	for (size_t i = 0; i < count; i++)
		entries += (frames[i] & MT_PYTHON_ENTRY) != 0;
	return entries + (count && !(frames[count - 1] & MT_PYTHON_ENTRY));
}

static size_t put_run(uint64_t *out, const uint64_t **from, const uint64_t *end)
{
	size_t count = 0;

	while (*from < end) {
		uint64_t frame = *(*from)++;

		out[count++] = frame & ~(uint64_t)MT_PYTHON_ENTRY;
		if (frame & MT_PYTHON_ENTRY)
			break;
	}
	return count;
}

/* How many runs of frames of Python come before the native frames from a loop on. */
static size_t runs_at(size_t loops, size_t runs, bool is_whole)
{
	/* Where callers are missing, pairs are counted from the inside. */
	if (!is_whole)
		return runs ? 1 : 0;
	/* Else from the outside: the innermost loop may have no frame yet, or no symbol. */
	return runs >= loops ? runs - loops + 1 : 0;
}

size_t python_merge(const struct python *python, uint64_t *frames, size_t count, bool is_whole)
{
	uint64_t merged[MT_FRAMES];
	size_t native = 0, loops = 0, runs, kept = 0;
	const uint64_t *from, *end = frames + count;

	while (native < count && !is_python(frames[native])) {
		loops += is_loop(python, frames[native], !native);
		native++;
	}
	from = frames + native;
	runs = count_entries(from, count - native);
	for (size_t i = 0; i < native; i++) {
		size_t here;

		if (!is_loop(python, frames[i], !i)) {
			merged[kept++] = frames[i];
			continue;
		}
		here = runs_at(loops--, runs, is_whole);
		runs -= here;
		if (!here)
			merged[kept++] = frames[i];
		while (here--)
			kept += put_run(&merged[kept], &from, end);
	}
	while (!is_whole && runs--)
		kept += put_run(&merged[kept], &from, end);
	memcpy(frames, merged, kept * sizeof(*frames));
	return kept;
}
