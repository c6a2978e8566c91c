// SPDX-License-Identifier: GPL-2.0
/* What ends a capture, and what happens until then?  See session.h. */
#include "user/cli/session.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/cli/signals.h"
#include "user/cli/timer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_SECONDS 0.1
#define GRACE_SECONDS 2.0 /* for the command to end after a signal, before the report */
#define STATUS_TICKS 5
#define POLLED_MOST 64

struct session {
	struct collector *collector;
	const struct options *options;
	struct output *output;
	int tick, interval, deadline;
	bool stopping, done;
	bool wants_status, shows_status;
	unsigned int ticks;
};

/* ---- the status line ---- */

/* What is wider than the line would go on in the next, and stay there. */
static int status_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 79 : size.ws_col - 1;
}

/* Another job has the terminal now. */
static bool in_background(void)
{
	pid_t front = tcgetpgrp(STDERR_FILENO);

	return front > 0 && front != getpgrp();
}

static void write_status(struct session *session)
{
	struct collector_status status = collector_status(session->collector);
	char time[32], events[32], bytes[32], text[256];

	snprintf(text, sizeof(text), "%s, %s events, RSS %s in %u process%s; Ctrl-C stops",
		text_duration(time, sizeof(time), status.elapsed_ns),
		text_count(events, sizeof(events), status.events),
		text_bytes(bytes, sizeof(bytes), status.resident_bytes, 0), status.processes,
		status.processes == 1 ? "" : "es");
	fprintf(stderr, "\r\033[K%.*s", status_columns(), text);
	fflush(stderr);
	session->shows_status = true;
}

static void clear_status(struct session *session)
{
	if (session->shows_status && !in_background())
		fputs("\r\033[K", stderr);
	session->shows_status = false;
}

/* On a terminal that can wipe it; a command has the terminal to itself. */
static bool wants_status(const struct options *options)
{
	const char *terminal = getenv("TERM");

	return terminal && strcmp(terminal, "dumb") && isatty(STDERR_FILENO) && !options->quiet &&
	       !options->run;
}

/* ---- the loop ---- */

static struct error *write_interval(struct session *session)
{
	const Mt__Capture *names;
	const Mt__Interval *interval;
	struct interval_model model;

	TRY(collector_interval(session->collector, &names, &interval));
	if (!session->options->format->text)
		return NULL;
	clear_status(session);
	model_build_interval(&model, names, interval);
	report_interval(&model, &session->output->report, session->output->file);
	model_free_interval(&model);
	/* What cannot be seen need not be counted: output_close() tells why. */
	if (fflush(session->output->file))
		session->done = true;
	return NULL;
}

static void notice_stop(struct session *session)
{
	if (session->stopping || !signals_stopped())
		return;
	session->stopping = true;
	if (collector_child(session->collector))
		timer_set(session->deadline, GRACE_SECONDS, false);
	else
		session->done = true;
}

static struct error *take_ready(struct session *session, const struct pollfd *polled)
{
	if (polled[0].revents && timer_take(session->tick)) {
		session->ticks++;
		if (session->wants_status && session->ticks % STATUS_TICKS == 0 && !in_background())
			write_status(session);
	}
	if (polled[2].revents && timer_take(session->deadline))
		session->done = true;
	collector_tick(session->collector);
	if (collector_ended(session->collector))
		session->done = true;
	notice_stop(session);
	if (polled[1].revents && timer_take(session->interval) && !session->done)
		return write_interval(session);
	return NULL;
}

/* A signal that comes just before poll() is noticed at the next tick. */
static struct error *loop(struct session *session)
{
	int descriptors[POLLED_MOST] = { session->tick, session->interval, session->deadline };

	while (!session->done) {
		struct pollfd polled[POLLED_MOST];
		size_t count = 3 + collector_descriptors(session->collector, descriptors + 3,
							 POLLED_MOST - 3);

		for (size_t i = 0; i < count; i++)
			polled[i] = (struct pollfd){ .fd = descriptors[i], .events = POLLIN };
		if (poll(polled, count, -1) < 0 && errno != EINTR)
			return error_new(errno, "cannot wait for events");
		TRY(take_ready(session, polled));
	}
	return NULL;
}

static struct error *open_session(struct session *session)
{
	const struct options *options = session->options;

	TRY(timer_open(&session->tick));
	TRY(timer_open(&session->interval));
	TRY(timer_open(&session->deadline));
	timer_set(session->tick, TICK_SECONDS, true);
	if (options->interval > 0)
		timer_set(session->interval, options->interval, true);
	if (options->duration > 0)
		timer_set(session->deadline, options->duration, false);
	session->wants_status = wants_status(options);
	return NULL;
}

struct error *session_run(struct collector *collector, const struct options *options,
			  struct output *output)
{
	struct session session = { .collector = collector, .options = options, .output = output,
				   .tick = -1, .interval = -1, .deadline = -1 };
	struct error *error = open_session(&session);

	if (!error)
		error = loop(&session);
	/* After the ^C that a terminal shows the report begins with a line of its own. */
	if (signals_stopped_by_key() && output->is_terminal && !session.shows_status)
		fputc('\n', output->file);
	clear_status(&session);
	cleanup_close_(&session.tick);
	cleanup_close_(&session.interval);
	cleanup_close_(&session.deadline);
	return error;
}
