/* SPDX-License-Identifier: GPL-2.0 */
/* Where does the report go, and how does it look there? */
#ifndef MEMTRACE_CLI_OUTPUT_H
#define MEMTRACE_CLI_OUTPUT_H

#include "user/cli/options.h"
#include "user/snapshot/file.h"

struct output {
	FILE *file;
	const char *name; /* for messages */
	bool is_terminal;
	struct report_options report;
	struct file place; /* what is below `file` */
	int number;	   /* errno of the first write that failed: none is tried after it */
};

/* Opens it; its struct has to stay where it is until it is closed. */
struct error *output_open(struct output *output, const struct options *options);

/* Closes it, and tells whether all of it was written. */
struct error *output_close(struct output *output);

#endif
