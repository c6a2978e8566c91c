/* SPDX-License-Identifier: GPL-2.0 */
/* In which order does a person want to read of the processes? */
#ifndef MEMTRACE_REPORT_RANKING_H
#define MEMTRACE_REPORT_RANKING_H

#include "user/report/report.h"

struct ranked {
	const struct process_model *process;
	int64_t alarm_bytes; /* of its largest finding that asks for something; 0: there is none */
	const char *id;
	char *title;
};

/* Those that ask for something first, then those where most moved.  To be freed. */
struct ranked *ranking_build(const struct model *model);
void ranking_free(struct ranked *ranked, size_t count);

/* A line for each that asks for something, where there are more processes than are told of. */
void ranking_write(const struct ranked *ranked, size_t count,
		   const struct report_options *options, FILE *out);

#endif
