// SPDX-License-Identifier: GPL-2.0
/* memtrace -p, -a, --cgroup, -- COMMAND: follow, then report. */
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/session.h"
#include "user/collect/collector.h"
#include "user/snapshot/file.h"

#include <signal.h>
#include <stdlib.h>

#define OWN_FAILURE 125 /* of memtrace, where the status is otherwise the command's */

static void collector_cleanup(struct collector **collector)
{
	if (*collector)
		collector_free(*collector);
}

static struct error *start(const struct options *options, struct collector **collector)
{
	const struct collector_options wanted = {
		.pids = options->pids,
		.pid_count = options->pid_count,
		.command = options->run,
		.system = options->all || options->cgroup,
		.cgroup = options->cgroup,
		.children = options->children,
		.calls = options->calls,
		.verbose = options->verbose,
	};

	TRY(collector_new(&wanted, collector));
	/* A reader that goes away is an error like others; the command keeps the default. */
	signal(SIGPIPE, SIG_IGN);
	return collector_start(*collector);
}

/* The report was made; a command that goes on is left running, and waited for. */
static struct error *finish(struct collector *collector, const struct options *options,
			    struct output *output, int *status)
{
	Mt__Capture *capture = NULL;
	struct error *error = collector_finish(collector, &capture);

	if (error)
		return error;
	output->report.intervals_written = true;
	if (options->write)
		error = capture_save(capture, options->write);
	if (!error)
		error = road_walk(capture, options, output);
	*status = road_status(capture, options);
	mt__capture__free_unpacked(capture, NULL);
	return error;
}

static struct error *capture(const struct options *options, int *status, int *child_status)
{
	__attribute__((cleanup(collector_cleanup))) struct collector *collector = NULL;
	struct error *error, *closing;
	struct output output;

	TRY(start(options, &collector));
	TRY(output_open(&output, options));
	error = session_run(collector, options, &output);
	if (!error)
		error = finish(collector, options, &output, status);
	closing = output_close(&output);
	if (options->run)
		*child_status = collector_child_wait(collector);
	if (error)
		error_free(closing);
	return error ? error : closing;
}

struct error *command_capture(const struct options *options, int *status)
{
	int child_status = 0;
	struct error *error = capture(options, status, &child_status);

	if (options->run && error && !error->status)
		error->status = OWN_FAILURE;
	if (options->run)
		*status = *status ? OWN_FAILURE : child_status;
	return error;
}
