// SPDX-License-Identifier: GPL-2.0
/* Which processes are shown, in which order, and what moved each?  See list.h. */
#include "user/view/list.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <inttypes.h>
#include <string.h>

#define SECOND_NS 1e9

static const char *const sort_names[SORTS] = {
	[SORT_RESIDENT] = "RSS", [SORT_CHANGE] = "CHANGE/s", [SORT_VIRTUAL] = "VSZ",
	[SORT_ANON] = "ANON",	 [SORT_FILE] = "FILE",	     [SORT_SHMEM] = "SHMEM",
	[SORT_SWAP] = "SWAP",	 [SORT_PID] = "PID",	     [SORT_COMMAND] = "COMMAND",
};

const char *list_sort_name(enum list_sort sort)
{
	return sort_names[sort];
}

const char *list_name(const struct interval_process *process)
{
	return process->line && *process->line ? process->line : process->command;
}

bool list_matches(const struct interval_process *process, const char *words)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%" PRIu32, process->pid);
	return !*words || strcasestr(list_name(process), words) ||
	       strcasestr(process->command, words) || !strcmp(pid, words);
}

/* ---- rows ---- */

static uint64_t size_of(int64_t bytes)
{
	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

/* What moved RSS most; where it did not move, what moved anything most, which comes first. */
static const struct ledger_row *mover_of(const struct interval_process *process)
{
	const struct ledger_row *mover = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		uint64_t size = size_of(balances_resident(&process->rows[i].moved));

		if (size <= most)
			continue;
		most = size;
		mover = &process->rows[i];
	}
	if (!mover && process->row_count && !balances_are_zero(&process->rows[0].moved))
		mover = &process->rows[0];
	return mover;
}

static int64_t change_of(const struct interval_process *process, uint64_t ns)
{
	int64_t change = 0;

	for (size_t i = 0; i < process->row_count; i++)
		change = plus(change, balances_resident(&process->rows[i].moved));
	return ns ? (int64_t)((double)change * SECOND_NS / (double)ns) : 0;
}

/* ---- order ---- */

static int64_t value_of(const struct list_row *row, enum list_sort sort)
{
	static const enum balance balances[SORTS] = {
		[SORT_VIRTUAL] = BALANCE_VIRTUAL, [SORT_ANON] = BALANCE_ANON,
		[SORT_FILE] = BALANCE_FILE,	  [SORT_SHMEM] = BALANCE_SHMEM,
		[SORT_SWAP] = BALANCE_SWAP,
	};

	switch (sort) {
	case SORT_RESIDENT:
		return row->resident_bytes;
	case SORT_CHANGE:
		return row->change_bytes;
	case SORT_PID:
		return -(int64_t)row->process->pid;
	default:
		return row->process->closing.bytes[balances[sort]];
	}
}

static int compare(const void *left, const void *right, void *context)
{
	const struct list_row *a = left, *b = right;
	const struct list_options *options = context;
	int64_t of_a = 0, of_b = 0;
	int order = 0;

	if (options->sort == SORT_COMMAND)
		order = strcasecmp(list_name(a->process), list_name(b->process));
	else
		of_a = value_of(a, options->sort), of_b = value_of(b, options->sort);
	if (of_a != of_b)
		order = of_a > of_b ? -1 : 1;
	if (options->inverted)
		order = -order;
	/* Rows that are equal do not jump. */
	if (order)
		return order;
	return a->process->pid < b->process->pid ? -1 : a->process->pid > b->process->pid;
}

/* ---- the tree ---- */

struct node {
	uint32_t pid;
	size_t row, child, next; /* `row` of the sorted ones; others: nodes and 1, 0: none */
	bool placed;
};

struct tree {
	struct node *nodes; /* as the rows are sorted */
	struct node **by_pid;
	size_t count;
	struct list_row *rows;
	struct list *list;
};

static int by_pid(const void *left, const void *right)
{
	const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;

	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static struct node *find_node(const struct tree *tree, uint32_t pid)
{
	struct node key = { .pid = pid }, *searched = &key;
	struct node **found = bsearch(&searched, tree->by_pid, tree->count, sizeof(searched),
				      by_pid);

	return found ? *found : NULL;
}

static struct node *parent_of(const struct tree *tree, const struct node *node)
{
	uint32_t pid = tree->rows[node->row].process->parent_pid;

	return pid == node->pid ? NULL : find_node(tree, pid);
}

static void place(struct tree *tree, struct node *node, unsigned int depth)
{
	struct list_row *row = &tree->list->rows[tree->list->count++];

	*row = tree->rows[node->row];
	row->depth = depth;
	node->placed = true;
	for (size_t i = node->child; i; i = tree->nodes[i - 1].next) {
		if (!tree->nodes[i - 1].placed)
			place(tree, &tree->nodes[i - 1], depth + 1);
	}
}

/* Backwards, so that the first of the children comes first. */
static void link_children(struct tree *tree)
{
	for (size_t i = tree->count; i--;) {
		struct node *parent = parent_of(tree, &tree->nodes[i]);

		if (!parent)
			continue;
		tree->nodes[i].next = parent->child;
		parent->child = i + 1;
	}
}

/* What is its own ancestor, as pids are used again, comes last. */
static void place_all(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		if (!parent_of(tree, &tree->nodes[i]))
			place(tree, &tree->nodes[i], 0);
	}
	for (size_t i = 0; i < tree->count; i++) {
		if (!tree->nodes[i].placed)
			place(tree, &tree->nodes[i], 0);
	}
}

static void make_tree(struct list *list)
{
	size_t count = list->count;
	cleanup_free struct node *nodes = memory_new(count, sizeof(*nodes));
	cleanup_free struct node **pids = memory_new(count, sizeof(struct node *));
	cleanup_free struct list_row *rows = list->rows;
	struct tree tree = { nodes, pids, count, rows, list };

	for (size_t i = 0; i < count; i++) {
		nodes[i] = (struct node){ .pid = rows[i].process->pid, .row = i };
		pids[i] = &nodes[i];
	}
	if (count)
		qsort(pids, count, sizeof(*pids), by_pid);
	list->rows = memory_new(count, sizeof(*list->rows));
	list->count = 0;
	link_children(&tree);
	place_all(&tree);
}

/* ---- all of it ---- */

static void add_row(struct list *list, const struct interval_process *process, uint64_t ns,
		    const struct list_options *options)
{
	struct list_row row = {
		.process = process,
		.resident_bytes = balances_resident(&process->closing),
		.change_bytes = change_of(process, ns),
		.mover = ns ? mover_of(process) : NULL,
	};

	list->resident_bytes = plus(list->resident_bytes, row.resident_bytes);
	list->change_bytes = plus(list->change_bytes, row.change_bytes);
	list->swap_bytes = plus(list->swap_bytes, process->closing.bytes[BALANCE_SWAP]);
	if (list_matches(process, options->filter))
		list->rows[list->count++] = row;
}

void list_build(struct list *list, const struct interval_model *interval, uint64_t ns,
		const struct list_options *options)
{
	struct list_options given = *options;

	*list = (struct list){ .all = interval->process_count };
	list->rows = memory_new(interval->process_count, sizeof(*list->rows));
	for (size_t i = 0; i < interval->process_count; i++)
		add_row(list, &interval->processes[i], ns, options);
	if (list->count)
		qsort_r(list->rows, list->count, sizeof(*list->rows), compare, &given);
	if (options->tree)
		make_tree(list);
}

void list_free(struct list *list)
{
	free(list->rows);
	*list = (struct list){ 0 };
}

size_t list_find(const struct list *list, uint32_t pid)
{
	size_t i = 0;

	while (i < list->count && list->rows[i].process->pid != pid)
		i++;
	return i;
}
