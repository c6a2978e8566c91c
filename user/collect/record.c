// SPDX-License-Identifier: GPL-2.0
/* How does what was collected become a capture?  See record.h. */
#include "user/collect/record.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/call.h"
#include "user/collect/self.h"
#include "user/snapshot/check.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MOST 512 /* bytes */

static const char *const operation_names[] = {
#define X(id, name) name,
	MT_OPERATION_TABLE(X)
#undef X
};

static const char *const histogram_names[] = {
	[MT_HIST_MMAP_BYTES] = "mmap_bytes",
	[MT_HIST_MUNMAP_BYTES] = "munmap_bytes",
	[MT_HIST_BRK_BYTES] = "brk_bytes",
	[MT_HIST_MREMAP_BYTES] = "mremap_bytes",
	[MT_HIST_MADVISE_BYTES] = "madvise_bytes",
	[MT_HIST_RELEASED_BYTES] = "released_bytes",
	[MT_HIST_TOUCH_DELAY_NS] = "touch_delay_ns",
	[MT_HIST_MAPPING_LIFETIME_NS] = "mapping_lifetime_ns",
	[MT_HIST_SYSCALL_NS] = "syscall_ns",
};

/* The capture's order of the balances, from the kernel side's. */
static const int sheet[BALANCES] = { MT_VIRTUAL, MT_ANON,	MT_FILE,   MT_SHMEM,
				     MT_SWAP,	 MT_PAGE_TABLE, MT_LOCKED, MT_HUGETLB };

static char *copy(const char *text)
{
	return memory_copy(text, strlen(text));
}

static ProtobufCBinaryData binary(const void *bytes, size_t count)
{
	return (ProtobufCBinaryData){ count, memory_copy(bytes, count) };
}

static ProtobufCBinaryData binary_text(const char *text)
{
	return binary(text ? text : "", text ? strlen(text) : 0);
}

static char **copy_names(const char *const *names, size_t count)
{
	char **copies = memory_new(count, sizeof(*copies));

	for (size_t i = 0; i < count; i++)
		copies[i] = copy(names[i]);
	return copies;
}

void record_names(Mt__Capture *capture)
{
	capture->n_operations = MT_OPERATIONS;
	capture->operations = copy_names(operation_names, MT_OPERATIONS);
	capture->n_histogram_names = MT_HIST_SYSCALL_NS + 1;
	capture->histogram_names = copy_names(histogram_names, MT_HIST_SYSCALL_NS + 1);
}

void record_free_names(Mt__Capture *capture)
{
	for (size_t i = 0; i < capture->n_operations; i++)
		free(capture->operations[i]);
	for (size_t i = 0; i < capture->n_histogram_names; i++)
		free(capture->histogram_names[i]);
	free(capture->operations);
	free(capture->histogram_names);
}

/* ---- balances and rows ---- */

static int64_t *sheet_of(const int64_t *balances, uint32_t page_bytes)
{
	int64_t *bytes = memory_new(BALANCES, sizeof(*bytes));

	for (size_t i = 0; i < BALANCES; i++) {
		int64_t unit = sheet[i] == MT_PAGE_TABLE ? 1 : page_bytes;

		bytes[i] = balances[sheet[i]] * unit;
	}
	return bytes;
}

Mt__Balances *record_balances(const int64_t *balances, uint32_t page_bytes)
{
	Mt__Balances *made = memory_new(1, sizeof(*made));

	mt__balances__init(made);
	made->n_bytes = BALANCES;
	made->bytes = sheet_of(balances, page_bytes);
	return made;
}

static bool is_call(uint16_t operation)
{
	return operation >= MT_OP_CALL_FIRST && operation <= MT_OP_CALL_LAST;
}

static bool moved_nothing(const struct row *row)
{
	for (size_t i = 0; i < MT_BALANCES; i++) {
		if (row->moved[i])
			return false;
	}
	return true;
}

static Mt__Row *record_row(const struct row *row, const struct record_options *options)
{
	Mt__Row *made = memory_new(1, sizeof(*made));

	mt__row__init(made);
	made->operation = row->operation;
	made->has_call = row->call != 0;
	if (row->call) {
		made->call.data = (uint8_t *)call_name(row->call);
		made->call.len = strlen((char *)made->call.data);
	}
	made->count = row->count;
	made->has_failed = made->has_requested_bytes = options->calls && is_call(row->operation);
	made->failed = row->failed;
	made->requested_bytes = row->requested_bytes;
	if (!moved_nothing(row)) {
		made->n_moved = BALANCES;
		made->moved = sheet_of(row->moved, options->page_bytes);
	}
	return made;
}

static Mt__Row **record_rows(const struct row *rows, size_t row_count,
			     const struct record_options *options, size_t *count)
{
	Mt__Row **made = memory_new(row_count, sizeof(*made));

	*count = 0;
	for (size_t i = 0; i < row_count; i++) {
		if (rows[i].count || !moved_nothing(&rows[i]))
			made[(*count)++] = record_row(&rows[i], options);
	}
	return made;
}

/* ---- histograms ---- */

static Mt__Histogram *record_histogram(const struct histogram *histogram)
{
	Mt__Histogram *made = memory_new(1, sizeof(*made));

	mt__histogram__init(made);
	made->name = histogram->which;
	if (histogram->which >= MT_HIST_SYSCALL_NS) {
		made->name = MT_HIST_SYSCALL_NS;
		made->has_operation = 1;
		made->operation = MT_OP_CALL_FIRST + histogram->which - MT_HIST_SYSCALL_NS;
	}
	made->sum = histogram->sum;
	made->first = histogram->first;
	made->n_count = histogram->end - histogram->first;
	made->count = memory_new(made->n_count, sizeof(*made->count));
	if (made->n_count)
		memcpy(made->count, histogram->bucket, made->n_count * sizeof(*made->count));
	return made;
}

static int by_which(const void *left, const void *right)
{
	const Mt__Histogram *a = *(Mt__Histogram *const *)left, *b = *(Mt__Histogram *const *)right;

	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static Mt__Histogram **record_all(const struct process *process, size_t *count)
{
	Mt__Histogram **made = memory_new(process->histogram_count, sizeof(*made));

	*count = process->histogram_count;
	for (size_t i = 0; i < *count; i++)
		made[i] = record_histogram(&process->histograms[i]);
	if (*count)
		qsort(made, *count, sizeof(*made), by_which);
	return made;
}

/* ---- processes ---- */

static void record_arguments(Mt__Process *made, const struct process *process)
{
	const struct words *words = &process->words;
	const char *at = words->arguments, *end = at ? at + words->argument_bytes : NULL;

	for (; at < end; at += strnlen(at, end - at) + 1) {
		made->arguments = memory_grow(made->arguments, made->n_arguments,
					      sizeof(*made->arguments));
		made->arguments[made->n_arguments++] = binary(at, strnlen(at, end - at));
	}
}

/* One that was read while it lived has no end in the capture, if it came after. */
static void record_exit(Mt__Process *made, const struct process *process, uint64_t read_ns)
{
	if (!process->has_exit || (process->live && process->exit_ns >= read_ns))
		return;
	made->exit = memory_new(1, sizeof(*made->exit));
	mt__exit__init(made->exit);
	made->exit->code = process->exit_code >> 8 & 0xff;
	made->exit->signal = process->exit_code & 0x7f;
}

static int64_t resident_pages(const int64_t *balances)
{
	return balances[MT_FILE] + balances[MT_ANON] + balances[MT_SHMEM];
}

static void record_peak(Mt__Process *made, const struct process *state,
			const struct record_options *options, uint64_t now)
{
	int64_t pages = state->peak_pages, closing = resident_pages(state->opening);
	uint64_t at = state->peak_ns;

	/* It may stand at its highest now, which nothing has come down from yet. */
	for (size_t i = 0; i < state->row_count; i++)
		closing += resident_pages(state->rows[i].moved);
	if (closing > pages) {
		pages = closing;
		at = now;
	}
	made->peak_bytes = pages * options->page_bytes;
	made->peak_at_ns = at > options->started_ns ? at - options->started_ns : 0;
}

Mt__Process *record_process(const struct process *process, struct cgroup_names *cgroups,
			    const struct record_options *options)
{
	const struct process *state = process->live ? process->live : process;
	Mt__Process *made = memory_new(1, sizeof(*made));

	mt__process__init(made);
	made->pid = process->pid;
	made->parent_pid = state->parent_pid;
	made->started_unix_ns = process->start_boot_ns + options->boot_to_unix_ns;
	made->command = binary(state->comm, strnlen(state->comm, MT_COMM));
	record_arguments(made, process);
	made->executable = binary_text(process->words.executable);
	made->cgroup = binary_text(cgroup_name(cgroups, state->cgroup_id));
	record_exit(made, process, options->read_ns);
	made->ended = process->ended && !process->live;
	made->opening = record_balances(state->opening, options->page_bytes);
	if (state->has_kernel)
		made->kernel = record_balances(state->kernel, options->page_bytes);
	if (process->has_at_exit && made->ended)
		made->kernel_at_exit = record_balances(process->at_exit, options->page_bytes);
	record_peak(made, state, options, self_monotonic_ns());
	made->rows = record_rows(state->rows, state->row_count, options, &made->n_rows);
	made->histograms = record_all(state, &made->n_histograms);
	made->has_shares_with_pid = state->shares_with != 0;
	made->shares_with_pid = state->shares_with;
	made->has_kept_count = state->kept_pages != 0;
	made->kept_count = state->kept_pages;
	made->has_folded = process->folded != 0;
	made->folded = process->folded;
	return made;
}

/* ---- intervals ---- */

static uint64_t minus(uint64_t now, uint64_t before)
{
	/* A fault that turns out to be another kind is taken back. */
	return now > before ? now - before : 0;
}

/* What a row has more than it had at the last interval. */
static struct row since(const struct process *process, const struct row *row)
{
	struct row change = *row;

	for (size_t i = 0; i < process->earlier_count; i++) {
		const struct row *before = &process->earlier[i];

		if (before->operation != row->operation || before->call != row->call)
			continue;
		change.count = minus(row->count, before->count);
		change.failed = minus(row->failed, before->failed);
		change.requested_bytes = minus(row->requested_bytes, before->requested_bytes);
		for (size_t balance = 0; balance < MT_BALANCES; balance++)
			change.moved[balance] -= before->moved[balance];
	}
	return change;
}

static void keep_rows(struct process *process, const struct process *state)
{
	process_forget_rows(process);
	process->earlier = memory_new(state->row_count, sizeof(*process->earlier));
	process->earlier_count = state->row_count;
	if (state->row_count)
		memcpy(process->earlier, state->rows, state->row_count * sizeof(*state->rows));
}

static Mt__Balances *record_closing(const struct process *state,
				    const struct record_options *options)
{
	int64_t closing[MT_BALANCES];

	memcpy(closing, state->opening, sizeof(closing));
	for (size_t i = 0; i < state->row_count; i++) {
		for (size_t balance = 0; balance < MT_BALANCES; balance++)
			closing[balance] += state->rows[i].moved[balance];
	}
	return record_balances(closing, options->page_bytes);
}

/* What a line of a screen holds of its arguments. */
static void record_line(Mt__ProcessInterval *made, const struct process *process)
{
	const struct words *words = &process->words;
	size_t count = words->argument_bytes < LINE_MOST ? words->argument_bytes : LINE_MOST;

	made->has_line = words->arguments && count > 1;
	if (!made->has_line)
		return;
	made->line = binary(words->arguments, count);
	for (size_t i = 0; i < count; i++) {
		if (!made->line.data[i])
			made->line.data[i] = ' ';
	}
}

Mt__ProcessInterval *record_interval(struct process *process, bool unmoved,
				     const struct record_options *options)
{
	const struct process *state = process->live ? process->live : process;
	cleanup_free struct row *changes = memory_new(state->row_count, sizeof(*changes));
	Mt__ProcessInterval *made;
	Mt__Row **rows;
	size_t count;

	for (size_t i = 0; i < state->row_count; i++)
		changes[i] = since(process, &state->rows[i]);
	rows = record_rows(changes, state->row_count, options, &count);
	if (!count && !unmoved) {
		free(rows);
		return NULL;
	}
	keep_rows(process, state);
	made = memory_new(1, sizeof(*made));
	mt__process_interval__init(made);
	made->pid = process->pid;
	made->command = binary(state->comm, strnlen(state->comm, MT_COMM));
	made->closing = record_closing(state, options);
	made->rows = rows;
	made->n_rows = count;
	if (options->screen) {
		made->has_parent_pid = true;
		made->parent_pid = state->parent_pid;
		record_line(made, process);
	}
	return made;
}

/* ---- all processes together ---- */

void record_histograms(Mt__Capture *capture, const struct process_table *table,
		       const struct kernel *kernel)
{
	struct process *total = memory_new(1, sizeof(*total));

	for (uint32_t which = 0; which < MT_HISTOGRAMS; which++) {
		static const struct mt_hist nothing;
		struct mt_hist shared;

		kernel_read_block(kernel, 1 + which, &shared);
		if (memcmp(&shared, &nothing, sizeof(nothing)))
			process_add_histogram(total, which, &shared);
	}
	for (const struct process *process = table->first; process; process = process->next)
		process_merge_histograms(total, process->live ? process->live : process);
	process_merge_histograms(total, &table->folded);
	capture->histograms = record_all(total, &capture->n_histograms);
	process_free(total);
}
