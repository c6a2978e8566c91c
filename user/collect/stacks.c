// SPDX-License-Identifier: GPL-2.0
/* Which stacks were seen, and what is the code in them?  See stacks.h. */
#include "user/collect/stacks.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/code.h"
#include "user/collect/merge.h"
#include "user/collect/piece.h"
#include "user/collect/python.h"
#include "user/collect/site.h"
#include "user/symbol/frame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_LINES_NS 500000000ULL /* for lines of code, while somebody waits for a key */

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
	struct remote *remote;
	struct code_files *files;
	struct stack *stacks; /* by number */
	size_t stack_room;
	uint32_t *same; /* of each number, the first one of the same stack; NULL: not needed yet */
	struct known *known; /* by slot */
	struct site_store *sites;
	struct python *python; /* NULL: not asked for */
};

struct stacks *stacks_new(struct kernel *kernel, struct remote *remote)
{
	struct stacks *stacks = memory_new(1, sizeof(*stacks));

	stacks->kernel = kernel;
	stacks->remote = remote;
	stacks->known = memory_new(kernel->slots, sizeof(*stacks->known));
	stacks->stack_room = MT_STACKS;
	stacks->stacks = memory_new(stacks->stack_room, sizeof(*stacks->stacks));
	if (kernel->stacks == MT_STACKS_PYTHON)
		stacks->python = python_new(kernel);
	stacks->files = code_files_new(kernel, remote, stacks->python);
	stacks->sites = site_store_new(kernel);
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	code_files_free(stacks->files);
	site_store_free(stacks->sites);
	for (size_t i = 0; i < stacks->stack_room; i++)
		free(stacks->stacks[i].frames);
	free(stacks->stacks);
	free(stacks->same);
	free(stacks->known);
	python_free(stacks->python);
	free(stacks);
}

static void keep_stack(struct stacks *stacks, uint32_t number, const uint64_t *frames, size_t count,
		       uint32_t end)
{
	struct stack *stack = &stacks->stacks[number];

	free(stack->frames);
	stack->count = (uint32_t)count;
	stack->end = end;
	stack->frames = memory_copy(frames, count * sizeof(*frames));
	if (stacks->python)
		stack->count = (uint32_t)python_merge(stacks->python, stack->frames, count,
						      end == MT_STACK_WHOLE);
}

static void add_stack(struct stacks *stacks, const struct mt_event_stack *event, size_t bytes)
{
	uint32_t number = (uint32_t)event->event.value;

	if (bytes >= sizeof(*event) && number < stacks->stack_room && event->count <= MT_FRAMES)
		keep_stack(stacks, number, (const uint64_t *)event->frame, event->count,
			   event->end);
}

static void add_piece(struct stacks *stacks, const struct mt_event_piece *event, size_t bytes)
{
	uint32_t number = (uint32_t)event->event.value, end;
	uint64_t frames[MT_FRAMES];
	size_t count;

	if (bytes < offsetof(struct mt_event_piece, word) || number >= stacks->stack_room ||
	    event->count > (bytes - offsetof(struct mt_event_piece, word)) / sizeof(uint64_t))
		return;
	count = piece_walk(stacks->files, stacks->kernel, event, frames, &end);
	keep_stack(stacks, number, frames, count, end);
}

void stacks_add(struct stacks *stacks, const struct mt_event *event, size_t bytes)
{
	switch (event->kind) {
	case MT_EVENT_STACK:
		add_stack(stacks, (const struct mt_event_stack *)event, bytes);
		break;
	case MT_EVENT_PIECE:
		add_piece(stacks, (const struct mt_event_piece *)event, bytes);
		break;
	case MT_EVENT_CODE:
		if (bytes >= sizeof(struct mt_event_code))
			code_add(stacks->files, (const struct mt_event_code *)event);
		break;
	case MT_EVENT_RANGE:
		if (bytes >= sizeof(struct mt_event_range))
			site_store_add(stacks->sites, (const struct mt_event_range *)event);
		break;
	default:
		if (stacks->python)
			python_add(stacks->python, event, bytes);
	}
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

	code_settle(stacks->files);
	site_store_sweep(stacks->sites);
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
	code_tidy(stacks->files);
}

void stacks_expect(struct stacks *stacks, const char *command)
{
	code_expect(stacks->files, command);
}

/* ---- the capture ---- */

struct frame_key {
	uint64_t frame;
	bool innermost;
	uint32_t first, count; /* of the capture's frames: what is inlined there comes first */
};

static int compare_keys(const void *a, const void *b)
{
	const struct frame_key *left = a, *right = b;

	if (left->frame != right->frame)
		return left->frame < right->frame ? -1 : 1;
	return left->innermost - right->innermost;
}

/* Each frame once.  Of those stacks that are wanted; NULL: of all. */
static struct frame_key *list_frames(const struct stacks *stacks, const bool *wanted,
				     size_t *count)
{
	struct frame_key *keys = NULL;
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < stacks->stack_room; i++) {
		for (size_t at = 0; at < stacks->stacks[i].count; at++) {
			if (wanted && !wanted[i])
				break;
			keys = memory_grow(keys, all, sizeof(*keys));
			keys[all++] = (struct frame_key){ .frame = stacks->stacks[i].frames[at],
							   .innermost = !at };
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

/* What is inlined there first. */
static void end_frame(struct frame_key *key, Mt__Capture *capture)
{
	key->count = (uint32_t)capture->n_frames - key->first;
	for (uint32_t i = 0; i + 1 < key->count; i++)
		capture->frames[key->first + i]->has_inlined =
			capture->frames[key->first + i]->inlined = 1;
}

/* Of one file. */
struct naming {
	Mt__Capture *capture;
	const struct code_file *file; /* NULL: none that is known */
	struct frame_key *keys;
	size_t named;
};

static void record_places(struct naming *naming, const struct places *places)
{
	struct frame_key *key = &naming->keys[naming->named++];

	key->first = (uint32_t)naming->capture->n_frames;
	frame_record(naming->capture, places, naming->file ? naming->file->path : NULL,
		     naming->file ? naming->file->build_id : NULL, key->frame & 0xffffffffffff);
	end_frame(key, naming->capture);
}

static void take_places(void *context, size_t index, struct places *places)
{
	(void)index;
	record_places(context, places);
	places_free(places);
}

/* A return address is behind the call. */
static void name_native(struct stacks *stacks, struct frame_key *keys, size_t count,
			uint64_t deadline_ns, Mt__Capture *capture)
{
	static const struct places unknown = { .count = 1 };
	uint64_t number = keys[0].frame >> 48;
	struct naming naming = { capture, code_file(stacks->files, number), keys, 0 };
	cleanup_free uint64_t *addresses = memory_new(count, sizeof(*addresses));

	for (size_t i = 0; i < count; i++)
		addresses[i] = (keys[i].frame & 0xffffffffffff) - !keys[i].innermost;
	if (naming.file)
		remote_places(stacks->remote, (uint32_t)number, addresses, count, deadline_ns,
			      take_places, &naming);
	while (naming.named < count)
		record_places(&naming, &unknown);
}

static void name_python(struct stacks *stacks, struct frame_key *keys, size_t count,
			Mt__Capture *capture)
{
	for (size_t i = 0; i < count; i++) {
		keys[i].first = (uint32_t)capture->n_frames;
		python_record(stacks->python, keys[i].frame, capture);
		end_frame(&keys[i], capture);
	}
}

/* In the order of files: the lines of one at a time are in memory. */
static void name_frames(struct stacks *stacks, struct frame_key *keys, size_t count,
			uint64_t lines_ns, Mt__Capture *capture)
{
	uint64_t deadline_ns = frame_deadline(lines_ns);
	size_t end;

	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count && keys[end].frame >> 48 == keys[i].frame >> 48;)
			end++;
		if (keys[i].frame >> 48 == MT_PYTHON)
			name_python(stacks, &keys[i], end - i, capture);
		else
			name_native(stacks, &keys[i], end - i, deadline_ns, capture);
	}
}

static const struct frame_key *find_key(const struct frame_key *keys, size_t count,
					uint64_t frame, bool innermost)
{
	struct frame_key key = { .frame = frame, .innermost = innermost };

	return bsearch(&key, keys, count, sizeof(key), compare_keys);
}

static void record_stack(Mt__Capture *capture, const struct stack *stack,
			 const struct frame_key *keys, size_t key_count)
{
	Mt__Stack *made = memory_new(1, sizeof(*made));

	mt__stack__init(made);
	made->end = stack->end;
	for (size_t i = 0; i < stack->count; i++) {
		const struct frame_key *found = find_key(keys, key_count, stack->frames[i], !i);

		for (uint32_t at = 0; at < found->count; at++) {
			made->frame = memory_grow(made->frame, made->n_frame,
						  sizeof(*made->frame));
			made->frame[made->n_frame++] = found->first + at;
		}
	}
	capture->stacks[capture->n_stacks++] = made;
}

void stacks_expect_absent(struct stacks *stacks, uint32_t serial, uint32_t pid,
			  uint32_t operation)
{
	site_store_expect_absent(stacks->sites, serial, pid, operation);
}

/* Of those that are wanted, NULL: of all; their numbers stay. */
static void record_stacks(struct stacks *stacks, const bool *wanted, uint64_t lines_ns,
			  Mt__Capture *capture)
{
	static const struct stack nothing;
	size_t count;
	cleanup_free struct frame_key *keys = list_frames(stacks, wanted, &count);

	name_frames(stacks, keys, count, lines_ns, capture);
	capture->stacks = memory_new(stacks->stack_room, sizeof(*capture->stacks));
	for (size_t i = 0; i < stacks->stack_room; i++)
		record_stack(capture, wanted && !wanted[i] ? &nothing : &stacks->stacks[i], keys,
			     count);
	while (capture->n_stacks && !capture->stacks[capture->n_stacks - 1]->n_frame &&
	       !(wanted && wanted[capture->n_stacks - 1]))
		mt__stack__free_unpacked(capture->stacks[--capture->n_stacks], NULL);
}

/* ---- stacks that came to have several numbers ---- */

static int compare_stacks(const struct stack *left, const struct stack *right)
{
	if (left->count != right->count || left->end != right->end)
		return left->count != right->count ? (left->count < right->count ? -1 : 1) :
						     (left->end < right->end ? -1 : 1);
	return memcmp(left->frames, right->frames, left->count * sizeof(*left->frames));
}

/* By what they are, and then by number. */
static int compare_places(const void *a, const void *b)
{
	const struct stack *left = *(const struct stack *const *)a;
	const struct stack *right = *(const struct stack *const *)b;

	return compare_stacks(left, right) ?: (left > right) - (left < right);
}

static void find_same(struct stacks *stacks)
{
	cleanup_free const struct stack **order = memory_new(stacks->stack_room, sizeof(*order));
	size_t count = 0;

	free(stacks->same);
	stacks->same = memory_new(stacks->stack_room, sizeof(*stacks->same));
	for (uint32_t i = 0; i < stacks->stack_room; i++) {
		stacks->same[i] = i; /* those that were lost are not the same for all we know */
		if (stacks->stacks[i].count)
			order[count++] = &stacks->stacks[i];
	}
	if (count)
		qsort(order, count, sizeof(*order), compare_places);
	for (size_t i = 1; i < count; i++)
		if (!compare_stacks(order[i - 1], order[i]))
			stacks->same[order[i] - stacks->stacks] =
				stacks->same[order[i - 1] - stacks->stacks];
}

void stacks_record(struct stacks *stacks, Mt__Capture *capture)
{
	kernel_poll(stacks->kernel);
	code_settle(stacks->files);
	find_same(stacks);
	site_store_read(stacks->sites);
	record_stacks(stacks, NULL, FRAME_LINES_NS, capture);
}

void stacks_look(struct stacks *stacks, uint32_t serial, Mt__Capture *capture,
		 Mt__Process *process)
{
	cleanup_free bool *wanted = memory_new(stacks->stack_room, sizeof(*wanted));

	kernel_poll(stacks->kernel);
	find_same(stacks);
	site_store_look(stacks->sites, serial, process);
	merge_sites(process, stacks->same);
	for (size_t i = 0; i < process->n_sites; i++)
		wanted[process->sites[i]->stack] = true;
	record_stacks(stacks, wanted, LOOK_LINES_NS, capture);
}

void stacks_record_sites(const struct stacks *stacks, uint32_t serial, Mt__Process *process)
{
	site_store_record(stacks->sites, serial, process);
	merge_sites(process, stacks->same);
}

uint32_t stacks_toucher(const struct stacks *stacks, uint32_t pid, uint64_t address)
{
	return site_store_toucher(stacks->sites, pid, address);
}

uint64_t stacks_lost_ranges(const struct stacks *stacks)
{
	return site_store_lost(stacks->sites);
}

uint32_t stacks_unknown_python(const struct stacks *stacks)
{
	return stacks->python ? python_unknown(stacks->python) : 0;
}
