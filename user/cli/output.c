// SPDX-License-Identifier: GPL-2.0
/* Where does the report go, and how does it look there?  See output.h. */
#include "user/cli/output.h"

#include "user/snapshot/file.h"

#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_PLAIN 100 /* columns where there is no terminal */
#define WIDTH_LEAST 60

static unsigned int width_of(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
}

static void choose_looks(struct output *output)
{
	const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");

	output->report.width = WIDTH_PLAIN;
	if (!isatty(fileno(output->file)))
		return;
	output->report.width = width_of(fileno(output->file));
	output->report.unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	output->report.color = terminal && strcmp(terminal, "dumb") && !(no_color && *no_color);
}

struct error *output_open(struct output *output, const struct options *options)
{
	int fd;

	*output = (struct output){ .file = stdout, .name = "standard output" };
	output->report.limit = options->limit;
	output->report.details = options->verbose;
	if (options->output) {
		TRY(file_create(options->output, &fd));
		output->name = options->output;
		output->file = fdopen(fd, "w");
		if (!output->file)
			return error_new(errno, "cannot open %s", options->output);
	}
	choose_looks(output);
	return NULL;
}

struct error *output_close(struct output *output)
{
	int number = 0;

	errno = 0;
	if (fflush(output->file) || ferror(output->file))
		number = errno ? errno : EIO;
	if (output->file != stdout && fclose(output->file) && !number)
		number = errno;
	output->file = NULL;
	if (number == EPIPE)
		return error_new(0, "%s was closed before the whole report was written",
				 output->name);
	return number ? error_new(number, "cannot write the report to %s", output->name) : NULL;
}
