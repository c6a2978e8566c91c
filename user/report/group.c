// SPDX-License-Identifier: GPL-2.0
/* Which processes are one series?  See group.h. */
#include "user/report/group.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
	const struct process_model *a = *(const struct process_model *const *)left;
	const struct process_model *b = *(const struct process_model *const *)right;
	int order = strcmp(a->command, b->command);

	return order ? order : strcmp(a->cgroup, b->cgroup);
}

static void add_balances(struct balances *to, const struct balances *what)
{
	for (size_t i = 0; i < BALANCE_COUNT; i++)
		to->bytes[i] = plus(to->bytes[i], what->bytes[i]);
}

static void add_row(struct group *group, const struct ledger_row *from)
{
	struct ledger_row *row = NULL;

	for (size_t i = 0; i < group->row_count; i++) {
		if (!strcmp(group->rows[i].operation, from->operation))
			row = &group->rows[i];
	}
	if (!row) {
		group->rows = memory_grow(group->rows, group->row_count, sizeof(*row));
		row = &group->rows[group->row_count++];
		memset(row, 0, sizeof(*row));
		row->operation = from->operation;
	}
	row->count += from->count;
	row->has_calls |= from->has_calls;
	row->failed += from->failed;
	row->requested_bytes += from->requested_bytes;
	add_balances(&row->moved, &from->moved);
}

static void add_process(struct group *group, const struct process_model *process)
{
	group->processes += process->folded ? process->folded : 1;
	add_balances(&group->closing, &process->closing);
	for (size_t i = 0; i < BALANCE_COUNT; i++) {
		int64_t bytes = process->unexplained.bytes[i];

		group->unexplained_bytes = plus(group->unexplained_bytes,
						bytes < 0 ? minus(0, bytes) : bytes);
	}
	for (size_t i = 0; i < process->row_count; i++)
		add_row(group, &process->rows[i]);
}

static bool same(const struct group *group, const struct process_model *process)
{
	return !strcmp(group->command, process->command) && !strcmp(group->cgroup, process->cgroup);
}

void groups_build(struct groups *groups, const struct model *model)
{
	const struct process_model **order = memory_new(model->process_count, sizeof(*order));

	groups->at = memory_new(model->process_count, sizeof(*groups->at));
	groups->count = 0;
	for (size_t i = 0; i < model->process_count; i++)
		order[i] = &model->processes[i];
	if (model->process_count)
		qsort(order, model->process_count, sizeof(*order), compare);
	for (size_t i = 0; i < model->process_count; i++) {
		struct group *last = groups->count ? &groups->at[groups->count - 1] : NULL;

		if (!last || !same(last, order[i])) {
			last = &groups->at[groups->count++];
			last->command = order[i]->command;
			last->cgroup = order[i]->cgroup;
		}
		add_process(last, order[i]);
	}
	free(order);
}

void groups_free(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		free(groups->at[i].rows);
	free(groups->at);
}
