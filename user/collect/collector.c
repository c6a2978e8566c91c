// SPDX-License-Identifier: GPL-2.0
/* How is a capture taken?  See collector.h. */
#include "user/collect/collector.h"

#include "user/base/memory.h"
#include "user/collect/capture.h"
#include "user/collect/confine.h"
#include "user/collect/follow.h"
#include "user/collect/growth.h"
#include "user/collect/live.h"
#include "user/collect/mapping.h"
#include "user/collect/roster.h"
#include "user/collect/self.h"
#include "user/collect/space.h"

#include <malloc.h>
#include <stdlib.h>

#define GRACE_NS 20000000   /* for what happens at the end of an address space */
#define SIGNAL_NS 100000000 /* a tick */
#define IDENTIFY_A_TICK 256 /* processes asked for their names at once */

/* ---- beginning ---- */

static struct error *open_targets(struct collector *collector)
{
	const struct collector_options *options = &collector->options;

	if (options->command)
		TRY(launch_prepare(&collector->launch, options->command));
	if (options->command && options->allocators)
		launch_watch(&collector->launch);
	cost_open(&collector->cost);
	self_raise_files(); /* not for the command */
	if (options->stacks)
		remote_open(&collector->remote);
	TRY(targets_open(&collector->targets, options->pids, options->pid_count));
	if (options->cgroup)
		TRY(cgroup_open(options->cgroup, &collector->cgroup_directory,
				&collector->cgroup_id));
	return NULL;
}

struct error *collector_new(const struct collector_options *options, struct collector **out)
{
	struct collector *collector = memory_new(1, sizeof(*collector));
	struct error *error;

	collector->options = *options;
	collector->options.sample = options->sample ?: 1;
	collector->looks = (struct looks){ .on = options->allocators,
					   .command = options->command != NULL };
	collector->cost.socket = collector->launch.watch = collector->remote.socket = -1;
	collector->targets.epoll = -1;
	process_table_init(&collector->processes);
	cgroup_names_init(&collector->cgroups);
	mt__capture__init(&collector->names);
	record_names(&collector->names);
	error = open_targets(collector);
	if (error)
		collector_free(collector);
	else
		*out = collector;
	return error;
}

static void set_started(struct collector *collector)
{
	collector->started_ns = self_monotonic_ns();
	collector->started_unix_ns = self_unix_ns();
	collector->record = (struct record_options){
		.started_ns = collector->started_ns,
		.boot_to_unix_ns = self_boot_to_unix_ns(),
		.page_bytes = collector->kernel.page_bytes,
		.calls = collector->options.calls,
		.screen = collector->options.screen,
	};
}

static void take_event(void *context, const struct mt_event *event, size_t bytes)
{
	struct collector *collector = context;

	if (event->kind < MT_EVENT_STACK)
		roster_event(&collector->processes, event, bytes);
	else if (collector->stacks)
		stacks_add(collector->stacks, event, bytes);
	runtimes_add(&collector->runtimes, event, bytes);
}

struct error *collector_attach(struct collector *collector)
{
	const struct collector_options *options = &collector->options;
	struct kernel_options kernel_options = {
		.targets = options->pid_count,
		.timer_pid = collector->cost.timer,
		.reader_pid = collector->remote.pid,
		.follow_all = options->system && !collector->cgroup_id,
		.follow_children = options->children,
		.calls = options->calls,
		.stacks = options->stacks,
		.sample = options->sample,
		.say = options->say,
		.cgroup_id = collector->cgroup_id,
	};

	TRY(kernel_load(&collector->kernel, &kernel_options, take_event, collector));
	if (collector->kernel.stacks)
		collector->stacks = stacks_new(&collector->kernel, &collector->remote);
	else
		remote_close(&collector->remote);
	collector->looks.page_bytes = collector->kernel.page_bytes;
	collector->looks.stacks = collector->stacks;
	return kernel_attach(&collector->kernel);
}

struct error *collector_confine(const struct collector *collector)
{
	const struct confine_needs needs = {
		.command = collector->launch.pid ? collector->launch.pidfd : -1,
		.stacks = collector->kernel.stacks,
		.reader = collector->remote.socket,
		.held = collector->launch.watch >= 0 ? collector->launch.pid : 0,
		.memory = collector->options.allocators,
		.screen = collector->options.screen,
	};

	return confine_capture(&collector->kernel, &needs);
}

struct error *collector_start(struct collector *collector)
{
	cost_start(&collector->cost);
	set_started(collector);
	TRY(follow_targets(collector));
	if (collector->stacks && collector->options.command)
		stacks_expect(collector->stacks, collector->options.command[0]);
	collector_tick(collector);
	malloc_trim(0); /* what making tables took */
	return NULL;
}

struct error *collector_go(struct collector *collector)
{
	TRY(launch_go(&collector->launch, collector->options.command[0]));
	if (collector->launch.traced && collector->looks.on)
		kernel_stop_before_tidying(&collector->kernel, collector->launch.pid);
	return NULL;
}

/* ---- while it runs ---- */

size_t collector_descriptors(const struct collector *collector, int *descriptors, size_t room)
{
	size_t count = 0;

	if (count < room)
		descriptors[count++] = kernel_poll_fd(&collector->kernel);
	if (count < room && collector->launch.pid && !collector->launch.ended)
		descriptors[count++] = collector->launch.pidfd;
	if (count < room && collector->launch.pid && collector->launch.watch >= 0)
		descriptors[count++] = collector->launch.watch;
	if (count < room && collector->targets.living)
		descriptors[count++] = collector->targets.epoll;
	return count;
}

static void take_in(struct collector *collector, uint64_t grace_ns)
{
	kernel_poll(&collector->kernel);
	roster_identify(collector, IDENTIFY_A_TICK);
	space_drain(&collector->kernel, &collector->processes, grace_ns);
	roster_sweep(collector);
	mapping_sweep(&collector->kernel);
	if (collector->stacks)
		stacks_tick(collector->stacks);
}

/* It waits for us, with all that it had. */
static void look_at_end(struct collector *collector)
{
	int64_t balances[MT_BALANCES];
	struct process *process = process_find(&collector->processes, collector->launch.pid);

	if (!collector->launch.tidies)
		looks_held(&collector->looks, process);
	else if (!growth_balances(&collector->kernel, collector->launch.pid, balances) ||
		 !looks_before_tidying(&collector->looks, process, balances))
		kernel_stop_before_tidying(&collector->kernel, 0);
	launch_release(&collector->launch);
}

/* A signal that the command gets is no reason to look at everything. */
void collector_tick(struct collector *collector)
{
	uint64_t now = self_monotonic_ns();
	bool went_on;

	targets_poll(&collector->targets);
	went_on = collector->launch.pid && launch_poll(&collector->launch);
	if (!collector->launch.traced)
		kernel_stop_before_tidying(&collector->kernel, 0);
	if (went_on && now - collector->taken_in_ns < SIGNAL_NS)
		return;
	collector->taken_in_ns = now;
	take_in(collector, GRACE_NS);
	follow_late(collector);
	growth_tick(&collector->kernel, &collector->processes, now);
	if (collector->launch.held)
		look_at_end(collector);
	else
		looks_tick(&collector->looks, &collector->processes);
}

bool collector_ended(const struct collector *collector)
{
	if (collector->launch.pid)
		return collector->launch.ended;
	return collector->targets.count && !collector->targets.living;
}

struct collector_status collector_status(const struct collector *collector)
{
	const struct kernel *kernel = &collector->kernel;
	struct collector_status status = {
		.elapsed_ns = self_monotonic_ns() - collector->started_ns,
		.events = cost_runs(kernel),
	};

	for (__u32 slot = 1; slot < kernel_used_slots(kernel); slot++) {
		if (kernel->spaces[slot].state != MT_SPACE_OPEN)
			continue;
		status.processes++;
		status.resident_bytes += growth_resident_pages(kernel, slot) * kernel->page_bytes;
	}
	return status;
}

struct error *collector_interval(struct collector *collector, const Mt__Capture **names,
				 const Mt__Interval **out)
{
	take_in(collector, GRACE_NS);
	TRY(live_read(&collector->kernel, &collector->processes, self_monotonic_ns(),
		      &collector->unread));
	interval_add(&collector->intervals, collector->options.keep_intervals,
		     &collector->processes, &collector->record);
	/* A look needs them, until they are read again. */
	if (!collector->options.screen)
		live_forget(&collector->processes);
	*names = &collector->names;
	*out = collector->intervals.intervals[collector->intervals.count - 1];
	return NULL;
}

Mt__Capture *collector_look(struct collector *collector, pid_t pid)
{
	return capture_look(collector, pid);
}

/* ---- the end ---- */

struct error *collector_finish(struct collector *collector, Mt__Capture **capture)
{
	uint64_t duration_ns = self_monotonic_ns() - collector->started_ns;

	kernel_stop_before_tidying(&collector->kernel, 0);
	if (collector->launch.pid)
		launch_let_go(&collector->launch);
	take_in(collector, 0);
	growth_tick(&collector->kernel, &collector->processes, self_monotonic_ns());
	follow_late(collector);
	roster_identify(collector, UINT32_MAX);
	capture_list_living(collector);
	collector->record.read_ns = self_monotonic_ns();
	TRY(live_read(&collector->kernel, &collector->processes, collector->record.read_ns,
		      &collector->unread));
	looks_finish(&collector->looks, &collector->processes);
	space_drain_last(&collector->kernel, &collector->processes, collector->record.read_ns);
	roster_sweep(collector);
	cost_stop(&collector->cost);
	kernel_detach(&collector->kernel);
	*capture = capture_build(collector, duration_ns);
	return NULL;
}

pid_t collector_child(const struct collector *collector)
{
	return collector->launch.pid;
}

int collector_child_descriptor(const struct collector *collector)
{
	return collector->launch.pidfd;
}

int collector_child_wait(struct collector *collector)
{
	/* Where the capture failed it still counts, and a command may go on for days. */
	remote_close(&collector->remote);
	cost_stop(&collector->cost);
	kernel_free(&collector->kernel);
	launch_wait(&collector->launch);
	return launch_status(&collector->launch);
}

void collector_free(struct collector *collector)
{
	stacks_free(collector->stacks);
	remote_close(&collector->remote);
	cost_stop(&collector->cost);
	kernel_free(&collector->kernel);
	launch_free(&collector->launch);
	process_table_free(&collector->processes);
	cgroup_names_free(&collector->cgroups);
	record_free_names(&collector->names);
	interval_free(&collector->intervals);
	targets_free(&collector->targets);
	runtimes_free(&collector->runtimes);
	free(collector->cgroup_directory);
	free(collector->living);
	free(collector);
}
