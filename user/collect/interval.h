/* SPDX-License-Identifier: GPL-2.0 */
/* What moved in each interval of a capture? */
#ifndef MEMTRACE_COLLECT_INTERVAL_H
#define MEMTRACE_COLLECT_INTERVAL_H

#include "user/collect/process.h"
#include "user/collect/record.h"

/* Those so far, the last one last. */
struct interval_list {
	Mt__Interval **intervals;
	size_t count;
};

/* Adds one of what was read just now, of processes in which something moved: those that live, and
 * those that ended since the last one; for a screen, of all that live.  Only where all are to be
 * kept are there more than that. */
void interval_add(struct interval_list *list, bool keep_all, struct process_table *table,
		  const struct record_options *options);

void interval_free(struct interval_list *list);

#endif
