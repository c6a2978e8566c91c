// SPDX-License-Identifier: GPL-2.0
/* Which code holds how much of what is resident?  See site.h. */
#include "user/model/site.h"

#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- code ---- */

static char *text_if(bool there, ProtobufCBinaryData data)
{
	return there && data.len ? text_utf8(data.data, data.len) : NULL;
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = { "native", "python", "kernel" };

	return names[kind < sizeof(names) / sizeof(names[0]) ? kind : 0];
}

static void read_frame(struct frame_model *frame, const Mt__Frame *from)
{
	*frame = (struct frame_model){
		.kind = kind_name(from->has_kind ? from->kind : 0),
		.function = text_if(from->has_function, from->function),
		.module = text_if(from->has_module, from->module),
		.build_id = text_if(from->has_build_id, from->build_id),
		.file = text_if(from->has_file, from->file),
		.line = from->has_line ? from->line : 0,
		.address = from->address,
		.offset = from->offset,
		.inlined = from->has_inlined && from->inlined,
	};
}

/* Why it ends where it does, as enum mt_stack_end has it. */
static const char *why_truncated(uint32_t end)
{
	static const char *const words[] = {
		NULL,
		"too deep",
		"code of no file",
		"code that nothing describes",
		"a caller that cannot be computed",
		"memory that could not be read",
		"a caller below its callee",
		"callers in Python that could not be read",
		"code without a table so far",
	};

	return words[end < sizeof(words) / sizeof(words[0]) ? end : 4];
}

static void read_stack(struct stack_model *stack, const struct code_model *code,
		       const Mt__Stack *from)
{
	stack->count = from->n_frame;
	stack->frames = memory_new(from->n_frame, sizeof(struct frame_model *));
	for (size_t i = 0; i < from->n_frame; i++)
		stack->frames[i] = &code->frames[from->frame[i]];
	stack->truncated = from->end != 0;
	stack->why = why_truncated(from->end);
}

void code_build(struct code_model *code, const Mt__Capture *capture)
{
	code->frame_count = capture->n_frames;
	code->frames = memory_new(capture->n_frames, sizeof(*code->frames));
	for (size_t i = 0; i < capture->n_frames; i++)
		read_frame(&code->frames[i], capture->frames[i]);
	code->stack_count = capture->n_stacks;
	code->stacks = memory_new(capture->n_stacks, sizeof(*code->stacks));
	for (size_t i = 0; i < capture->n_stacks; i++)
		read_stack(&code->stacks[i], code, capture->stacks[i]);
}

void code_free(struct code_model *code)
{
	for (size_t i = 0; i < code->frame_count; i++) {
		free(code->frames[i].function);
		free(code->frames[i].module);
		free(code->frames[i].build_id);
		free(code->frames[i].file);
	}
	for (size_t i = 0; i < code->stack_count; i++)
		free(code->stacks[i].frames);
	free(code->frames);
	free(code->stacks);
}

char *frame_name(const struct frame_model *frame)
{
	const char *slash = frame->module ? strrchr(frame->module, '/') : NULL;
	char *name;

	if (frame->function)
		return memory_copy(frame->function, strlen(frame->function));
	if (asprintf(&name, "%s%s0x%" PRIx64, slash ? slash + 1 : frame->module ?: "",
		     frame->module ? "+" : "", frame->address) < 0)
		return memory_copy("?", 1);
	return name;
}

/* ---- sites ---- */

/* What of some bytes for each operation is not 0; all of it is added up. */
static struct released *read_by(const Mt__Capture *capture, const int64_t *bytes, size_t count,
				size_t *out_count, int64_t *sum)
{
	struct released *by = memory_new(count, sizeof(*by));

	for (size_t i = 0; i < count; i++) {
		if (!bytes[i])
			continue;
		by[(*out_count)++] = (struct released){ capture->operations[i], bytes[i] };
		*sum = plus(*sum, bytes[i]);
	}
	return by;
}

static void read_site(struct site_model *site, const Mt__Capture *capture,
		      const struct code_model *code, const Mt__Site *from)
{
	site->stack = &code->stacks[from->stack];
	site->reserved_bytes = from->reserved_bytes;
	site->unreserved_bytes = from->unreserved_bytes;
	site->never_touched_bytes = from->never_touched_bytes;
	site->gone_untouched_bytes = from->gone_untouched_bytes;
	site->touched_bytes = from->touched_bytes;
	site->swapped_bytes = from->swapped_bytes;
	site->resident_bytes = site->held_bytes = from->resident_bytes;
	site->released_by = read_by(capture, from->released_bytes, from->n_released_bytes,
				    &site->released_count, &site->released_bytes);
	site->gave_back_by = read_by(capture, from->gave_back_bytes, from->n_gave_back_bytes,
				     &site->gave_back_count, &site->gave_back_bytes);
	for (size_t i = 0; i < site->released_count; i++) {
		if (!strcmp(site->released_by[i].operation, "exit"))
			site->held_bytes = plus(site->held_bytes, site->released_by[i].bytes);
	}
}

static int by_size(const void *left, const void *right)
{
	const struct site_model *a = left, *b = right;

	if (a->held_bytes != b->held_bytes)
		return a->held_bytes > b->held_bytes ? -1 : 1;
	if (a->touched_bytes != b->touched_bytes)
		return a->touched_bytes > b->touched_bytes ? -1 : 1;
	if (a->reserved_bytes != b->reserved_bytes)
		return a->reserved_bytes > b->reserved_bytes ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static bool has_row(const struct process_model *process, const char *operation)
{
	for (size_t i = 0; i < process->row_count; i++) {
		if (!strcmp(process->rows[i].operation, operation))
			return true;
	}
	return false;
}

/* Some went without a call that says which: they are still in their sites. */
static bool has_lost_pages(const struct process_model *process)
{
	return has_row(process, "reclaim") || has_row(process, "madvise.pageout") ||
	       has_row(process, "ksm") || has_row(process, "remote");
}

static int64_t anon_moved(const struct process_model *process, const char *operation)
{
	int64_t moved = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		if (!strcmp(process->rows[i].operation, operation))
			moved = plus(moved, process->rows[i].moved.bytes[BALANCE_ANON]);
	}
	return moved;
}

/* What the process came with, into `text`. */
static void name_beginning(const struct process_model *process, char *text, size_t size)
{
	*text = 0;
	if (has_row(process, "exec"))
		snprintf(text, size, "made by exec");
	else if (process->opening.bytes[BALANCE_ANON])
		snprintf(text, size, "before memtrace");
	else if (has_row(process, "fork"))
		snprintf(text, size, "inherited from %" PRIu32, process->parent_pid);
}

/* Why not all is in sites, in a few words. */
static void name_rest(struct process_model *process)
{
	char *text = process->unsited_meaning;
	size_t size = sizeof(process->unsited_meaning);

	if (process->unsited_bytes < 0) {
		snprintf(text, size, "%s",
			 process->sample > 1	 ? "too much, as sites are estimates" :
			 has_lost_pages(process) ? "in swap, or taken by the kernel" :
						   "in more than one site");
		return;
	}
	name_beginning(process, text, size);
	if (anon_moved(process, "khugepaged") > 0)
		snprintf(text + strlen(text), size - strlen(text), "%smade by khugepaged",
			 *text ? ", or " : "");
	if (anon_moved(process, "remote") > 0)
		snprintf(text + strlen(text), size - strlen(text), "%sby another process",
			 *text ? ", or " : "");
	if (!*text)
		snprintf(text, size, "without a stack");
	if (process->sample > 1)
		snprintf(text + strlen(text), size - strlen(text), " (estimated)");
}

void sites_build(struct process_model *process, const Mt__Capture *capture,
		 const struct code_model *code, const Mt__Process *from)
{
	process->code = code;
	process->sample = capture->sample;
	process->site_count = from->n_sites;
	process->sites = memory_new(from->n_sites, sizeof(*process->sites));
	process->has_sites = from->n_sites || (code->stack_count && !from->has_shares_with_pid &&
					       !from->has_folded);
	process->unsited_bytes = sites_total(process);
	process->unsited_virtual_bytes = balances_end(process)->bytes[BALANCE_VIRTUAL];
	for (size_t i = 0; i < from->n_sites; i++) {
		read_site(&process->sites[i], capture, code, from->sites[i]);
		process->unsited_bytes = minus(process->unsited_bytes,
					       process->sites[i].held_bytes);
		process->unsited_virtual_bytes = plus(
			minus(process->unsited_virtual_bytes, process->sites[i].reserved_bytes),
			process->sites[i].unreserved_bytes);
	}
	name_rest(process);
	if (from->n_sites)
		qsort(process->sites, from->n_sites, sizeof(*process->sites), by_size);
}

void sites_free(struct site_model *sites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(sites[i].released_by);
		free(sites[i].gave_back_by);
	}
	free(sites);
}

const char *site_value_name(enum site_value value)
{
	static const char *const names[SITE_VALUES] = {
		[SITE_RESIDENT] = "resident",
		[SITE_RESERVED] = "reserved",
		[SITE_TOUCHED] = "touched",
		[SITE_RELEASED] = "released",
	};

	return value < SITE_VALUES ? names[value] : NULL;
}

int64_t site_value(const struct site_model *site, enum site_value value)
{
	switch (value) {
	case SITE_RESERVED:
		return site->reserved_bytes;
	case SITE_TOUCHED:
		return site->touched_bytes;
	case SITE_RELEASED:
		return site->released_bytes;
	default:
		return site->resident_bytes;
	}
}

int64_t sites_total(const struct process_model *process)
{
	return balances_end(process)->bytes[BALANCE_ANON];
}
