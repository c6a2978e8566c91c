// SPDX-License-Identifier: GPL-2.0
/* memtrace report FILE: any report again, without root, on any machine. */
#include "user/base/cleanup.h"
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/signals.h"
#include "user/snapshot/file.h"

/* What a stranger has sent is read without the rights to do anything with it. */
static struct error *report(int fd, const struct options *options, struct output *output,
			    int *status)
{
	Mt__Capture *capture;
	struct error *error;

	road_confine(options, -1);
	TRY(capture_load(fd, options->file, &capture));
	error = road_walk(capture, options, output);
	*status = road_status(capture, options);
	capture_free(capture);
	return error;
}

struct error *command_report(const struct options *options, int *status)
{
	cleanup_close int fd = -1;
	struct output output;
	struct error *error;

	signals_spare_writers();
	TRY(capture_open(options->file, &fd));
	TRY(output_open(&output, options));
	error = report(fd, options, &output, status);
	return error_first(error, output_close(&output));
}
