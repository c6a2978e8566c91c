// SPDX-License-Identifier: GPL-2.0
/* Which code holds how much of what is resident?  See site.h. */
#include "user/model/site.h"

#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/model/model.h"

#include <stdlib.h>

static char *text_if(bool there, ProtobufCBinaryData data)
{
	return there && data.len ? text_utf8(data.data, data.len) : NULL;
}

struct frame_model *frames_build(const Mt__Capture *capture)
{
	struct frame_model *frames = memory_new(capture->n_frames, sizeof(*frames));

	for (size_t i = 0; i < capture->n_frames; i++) {
		const Mt__Frame *from = capture->frames[i];

		frames[i] = (struct frame_model){
			.function = text_if(from->has_function, from->function),
			.module = text_if(from->has_module, from->module),
			.build_id = text_if(from->has_build_id, from->build_id),
			.file = text_if(from->has_file, from->file),
			.line = from->has_line ? from->line : 0,
			.address = from->address,
			.offset = from->offset,
		};
	}
	return frames;
}

void frames_free(struct frame_model *frames, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(frames[i].function);
		free(frames[i].module);
		free(frames[i].build_id);
		free(frames[i].file);
	}
	free(frames);
}

static void read_released(struct site_model *site, const Mt__Capture *capture, const Mt__Site *from)
{
	site->released_by = memory_new(from->n_released_bytes, sizeof(*site->released_by));
	for (size_t i = 0; i < from->n_released_bytes; i++) {
		if (!from->released_bytes[i])
			continue;
		site->released_by[site->released_count++] = (struct released){
			capture->operations[i], from->released_bytes[i]
		};
		site->released_bytes = plus(site->released_bytes, from->released_bytes[i]);
	}
}

static int by_size(const void *left, const void *right)
{
	const struct site_model *a = left, *b = right;

	if (a->resident_bytes != b->resident_bytes)
		return a->resident_bytes > b->resident_bytes ? -1 : 1;
	return a->touched_bytes > b->touched_bytes ? -1 : a->touched_bytes < b->touched_bytes;
}

struct site_model *sites_build(const Mt__Capture *capture, const struct frame_model *frames,
			       const Mt__Process *from)
{
	struct site_model *sites = memory_new(from->n_sites, sizeof(*sites));

	for (size_t i = 0; i < from->n_sites; i++) {
		const Mt__Stack *stack = capture->stacks[from->sites[i]->stack];
		struct site_model *site = &sites[i];

		site->frame_count = stack->n_frame;
		site->frames = memory_new(stack->n_frame, sizeof(struct frame_model *));
		for (size_t at = 0; at < stack->n_frame; at++)
			site->frames[at] = &frames[stack->frame[at]];
		site->truncated = stack->end != 0;
		site->touched_bytes = from->sites[i]->touched_bytes;
		site->resident_bytes = from->sites[i]->resident_bytes;
		read_released(site, capture, from->sites[i]);
	}
	if (from->n_sites)
		qsort(sites, from->n_sites, sizeof(*sites), by_size);
	return sites;
}

void sites_free(struct site_model *sites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(sites[i].frames);
		free(sites[i].released_by);
	}
	free(sites);
}
