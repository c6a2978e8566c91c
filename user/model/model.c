// SPDX-License-Identifier: GPL-2.0
/* What does a capture mean?  See model.h. */
#include "user/model/model.h"

#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/model/histogram.h"
#include "user/model/ledger.h"

#include <stdlib.h>
#include <string.h>

static const char *const balance_names[BALANCE_COUNT] = {
	"virtual_bytes", "anon_bytes",	     "file_bytes",   "shmem_bytes",
	"swap_bytes",	 "page_table_bytes", "locked_bytes", "hugetlb_bytes",
};

const char *balance_name(enum balance balance)
{
	return balance_names[balance];
}

int64_t balances_resident(const struct balances *balances)
{
	return plus(plus(balances->bytes[BALANCE_ANON], balances->bytes[BALANCE_FILE]),
		    balances->bytes[BALANCE_SHMEM]);
}

bool balances_are_zero(const struct balances *balances)
{
	static const struct balances zero;

	return !memcmp(balances, &zero, sizeof(zero));
}

static struct balances sheet(const Mt__Balances *from)
{
	struct balances balances = { { 0 } };

	for (size_t i = 0; from && i < BALANCE_COUNT; i++)
		balances.bytes[i] = from->bytes[i];
	return balances;
}

static char *text(ProtobufCBinaryData data)
{
	return text_utf8(data.data, data.len);
}

/* ---- a process ---- */

static void add_balances(struct balances *to, const struct balances *what)
{
	for (size_t i = 0; i < BALANCE_COUNT; i++)
		to->bytes[i] = plus(to->bytes[i], what->bytes[i]);
}

static uint64_t size_of(int64_t bytes)
{
	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

static void add_up(struct process_model *process)
{
	process->closing = process->opening;
	process->at_exit = process->opening;
	for (size_t row = 0; row < process->row_count; row++) {
		bool ends = !strcmp(process->rows[row].operation, "exit");

		process->volume += size_of(balances_resident(&process->rows[row].moved));
		add_balances(&process->closing, &process->rows[row].moved);
		if (!ends)
			add_balances(&process->at_exit, &process->rows[row].moved);
	}
	for (size_t i = 0; process->has_kernel && i < BALANCE_COUNT; i++)
		process->unexplained.bytes[i] =
			minus(process->kernel.bytes[i], process->closing.bytes[i]);
}

/* Lazily freed pages that reclaim took went nowhere: what else it takes goes to swap. */
static uint64_t taken_lazily(const struct process_model *process)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		const struct ledger_row *row = &process->rows[i];

		if (!strcmp(row->operation, "reclaim") &&
		    (!row->call || strcmp(row->call, "oom_reaper")))
			bytes = minus(bytes, plus(row->moved.bytes[BALANCE_ANON],
						  row->moved.bytes[BALANCE_SWAP]));
	}
	return bytes > 0 ? bytes : 0;
}

static void read_lazy_free(struct process_model *process, const Mt__LazyFree *from)
{
	if (!from)
		return;
	process->has_lazy_free = true;
	process->lazy_free = (struct lazy_free){
		.has_marked = from->has_marked_bytes,
		.has_resident = from->has_resident_bytes,
		.marked_bytes = from->marked_bytes,
		.resident_bytes = from->resident_bytes,
		.taken_bytes = taken_lazily(process),
	};
}

static void read_names(struct process_model *process, const Mt__Process *from)
{
	process->command = text(from->command);
	process->executable = text(from->executable);
	process->cgroup = text(from->cgroup);
	process->argument_count = from->n_arguments;
	process->arguments = memory_new(from->n_arguments, sizeof(char *));
	for (size_t i = 0; i < from->n_arguments; i++)
		process->arguments[i] = text(from->arguments[i]);
}

static void build_process(struct process_model *process, const Mt__Capture *capture,
			  const struct code_model *code, const Mt__Process *from)
{
	process->pid = from->pid;
	process->parent_pid = from->parent_pid;
	process->started_unix_ns = from->started_unix_ns;
	read_names(process, from);
	process->ended = from->ended;
	process->has_exit = from->exit != NULL;
	process->exit_code = from->exit ? from->exit->code : 0;
	process->exit_signal = from->exit ? from->exit->signal : 0;
	process->opening = sheet(from->opening);
	process->has_kernel = from->kernel != NULL;
	process->kernel = sheet(from->kernel);
	process->has_kernel_at_exit = from->kernel_at_exit != NULL;
	process->kernel_at_exit = sheet(from->kernel_at_exit);
	process->has_before_tidying = from->before_tidying != NULL;
	process->before_tidying = sheet(from->before_tidying);
	process->peak_bytes = from->peak_bytes;
	process->peak_at_ns = from->peak_at_ns;
	process->rows = ledger_build(capture, from->rows, from->n_rows, &process->row_count);
	add_up(process);
	process->has_at_exit = process->ended;
	read_lazy_free(process, from->lazy_free);
	process->histograms = histograms_build(capture, from->histograms, from->n_histograms);
	process->histogram_count = from->n_histograms;
	sites_build(process, capture, code, from);
	process->mappings = from->mappings;
	process->mapping_count = from->n_mappings;
	process->allocators = from->allocators;
	process->allocator_count = from->n_allocators;
	process->growth = from->growth;
	process->busy_ns = from->busy_ns;
	process->kept_count = from->kept_count;
	process->huge_zero_bytes = from->huge_zero_bytes;
	process->shares_with_pid = from->shares_with_pid;
	process->folded = from->folded;
}

static void free_process(struct process_model *process)
{
	for (size_t i = 0; i < process->argument_count; i++)
		free(process->arguments[i]);
	free(process->arguments);
	free(process->command);
	free(process->executable);
	free(process->cgroup);
	ledger_free(process->rows, process->row_count);
	histograms_free(process->histograms, process->histogram_count);
	sites_free(process->sites, process->site_count);
}

static int by_size(const void *left, const void *right)
{
	const struct process_model *a = left, *b = right;

	if (a->peak_bytes != b->peak_bytes)
		return a->peak_bytes > b->peak_bytes ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->started_unix_ns < b->started_unix_ns ? -1 :
							 a->started_unix_ns > b->started_unix_ns;
}

/* ---- intervals, losses ---- */

void model_build_interval(struct interval_model *interval, const Mt__Capture *capture,
			  const Mt__Interval *from)
{
	interval->at_ns = from->at_ns;
	interval->process_count = from->n_processes;
	interval->processes = memory_new(from->n_processes, sizeof(*interval->processes));
	for (size_t i = 0; i < from->n_processes; i++) {
		const Mt__ProcessInterval *process = from->processes[i];
		struct interval_process *made = &interval->processes[i];

		made->pid = process->pid;
		made->command = text(process->command);
		made->closing = sheet(process->closing);
		made->rows = ledger_build(capture, process->rows, process->n_rows,
					  &made->row_count);
		made->parent_pid = process->parent_pid;
		made->line = process->has_line ? text(process->line) : NULL;
	}
}

void model_free_interval(struct interval_model *interval)
{
	for (size_t i = 0; i < interval->process_count; i++) {
		free(interval->processes[i].command);
		free(interval->processes[i].line);
		ledger_free(interval->processes[i].rows, interval->processes[i].row_count);
	}
	free(interval->processes);
}

static void read_losses(struct model *model, const Mt__Losses *from)
{
	const struct loss losses[LOSSES] = {
		{ "cells", from->cells, "changes booked under a coarser name" },
		{ "stacks", from->stacks, "stacks not kept" },
		{ "pages", from->pages, "pages without a site" },
		{ "mappings", from->mappings, "mappings without lifetime, touch delay or stack" },
		{ "events", from->events, "births, execs or exits without their details" },
		{ "spaces", from->spaces, "address spaces that found no slot" },
		{ "storage", from->storage, "tasks that could not be marked" },
		{ "reads", from->reads, "live processes not read at rest" },
		{ "missed", from->missed, "events that came while their program was interrupted" },
	};

	memcpy(model->losses, losses, sizeof(losses));
	for (size_t i = 0; i < LOSSES; i++)
		model->has_losses |= losses[i].count != 0;
}

void model_build(struct model *model, const Mt__Capture *capture)
{
	memset(model, 0, sizeof(*model));
	model->capture = capture;
	code_build(&model->code, capture);
	model->process_count = capture->n_processes;
	model->processes = memory_new(capture->n_processes, sizeof(*model->processes));
	for (size_t i = 0; i < capture->n_processes; i++)
		build_process(&model->processes[i], capture, &model->code, capture->processes[i]);
	if (model->process_count)
		qsort(model->processes, model->process_count, sizeof(*model->processes), by_size);
	model->histograms = histograms_build(capture, capture->histograms, capture->n_histograms);
	model->histogram_count = capture->n_histograms;
	model->interval_count = capture->n_intervals;
	model->intervals = memory_new(capture->n_intervals, sizeof(*model->intervals));
	for (size_t i = 0; i < capture->n_intervals; i++)
		model_build_interval(&model->intervals[i], capture, capture->intervals[i]);
	read_losses(model, capture->losses);
}

const struct balances *balances_end(const struct process_model *process)
{
	return process->has_at_exit ? &process->at_exit : &process->closing;
}

void model_free(struct model *model)
{
	for (size_t i = 0; i < model->process_count; i++)
		free_process(&model->processes[i]);
	for (size_t i = 0; i < model->interval_count; i++)
		model_free_interval(&model->intervals[i]);
	histograms_free(model->histograms, model->histogram_count);
	code_free(&model->code);
	free(model->processes);
	free(model->intervals);
	memset(model, 0, sizeof(*model));
}
