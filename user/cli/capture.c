// SPDX-License-Identifier: GPL-2.0
/* memtrace -p, -a, --cgroup, -- COMMAND: follow, then report. */
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/session.h"
#include "user/cli/signals.h"
#include "user/collect/collector.h"

#include <sys/stat.h>

#define OWN_FAILURE 125 /* of memtrace, where the status is otherwise the command's */

static void free_collector(struct collector **collector)
{
	if (*collector)
		collector_free(*collector);
}

#define cleanup_collector __attribute__((cleanup(free_collector)))

/* Where the results go: opened before anything is counted or run, and while memtrace may. */
struct places {
	struct output report;
	struct file capture;
};

static bool are_one_file(int fd, int other)
{
	struct stat stats[2];

	return !fstat(fd, &stats[0]) && !fstat(other, &stats[1]) && !S_ISCHR(stats[0].st_mode) &&
	       stats[0].st_dev == stats[1].st_dev && stats[0].st_ino == stats[1].st_ino;
}

static struct error *open_capture(struct places *places, const char *path)
{
	places->capture.descriptor = -1;
	if (!path)
		return NULL;
	TRY(file_create(&places->capture, path));
	if (are_one_file(places->capture.descriptor, places->report.place.descriptor))
		return error_new(0, "the report and the capture cannot both be in %s", path);
	return NULL;
}

static struct error *close_places(struct places *places)
{
	if (places->capture.descriptor >= 0)
		file_close(&places->capture);
	return output_close(&places->report);
}

static struct error *open_places(struct places *places, const struct options *options)
{
	struct error *error;

	TRY(output_open(&places->report, options));
	error = open_capture(places, options->write);
	return error ? error_first(error, close_places(places)) : NULL;
}

static void say(const char *text)
{
	fputs(text, stderr);
}

static struct error *start(const struct options *options, const struct places *places,
			   struct collector **out)
{
	struct collector_options wanted = road_options(options);
	cleanup_collector struct collector *collector = NULL;

	wanted.command = options->run;
	wanted.keep_intervals = options->write || !options->format->text;
	wanted.say = options->verbose ? say : NULL;
	TRY(collector_new(&wanted, &collector));
	/* The command is a process of its own by now: this is not for it. */
	signals_spare_writers();
	TRY(collector_attach(collector));
	if (options->write)
		TRY(file_make_private(&places->capture));
	command_note(options, collector_confine(collector));
	TRY(collector_start(collector));
	signals_open(collector_child(collector), collector_child_descriptor(collector));
	if (options->run)
		TRY(collector_go(collector));
	if (options->verbose)
		fputs("memtrace: counting\n", stderr);
	*out = collector;
	collector = NULL;
	return NULL;
}

/* A report that cannot be written must not cost the capture, nor the other way round. */
static struct error *finish(struct collector *collector, const struct options *options,
			    struct places *places, int *status)
{
	Mt__Capture *capture = NULL;
	struct error *error;

	TRY(collector_finish(collector, &capture));
	places->report.report.intervals_written = true;
	error = options->write ? capture_save(capture, &places->capture) : NULL;
	road_confine(options, collector_child(collector) ? collector_child_descriptor(collector) :
							   -1);
	error = error_first(error, road_walk(capture, options, &places->report));
	*status = road_status(capture, options);
	mt__capture__free_unpacked(capture, NULL);
	return error;
}

/* `collector` is NULL where nothing was begun. */
static struct error *capture(const struct options *options, struct collector **collector,
			     int *status)
{
	struct places places;
	struct error *error;

	TRY(open_places(&places, options));
	error = start(options, &places, collector);
	if (!error)
		error = session_run(*collector, options, &places.report);
	if (!error)
		error = finish(*collector, options, &places, status);
	return error_first(error, close_places(&places));
}

struct error *command_capture(const struct options *options, int *status)
{
	cleanup_collector struct collector *collector = NULL;
	struct error *error = capture(options, &collector, status);
	int child_status;

	if (options->run && error && !error->status)
		error->status = OWN_FAILURE;
	if (!options->run || !collector)
		return error;
	/* The command may go on for long: what went wrong is told before that. */
	if (error)
		*status = command_fail(error);
	error_free(error);
	child_status = collector_child_wait(collector);
	*status = *status ? OWN_FAILURE : child_status;
	return NULL;
}
