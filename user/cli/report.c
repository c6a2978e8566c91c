// SPDX-License-Identifier: GPL-2.0
/* memtrace report FILE: any report again, without root, on any machine. */
#include "user/base/cleanup.h"
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/signals.h"
#include "user/snapshot/file.h"

struct error *command_report(const struct options *options, int *status)
{
	cleanup_close int fd = -1;
	struct error *error;
	Mt__Capture *capture;
	struct output output;

	signals_spare_writers();
	TRY(capture_open(options->file, &fd));
	TRY(capture_load(fd, options->file, &capture));
	error = output_open(&output, options);
	if (!error) {
		error = road_walk(capture, options, &output);
		*status = road_status(capture, options);
		error = error_first(error, output_close(&output));
	}
	capture_free(capture);
	return error;
}
