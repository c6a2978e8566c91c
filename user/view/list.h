/* SPDX-License-Identifier: GPL-2.0 */
/* Which processes are shown, in which order, and what moved each?  Pure, out of an interval. */
#ifndef MEMTRACE_VIEW_LIST_H
#define MEMTRACE_VIEW_LIST_H

#include "user/model/model.h"

enum list_sort {
	SORT_RESIDENT,
	SORT_CHANGE,
	SORT_VIRTUAL,
	SORT_ANON,
	SORT_FILE,
	SORT_SHMEM,
	SORT_SWAP,
	SORT_PID,
	SORT_COMMAND,
	SORTS,
};

/* "RSS", ..., as the heads of columns have it. */
const char *list_sort_name(enum list_sort sort);

struct list_options {
	enum list_sort sort;
	bool inverted; /* the least first, of names the last */
	bool tree;     /* children below their parents */
	const char *filter; /* in the arguments, or the pid; "": all */
};

struct list_row {
	const struct interval_process *process;
	int64_t resident_bytes;
	int64_t change_bytes; /* of that, in a second */
	const struct ledger_row *mover; /* moved most, NULL: nothing did */
	unsigned int depth; /* in the tree */
};

struct list {
	struct list_row *rows;
	size_t count;
	size_t all; /* processes, whether they are shown or not */
	int64_t resident_bytes, change_bytes, swap_bytes; /* of all of them */
};

/* Of an interval, which has to stay, and was `ns` long; 0: not known. */
void list_build(struct list *list, const struct interval_model *interval, uint64_t ns,
		const struct list_options *options);
void list_free(struct list *list);

/* What a process is called: its arguments, or the name of its program. */
const char *list_name(const struct interval_process *process);

/* Is that in its name, in small or capital letters, or is it its pid? */
bool list_matches(const struct interval_process *process, const char *words);

/* The row of a pid, or the count. */
size_t list_find(const struct list *list, uint32_t pid);

#endif
