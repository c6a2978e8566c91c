// SPDX-License-Identifier: GPL-2.0
/* What has been counted for each process so far?  See process.h. */
#include "user/collect/process.h"

#include "user/base/memory.h"
#include "user/collect/look.h"

#include <stdlib.h>
#include <string.h>

#define ENDED_MOST 4096 /* processes kept after their end; older ones are folded into one */

/* ---- the table ---- */

void process_table_init(struct process_table *table)
{
	memset(table, 0, sizeof(*table));
	table->last = &table->first;
}

void words_free(struct words *words)
{
	free(words->arguments);
	free(words->executable);
	*words = (struct words){ 0 };
}

static void release(struct process *process)
{
	words_free(&process->words);
	words_free(&process->before);
	free(process->rows);
	for (size_t i = 0; i < process->histogram_count; i++)
		free(process->histograms[i].bucket);
	free(process->histograms);
	process_drop_live(process);
	process_forget_rows(process);
	look_free(process->look);
	free(process->growth);
}

void process_forget_rows(struct process *process)
{
	free(process->earlier);
	process->earlier = NULL;
	process->earlier_count = 0;
}

void process_drop_live(struct process *process)
{
	while (process->live) {
		struct process *part = process->live;

		process->live = part->next;
		process_free(part);
	}
}

void process_free(struct process *process)
{
	if (process)
		release(process);
	free(process);
}

void process_table_free(struct process_table *table)
{
	struct process *next;

	for (struct process *process = table->first; process; process = next) {
		next = process->next;
		process_free(process);
	}
	release(&table->folded);
	process_table_init(table);
}

static struct process **bucket_of(struct process_table *table, uint32_t pid)
{
	return &table->bucket[pid % PROCESS_BUCKETS];
}

struct process *process_find(struct process_table *table, uint32_t pid)
{
	struct process *process = *bucket_of(table, pid);

	while (process && process->pid != pid)
		process = process->chain;
	return process;
}

struct process *process_get(struct process_table *table, uint32_t pid, uint64_t start_boot_ns)
{
	struct process *process;

	for (process = *bucket_of(table, pid); process; process = process->chain) {
		if (process->pid == pid && process->start_boot_ns == start_boot_ns)
			return process;
	}
	process = memory_new(1, sizeof(*process));
	process->pid = pid;
	process->start_boot_ns = start_boot_ns;
	process->chain = *bucket_of(table, pid);
	*bucket_of(table, pid) = process;
	*table->last = process;
	table->last = &process->next;
	table->count++;
	return process;
}

void process_end(struct process_table *table, struct process *process)
{
	if (process->ended)
		return;
	process->ended = true;
	table->ended++;
	/* Hardly anything is added any more: no room for growth is needed. */
	if (process->row_count)
		process->rows = memory_trim(process->rows, process->row_count,
					    sizeof(*process->rows));
	if (process->histogram_count)
		process->histograms = memory_trim(process->histograms, process->histogram_count,
						  sizeof(*process->histograms));
}

static void unchain(struct process_table *table, const struct process *process)
{
	struct process **link = bucket_of(table, process->pid);

	while (*link != process)
		link = &(*link)->chain;
	*link = process->chain;
}

/* ---- adding up ---- */

/* Room for one more.  What ended has none to spare, and yet may get some: an address space
 * that it had before an exec, and that somebody else held on to, can close after its last. */
static void *grow(const struct process *process, void *array, size_t count, size_t size)
{
	return process->ended ? memory_trim(array, count + 1, size) :
				memory_grow(array, count, size);
}

struct row *process_row(struct process *process, uint16_t operation, uint16_t call)
{
	struct row *row;

	for (size_t i = 0; i < process->row_count; i++) {
		row = &process->rows[i];
		if (row->operation == operation && row->call == call)
			return row;
	}
	process->rows = grow(process, process->rows, process->row_count, sizeof(*row));
	row = &process->rows[process->row_count++];
	*row = (struct row){ .operation = operation, .call = call };
	return row;
}

static struct histogram *histogram_of(struct process *process, uint32_t which)
{
	struct histogram *histogram;

	for (size_t i = 0; i < process->histogram_count; i++) {
		if (process->histograms[i].which == which)
			return &process->histograms[i];
	}
	process->histograms = grow(process, process->histograms, process->histogram_count,
				   sizeof(*histogram));
	histogram = &process->histograms[process->histogram_count++];
	*histogram = (struct histogram){ .which = which };
	return histogram;
}

/* Makes room for buckets from first to end, besides those that it has. */
static void widen(struct histogram *histogram, uint16_t first, uint16_t end)
{
	uint64_t *wider;

	if (histogram->bucket && histogram->first < first)
		first = histogram->first;
	if (histogram->bucket && histogram->end > end)
		end = histogram->end;
	wider = memory_new(end - first, sizeof(*wider));
	if (histogram->bucket)
		memcpy(wider + histogram->first - first, histogram->bucket,
		       (histogram->end - histogram->first) * sizeof(*wider));
	free(histogram->bucket);
	histogram->bucket = wider;
	histogram->first = first;
	histogram->end = end;
}

/* Adds counts of buckets first to end, of which counts[0] is the first. */
static void add_buckets(struct histogram *histogram, const uint64_t *counts, uint16_t first,
			uint16_t end, uint64_t sum)
{
	while (first < end && !counts[0]) {
		first++;
		counts++;
	}
	while (end > first && !counts[end - first - 1])
		end--;
	histogram->sum += sum;
	if (first == end)
		return;
	if (!histogram->bucket || first < histogram->first || end > histogram->end)
		widen(histogram, first, end);
	for (uint16_t i = first; i < end; i++)
		histogram->bucket[i - histogram->first] += counts[i - first];
}

static void add_entry(struct process *process, uint32_t operation, const struct mt_entry *entry)
{
	struct row *row = process_row(process, operation, 0);

	row->count += entry->count;
	row->failed += entry->failed;
	row->requested_bytes += entry->requested_bytes;
	for (size_t i = 0; i < MT_BALANCES; i++)
		row->moved[i] += entry->moved[i];
}

/* What was left for another program went by exec, whoever was the last in it; which is counted
 * where the new one was built. */
static void add_entries(struct process *process, const struct mt_entry *entries, bool left)
{
	static const struct mt_entry nothing;

	for (uint32_t operation = 0; operation < MT_OPERATIONS; operation++) {
		struct mt_entry entry = entries[operation];

		if (!memcmp(&entry, &nothing, sizeof(nothing)))
			continue;
		if (operation == MT_OP_EXIT && left)
			entry.count = 0;
		add_entry(process, operation == MT_OP_EXIT && left ? MT_OP_EXEC : operation,
			  &entry);
	}
}

static void add_details(struct process *process, const struct mt_detail *details)
{
	for (size_t i = 0; i < MT_DETAILS; i++) {
		const struct mt_detail *detail = &details[i];
		uint32_t operation = (detail->key & 0xffff) - 1;
		struct row *row;

		if (!detail->key || operation >= MT_OPERATIONS)
			continue;
		row = process_row(process, operation, detail->key >> 16);
		row->count += detail->count;
		for (size_t member = 0; member < MT_MEMBERS; member++)
			row->moved[member] += detail->moved[member];
	}
}

static void add_lanes(struct process *process, const struct mt_lane *lanes)
{
	static const struct mt_lane nothing;
	struct row *row;

	if (lanes->faults || memcmp(lanes->fault, nothing.fault, sizeof(nothing.fault))) {
		row = process_row(process, MT_OP_FAULT, 0);
		row->count += lanes->faults;
		for (size_t member = 0; member < MT_MEMBERS; member++)
			row->moved[member] += lanes->fault[member];
	}
	if (lanes->cow_faults)
		process_row(process, MT_OP_FAULT_COW, 0)->count += lanes->cow_faults;
}

static void add_unbooked(struct process *process, const struct mt_space *space)
{
	for (size_t i = 0; i < MT_BALANCES; i++) {
		if (space->unbooked[i])
			process_row(process, MT_OP_OTHER, 0)->moved[i] += space->unbooked[i];
	}
}

void process_add_histogram(struct process *process, enum mt_histogram which,
			   const struct mt_hist *block)
{
	uint64_t counts[MT_BUCKETS];

	for (size_t i = 0; i < MT_BUCKETS; i++)
		counts[i] = block->bucket[i];
	add_buckets(histogram_of(process, which), counts, 0, MT_BUCKETS, block->sum);
}

void process_merge_histograms(struct process *process, const struct process *from)
{
	for (size_t i = 0; i < from->histogram_count; i++) {
		const struct histogram *histogram = &from->histograms[i];

		add_buckets(histogram_of(process, histogram->which), histogram->bucket,
			    histogram->first, histogram->end, histogram->sum);
	}
}

/* The first space has the opening.  A later one opens at nothing, unless it found no slot at
 * its birth: what it had by the time that it got one came from nowhere that was seen. */
static void add_opening(struct process *process, const struct mt_space *space)
{
	bool first = !process->has_space || space->opened_ns < process->first_opened_ns;

	for (size_t i = 0; i < MT_BALANCES; i++) {
		int64_t later = first ? process->opening[i] : space->opening[i];

		if (later)
			process_row(process, MT_OP_OTHER, 0)->moved[i] += later;
		if (first)
			process->opening[i] = space->opening[i];
	}
	if (first) {
		process->first_opened_ns = space->opened_ns;
		process->parent_pid = space->parent_pid; /* that it was born to */
	}
}

static void add_names(struct process *process, const struct mt_space *space)
{
	process->cgroup_id = space->cgroup_id;
	memcpy(process->comm, space->comm, sizeof(process->comm));
}

/* Has it left this one for another program? */
static bool has_left(const struct process *process, const struct mt_space *space)
{
	return space->opened_ns < process->last_opened_ns ||
	       space->opened_ns < process->words.since_ns;
}

bool process_add(struct process *process, const struct mt_space *space,
		 const struct mt_book *book, const struct mt_lane *lanes)
{
	bool left = has_left(process, space);

	add_opening(process, space);
	if (!left && !process->has_exit) /* which has told the same, and later */
		add_names(process, space);
	if (!left)
		process->last_opened_ns = space->opened_ns;
	process->has_space = true;
	process->hidden = false;
	process->shares_with = 0;
	if (space->peak_pages > process->peak_pages) {
		process->peak_pages = space->peak_pages;
		process->peak_ns = space->peak_ns;
	}
	if (book)
		add_entries(process, book->entry, left);
	if (book)
		add_details(process, book->detail);
	add_lanes(process, lanes);
	add_unbooked(process, space);
	process->kept_pages += space->kept_pages;
	return !left;
}

struct process *process_copy(const struct process *process)
{
	struct process *copy = memory_new(1, sizeof(*copy));

	*copy = *process;
	copy->words = (struct words){ .since_ns = process->words.since_ns };
	copy->before = (struct words){ 0 };
	copy->live = copy->next = copy->chain = NULL;
	copy->look = NULL;
	copy->growth = NULL;
	copy->earlier = NULL;
	copy->earlier_count = 0;
	/* Room as memory_grow() expects it for that count. */
	copy->rows = NULL;
	for (copy->row_count = 0; copy->row_count < process->row_count; copy->row_count++) {
		copy->rows = memory_grow(copy->rows, copy->row_count, sizeof(*copy->rows));
		copy->rows[copy->row_count] = process->rows[copy->row_count];
	}
	copy->histograms = NULL;
	copy->histogram_count = 0;
	process_merge_histograms(copy, process);
	return copy;
}

/* ---- several as one ---- */

void process_join(struct process *into, const struct process *process)
{
	for (size_t i = 0; i < process->row_count; i++) {
		const struct row *from = &process->rows[i];
		struct row *row = process_row(into, from->operation, from->call);

		row->count += from->count;
		row->failed += from->failed;
		row->requested_bytes += from->requested_bytes;
		for (size_t balance = 0; balance < MT_BALANCES; balance++)
			row->moved[balance] += from->moved[balance];
	}
	into->kept_pages += process->kept_pages;
	process_merge_histograms(into, process);
	for (size_t balance = 0; balance < MT_BALANCES; balance++) {
		into->opening[balance] += process->opening[balance];
		into->kernel[balance] += process->kernel[balance];
	}
	if (process->peak_pages > into->peak_pages) {
		into->peak_pages = process->peak_pages;
		into->peak_ns = process->peak_ns;
	}
}

static void fold(struct process *into, const struct process *process)
{
	process_join(into, process);
	into->has_kernel = true;
	into->ended = true;
	into->has_space = true;
	into->folded++;
}

/* Half of them at once, so that the walk of the list is paid for seldom. */
void process_fold(struct process_table *table)
{
	struct process **link = &table->first;

	if (table->ended <= ENDED_MOST)
		return;
	while (*link && table->ended > ENDED_MOST / 2) {
		struct process *process = *link;

		if (!process->ended) {
			link = &process->next;
			continue;
		}
		if (!process->hidden)
			fold(&table->folded, process);
		*link = process->next;
		if (table->last == &process->next)
			table->last = link;
		unchain(table, process);
		table->count--;
		table->ended--;
		process_free(process);
	}
}
