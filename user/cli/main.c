// SPDX-License-Identifier: GPL-2.0
/* memtrace: where a process's memory really is. */
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/cli/command.h"
#include "user/cli/output.h"
#include "user/version.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static void version(FILE *out)
{
	fputs("memtrace " MEMTRACE_VERSION "\n", out);
}

/* To standard output, whatever the options say of the report. */
static struct error *print(void (*text)(FILE *out))
{
	const struct options options = { 0 };
	struct output output;

	TRY(output_open(&output, &options));
	text(output.file);
	return output_close(&output);
}

static struct error *run(const struct options *options, int *status)
{
	switch (options->command) {
	case COMMAND_CAPTURE:
		return command_capture(options, status);
	case COMMAND_REPORT:
		return command_report(options, status);
	case COMMAND_DIFF:
		return command_diff(options, status);
	case COMMAND_CHECK:
		return command_check(options, status);
	case COMMAND_TOP:
		return command_top(options, status);
	case COMMAND_HELP:
		return print(options_help);
	case COMMAND_VERSION:
		return print(version);
	}
	return NULL;
}

/* Words of the user and names of files may have anything in them. */
int command_fail(const struct error *error)
{
	cleanup_free char *text = text_printable(error->text, strlen(error->text));

	fprintf(stderr, "memtrace: %s\n", text);
	return error->status ? error->status : 1;
}

void command_note(const struct options *options, struct error *error)
{
	if (error && options->verbose)
		command_fail(error);
	error_free(error);
}

/*
 * Where a standard stream is closed, the first file that is opened would get what is meant for
 * the stream.  This takes its place, can be neither read nor written, and is not the command's.
 */
static void keep_closed_streams(void)
{
	int fd;

	do
		fd = open("/", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int count, char **words)
{
	struct options options;
	struct error *error;
	int status = 0;

	keep_closed_streams();
	setlocale(LC_CTYPE, "");
	error = options_parse(&options, count, words);
	if (!error)
		error = run(&options, &status);
	if (error)
		status = command_fail(error);
	error_free(error);
	options_free(&options);
	return status;
}
