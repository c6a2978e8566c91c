// SPDX-License-Identifier: GPL-2.0
/* memtrace top: where memory is now, and what moves it, on a screen that is alive. */
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/cli/command.h"
#include "user/cli/road.h"
#include "user/cli/signals.h"
#include "user/cli/timer.h"
#include "user/collect/collector.h"
#include "user/report/book.h"
#include "user/view/screen.h"
#include "user/view/view.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define TICK_SECONDS 0.1
#define LOOK_SHARE 25 /* of all time, one part of so many is spent on looks at one process */
#define POLLED_MOST 64
#define FIXED 4 /* descriptors before those of the collector */
#define TICK 0
#define REFRESH 1
#define DEADLINE 2
#define KEYS 3

/* What was read, and what it means. */
struct reading {
	Mt__Capture *capture;
	struct model model;
};

struct top {
	struct collector *collector;
	const struct options *options;
	struct view view;
	int timers[KEYS];
	char *whom, *ended;
	struct interval_model *interval; /* NULL: none so far */
	struct reading *self;
	struct reading *process;
	uint32_t resting_pid; /* the cursor was there at the last tick */
	uint64_t next_look_ns;
	bool done, unclean; /* what the terminal shows may not be what it was sent */
};

/* ---- readings ---- */

static struct reading *look(struct top *top, uint32_t pid)
{
	struct reading *reading = memory_new(1, sizeof(*reading));

	reading->capture = collector_look(top->collector, (pid_t)pid);
	model_build(&reading->model, reading->capture);
	return reading;
}

static void free_reading(struct reading *reading)
{
	if (!reading)
		return;
	model_free(&reading->model);
	mt__capture__free_unpacked(reading->capture, NULL);
	free(reading);
}

static void free_interval(struct interval_model *interval)
{
	if (interval)
		model_free_interval(interval);
	free(interval);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* At the process that the cursor is on: its findings, maps, sites.  That may take long. */
static void look_at_chosen(struct top *top)
{
	uint64_t spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint32_t pid = view_chosen(&top->view);
	struct reading *before = top->process;

	top->process = pid ? look(top, pid) : NULL;
	view_take_process(&top->view, top->process ? &top->process->model : NULL, pid);
	free_reading(before);
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - spent;
	top->next_look_ns = clock_ns(CLOCK_MONOTONIC) + spent * LOOK_SHARE;
}

static void note_time(struct top *top)
{
	time_t now = time(NULL);
	struct tm when = { 0 };

	localtime_r(&now, &when);
	strftime(top->view.clock, sizeof(top->view.clock), "%H:%M:%S", &when);
}

static bool has_target(const struct top *top, const struct interval_model *interval)
{
	for (size_t i = 0; interval && i < interval->process_count; i++) {
		for (size_t pid = 0; pid < top->options->pid_count; pid++) {
			if (interval->processes[i].pid == (uint32_t)top->options->pids[pid])
				return true;
		}
	}
	return false;
}

static struct error *refresh(struct top *top)
{
	struct interval_model *interval, *before = top->interval;
	struct reading *self_before = top->self;
	const Mt__Interval *read;
	const Mt__Capture *names;

	TRY(collector_interval(top->collector, &names, &read));
	interval = memory_new(1, sizeof(*interval));
	model_build_interval(interval, names, read);
	/* It ended just now, as will be noticed: the picture before was its last. */
	if (has_target(top, top->interval) && !has_target(top, interval)) {
		free_interval(interval);
		return NULL;
	}
	top->self = look(top, 0);
	view_take(&top->view, interval, &top->self->model);
	top->interval = interval;
	note_time(top);
	free_interval(before);
	free_reading(self_before);
	if (clock_ns(CLOCK_MONOTONIC) >= top->next_look_ns)
		look_at_chosen(top);
	return NULL;
}

/* ---- drawing ---- */

static void draw(struct top *top)
{
	struct canvas canvas;
	size_t columns, rows;

	screen_size(&columns, &rows);
	canvas_init(&canvas, columns, rows, screen_is_unicode());
	view_draw(&top->view, &canvas);
	screen_show(&canvas, top->unclean);
	canvas_free(&canvas);
	top->unclean = false;
}

static struct error *suspend(struct top *top)
{
	screen_close();
	signals_suspend();
	top->unclean = true;
	return screen_open(stdout, stdin);
}

/* ---- the loop ---- */

/* The last picture stays, with what is known of the end. */
static void note_end(struct top *top)
{
	const struct process_model *process = NULL;
	char state[64];

	if (top->view.ended || !collector_ended(top->collector))
		return;
	top->ended = memory_new(1, 128);
	snprintf(top->ended, 128, "all have ended: the last picture");
	look_at_chosen(top);
	if (top->options->pid_count == 1 && top->process)
		process = top->process->model.process_count ? &top->process->model.processes[0] :
							      NULL;
	if (process && process->pid == (uint32_t)top->options->pids[0]) {
		book_state(process, state, sizeof(state));
		snprintf(top->ended, 128, "%s: the last picture", state);
	}
	top->view.ended = top->ended;
}

static void take_keys(struct top *top)
{
	uint32_t key;

	while (!top->view.quit && screen_key(&key)) {
		top->unclean |= key == VIEW_REDRAW;
		view_press(&top->view, key);
	}
}

/* The cursor may pass over many; a look is for where it comes to rest. */
static bool notice_choice(struct top *top)
{
	uint32_t pid = view_chosen(&top->view);
	bool rests = pid == top->resting_pid;

	top->resting_pid = pid;
	if (!rests || pid == top->view.model_pid)
		return false;
	look_at_chosen(top);
	return true;
}

static struct error *take_ready(struct top *top, const struct pollfd *polled, bool *changed)
{
	if (polled[TICK].revents && timer_take(top->timers[TICK]))
		*changed |= notice_choice(top);
	if (polled[DEADLINE].revents && timer_take(top->timers[DEADLINE]))
		top->done = true;
	if (polled[KEYS].revents & POLLIN) {
		take_keys(top);
		*changed = true;
	}
	/* The terminal is gone. */
	if (polled[KEYS].revents & (POLLHUP | POLLERR | POLLNVAL))
		top->done = true;
	collector_tick(top->collector);
	if (!top->view.ended) {
		note_end(top);
		*changed |= top->view.ended != NULL;
	}
	if (polled[REFRESH].revents && timer_take(top->timers[REFRESH]) && !top->view.paused &&
	    !top->view.ended) {
		*changed = true;
		return refresh(top);
	}
	return NULL;
}

static struct error *wait_for(struct top *top, bool *changed)
{
	int descriptors[POLLED_MOST] = { top->timers[TICK], top->timers[REFRESH],
					 top->timers[DEADLINE], STDIN_FILENO };
	size_t count = FIXED + collector_descriptors(top->collector, descriptors + FIXED,
						     POLLED_MOST - FIXED);
	struct pollfd polled[POLLED_MOST] = { 0 };

	for (size_t i = 0; i < count; i++)
		polled[i] = (struct pollfd){ .fd = descriptors[i], .events = POLLIN };
	if (poll(polled, count, -1) < 0) {
		if (errno != EINTR)
			return error_new(errno, "cannot wait for events");
		memset(polled, 0, sizeof(polled));
	}
	if (signals_take_resize())
		top->unclean = *changed = true;
	if (signals_take_suspend()) {
		*changed = true;
		TRY(suspend(top));
	}
	return take_ready(top, polled, changed);
}

static struct error *loop(struct top *top)
{
	TRY(refresh(top));
	draw(top);
	while (!top->done && !top->view.quit && !signals_stopped()) {
		bool changed = false;

		TRY(wait_for(top, &changed));
		if (changed)
			draw(top);
	}
	return NULL;
}

/* ---- beginning and end ---- */

static char *whom_of(const struct options *options)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (options->all)
		fputs("-a", out);
	if (options->cgroup)
		fprintf(out, "%s--cgroup %s", options->all ? " " : "", options->cgroup);
	for (size_t i = 0; i < options->pid_count; i++)
		fprintf(out, "%s%d", i ? "," : "-p ", options->pids[i]);
	fclose(out);
	return text;
}

static struct error *start(struct top *top)
{
	const struct options *options = top->options;
	struct collector_options wanted = road_options(options);

	wanted.screen = true;
	TRY(collector_new(&wanted, &top->collector));
	signals_spare_writers();
	TRY(collector_attach(top->collector));
	command_note(options, collector_confine(top->collector));
	TRY(collector_start(top->collector));
	signals_open(0, -1);
	signals_open_screen(screen_drop);
	return screen_open(stdout, stdin);
}

static struct error *set_timers(struct top *top)
{
	for (size_t i = 0; i < KEYS; i++)
		TRY(timer_open(&top->timers[i]));
	timer_set(top->timers[TICK], TICK_SECONDS, true);
	timer_set(top->timers[REFRESH], top->options->interval, true);
	if (top->options->duration > 0)
		timer_set(top->timers[DEADLINE], top->options->duration, false);
	return NULL;
}

static void free_top(struct top *top)
{
	for (size_t i = 0; i < KEYS; i++)
		cleanup_close_(&top->timers[i]);
	view_free(&top->view);
	free_interval(top->interval);
	free_reading(top->self);
	free_reading(top->process);
	if (top->collector)
		collector_free(top->collector);
	free(top->whom);
	free(top->ended);
}

struct error *command_top(const struct options *options, int *status)
{
	struct top top = { .options = options, .timers = { -1, -1, -1 } };
	struct error *error;

	*status = 0;
	TRY(screen_check());
	top.whom = whom_of(options);
	view_init(&top.view, top.whom, options->interval);
	error = set_timers(&top);
	if (!error)
		error = start(&top);
	if (!error)
		error = loop(&top);
	screen_close();
	free_top(&top);
	return error;
}
