// SPDX-License-Identifier: GPL-2.0
/* memtrace report FILE: any report again, without root, on any machine. */
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/snapshot/file.h"

#include <signal.h>

struct error *command_report(const struct options *options, int *status)
{
	struct error *error, *closing;
	Mt__Capture *capture;
	struct output output;

	signal(SIGPIPE, SIG_IGN);
	TRY(capture_load(options->file, &capture));
	error = output_open(&output, options);
	if (error) {
		capture_free(capture);
		return error;
	}
	error = road_walk(capture, options, &output);
	*status = road_status(capture, options);
	capture_free(capture);
	closing = output_close(&output);
	if (error)
		error_free(closing);
	return error ? error : closing;
}
