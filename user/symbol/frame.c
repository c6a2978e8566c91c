// SPDX-License-Identifier: GPL-2.0
/* What is said of an address of code in a capture?  See frame.h. */
#include "user/symbol/frame.h"

#include "user/base/memory.h"

#include <string.h>
#include <time.h>

uint64_t frame_deadline(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ns;
}

static ProtobufCBinaryData binary(const char *text)
{
	size_t length = strlen(text);

	return (ProtobufCBinaryData){ length, memory_copy(text, length) };
}

static Mt__Frame *add_frame(Mt__Capture *capture, uint64_t address)
{
	Mt__Frame *frame = memory_new(1, sizeof(*frame));

	mt__frame__init(frame);
	frame->address = address;
	capture->frames = memory_grow(capture->frames, capture->n_frames,
				      sizeof(capture->frames[0]));
	capture->frames[capture->n_frames++] = frame;
	return frame;
}

static void set_place(Mt__Frame *frame, const struct place *place)
{
	frame->has_function = place->function != NULL;
	if (place->function)
		frame->function = binary(place->function);
	frame->has_file = place->file != NULL;
	if (place->file)
		frame->file = binary(place->file);
	frame->has_line = place->line != 0;
	frame->line = place->line;
}

void frame_record(Mt__Capture *capture, const struct places *places, const char *path,
		  const char *build_id, uint64_t address)
{
	if (!path) {
		add_frame(capture, address);
		return;
	}
	for (size_t i = 0; i < places->count; i++) {
		Mt__Frame *frame = add_frame(capture, address);

		set_place(frame, &places->at[i]);
		frame->has_module = frame->has_build_id = 1;
		frame->module = binary(path);
		frame->build_id = binary(build_id);
		frame->offset = places->offset;
	}
}
