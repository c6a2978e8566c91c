// SPDX-License-Identifier: GPL-2.0
/* Where does the report go, and how does it look there?  See output.h. */
#include "user/cli/output.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_PLAIN 100 /* columns where there is no terminal */
#define WIDTH_LEAST 60
#define USAGE 2 /* the status of what was asked for and cannot be */

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
	int fd = output->place.descriptor;

	output->report.width = WIDTH_PLAIN;
	output->is_terminal = isatty(fd);
	if (!output->is_terminal)
		return;
	output->report.width = width_of(fd);
	output->report.unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	output->report.color = terminal && strcmp(terminal, "dumb") && !(no_color && *no_color);
}

/* ---- writing ---- */

/* Others may have made the stream non-blocking for themselves. */
static int wait_for_room(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLOUT };

	return poll(&polled, 1, -1) < 0 && errno != EINTR ? errno : 0;
}

static ssize_t write_all(void *cookie, const char *bytes, size_t count)
{
	struct output *output = cookie;
	int fd = output->place.descriptor;
	size_t done = 0;

	if (!output->place.begun)
		output->number = file_begin(&output->place);
	while (done < count && !output->number) {
		ssize_t written = write(fd, bytes + done, count - done);

		if (written >= 0)
			done += written;
		else if (errno == EAGAIN)
			output->number = wait_for_room(fd);
		else if (errno != EINTR)
			output->number = errno;
	}
	return output->number ? 0 : (ssize_t)count;
}

/* ---- opening and closing ---- */

/* --help has no format. */
static struct error *check_terminal(const struct options *options)
{
	const struct report_format *format = options->format;

	if (!format || !format->binary || options->output || !isatty(STDOUT_FILENO))
		return NULL;
	return error_status(USAGE, 0, "%s is nothing for a terminal: name a file with -o",
			    format->name);
}

struct error *output_open(struct output *output, const struct options *options)
{
	const cookie_io_functions_t functions = { .write = write_all };

	TRY(check_terminal(options));
	*output = (struct output){ .report = { .limit = options->limit,
					       .value = options->value,
					       .details = options->verbose } };
	output->name = options->output ?: "standard output";
	TRY(file_create(&output->place, options->output ?: "/dev/stdout"));
	output->file = fopencookie(output, "w", functions);
	if (!output->file)
		return error_new(errno, "cannot open %s", output->name);
	choose_looks(output);
	return NULL;
}

struct error *output_close(struct output *output)
{
	int closing;

	fclose(output->file);
	output->file = NULL;
	closing = file_close(&output->place);
	if (!output->number)
		output->number = closing;
	if (output->number == EPIPE)
		return error_new(0, "%s was closed before the whole report was written",
				 output->name);
	return output->number ? error_new(output->number, "cannot write the report to %s",
					  output->name) : NULL;
}
