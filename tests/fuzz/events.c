// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a life of processes that breaks the reports of it?  libFuzzer's bytes are a list of
 * what the kernel side tells (births, execs, ends, in any order, with any text and sizes); what
 * user space makes of them has to be a capture that can be read, and reported.
 */
#include "tests/fuzz/check.h"
#include "user/base/memory.h"
#include "user/collect/identity.h"
#include "user/collect/interval.h"
#include "user/collect/record.h"
#include "user/collect/roster.h"
#include "user/snapshot/check.h"
#include "user/version.h"

#include <stdlib.h>
#include <string.h>

#define PIDS 8 /* few, so that they meet */
#define TIMES 4

static const struct record_options options = { .page_bytes = 4096, .calls = true,
					       .read_ns = TIMES / 2 };

struct input {
	const uint8_t *at;
	size_t left;
};

static void take(struct input *input, void *out, size_t count)
{
	size_t there = count < input->left ? count : input->left;

	memset(out, 0, count);
	if (there)
		memcpy(out, input->at, there);
	input->at += there;
	input->left -= there;
}

static uint32_t take_number(struct input *input, uint32_t below)
{
	uint16_t number;

	take(input, &number, sizeof(number));
	return number % below;
}

/* ---- what the kernel side tells ---- */

static void take_event(struct input *input, struct process_table *table, size_t bytes)
{
	struct mt_event_exec *exec = memory_new(1, sizeof(*exec));
	struct mt_event *event = &exec->event;

	event->kind = take_number(input, 5);
	event->pid = take_number(input, PIDS);
	event->parent_pid = take_number(input, PIDS);
	event->value = (int32_t)take_number(input, UINT16_MAX);
	event->start_boot_ns = take_number(input, TIMES);
	event->time_ns = take_number(input, TIMES);
	take(input, event->comm, sizeof(event->comm));
	if (event->kind == MT_EVENT_EXEC) {
		exec->argument_count = take_number(input, 300);
		exec->argument_bytes = take_number(input, MT_ARGUMENTS + 2);
		exec->path_bytes = take_number(input, MT_PATH_ROOM + 2);
		exec->path_whole = take_number(input, 2);
		take(input, exec->path, take_number(input, MT_PATH_ROOM + 1));
		take(input, exec->arguments, take_number(input, MT_ARGUMENTS + 1));
	}
	/* Of its own size, so that it is seen where more is read. */
	bytes = bytes ? bytes : sizeof(*event);
	event = memory_new(bytes, 1);
	memcpy(event, exec, bytes);
	roster_event(table, event, bytes);
	free(event);
	free(exec);
}

static void take_balances(struct input *input, __s64 *balances)
{
	for (size_t i = 0; i < MT_BALANCES; i++)
		balances[i] = (int16_t)take_number(input, UINT16_MAX);
}

/* An address space that was closed: as space.c takes it. */
static void take_space(struct input *input, struct process_table *table)
{
	struct mt_book *book = memory_new(1, sizeof(*book));
	struct mt_lane lanes = { .faults = take_number(input, 3) };
	struct mt_space space = {
		.birth = take_number(input, 3),
		.pid = take_number(input, PIDS),
		.parent_pid = take_number(input, PIDS),
		.start_boot_ns = take_number(input, TIMES),
		.opened_ns = take_number(input, TIMES),
		.forked_by = take_number(input, PIDS),
		.ended_by = take_number(input, MT_OPERATIONS),
	};
	struct process *process = process_get(table, space.pid, space.start_boot_ns);
	struct mt_entry *entry = &book->entry[take_number(input, MT_OPERATIONS)];

	take(input, space.comm, sizeof(space.comm));
	take_balances(input, space.opening);
	entry->count = take_number(input, UINT16_MAX);
	take_balances(input, entry->moved);
	book->detail[0].key = (take_number(input, MT_OPERATIONS + 2)) |
			      take_number(input, UINT16_MAX) << 16;
	book->detail[0].count = take_number(input, UINT16_MAX);
	identity_born(process, &space, process_find(table, space.forked_by));
	if (process_add(process, &space, book, &lanes) && space.ended_by != MT_OP_EXEC)
		process_end(table, process);
	free(book);
}

static void take_histogram(struct input *input, struct process_table *table)
{
	struct process *process = process_find(table, take_number(input, PIDS));
	struct mt_hist *block = memory_new(1, sizeof(*block));

	block->sum = take_number(input, UINT16_MAX);
	block->bucket[take_number(input, MT_BUCKETS)] = take_number(input, UINT16_MAX);
	block->bucket[take_number(input, MT_BUCKETS)] = take_number(input, UINT16_MAX);
	if (process)
		process_add_histogram(process, take_number(input, MT_HISTOGRAMS), block);
	free(block);
}

static void inherit(struct input *input, struct process_table *table)
{
	struct process *process = process_find(table, take_number(input, PIDS));

	if (process)
		identity_inherit(process, process_find(table, process->forked_by));
}

/* Two address spaces of one process that are both alive: as live.c joins them. */
static void live_twice(struct input *input, struct process_table *table)
{
	struct process *process = process_find(table, take_number(input, PIDS));
	const struct process *other = process_find(table, take_number(input, PIDS));

	if (!process || !other)
		return;
	process_drop_live(process);
	process->live = process_copy(process);
	process_join(process->live, other);
}

static void take_life(struct input *input, struct process_table *table,
		      struct interval_list *intervals)
{
	while (input->left) {
		switch (take_number(input, 8)) {
		case 0:
			take_event(input, table, sizeof(struct mt_event_exec));
			break;
		case 1:
			take_event(input, table, 0);
			break;
		case 2:
			take_event(input, table, sizeof(struct mt_event) +
				   take_number(input, sizeof(struct mt_event_exec) -
					       sizeof(struct mt_event)));
			break;
		case 3:
			take_space(input, table);
			break;
		case 4:
			take_histogram(input, table);
			break;
		case 5:
			inherit(input, table);
			break;
		case 6:
			live_twice(input, table);
			break;
		case 7:
			interval_add(intervals, true, table, &options);
			break;
		}
	}
}

/* ---- what comes of it ---- */

static char *copy(const char *text)
{
	return memory_copy(text, strlen(text));
}

static Mt__Capture *begin_capture(void)
{
	Mt__Capture *capture = memory_new(1, sizeof(*capture));

	mt__capture__init(capture);
	capture->memtrace_version = copy(MEMTRACE_VERSION);
	capture->mode = copy("system");
	capture->sample = 1;
	capture->host = memory_new(1, sizeof(*capture->host));
	mt__host__init(capture->host);
	capture->host->kernel = copy("6.1");
	capture->host->architecture = copy("x86_64");
	capture->host->page_bytes = 4096;
	capture->losses = memory_new(1, sizeof(*capture->losses));
	mt__losses__init(capture->losses);
	capture->overhead = memory_new(1, sizeof(*capture->overhead));
	mt__overhead__init(capture->overhead);
	record_names(capture);
	return capture;
}

static Mt__Capture *make_capture(struct process_table *table)
{
	struct cgroup_names cgroups = { .searched = true };
	Mt__Capture *capture = begin_capture();

	capture->processes = memory_new(table->count, sizeof(*capture->processes));
	for (struct process *process = table->first; process; process = process->next)
		capture->processes[capture->n_processes++] =
			record_process(process, &cgroups, &options);
	cgroup_names_free(&cgroups);
	return capture;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct input input = { bytes, count };
	struct interval_list intervals = { 0 };
	struct process_table table;
	Mt__Capture *capture;

	process_table_init(&table);
	take_life(&input, &table, &intervals);
	capture = make_capture(&table);
	capture->intervals = intervals.intervals;
	capture->n_intervals = intervals.count;
	process_table_free(&table);
	if (capture_wrong(capture))
		abort();
	check_reports(capture);
	mt__capture__free_unpacked(capture, NULL);
	return 0;
}
