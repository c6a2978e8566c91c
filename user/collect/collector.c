// SPDX-License-Identifier: GPL-2.0
/* How is a capture taken?  See collector.h. */
#include "user/collect/collector.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/cost.h"
#include "user/collect/identity.h"
#include "user/collect/kernel.h"
#include "user/collect/launch.h"
#include "user/collect/lazy.h"
#include "user/collect/mapping.h"
#include "user/collect/process.h"
#include "user/collect/record.h"
#include "user/collect/self.h"
#include "user/collect/space.h"
#include "user/collect/target.h"
#include "user/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define GRACE_NS 20000000     /* a program may be busy with a space that closed so long ago */
#define IDENTIFY_A_TICK 256   /* processes asked for their names at once */

struct collector {
	struct collector_options options;
	struct kernel kernel;
	struct process_table processes;
	struct launch launch;
	struct cost cost;
	int *pidfds; /* of the targets; -1: ended */
	size_t pidfd_count;
	char *cgroup_directory;
	uint64_t cgroup_id;
	bool cgroup_v1;
	uint64_t started_ns;
	int64_t started_unix_ns;
	struct record_options record;
	Mt__Capture names; /* what the numbers of intervals stand for, and nothing else */
	Mt__Interval **intervals;
	size_t interval_count;
	uint32_t unread;
	uint64_t late_losses; /* of spaces, when follow_late() last tried */
};

/* ---- beginning ---- */

static struct error *open_targets(struct collector *collector)
{
	const struct collector_options *options = &collector->options;

	if (options->command)
		TRY(launch_prepare(&collector->launch, options->command));
	self_raise_files(); /* not for the command */
	collector->pidfds = memory_new(options->pid_count, sizeof(int));
	for (size_t i = 0; i < options->pid_count; i++) {
		TRY(target_open(options->pids[i], &collector->pidfds[i]));
		collector->pidfd_count++;
	}
	if (options->cgroup)
		TRY(target_cgroup(options->cgroup, &collector->cgroup_directory,
				  &collector->cgroup_id));
	return NULL;
}

struct error *collector_new(const struct collector_options *options, struct collector **out)
{
	struct collector *collector = memory_new(1, sizeof(*collector));
	struct error *error;

	collector->options = *options;
	collector->cost.timing = collector->cost.timer = -1;
	process_table_init(&collector->processes);
	mt__capture__init(&collector->names);
	record_names(&collector->names);
	error = open_targets(collector);
	if (error)
		collector_free(collector);
	else
		*out = collector;
	return error;
}

/* A process that execs, dies, or is born into its parent's address space. */
static void take_event(void *context, const struct mt_event *event, size_t bytes)
{
	struct collector *collector = context;
	struct process *process;

	if (!event->pid)
		return;
	process = process_get(&collector->processes, event->pid, event->start_boot_ns);
	process->parent_pid = event->parent_pid;
	process->cgroup_id = event->cgroup_id;
	memcpy(process->comm, event->comm, sizeof(process->comm));
	switch (event->kind) {
	case MT_EVENT_EXEC:
		process->shares_with = 0;
		identity_exec(process, (const struct mt_event_exec *)event, bytes);
		break;
	case MT_EVENT_EXIT:
		process->has_exit = true;
		process->exit_code = event->exit_code;
		break;
	case MT_EVENT_SHARES:
		process->shares_with = event->parent_pid;
		break;
	}
}

static struct error *follow_member(void *context, pid_t pid)
{
	struct collector *collector = context;

	return kernel_follow(&collector->kernel, pid, true);
}

/* Members may be born while they are read: until two readings agree. */
static struct error *follow_cgroup(struct collector *collector)
{
	uint32_t before;

	do {
		before = kernel_used_slots(&collector->kernel);
		TRY(target_members(collector->cgroup_directory, follow_member, collector));
	} while (kernel_used_slots(&collector->kernel) != before);
	return NULL;
}

static bool is_open(const struct collector *collector, pid_t pid)
{
	const struct kernel *kernel = &collector->kernel;

	for (__u32 slot = 1; slot < kernel_used_slots(kernel); slot++) {
		if (kernel->spaces[slot].pid == (__u32)pid)
			return true;
	}
	return false;
}

static struct error *follow_targets(struct collector *collector)
{
	const struct collector_options *options = &collector->options;

	if (collector->cgroup_id)
		return follow_cgroup(collector);
	if (options->system)
		return kernel_follow(&collector->kernel, 0, true);
	if (options->command)
		return kernel_follow(&collector->kernel, collector->launch.pid, false);
	for (size_t i = 0; i < options->pid_count; i++) {
		TRY(kernel_follow(&collector->kernel, options->pids[i], true));
		if (!is_open(collector, options->pids[i]))
			return error_new(0, "process %d cannot be followed: it has just ended, "
					    "or the kernel does not show it to BPF",
					 options->pids[i]);
	}
	return NULL;
}

static void set_started(struct collector *collector)
{
	collector->started_ns = self_monotonic_ns();
	collector->started_unix_ns = self_unix_ns();
	collector->cgroup_v1 = self_memory_cgroup_v1();
	collector->record = (struct record_options){
		.started_ns = collector->started_ns,
		.boot_to_unix_ns = self_boot_to_unix_ns(),
		.page_bytes = collector->kernel.page_bytes,
		.calls = collector->options.calls,
	};
}

struct error *collector_start(struct collector *collector)
{
	const struct collector_options *options = &collector->options;
	struct kernel_options kernel_options = {
		.follow_all = options->system && !collector->cgroup_id,
		.follow_children = options->children,
		.calls = options->calls,
		.verbose = options->verbose,
		.cgroup_id = collector->cgroup_id,
	};

	TRY(kernel_load(&collector->kernel, &kernel_options, take_event, collector));
	TRY(kernel_attach(&collector->kernel));
	cost_start(&collector->cost);
	set_started(collector);
	TRY(follow_targets(collector));
	collector_tick(collector);
	return NULL;
}

struct error *collector_go(struct collector *collector)
{
	return launch_go(&collector->launch, collector->options.command[0]);
}

/* ---- while it runs ---- */

size_t collector_descriptors(const struct collector *collector, int *descriptors, size_t room)
{
	size_t count = 0;

	if (count < room)
		descriptors[count++] = kernel_poll_fd(&collector->kernel);
	if (count < room && collector->cost.timer >= 0)
		descriptors[count++] = collector->cost.timer;
	if (count < room && collector->launch.pid && !collector->launch.ended)
		descriptors[count++] = collector->launch.pidfd;
	for (size_t i = 0; i < collector->pidfd_count && count < room; i++) {
		if (collector->pidfds[i] >= 0)
			descriptors[count++] = collector->pidfds[i];
	}
	return count;
}

/* A target whose pidfd is readable has ended. */
static void notice_ends(struct collector *collector)
{
	for (size_t i = 0; i < collector->pidfd_count; i++) {
		if (collector->pidfds[i] >= 0 && target_ended(collector->pidfds[i])) {
			close(collector->pidfds[i]);
			collector->pidfds[i] = -1;
		}
	}
	if (collector->launch.pid)
		launch_poll(&collector->launch);
}

/* Makes a process of each address space that was born since the last tick, and asks for names. */
static void identify(struct collector *collector, uint32_t most)
{
	struct process_table *table = &collector->processes;
	const struct kernel *kernel = &collector->kernel;
	uint32_t asked = 0, used = kernel_used_slots(kernel);

	for (uint32_t slot = 1; slot < used && asked < most; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct process *process;

		if (space->state != MT_SPACE_OPEN)
			continue;
		process = process_get(table, space->pid, space->start_boot_ns);
		if (process->identified)
			continue;
		if (space->birth == MT_BORN_FORK)
			identity_inherit(process, process_find(table, space->parent_pid));
		identity_read(process, collector->cgroup_v1);
		process->identified = true;
		asked++;
	}
}

/* Processes born into another's address space that ended, or got one of their own. */
static void hide_sharers(struct collector *collector)
{
	for (struct process *process = collector->processes.first; process;
	     process = process->next) {
		if (process->has_exit && !process->has_space && !process->hidden &&
		    process->shares_with) {
			process->hidden = true;
			process_end(&collector->processes, process);
		}
	}
}

static void take_in(struct collector *collector, uint64_t grace_ns)
{
	kernel_poll(&collector->kernel);
	identify(collector, IDENTIFY_A_TICK);
	space_drain(&collector->kernel, &collector->processes, grace_ns);
	hide_sharers(collector);
	mapping_sweep(&collector->kernel);
}

/* Those that found no slot get one when there is one again, and open with what they have. */
static void follow_late(struct collector *collector)
{
	uint64_t losses = kernel_losses(&collector->kernel, MT_LOSS_SPACES);

	if (!collector->options.system || losses == collector->late_losses)
		return;
	collector->late_losses = losses;
	error_free(kernel_follow(&collector->kernel, 0, true));
}

void collector_tick(struct collector *collector)
{
	notice_ends(collector);
	take_in(collector, GRACE_NS);
	cost_tick(&collector->cost);
	follow_late(collector);
}

bool collector_ended(const struct collector *collector)
{
	if (collector->launch.pid)
		return collector->launch.ended;
	for (size_t i = 0; i < collector->pidfd_count; i++) {
		if (collector->pidfds[i] >= 0)
			return false;
	}
	return collector->pidfd_count > 0;
}

static int64_t resident_pages(const struct kernel *kernel, __u32 slot)
{
	const struct mt_space *space = &kernel->spaces[slot];
	static const int members[] = { MT_FILE, MT_ANON, MT_SHMEM };
	int64_t pages = 0;

	for (size_t i = 0; i < 3; i++) {
		pages += space->count_seen[members[i]];
		for (__u32 cpu = 0; cpu < kernel->cpus; cpu++)
			pages += kernel->lanes[(size_t)cpu * kernel->slots + slot].seen[members[i]];
	}
	return pages;
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
		status.resident_bytes += resident_pages(kernel, slot) * kernel->page_bytes;
	}
	return status;
}

struct error *collector_interval(struct collector *collector, const Mt__Capture **names,
				 const Mt__Interval **out)
{
	Mt__Interval *interval;

	take_in(collector, GRACE_NS);
	TRY(space_read(&collector->kernel, &collector->processes, &collector->unread));
	interval = memory_new(1, sizeof(*interval));
	mt__interval__init(interval);
	interval->at_ns = self_monotonic_ns() - collector->started_ns;
	for (struct process *process = collector->processes.first; process;
	     process = process->next) {
		if (!process->live)
			continue;
		interval->processes = memory_grow(interval->processes, interval->n_processes,
						  sizeof(*interval->processes));
		interval->processes[interval->n_processes++] =
			record_interval(process, &collector->record);
	}
	space_forget(&collector->processes);
	collector->intervals = memory_grow(collector->intervals, collector->interval_count,
					   sizeof(*collector->intervals));
	collector->intervals[collector->interval_count++] = interval;
	*names = &collector->names;
	*out = interval;
	return NULL;
}

/* ---- the end ---- */

static char *copy(const char *text)
{
	return memory_copy(text, strlen(text));
}

static void fill_host(struct collector *collector, Mt__Capture *capture)
{
	struct utsname names;

	uname(&names);
	capture->host = memory_new(1, sizeof(*capture->host));
	mt__host__init(capture->host);
	capture->host->kernel = copy(names.release);
	capture->host->architecture = copy(names.machine);
	capture->host->page_bytes = collector->kernel.page_bytes;
	capture->host->cpus = sysconf(_SC_NPROCESSORS_ONLN);
}

static void fill_losses(struct collector *collector, Mt__Capture *capture)
{
	const struct kernel *kernel = &collector->kernel;
	Mt__Losses *made = memory_new(1, sizeof(*made));

	mt__losses__init(made);
	made->cells = kernel_losses(kernel, MT_LOSS_CELLS);
	made->mappings = kernel_losses(kernel, MT_LOSS_MAPPINGS);
	made->events = kernel_losses(kernel, MT_LOSS_EVENTS);
	made->spaces = kernel_losses(kernel, MT_LOSS_SPACES);
	made->storage = kernel_losses(kernel, MT_LOSS_STORAGE);
	made->reads = kernel_losses(kernel, MT_LOSS_READS) + collector->unread;
	capture->losses = made;
}

static void add_feature(Mt__Capture *capture, const char *name, bool there)
{
	Mt__Feature *feature = memory_new(1, sizeof(*feature));

	mt__feature__init(feature);
	feature->name = copy(name);
	feature->there = there;
	capture->features = memory_grow(capture->features, capture->n_features,
					sizeof(*capture->features));
	capture->features[capture->n_features++] = feature;
}

static void fill_features(struct collector *collector, Mt__Capture *capture)
{
	/* The kernel side does not load without the first four. */
	add_feature(capture, "rss_stat", true);
	add_feature(capture, "page_fault_address", true);
	add_feature(capture, "mmap_lock", true);
	add_feature(capture, "exit_mmap", true);
	add_feature(capture, "calls", collector->options.calls);
	add_feature(capture, "run_time", collector->cost.measured);
}

static bool is_reported(const struct process *process)
{
	return !process->hidden && (process->has_space || process->live || process->shares_with);
}

/* A process that ended before it was asked has the cgroup of those with the same id. */
static void find_cgroup(struct process_table *table, struct process *process)
{
	for (const struct process *other = table->first; other && !process->cgroup;
	     other = other->next) {
		if (other->cgroup && other->cgroup_id == process->cgroup_id)
			process->cgroup = copy(other->cgroup);
	}
}

static void fill_processes(struct collector *collector, Mt__Capture *capture)
{
	struct process_table *table = &collector->processes;

	capture->processes = memory_new(table->count + 1, sizeof(*capture->processes));
	for (struct process *process = table->first; process; process = process->next) {
		if (!is_reported(process))
			continue;
		find_cgroup(table, process);
		capture->processes[capture->n_processes] =
			record_process(process, &collector->record);
		lazy_fill(capture->processes[capture->n_processes++]);
		process_free(process->live);
		process->live = NULL;
	}
	if (table->folded.folded)
		capture->processes[capture->n_processes++] =
			record_process(&table->folded, &collector->record);
}

struct unseen {
	struct collector *collector;
	uint32_t count;
	pid_t first;
};

static void note_unseen(void *context, pid_t pid)
{
	struct unseen *unseen = context;

	if (pid == getpid() || process_find(&unseen->collector->processes, pid))
		return;
	unseen->first = unseen->count++ ? unseen->first : pid;
}

/* Some hosts hide processes of theirs from BPF, as a sandbox its first one. */
static void fill_notes(struct collector *collector, Mt__Capture *capture)
{
	struct unseen unseen = { .collector = collector };
	char note[160];

	if (!collector->options.system || collector->cgroup_id)
		return;
	target_all(note_unseen, &unseen);
	if (!unseen.count)
		return;
	snprintf(note, sizeof(note), "%u process%s could not be followed (the first is %d): the "
		 "kernel does not show %s to BPF.", unseen.count, unseen.count == 1 ? "" : "es",
		 unseen.first, unseen.count == 1 ? "it" : "them");
	capture->notes = memory_grow(capture->notes, capture->n_notes, sizeof(*capture->notes));
	capture->notes[capture->n_notes++] = copy(note);
}

static Mt__Capture *build(struct collector *collector, uint64_t duration_ns)
{
	Mt__Capture *capture = memory_new(1, sizeof(*capture));
	const struct collector_options *options = &collector->options;

	mt__capture__init(capture);
	capture->memtrace_version = copy(MEMTRACE_VERSION);
	capture->mode = copy(options->command ? "run" : options->pid_count ? "attach" : "system");
	capture->started_unix_ns = collector->started_unix_ns;
	capture->duration_ns = duration_ns;
	capture->sample = 1;
	capture->calls = options->calls;
	fill_host(collector, capture);
	fill_losses(collector, capture);
	fill_features(collector, capture);
	record_names(capture);
	record_histograms(capture, &collector->processes, &collector->kernel);
	fill_notes(collector, capture);
	capture->overhead = cost_record(&collector->cost, &collector->kernel);
	kernel_free(&collector->kernel); /* before the report takes memory */
	fill_processes(collector, capture);
	process_table_free(&collector->processes);
	capture->intervals = collector->intervals;
	capture->n_intervals = collector->interval_count;
	collector->intervals = NULL;
	collector->interval_count = 0;
	return capture;
}

struct error *collector_finish(struct collector *collector, Mt__Capture **capture)
{
	uint64_t duration_ns = self_monotonic_ns() - collector->started_ns;

	take_in(collector, 0);
	identify(collector, UINT32_MAX);
	TRY(space_read(&collector->kernel, &collector->processes, &collector->unread));
	take_in(collector, 0);
	cost_stop(&collector->cost);
	kernel_detach(&collector->kernel);
	*capture = build(collector, duration_ns);
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
	launch_wait(&collector->launch);
	return launch_status(&collector->launch);
}

void collector_free(struct collector *collector)
{
	cost_stop(&collector->cost);
	kernel_free(&collector->kernel);
	launch_free(&collector->launch);
	process_table_free(&collector->processes);
	record_free_names(&collector->names);
	for (size_t i = 0; i < collector->pidfd_count; i++) {
		if (collector->pidfds[i] >= 0)
			close(collector->pidfds[i]);
	}
	free(collector->pidfds);
	free(collector->cgroup_directory);
	free(collector);
}
