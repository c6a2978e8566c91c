/* SPDX-License-Identifier: GPL-2.0 */
/* What did the user ask for?  One table of options: parsing, --help, the man page's list and
 * the shell's completion all come from it. */
#ifndef MEMTRACE_CLI_OPTIONS_H
#define MEMTRACE_CLI_OPTIONS_H

#include "user/base/error.h"
#include "user/collect/collector.h"
#include "user/report/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum command {
	COMMAND_CAPTURE,
	COMMAND_REPORT,
	COMMAND_DIFF,
	COMMAND_CHECK,
	COMMAND_TOP,
	COMMAND_HELP,
	COMMAND_VERSION,
};

struct options {
	enum command command;
	pid_t *pids;
	size_t pid_count;
	char **run;	   /* the command to run, NULL: none */
	bool all;
	const char *cgroup;
	bool children;
	int allocators; /* 1 on, 0 off, -1 as the mode has it */
	int calls; /* 1 on, 0 off, -1 as the mode has it */
	enum stacks_kind stacks;
	bool any_stacks; /* as the mode has it */
	unsigned int sample; /* follow one page of so many */
	double duration; /* seconds, 0: until something ends it */
	double interval; /* seconds, 0: none; of a screen how often it is drawn */
	const struct report_format *format;
	const char *output; /* NULL: standard output */
	const char *write;  /* capture to save, NULL: none */
	const char *file;   /* capture to report */
	const char *before; /* the one that it is compared with */
	unsigned int limit;
	enum site_value value;
	bool strict;
	bool quiet;
	bool verbose;
};

/* Fills in what the words of the command line say; errors have status 2. */
struct error *options_parse(struct options *options, int count, char **words);
void options_free(struct options *options);

void options_help(FILE *out);

/* A line or more for each option. */
void options_list(FILE *out);

/* All of them, with a blank before each. */
void options_names(FILE *out);

/* For the man page (mdoc) and for bash: see generate.c. */
void options_manual(FILE *out);
void options_completion(FILE *out);

#endif
