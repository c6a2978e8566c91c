// SPDX-License-Identifier: GPL-2.0
/* Which processes are one series?  See group.h. */
#include "user/report/group.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A process under the names of its series: two that look alike there are one. */
struct named {
	const struct process_model *process;
	char *command, *cgroup;
};

/* Text without controls other than a newline, which a reader of metrics need not bear. */
static char *label(const char *text)
{
	char *made = memory_new(3 * strlen(text) + 1, 1), *to = made;

	for (; *text; text++) {
		if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f)
			to = stpcpy(to, "\xef\xbf\xbd");
		else
			*to++ = *text;
	}
	return made;
}

static int compare(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
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

static struct named *sorted(const struct model *model)
{
	struct named *order = memory_new(model->process_count, sizeof(*order));

	for (size_t i = 0; i < model->process_count; i++) {
		const struct process_model *process = &model->processes[i];

		order[i] = (struct named){ process, label(process->command),
					   label(process->cgroup) };
	}
	if (model->process_count)
		qsort(order, model->process_count, sizeof(*order), compare);
	return order;
}

static bool same(const struct group *group, const struct named *named)
{
	return !strcmp(group->command, named->command) && !strcmp(group->cgroup, named->cgroup);
}

void groups_build(struct groups *groups, const struct model *model)
{
	struct named *order = sorted(model);

	groups->at = memory_new(model->process_count, sizeof(*groups->at));
	groups->count = 0;
	for (size_t i = 0; i < model->process_count; i++) {
		struct group *last = groups->count ? &groups->at[groups->count - 1] : NULL;

		if (!last || !same(last, &order[i])) {
			last = &groups->at[groups->count++];
			last->command = order[i].command;
			last->cgroup = order[i].cgroup;
		} else {
			free(order[i].command);
			free(order[i].cgroup);
		}
		add_process(last, order[i].process);
	}
	free(order);
}

void groups_free(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		free(groups->at[i].command);
		free(groups->at[i].cgroup);
		free(groups->at[i].rows);
	}
	free(groups->at);
}
