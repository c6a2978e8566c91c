// SPDX-License-Identifier: GPL-2.0
/* What ends a capture, and what happens until then?  See session.h. */
#include "user/cli/session.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_SECONDS 0.1
#define GRACE_SECONDS 2.0 /* for the command to end after a signal, before the report */
#define STATUS_TICKS 5
#define POLLED_MOST 64

struct session {
	struct collector *collector;
	const struct options *options;
	struct output *output;
	sigset_t handled, before;
	int signals, tick, interval, deadline;
	int stops; /* signals that asked to stop */
	bool done;
	bool shows_status;
	unsigned int ticks;
};

/* ---- timers ---- */

static struct timespec span(double seconds)
{
	struct timespec time = { .tv_sec = (time_t)seconds };

	time.tv_nsec = (seconds - (double)time.tv_sec) * 1e9;
	if (!time.tv_sec && !time.tv_nsec)
		time.tv_nsec = 1;
	return time;
}

static void set_timer(int fd, double seconds, bool again)
{
	struct itimerspec timer = { .it_value = span(seconds) };

	if (again)
		timer.it_interval = timer.it_value;
	timerfd_settime(fd, 0, &timer, NULL);
}

static bool take_timer(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* ---- signals ---- */

/* Those that a terminal or an operator sends; with a command, also what it may wait for. */
static void choose_signals(struct session *session)
{
	static const int passed[] = { SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction hangup;

	sigemptyset(&session->handled);
	sigaddset(&session->handled, SIGINT);
	sigaddset(&session->handled, SIGTERM);
	sigaction(SIGHUP, NULL, &hangup);
	if (hangup.sa_handler != SIG_IGN) /* nohup */
		sigaddset(&session->handled, SIGHUP);
	for (size_t i = 0; session->options->run && i < 3; i++)
		sigaddset(&session->handled, passed[i]);
}

static bool stops(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP;
}

/* From here on a signal does what it does to any program. */
static void restore_signals(const struct session *session)
{
	sigprocmask(SIG_SETMASK, &session->before, NULL);
}

static void take_signal(struct session *session)
{
	struct signalfd_siginfo info;
	pid_t child = collector_child(session->collector);

	if (read(session->signals, &info, sizeof(info)) != sizeof(info))
		return;
	/* A terminal has sent it to the command already. */
	if (child && !collector_child_ended(session->collector) && info.ssi_code != SI_KERNEL)
		kill(child, info.ssi_signo);
	if (!stops(info.ssi_signo))
		return;
	if (session->stops++) {
		restore_signals(session);
		raise(info.ssi_signo);
	}
	if (child)
		set_timer(session->deadline, GRACE_SECONDS, false);
	else
		session->done = true;
}

/* ---- the status line ---- */

/* What is wider than the line would go on in the next, and stay there. */
static int status_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 79 : size.ws_col - 1;
}

static void write_status(const struct session *session)
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
}

static void clear_status(const struct session *session)
{
	if (session->shows_status && session->ticks >= STATUS_TICKS)
		fputs("\r\033[K", stderr);
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

static struct error *take_ready(struct session *session, const struct pollfd *polled)
{
	if (polled[0].revents)
		take_signal(session);
	if (polled[1].revents && take_timer(session->tick)) {
		session->ticks++;
		if (session->shows_status && session->ticks % STATUS_TICKS == 0)
			write_status(session);
	}
	if (polled[3].revents && take_timer(session->deadline))
		session->done = true;
	collector_tick(session->collector);
	if (collector_ended(session->collector))
		session->done = true;
	if (polled[2].revents && take_timer(session->interval) && !session->done)
		return write_interval(session);
	return NULL;
}

static struct error *loop(struct session *session)
{
	int descriptors[POLLED_MOST] = { session->signals, session->tick, session->interval,
					 session->deadline };

	while (!session->done) {
		struct pollfd polled[POLLED_MOST];
		size_t count = 4 + collector_descriptors(session->collector, descriptors + 4,
							 POLLED_MOST - 4);

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

	choose_signals(session);
	sigprocmask(SIG_BLOCK, &session->handled, &session->before);
	session->signals = signalfd(-1, &session->handled, SFD_CLOEXEC | SFD_NONBLOCK);
	session->tick = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	session->interval = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	session->deadline = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (session->signals < 0 || session->tick < 0 || session->interval < 0 ||
	    session->deadline < 0)
		return error_new(errno, "cannot make timers");
	set_timer(session->tick, TICK_SECONDS, true);
	if (options->interval > 0)
		set_timer(session->interval, options->interval, true);
	if (options->duration > 0)
		set_timer(session->deadline, options->duration, false);
	session->shows_status = wants_status(options);
	if (options->verbose)
		fputs("memtrace: counting\n", stderr);
	return NULL;
}

struct error *session_run(struct collector *collector, const struct options *options,
			  struct output *output)
{
	struct session session = { .collector = collector, .options = options, .output = output,
				   .signals = -1, .tick = -1, .interval = -1, .deadline = -1 };
	struct error *error = open_session(&session);

	if (!error)
		error = loop(&session);
	clear_status(&session);
	restore_signals(&session);
	cleanup_close_(&session.signals);
	cleanup_close_(&session.tick);
	cleanup_close_(&session.interval);
	cleanup_close_(&session.deadline);
	return error;
}
