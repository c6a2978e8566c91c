// SPDX-License-Identifier: GPL-2.0
/* memtrace: where a process's memory really is. */
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/cli/command.h"
#include "user/version.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static struct error *run(const struct options *options, int *status)
{
	switch (options->command) {
	case COMMAND_CAPTURE:
		return command_capture(options, status);
	case COMMAND_REPORT:
		return command_report(options, status);
	case COMMAND_CHECK:
		return command_check(options, status);
	case COMMAND_HELP:
		options_help(stdout);
		return NULL;
	case COMMAND_VERSION:
		puts("memtrace " MEMTRACE_VERSION);
		return NULL;
	}
	return NULL;
}

/* Words of the user and names of files may have anything in them. */
static int fail(const struct error *error)
{
	cleanup_free char *text = text_printable(error->text, strlen(error->text));

	fprintf(stderr, "memtrace: %s\n", text);
	return error->status ? error->status : 1;
}

int main(int count, char **words)
{
	struct options options;
	struct error *error;
	int status = 0;

	setlocale(LC_CTYPE, "");
	error = options_parse(&options, count, words);
	if (!error)
		error = run(&options, &status);
	if (error)
		status = fail(error);
	error_free(error);
	options_free(&options);
	return status;
}
