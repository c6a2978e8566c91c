// SPDX-License-Identifier: GPL-2.0
/* Whose code is it, for a person?  See holder.h. */
#include "user/model/holder.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The lower, the more it says to who wrote the program. */
enum rank {
	RANK_SCRIPT,
	RANK_SCRIPT_LIBRARY,
	RANK_OWN,
	RANK_LIBRARY,
	RANK_INTERPRETER,
	RANK_PLUMBING,
};

static const char *const plumbing[] = {
	"libc.so", "libc-2.", "ld-linux", "ld-2.", "ld-musl", "libpthread", "libstdc++.so",
	"libgcc_s.so", "libjemalloc", "libtcmalloc", "libmimalloc", "linux-vdso", "[vdso]",
};

static const char *const interpreters[] = {
	"python", "libpython", "node", "libnode", "java", "libjvm", "ruby", "libruby", "perl",
	"libperl", "php", "libphp", "lua", "liblua",
};

static const char *const system_folders[] = { "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/" };

static bool begins(const char *text, const char *const *with, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strncmp(text, with[i], strlen(with[i])))
			return true;
	}
	return false;
}

#define BEGINS(text, with) begins(text, with, sizeof(with) / sizeof((with)[0]))

static enum rank rank_script(const struct frame_model *frame)
{
	const char *file = frame->file ?: "<";

	return *file == '<' || strstr(file, "/lib/python") || strstr(file, "/lib64/python") ?
		       RANK_SCRIPT_LIBRARY : RANK_SCRIPT;
}

static enum rank rank_of(const struct process_model *process, const struct frame_model *frame)
{
	const char *slash = frame->module ? strrchr(frame->module, '/') : NULL;
	const char *name = slash ? slash + 1 : frame->module;

	if (!strcmp(frame->kind, "python"))
		return rank_script(frame);
	if (!name) /* made while it ran */
		return frame->function ? RANK_OWN : RANK_PLUMBING;
	if (!strcmp(frame->kind, "kernel") || BEGINS(name, plumbing) ||
	    (frame->function && !strcmp(frame->function, "_start")))
		return RANK_PLUMBING;
	if (BEGINS(name, interpreters))
		return RANK_INTERPRETER;
	return strcmp(frame->module, process->executable) && BEGINS(frame->module, system_folders) ?
		       RANK_LIBRARY : RANK_OWN;
}

bool holder_is_plumbing(const struct process_model *process, const struct frame_model *frame)
{
	return rank_of(process, frame) >= RANK_INTERPRETER;
}

/* ---- frames that were looked at ---- */

/* A hundred thousand stacks are of a few thousand frames: each is worked out once. */
struct seen {
	uint64_t key;
	unsigned int rank; /* the lower, the rather it is shown */
	bool known;
};

#define NEVER_SHOWN (-1U)

struct memory {
	const struct process_model *process;
	struct seen *seen; /* as many as the capture has frames */
};

static uint64_t mix(uint64_t key, uint64_t with)
{
	key = (key ^ with) * 0x9e3779b97f4a7c15ULL;
	return key ^ (key >> 29);
}

static uint64_t mix_text(uint64_t key, const char *text)
{
	for (; text && *text; text++)
		key = (key ^ (unsigned char)*text) * 0x100000001b3ULL;
	return mix(key, 1);
}

/* The same for those that same_frame() takes for the same. */
static uint64_t frame_key(const struct frame_model *frame)
{
	if (!frame->function)
		return mix(0, (uintptr_t)frame);
	return mix(mix_text(mix_text(mix_text(0, frame->function), frame->file), frame->module),
		   frame->line);
}

/* Somebody else's code is found by its name; one's own also by an address. */
static unsigned int full_rank(const struct process_model *process, const struct frame_model *frame)
{
	unsigned int rank = rank_of(process, frame);

	return frame->module || frame->function ?
		       2 * rank + (rank >= RANK_LIBRARY && !frame->function) : NEVER_SHOWN;
}

static const struct seen *look_at(struct memory *memory, const struct frame_model *frame)
{
	struct seen *seen = &memory->seen[frame - memory->process->code->frames];

	if (!seen->known)
		*seen = (struct seen){ frame_key(frame), full_rank(memory->process, frame), true };
	return seen;
}

static size_t frame_to_show(struct memory *memory, const struct stack_model *stack)
{
	unsigned int best = NEVER_SHOWN;
	size_t at = stack->count;

	for (size_t i = 0; i < stack->count; i++) {
		unsigned int rank = look_at(memory, stack->frames[i])->rank;

		if (rank < best) {
			best = rank;
			at = i;
		}
	}
	return stack->truncated && best >= 2 * RANK_PLUMBING ? stack->count : at;
}

static uint64_t callers_key(struct memory *memory, const struct holder *holder)
{
	uint64_t key = holder->stack->truncated;

	for (size_t i = holder->at; i < holder->stack->count; i++)
		key = mix(key, look_at(memory, holder->stack->frames[i])->key);
	return key;
}

/* ---- merging ---- */

static bool same_texts(const char *left, const char *right)
{
	return !strcmp(left ?: "", right ?: "");
}

/* By what is shown of them: two calls in one line, or in a function without lines, are one. */
static bool same_frame(const struct frame_model *a, const struct frame_model *b)
{
	if (a == b)
		return true;
	return a->function && b->function && a->line == b->line &&
	       !strcmp(a->function, b->function) && same_texts(a->file, b->file) &&
	       same_texts(a->module, b->module);
}

/* By what is called from the shown frame outwards. */
static bool same_callers(const struct holder *a, const struct holder *b)
{
	size_t count = a->stack->count - a->at;

	if (a->key != b->key || a->stack->truncated != b->stack->truncated ||
	    count != b->stack->count - b->at)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!same_frame(a->stack->frames[a->at + i], b->stack->frames[b->at + i]))
			return false;
	}
	return true;
}

static int by_size(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;
	const int64_t sizes[][2] = {
		{ a->held_bytes, b->held_bytes },
		{ a->touched_bytes, b->touched_bytes },
		{ a->untouched_bytes, b->untouched_bytes },
		{ a->gave_back_bytes, b->gave_back_bytes },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i][0] != sizes[i][1])
			return sizes[i][0] > sizes[i][1] ? -1 : 1;
	}
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

/* What ending gave back was held until then. */
static void add_released(struct holder *holder, const struct released *released)
{
	size_t i = 0;

	if (!strcmp(released->operation, "exit"))
		return;
	holder->released_bytes = plus(holder->released_bytes, released->bytes);
	while (i < holder->released_count &&
	       strcmp(holder->released_by[i].operation, released->operation) != 0)
		i++;
	if (i == holder->released_count) {
		holder->released_by = memory_grow(holder->released_by, i, sizeof(*released));
		holder->released_by[holder->released_count++] =
			(struct released){ released->operation, 0 };
	}
	holder->released_by[i].bytes = plus(holder->released_by[i].bytes, released->bytes);
}

static void add_holder(struct holder *to, const struct holder *from)
{
	if (from->largest_bytes > to->largest_bytes ||
	    (from->largest_bytes == to->largest_bytes && from->stack < to->stack)) {
		to->stack = from->stack;
		to->at = from->at;
		to->largest_bytes = from->largest_bytes;
	}
	to->held_bytes = plus(to->held_bytes, from->held_bytes);
	to->touched_bytes = plus(to->touched_bytes, from->touched_bytes);
	to->reserved_bytes = plus(to->reserved_bytes, from->reserved_bytes);
	to->unreserved_bytes = plus(to->unreserved_bytes, from->unreserved_bytes);
	to->untouched_bytes = plus(to->untouched_bytes, from->untouched_bytes);
	to->gave_back_bytes = plus(to->gave_back_bytes, from->gave_back_bytes);
	for (size_t i = 0; i < from->released_count; i++)
		add_released(to, &from->released_by[i]);
	free(from->released_by);
}

static void read_holder(struct holder *holder, struct memory *memory,
			const struct site_model *site, enum holder_part part)
{
	*holder = (struct holder){
		.stack = site->stack,
		.at = frame_to_show(memory, site->stack),
	};
	holder->key = callers_key(memory, holder);
	if (part == HOLDER_TOUCHED) {
		holder->held_bytes = site->held_bytes;
		holder->touched_bytes = holder->largest_bytes = site->touched_bytes;
		for (size_t i = 0; i < site->released_count; i++)
			add_released(holder, &site->released_by[i]);
	} else if (part == HOLDER_RESERVED) {
		holder->reserved_bytes = site->reserved_bytes;
		holder->unreserved_bytes = site->unreserved_bytes;
		holder->untouched_bytes = plus(site->never_touched_bytes,
					       site->gone_untouched_bytes);
	} else {
		holder->gave_back_bytes = site->gave_back_bytes;
		for (size_t i = 0; i < site->gave_back_count; i++)
			add_released(holder, &site->gave_back_by[i]);
	}
}

static bool is_in(const struct site_model *site, enum holder_part part)
{
	if (part == HOLDER_TOUCHED)
		return site->held_bytes || site->touched_bytes || site->released_bytes;
	return part == HOLDER_RESERVED ? site->reserved_bytes != 0 : site->gave_back_bytes != 0;
}

/* Merges a holder with the one that is the same; where there is none, it is the next one. */
static void merge(struct holder *holders, size_t *count, size_t *places, size_t room)
{
	struct holder *made = &holders[*count];
	size_t at = made->key & (room - 1);

	while (places[at] && !same_callers(&holders[places[at] - 1], made))
		at = (at + 1) & (room - 1);
	if (places[at])
		add_holder(&holders[places[at] - 1], made);
	else
		places[at] = ++*count;
}

struct holder *holders_merge(const struct process_model *process, enum holder_part part,
			     size_t *count)
{
	struct holder *holders = memory_new(process->site_count, sizeof(*holders));
	struct memory memory = { process, NULL };
	size_t room = 16, *places;

	memory.seen = memory_new(process->code->frame_count, sizeof(*memory.seen));
	while (room < 2 * process->site_count)
		room *= 2;
	places = memory_new(room, sizeof(*places));
	*count = 0;
	for (size_t i = 0; i < process->site_count; i++) {
		if (!is_in(&process->sites[i], part))
			continue;
		read_holder(&holders[*count], &memory, &process->sites[i], part);
		merge(holders, count, places, room);
	}
	free(places);
	free(memory.seen);
	return holders;
}

struct holder *holders_build_part(const struct process_model *process, enum holder_part part,
				  size_t *count)
{
	struct holder *holders = holders_merge(process, part, count);

	if (*count)
		qsort(holders, *count, sizeof(*holders), by_size);
	return holders;
}

struct holder *holders_build(const struct process_model *process, size_t *count)
{
	return holders_build_part(process, HOLDER_TOUCHED, count);
}

void holders_free(struct holder *holders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(holders[i].released_by);
	free(holders);
}

/* ---- words ---- */

char *frame_place(const struct frame_model *frame)
{
	cleanup_free char *name = frame_name(frame);
	const char *slash = frame->file ? strrchr(frame->file, '/') : NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fputs(name, out);
	if (frame->file)
		fprintf(out, " (%s", slash && slash[1] ? slash + 1 : frame->file);
	if (frame->file && frame->line)
		fprintf(out, ":%u", frame->line);
	if (frame->file)
		fputc(')', out);
	fclose(out);
	return text;
}

char *holder_place(const struct holder *holder)
{
	return holder->at < holder->stack->count ? frame_place(holder->stack->frames[holder->at]) :
						   memory_copy("", 0);
}
