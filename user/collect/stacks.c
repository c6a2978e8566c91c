// SPDX-License-Identifier: GPL-2.0
/* Which stacks were seen, and what is the code in them?  See stacks.h. */
#include "user/collect/stacks.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/code.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

struct stack {
	uint32_t count, end;
	uint64_t *frames;
};

/* What of a process is known to the kernel side. */
struct known {
	uint32_t serial;
	uint32_t missed;
};

struct stacks {
	struct kernel *kernel;
	struct code_files *files;
	struct stack *stacks; /* by number */
	size_t stack_room;
	struct known *known; /* by slot */
};

struct stacks *stacks_new(struct kernel *kernel)
{
	struct stacks *stacks = memory_new(1, sizeof(*stacks));

	stacks->kernel = kernel;
	stacks->known = memory_new(kernel->slots, sizeof(*stacks->known));
	stacks->stack_room = MT_STACKS;
	stacks->stacks = memory_new(stacks->stack_room, sizeof(*stacks->stacks));
	stacks->files = code_files_new(kernel);
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	code_files_free(stacks->files);
	for (size_t i = 0; i < stacks->stack_room; i++)
		free(stacks->stacks[i].frames);
	free(stacks->stacks);
	free(stacks->known);
	free(stacks);
}

void stacks_add(struct stacks *stacks, const struct mt_event *event, size_t bytes)
{
	const struct mt_event_stack *from = (const struct mt_event_stack *)event;
	uint32_t number = (uint32_t)event->value;
	struct stack *stack;

	if (event->kind == MT_EVENT_CODE && bytes >= sizeof(struct mt_event_code))
		code_add(stacks->files, (const struct mt_event_code *)event);
	if (event->kind != MT_EVENT_STACK || bytes < sizeof(*from) ||
	    number >= stacks->stack_room || from->count > MT_FRAMES)
		return;
	stack = &stacks->stacks[number];
	free(stack->frames);
	stack->count = from->count;
	stack->end = from->end;
	stack->frames = memory_copy(from->frame, from->count * sizeof(from->frame[0]));
}

static uint32_t missed(const struct stacks *stacks, uint32_t slot, struct mt_execs *execs)
{
	const struct memtrace_bpf *skeleton = stacks->kernel->skeleton;

	if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.execs), &slot, execs))
		return UINT32_MAX;
	return execs->missed;
}

void stacks_tick(struct stacks *stacks)
{
	cleanup_free struct mt_execs *execs = memory_new(1, sizeof(*execs));
	const struct kernel *kernel = stacks->kernel;

	for (uint32_t slot = 1; slot < kernel_used_slots(kernel); slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct known *known = &stacks->known[slot];

		if (space->state != MT_SPACE_OPEN)
			continue;
		if (known->serial == space->serial + 1 && !missed(stacks, slot, execs))
			continue;
		/* What is born while we look is known to the kernel side from the beginning. */
		if (known->serial != space->serial + 1 && space->birth != MT_BORN_BEFORE &&
		    !missed(stacks, slot, execs))
			continue;
		known->serial = space->serial + 1; /* 0: none */
		code_read(stacks->files, slot, space->pid);
	}
}

void stacks_expect(struct stacks *stacks, const char *command)
{
	code_expect(stacks->files, command);
}

/* ---- the capture ---- */

static ProtobufCBinaryData binary(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return (ProtobufCBinaryData){ length, memory_copy(text ? text : "", length) };
}

static Mt__Frame *record_frame(struct stacks *stacks, uint64_t frame, bool innermost)
{
	uint64_t address = frame & 0xffffffffffff;
	Mt__Frame *made = memory_new(1, sizeof(*made));
	const char *path, *function, *source;
	struct code *code = code_file(stacks->files, frame >> 48, &path);
	uint64_t look = address - !innermost;
	int line;

	mt__frame__init(made);
	made->address = address;
	if (!code)
		return made;
	made->has_module = made->has_build_id = 1;
	made->module = binary(path);
	made->build_id = binary(code_build_id(code));
	function = code_function(code, look, &made->offset);
	made->has_function = function != NULL;
	if (function)
		made->function = binary(function);
	source = code_line(code, look, &line);
	if (source) {
		made->has_file = made->has_line = 1;
		made->file = binary(source);
		made->line = (uint32_t)line;
	}
	return made;
}

struct frame_key {
	uint64_t frame;
	bool innermost;
};

static int compare_keys(const void *a, const void *b)
{
	const struct frame_key *left = a, *right = b;

	if (left->frame != right->frame)
		return left->frame < right->frame ? -1 : 1;
	return left->innermost - right->innermost;
}

/* Each frame once. */
static struct frame_key *list_frames(const struct stacks *stacks, size_t *count)
{
	struct frame_key *keys = NULL;
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < stacks->stack_room; i++) {
		for (size_t at = 0; at < stacks->stacks[i].count; at++) {
			keys = memory_grow(keys, all, sizeof(*keys));
			keys[all++] = (struct frame_key){ stacks->stacks[i].frames[at], !at };
		}
	}
	if (all)
		qsort(keys, all, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < all; i++) {
		if (!kept || compare_keys(&keys[kept - 1], &keys[i]))
			keys[kept++] = keys[i];
	}
	*count = kept;
	return keys;
}

static void record_stack(Mt__Capture *capture, const struct stack *stack,
			 const struct frame_key *keys, size_t key_count)
{
	Mt__Stack *made = memory_new(1, sizeof(*made));

	mt__stack__init(made);
	made->end = stack->end;
	made->n_frame = stack->count;
	made->frame = memory_new(stack->count, sizeof(*made->frame));
	for (size_t i = 0; i < stack->count; i++) {
		struct frame_key key = { stack->frames[i], i == 0 };
		const struct frame_key *found = bsearch(&key, keys, key_count, sizeof(key),
							compare_keys);

		made->frame[i] = (uint32_t)(found - keys);
	}
	capture->stacks[capture->n_stacks++] = made;
}

void stacks_record(struct stacks *stacks, Mt__Capture *capture)
{
	size_t count;
	cleanup_free struct frame_key *keys = list_frames(stacks, &count);

	capture->frames = memory_new(count, sizeof(*capture->frames));
	capture->n_frames = count;
	for (size_t i = 0; i < count; i++)
		capture->frames[i] = record_frame(stacks, keys[i].frame, keys[i].innermost);
	capture->stacks = memory_new(stacks->stack_room, sizeof(*capture->stacks));
	for (size_t i = 0; i < stacks->stack_room; i++)
		record_stack(capture, &stacks->stacks[i], keys, count);
	while (capture->n_stacks && !capture->stacks[capture->n_stacks - 1]->n_frame)
		mt__stack__free_unpacked(capture->stacks[--capture->n_stacks], NULL);
}

static Mt__Site *record_site(const struct mt_site_key *key, const struct mt_site *site,
			     uint32_t page_bytes)
{
	Mt__Site *made = memory_new(1, sizeof(*made));

	mt__site__init(made);
	made->stack = key->stack;
	made->touched_bytes = site->touched_pages * page_bytes;
	made->resident_bytes = site->resident_pages * page_bytes;
	made->n_released_bytes = MT_OPERATIONS;
	made->released_bytes = memory_new(MT_OPERATIONS, sizeof(*made->released_bytes));
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		made->released_bytes[i] = site->released_pages[i] * page_bytes;
	return made;
}

void stacks_record_sites(struct stacks *stacks, uint32_t serial, Mt__Process *process)
{
	int fd = bpf_map__fd(stacks->kernel->skeleton->maps.sites);
	struct mt_site_key key, *before = NULL;
	struct mt_site site;

	while (!bpf_map_get_next_key(fd, before, &key)) {
		before = &key;
		if (key.serial != serial || bpf_map_lookup_elem(fd, &key, &site))
			continue;
		process->sites = memory_grow(process->sites, process->n_sites,
					     sizeof(*process->sites));
		process->sites[process->n_sites++] =
			record_site(&key, &site, stacks->kernel->page_bytes);
	}
}
