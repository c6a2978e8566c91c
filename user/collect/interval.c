// SPDX-License-Identifier: GPL-2.0
/* What moved in each interval of a capture?  See interval.h. */
#include "user/collect/interval.h"

#include "user/base/memory.h"
#include "user/collect/self.h"

#include <stdlib.h>

static bool is_only_one(const struct process_table *table)
{
	return table->first && !table->first->next;
}

static void add_process(Mt__Interval *interval, struct process *process, bool unmoved,
			const struct record_options *options)
{
	Mt__ProcessInterval *made = record_interval(process, unmoved, options);

	if (!made)
		return;
	interval->processes = memory_grow(interval->processes, interval->n_processes,
					  sizeof(*interval->processes));
	interval->processes[interval->n_processes++] = made;
}

static Mt__Interval *make(struct process_table *table, const struct record_options *options)
{
	Mt__Interval *interval = memory_new(1, sizeof(*interval));

	mt__interval__init(interval);
	interval->at_ns = self_monotonic_ns() - options->started_ns;
	for (struct process *process = table->first; process; process = process->next) {
		if (!process->live && (!process->ended || process->told))
			continue;
		if (process->live || !options->screen)
			add_process(interval, process, options->screen || is_only_one(table),
				    options);
		process->told = !process->live;
		if (process->told)
			process_forget_rows(process);
	}
	return interval;
}

void interval_add(struct interval_list *list, bool keep_all, struct process_table *table,
		  const struct record_options *options)
{
	Mt__Interval *interval = make(table, options);

	if (!keep_all)
		interval_free(list);
	list->intervals = memory_grow(list->intervals, list->count, sizeof(*list->intervals));
	list->intervals[list->count++] = interval;
}

void interval_free(struct interval_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mt__interval__free_unpacked(list->intervals[i], NULL);
	free(list->intervals);
	*list = (struct interval_list){ 0 };
}
