// SPDX-License-Identifier: GPL-2.0
/* memtrace diff OLD NEW: what changed between two captures? */
#include "user/base/cleanup.h"
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/signals.h"
#include "user/report/change.h"
#include "user/snapshot/file.h"

#include <string.h>

static struct error *write_change(const Mt__Capture *old, const Mt__Capture *now,
				  const struct options *options, struct output *output)
{
	struct model old_model, now_model;
	struct change change;
	struct error *error;

	model_build(&old_model, old);
	model_build(&now_model, now);
	change_build(&change, &old_model, &now_model);
	if (!strcmp(options->format->name, "json"))
		error = change_json(&change, output->file);
	else
		error = change_text(&change, &output->report, output->file);
	change_free(&change);
	model_free(&now_model);
	model_free(&old_model);
	return error;
}

static struct error *compare(const Mt__Capture *old, int fd, const struct options *options,
			     struct output *output, int *status)
{
	Mt__Capture *now;
	struct error *error;

	TRY(capture_load(fd, options->file, &now));
	error = write_change(old, now, options, output);
	*status = road_status(old, options) ?: road_status(now, options);
	capture_free(now);
	return error;
}

/* What strangers have sent is read without the rights to do anything with it. */
static struct error *diff(int old_fd, int fd, const struct options *options,
			  struct output *output, int *status)
{
	Mt__Capture *old;
	struct error *error;

	road_confine(options, -1);
	TRY(capture_load(old_fd, options->before, &old));
	error = compare(old, fd, options, output, status);
	capture_free(old);
	return error;
}

struct error *command_diff(const struct options *options, int *status)
{
	cleanup_close int old_fd = -1, fd = -1;
	struct output output;
	struct error *error;

	signals_spare_writers();
	TRY(capture_open(options->before, &old_fd));
	TRY(capture_open(options->file, &fd));
	TRY(output_open(&output, options));
	error = diff(old_fd, fd, options, &output, status);
	return error_first(error, output_close(&output));
}
