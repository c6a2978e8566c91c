// SPDX-License-Identifier: GPL-2.0
/* What does the capture say, when all is read?  See capture.h. */
#include "user/collect/capture.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/cost.h"
#include "user/collect/growth.h"
#include "user/collect/identity.h"
#include "user/collect/lazy.h"
#include "user/collect/limit.h"
#include "user/collect/runtime.h"
#include "user/collect/self.h"
#include "user/collect/smaps.h"
#include "user/collect/target.h"
#include "user/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FAMILY_MOST 256	 /* processes of a look */
#define FAMILY_LEVELS 64 /* from a process up to that which it comes from */
#define SYSTEM_LEAST (32 << 20)
#define SYSTEM_NS 250000000ULL /* for what is mapped in all of them */

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
	made->stacks = kernel_losses(kernel, MT_LOSS_STACKS);
	made->pages = kernel_losses(kernel, MT_LOSS_PAGES);
	made->mappings = kernel_losses(kernel, MT_LOSS_MAPPINGS) +
			 (collector->stacks ? stacks_lost_ranges(collector->stacks) : 0);
	made->events = kernel_losses(kernel, MT_LOSS_EVENTS);
	made->spaces = kernel_losses(kernel, MT_LOSS_SPACES);
	made->storage = kernel_losses(kernel, MT_LOSS_STORAGE);
	made->reads = kernel_losses(kernel, MT_LOSS_READS) + collector->unread;
	made->has_missed = true;
	made->missed = cost_missed(kernel);
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
	/* The kernel side does not load without the first two. */
	add_feature(capture, "rss_stat", true);
	add_feature(capture, "page_fault_address", true);
	add_feature(capture, "page_fault_kind", !collector->kernel.faults_by_perf);
	add_feature(capture, "mmap_lock", collector->kernel.has_lock_event);
	add_feature(capture, "exit_mmap", collector->kernel.has_end_event);
	add_feature(capture, "task_storage", !collector->kernel.old);
	add_feature(capture, "cpu_counters", !kernel_counters_lag(&collector->kernel));
	add_feature(capture, "calls", collector->options.calls);
	add_feature(capture, "stacks", collector->kernel.stacks != STACKS_NONE);
	add_feature(capture, "python_frames", collector->kernel.stacks == STACKS_PYTHON);
	add_feature(capture, "run_time", collector->cost.measured);
}

/* A guest that was born since the last reading began is left out, as other children are. */
static bool is_guest(const struct process *process, uint64_t read_ns)
{
	return process->shares_with && process->shares_ns < read_ns;
}

static bool is_reported(const struct process *process, uint64_t read_ns)
{
	return !process->hidden &&
	       (process->has_space || process->live || is_guest(process, read_ns));
}

/* A child that was gone before it was asked is what its parent was then. */
static void complete(struct collector *collector, struct process *process)
{
	const struct process *state = process->live ? process->live : process;

	identity_inherit(process, process_find(&collector->processes, process->forked_by));
	if (process->live || process->shares_with)
		cgroup_learn(&collector->cgroups, state->cgroup_id, process->pid);
}

/* Of its last address space. */
static uint32_t serial_of(const struct process *process)
{
	return process->live ? process->live->serial : process->serial;
}

/* Smaller ones have programs and libraries, and little else, as most do in a whole system. */
static bool is_large(const struct collector *collector, const struct process *live)
{
	return live->kernel[MT_VIRTUAL] * collector->kernel.page_bytes >= SYSTEM_LEAST;
}

/* Of those that are reported, in their order, as soon as the books are closed: to name the code
 * of many stacks takes time.  Of a whole system only for so long.  To be freed. */
static struct smaps *read_mappings(struct collector *collector)
{
	const struct process_table *table = &collector->processes;
	struct smaps *smaps = memory_new(table->count, sizeof(*smaps));
	const bool system = collector->options.system;
	uint64_t began = self_monotonic_ns();
	size_t count = 0;

	for (const struct process *process = table->first; process; process = process->next) {
		const struct process *live = process->live;

		if (!is_reported(process, collector->record.read_ns))
			continue;
		if (live && !live->shares_with && (!system || is_large(collector, live))) {
			if (!system || self_monotonic_ns() - began < SYSTEM_NS)
				smaps[count] = smaps_of(process->pid);
			else
				collector->unmapped++;
		}
		count++;
	}
	return smaps;
}

static bool takes_unasked(uint16_t operation)
{
	return operation == MT_OP_RECLAIM || operation == MT_OP_MADV_PAGEOUT ||
	       operation == MT_OP_KSM || operation == MT_OP_REMOTE;
}

/* Which operation took most pages that are not in swap, without a call that says which pages;
 * MT_OPERATIONS: none took any. */
static uint32_t taker_of(const struct process *live)
{
	uint32_t taker = MT_OPERATIONS;
	int64_t most = INT64_MAX;

	for (size_t i = 0; i < live->row_count; i++) {
		const struct row *row = &live->rows[i];

		if (!takes_unasked(row->operation) || row->moved[MT_ANON] >= 0 ||
		    row->moved[MT_ANON] + row->moved[MT_SWAP] >= most)
			continue;
		most = row->moved[MT_ANON] + row->moved[MT_SWAP];
		taker = row->operation;
	}
	return taker;
}

static void expect_absent(struct collector *collector)
{
	for (const struct process *process = collector->processes.first; process;
	     process = process->next) {
		const struct process *live = process->live;
		uint32_t taker = live && !live->shares_with ? taker_of(live) : MT_OPERATIONS;

		if (taker != MT_OPERATIONS)
			stacks_expect_absent(collector->stacks, live->serial, process->pid, taker);
	}
}

/* Of one that has ended: what it had then, if it was held. */
static void take_mappings(struct process *process, Mt__Process *made, struct smaps *now)
{
	struct smaps *had = made->ended ? look_mappings(process) : NULL;
	struct smaps *smaps = had ?: now;

	lazy_fill(made, smaps);
	if (!smaps)
		return;
	made->mappings = smaps->mappings;
	made->n_mappings = smaps->count;
	*smaps = (struct smaps){ 0 };
}

static void fill_processes(struct collector *collector, Mt__Capture *capture,
			   struct smaps *smaps)
{
	struct process_table *table = &collector->processes;

	capture->processes = memory_new(table->count + 1, sizeof(*capture->processes));
	for (struct process *process = table->first; process; process = process->next) {
		if (!is_reported(process, collector->record.read_ns))
			continue;
		complete(collector, process);
		capture->processes[capture->n_processes] =
			record_process(process, &collector->cgroups, &collector->record);
		if (collector->stacks) {
			stacks_record_sites(collector->stacks, serial_of(process),
					    capture->processes[capture->n_processes]);
			runtimes_name(&collector->runtimes, &collector->remote,
				      process->start_boot_ns, capture,
				      capture->processes[capture->n_processes]);
		}
		take_mappings(process, capture->processes[capture->n_processes],
			      smaps ? &smaps[capture->n_processes] : NULL);
		growth_record(process, capture->processes[capture->n_processes],
			      collector->started_ns, collector->kernel.page_bytes);
		look_record(process, capture, capture->processes[capture->n_processes++],
			    collector->record.read_ns);
		process_drop_live(process);
	}
	limits_fill(capture, &collector->cgroups);
	if (table->folded.folded)
		capture->processes[capture->n_processes++] =
			record_process(&table->folded, &collector->cgroups, &collector->record);
}

static void add_living(void *context, pid_t pid)
{
	struct collector *collector = context;

	collector->living = memory_grow(collector->living, collector->living_count,
					sizeof(*collector->living));
	collector->living[collector->living_count++] = pid;
}

void capture_list_living(struct collector *collector)
{
	if (collector->options.system && !collector->cgroup_id)
		target_all(add_living, collector);
}

static bool is_unseen(struct collector *collector, pid_t pid)
{
	return pid != getpid() && pid != collector->cost.timer &&
	       pid != collector->remote.pid && !process_find(&collector->processes, pid) &&
	       target_has_memory(pid);
}

static void add_note(Mt__Capture *capture, const char *note)
{
	capture->notes = memory_grow(capture->notes, capture->n_notes, sizeof(*capture->notes));
	capture->notes[capture->n_notes++] = copy(note);
}

/* Some hosts hide processes of theirs from BPF, as a sandbox its first one. */
static void note_unseen(struct collector *collector, Mt__Capture *capture)
{
	uint32_t count = 0;
	char note[160];
	pid_t first = 0;

	for (size_t i = 0; i < collector->living_count; i++) {
		if (is_unseen(collector, collector->living[i]) && !count++)
			first = collector->living[i];
	}
	if (!count)
		return;
	snprintf(note, sizeof(note), "%u process%s could not be followed (the first is %d): the "
		 "kernel does not show %s to BPF.", count, count == 1 ? "" : "es", first,
		 count == 1 ? "it" : "them");
	add_note(capture, note);
}

static const char *why_no_stacks(const struct kernel *kernel)
{
	if (kernel->page_bytes != KERNEL_WALKED_PAGE_BYTES)
		return "Stacks are kept of pages of 4 KiB only so far: there are none.";
	if (kernel->old)
		return "This kernel cannot be asked for stacks: that takes one of 6.2 or newer.";
	if (kernel_counters_lag(kernel))
		return "This kernel counts pages late, when it is no longer known who brought "
		       "them: there are no stacks.";
	return "This kernel's verifier does not take the programs that walk stacks: there are "
	       "none.";
}

static void fill_notes(struct collector *collector, Mt__Capture *capture)
{
	char note[256];

	if (kernel_counters_lag(&collector->kernel))
		add_note(capture, "This kernel counts up to 64 faults of a thread late, one in a "
				  "file with up to 16 pages: its counters, and the books with "
				  "them, lag behind by so much.");
	if (collector->kernel.faults_by_perf)
		add_note(capture, "This kernel does not say what a page fault is for: which ones "
				  "copied a page is inferred.");
	if (collector->options.stacks && !collector->kernel.stacks)
		add_note(capture, why_no_stacks(&collector->kernel));
	else if (collector->options.stacks > collector->kernel.stacks)
		add_note(capture, "On this machine stacks have native frames only: where a thread "
				  "keeps those of Python is not shown to programs of the kernel.");
	if (!collector->kernel.has_lock_event)
		add_note(capture, "This kernel has no event of mmap_lock: the sizes of address "
				  "spaces were read when a call ended, and of threads that map "
				  "at the same time, what was asked for stands for what was "
				  "done, and pages that a call took without a fault (gup) are "
				  "among those of faults.");
	if (!collector->kernel.has_end_event)
		add_note(capture, "This kernel has no event of an address space's end: a process "
				  "that ended is taken to have left no page tables when its last "
				  "page went.");
	if (collector->stacks && collector->options.sample > 1) {
		snprintf(note, sizeof(note), "Whose code touched memory is estimated from one page "
			 "of %" PRIu32 " (--sample); what was reserved, and the books, are exact.",
			 collector->options.sample);
		add_note(capture, note);
	}
	if (collector->stacks && stacks_unknown_python(collector->stacks))
		add_note(capture, "Python of a version that is not known, or built in a way that "
				  "is not: its stacks have native frames only.");
	note_unseen(collector, capture);
	if (collector->unmapped) {
		snprintf(note, sizeof(note), "There was no time to read what is mapped in %" PRIu32
			 " processes: follow one by -p to see it.", collector->unmapped);
		add_note(capture, note);
	}
	if (looks_note(&collector->looks, note, sizeof(note)))
		add_note(capture, note);
}

/* When all names have been asked for. */
static void note_reader(struct collector *collector, Mt__Capture *capture)
{
	if (collector->stacks && collector->remote.failed)
		add_note(capture, "The process that reads files of code for memtrace ended, or "
				  "took too long: of code that it had not told of by then, "
				  "names or callers are missing.");
}

static Mt__Capture *begin(struct collector *collector, uint64_t duration_ns)
{
	Mt__Capture *capture = memory_new(1, sizeof(*capture));
	const struct collector_options *options = &collector->options;

	mt__capture__init(capture);
	capture->memtrace_version = copy(MEMTRACE_VERSION);
	capture->mode = copy(options->command ? "run" : options->pid_count ? "attach" : "system");
	capture->started_unix_ns = collector->started_unix_ns;
	capture->duration_ns = duration_ns;
	capture->sample = options->sample;
	capture->calls = options->calls;
	fill_host(collector, capture);
	fill_features(collector, capture);
	record_names(capture);
	capture->overhead = cost_record(&collector->cost, &collector->kernel);
	looks_record_cost(&collector->looks, capture->overhead);
	capture->overhead->user_cpu_ns += remote_cpu_ns(&collector->remote);
	capture->overhead->resident_bytes += remote_resident_bytes(&collector->remote);
	return capture;
}

Mt__Capture *capture_build(struct collector *collector, uint64_t duration_ns)
{
	cleanup_free struct smaps *smaps = read_mappings(collector);
	Mt__Capture *capture = begin(collector, duration_ns);

	record_histograms(capture, &collector->processes, &collector->kernel);
	fill_notes(collector, capture);
	if (collector->stacks) {
		expect_absent(collector);
		stacks_record(collector->stacks, capture);
	}
	fill_losses(collector, capture);
	fill_processes(collector, capture, smaps);
	note_reader(collector, capture);
	remote_close(&collector->remote);
	kernel_free(&collector->kernel); /* before the report takes memory */
	process_table_free(&collector->processes);
	capture->intervals = collector->intervals.intervals;
	capture->n_intervals = collector->intervals.count;
	collector->intervals = (struct interval_list){ 0 };
	return capture;
}

/* ---- while it goes on ---- */

static bool descends(struct process_table *table, const struct process *process, uint32_t pid)
{
	for (int level = 0; process && level < FAMILY_LEVELS; level++) {
		if (process->pid == pid)
			return true;
		process = process->live ? process->live : process;
		process = process_find(table, process->parent_pid);
	}
	return false;
}

/* A process, and those that came from it: their number, if they are few; else 1. */
static size_t find_family(struct process_table *table, uint32_t pid, struct process **family)
{
	size_t count = 0;

	for (struct process *process = table->first; process; process = process->next) {
		if (process->pid == pid || process->hidden || !process->live ||
		    !descends(table, process, pid))
			continue;
		if (count + 1 == FAMILY_MOST)
			return 1;
		family[++count] = process;
	}
	return count + 1;
}

static Mt__Process *look_at_one(struct collector *collector, Mt__Capture *capture,
				struct process *process)
{
	Mt__Process *made;

	complete(collector, process);
	made = record_process(process, &collector->cgroups, &collector->record);
	capture->processes[capture->n_processes++] = made;
	return made;
}

static void look_inside(struct collector *collector, Mt__Capture *capture,
			struct process *process, Mt__Process *made)
{
	struct smaps own;

	if (collector->stacks && process->live) {
		stacks_look(collector->stacks, serial_of(process), capture, made);
		runtimes_name(&collector->runtimes, &collector->remote, process->start_boot_ns,
			      capture, made);
	}
	growth_record(process, made, collector->started_ns, collector->kernel.page_bytes);
	looks_one(&collector->looks, process);
	look_record(process, capture, made, collector->record.read_ns);
	if (!process->live)
		return;
	own = smaps_of(process->pid);
	made->mappings = own.mappings;
	made->n_mappings = own.count;
	lazy_fill(made, &own);
	limits_fill(capture, &collector->cgroups);
}

Mt__Capture *capture_look(struct collector *collector, pid_t pid)
{
	struct process *family[FAMILY_MOST];
	Mt__Capture *capture;
	size_t count = 0;

	collector->record.read_ns = self_monotonic_ns();
	capture = begin(collector, collector->record.read_ns - collector->started_ns);
	family[0] = pid ? process_find(&collector->processes, pid) : NULL;
	if (family[0])
		count = find_family(&collector->processes, pid, family);
	capture->processes = memory_new(count, sizeof(*capture->processes));
	for (size_t i = 0; i < count; i++) {
		Mt__Process *made = look_at_one(collector, capture, family[i]);

		if (!i)
			look_inside(collector, capture, family[0], made);
	}
	fill_notes(collector, capture);
	note_reader(collector, capture);
	fill_losses(collector, capture);
	return capture;
}
