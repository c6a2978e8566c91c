// SPDX-License-Identifier: GPL-2.0
/* What changed between two captures?  See change.h. */
#include "user/model/change.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- things that are the same have the same key ---- */

/* Of the old ones come first, in their order. */
struct keyed {
	uint64_t key;
	size_t index;
	bool now;
};

static int compare_keyed(const void *left, const void *right)
{
	const struct keyed *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->now != b->now)
		return a->now - b->now;
	return a->index < b->index ? -1 : a->index > b->index;
}

static uint64_t mix(uint64_t key, uint64_t with)
{
	key = (key ^ with) * 0x9e3779b97f4a7c15ULL;
	return key ^ key >> 29;
}

static uint64_t mix_text(uint64_t key, const char *text)
{
	for (; text && *text; text++)
		key = (key ^ (unsigned char)*text) * 0x100000001b3ULL;
	return mix(key, 1);
}

static uint64_t mix_name(uint64_t key, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return mix_text(key, slash ? slash + 1 : path);
}

static uint64_t magnitude(int64_t bytes)
{
	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

/* ---- processes ---- */

/* How two processes are known to be the same, the surest way first. */
enum way { SAME_PID, SAME_ARGUMENTS, SAME_EXECUTABLE, SAME_COMMAND, WAYS };

static uint64_t process_key(const struct process_model *process, enum way way)
{
	uint64_t key = mix_text(mix(0, process->folded != 0), process->command);

	if (way == SAME_PID)
		key = mix(key, process->pid);
	if (way <= SAME_EXECUTABLE)
		key = mix_text(key, process->executable);
	for (size_t i = 0; i < process->argument_count && way <= SAME_ARGUMENTS; i++)
		key = mix_text(key, process->arguments[i]);
	return key;
}

/* Those that have no partner so far. */
static size_t list_single(struct keyed *list, const struct model *model, const bool *paired,
			  bool now, enum way way)
{
	size_t count = 0;

	for (size_t i = 0; i < model->process_count; i++) {
		if (!paired[i])
			list[count++] = (struct keyed){
				process_key(&model->processes[i], way), i, now
			};
	}
	return count;
}

static void add_pair(struct change *change, const struct process_model *old,
		     const struct process_model *now)
{
	change->processes = memory_grow(change->processes, change->count,
					sizeof(*change->processes));
	change->processes[change->count++] = (struct process_change){ .old = old, .now = now };
}

/* One key after the other: the first old one and the first new one are a pair, and so on. */
static void pair_up(struct change *change, bool *old_paired, bool *now_paired, enum way way)
{
	struct keyed *list = memory_new(change->old->process_count + change->now->process_count + 1,
					sizeof(*list));
	size_t old = list_single(list, change->old, old_paired, false, way), count;

	count = old + list_single(list + old, change->now, now_paired, true, way);
	if (count)
		qsort(list, count, sizeof(*list), compare_keyed);
	for (size_t begin = 0, end; begin < count; begin = end) {
		size_t now = begin;

		for (end = begin; end < count && list[end].key == list[begin].key; end++)
			now += !list[end].now;
		for (old = begin; now < end && !list[old].now; old++, now++) {
			old_paired[list[old].index] = now_paired[list[now].index] = true;
			add_pair(change, &change->old->processes[list[old].index],
				 &change->now->processes[list[now].index]);
		}
	}
	free(list);
}

static void match_processes(struct change *change)
{
	const struct model *old = change->old, *now = change->now;
	bool *old_paired = memory_new(old->process_count + 1, sizeof(*old_paired));
	bool *now_paired = memory_new(now->process_count + 1, sizeof(*now_paired));

	for (enum way way = 0; way < WAYS; way++)
		pair_up(change, old_paired, now_paired, way);
	for (size_t i = 0; i < old->process_count; i++) {
		if (!old_paired[i])
			add_pair(change, &old->processes[i], NULL);
	}
	for (size_t i = 0; i < now->process_count; i++) {
		if (!now_paired[i])
			add_pair(change, NULL, &now->processes[i]);
	}
	free(old_paired);
	free(now_paired);
}

const struct balances *change_end(const struct process_model *process)
{
	static const struct balances nothing;

	return process ? balances_end(process) : &nothing;
}

const struct process_model *change_name(const struct process_change *process)
{
	return process->now ?: process->old;
}

static uint64_t process_size(const struct process_change *process)
{
	return magnitude(minus(balances_resident(change_end(process->now)),
			       balances_resident(change_end(process->old))));
}

static int by_change(const void *left, const void *right)
{
	const struct process_change *a = left, *b = right;
	uint64_t mine = process_size(a), other = process_size(b);

	if (mine != other)
		return mine > other ? -1 : 1;
	return (change_name(a)->pid > change_name(b)->pid) -
	       (change_name(a)->pid < change_name(b)->pid);
}

/* ---- ledgers ---- */

static bool are_same_row(const struct ledger_row *a, const struct ledger_row *b)
{
	return !strcmp(a->operation, b->operation) && !strcmp(a->call ?: "", b->call ?: "");
}

static void add_row(struct process_change *process, const struct ledger_row *old,
		    const struct ledger_row *now)
{
	process->rows = memory_grow(process->rows, process->row_count, sizeof(*process->rows));
	process->rows[process->row_count++] = (struct row_change){ old, now };
}

static const struct ledger_row *find_row(const struct process_model *process,
					 const struct ledger_row *like)
{
	for (size_t i = 0; process && i < process->row_count; i++) {
		if (are_same_row(&process->rows[i], like))
			return &process->rows[i];
	}
	return NULL;
}

static uint64_t row_size(const struct row_change *row)
{
	return magnitude(minus(row->now ? balances_resident(&row->now->moved) : 0,
			       row->old ? balances_resident(&row->old->moved) : 0));
}

static int by_row(const void *left, const void *right)
{
	uint64_t a = row_size(left), b = row_size(right);

	return a == b ? 0 : a > b ? -1 : 1;
}

static void match_rows(struct process_change *process)
{
	const struct process_model *old = process->old, *now = process->now;

	for (size_t i = 0; now && i < now->row_count; i++)
		add_row(process, find_row(old, &now->rows[i]), &now->rows[i]);
	for (size_t i = 0; old && i < old->row_count; i++) {
		if (!find_row(now, &old->rows[i]))
			add_row(process, &old->rows[i], NULL);
	}
	if (process->row_count)
		qsort(process->rows, process->row_count, sizeof(*process->rows), by_row);
}

/* ---- sites ---- */

static uint64_t stack_key(const struct stack_model *stack)
{
	uint64_t key = stack->truncated;

	for (size_t i = 0; i < stack->count; i++) {
		const struct frame_model *frame = stack->frames[i];

		key = mix_name(key, frame->module);
		key = frame->function ? mix_name(mix_text(key, frame->function), frame->file) :
					mix(key, frame->address);
	}
	return key;
}

static size_t list_sites(struct keyed *list, const struct process_model *process, bool now)
{
	for (size_t i = 0; process && i < process->site_count; i++)
		list[i] = (struct keyed){ stack_key(process->sites[i].stack), i, now };
	return process ? process->site_count : 0;
}

static void add_figures(struct site_figures *to, const struct site_model *site)
{
	to->held_bytes = plus(to->held_bytes, site->held_bytes);
	to->touched_bytes = plus(to->touched_bytes, site->touched_bytes);
	to->released_bytes = plus(to->released_bytes, site->released_bytes);
	to->reserved_bytes = plus(to->reserved_bytes, site->reserved_bytes);
	to->never_touched_bytes = plus(to->never_touched_bytes, site->never_touched_bytes);
}

static int by_site(const void *left, const void *right)
{
	const struct site_change *a = left, *b = right;
	uint64_t held_a = magnitude(minus(a->now.held_bytes, a->old.held_bytes));
	uint64_t held_b = magnitude(minus(b->now.held_bytes, b->old.held_bytes));
	uint64_t touched_a = magnitude(minus(a->now.touched_bytes, a->old.touched_bytes));
	uint64_t touched_b = magnitude(minus(b->now.touched_bytes, b->old.touched_bytes));

	if (held_a != held_b)
		return held_a > held_b ? -1 : 1;
	return touched_a == touched_b ? 0 : touched_a > touched_b ? -1 : 1;
}

static void match_sites(struct process_change *process)
{
	const struct process_model *old = process->old, *now = process->now;
	size_t room = (old ? old->site_count : 0) + (now ? now->site_count : 0), count;
	struct keyed *list = memory_new(room + 1, sizeof(*list));
	struct site_change *at = NULL;

	count = list_sites(list, old, false);
	count += list_sites(list + count, now, true);
	if (count)
		qsort(list, count, sizeof(*list), compare_keyed);
	process->sites = memory_new(count + 1, sizeof(*process->sites));
	for (size_t i = 0; i < count; i++) {
		const struct site_model *site =
			&(list[i].now ? now : old)->sites[list[i].index];

		if (!i || list[i].key != list[i - 1].key)
			at = &process->sites[process->site_count++];
		at->stack = site->stack;
		add_figures(list[i].now ? &at->now : &at->old, site);
	}
	if (count)
		qsort(process->sites, process->site_count, sizeof(*process->sites), by_site);
	free(list);
}

/* Where only one of two was followed with stacks, nothing can be said. */
static bool have_sites(const struct process_change *process)
{
	return (!process->old || process->old->has_sites) &&
	       (!process->now || process->now->has_sites);
}

/* ---- all of it ---- */

void change_build(struct change *change, const struct model *old, const struct model *now)
{
	*change = (struct change){ .old = old, .now = now };
	match_processes(change);
	if (change->count)
		qsort(change->processes, change->count, sizeof(*change->processes), by_change);
	for (size_t i = 0; i < change->count; i++) {
		match_rows(&change->processes[i]);
		if (have_sites(&change->processes[i]))
			match_sites(&change->processes[i]);
	}
}

void change_free(struct change *change)
{
	for (size_t i = 0; i < change->count; i++) {
		free(change->processes[i].rows);
		free(change->processes[i].sites);
	}
	free(change->processes);
}
