/* SPDX-License-Identifier: GPL-2.0 */
/* Where does the report go, and how does it look there? */
#ifndef MEMTRACE_CLI_OUTPUT_H
#define MEMTRACE_CLI_OUTPUT_H

#include "user/cli/options.h"

struct output {
	FILE *file;
	const char *name; /* for messages */
	struct report_options report;
};

struct error *output_open(struct output *output, const struct options *options);

/* Closes it, and tells whether all of it was written. */
struct error *output_close(struct output *output);

#endif
