// SPDX-License-Identifier: GPL-2.0
/* What do the address spaces hold?  See space.h. */
#include "user/collect/space.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/self.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_PASSES 8
#define PASS_PAUSE_NS 500000
#define ENDING_PASSES 200 /* to be torn down takes a large address space 50 ms and more */

static void add_histograms(const struct kernel *kernel, struct process *process,
			   const struct mt_space *space)
{
	for (__u32 which = 0; which < MT_HISTOGRAMS; which++) {
		__u32 number = space->hist[which];
		struct mt_hist block;

		if (number < MT_BLOCKS_SHARED || number >= kernel->blocks)
			continue;
		kernel_read_block(kernel, number, &block);
		process_add_histogram(process, which, &block);
	}
}

/* ---- closed ones ---- */

static struct mt_lane sum_lanes(const struct kernel *kernel, __u32 slot)
{
	struct mt_lane sum = { 0 };

	for (__u32 cpu = 0; cpu < kernel->cpus; cpu++) {
		const struct mt_lane *lane = &kernel->lanes[(size_t)cpu * kernel->slots + slot];

		for (size_t member = 0; member < MT_MEMBERS; member++)
			sum.fault[member] += lane->fault[member];
		sum.faults += lane->faults;
		sum.cow_faults += lane->cow_faults;
	}
	return sum;
}

static void take_closed(struct kernel *kernel, struct process_table *table, __u32 slot)
{
	const struct mt_space *space = &kernel->spaces[slot];
	struct process *process = process_get(table, space->pid, space->start_boot_ns);
	struct mt_lane lanes = sum_lanes(kernel, slot);
	struct mt_book book;

	kernel_read_book(kernel, space->book, &book); /* number 0 is an empty one */
	kernel->stale += space->untouched;
	process_add(process, space, &book, &lanes);
	add_histograms(kernel, process, space);
	process_free(process->live);
	process->live = NULL;
	if (space->ended_by == MT_OP_EXEC) {
		kernel_recycle(kernel, slot);
		return;
	}
	memcpy(process->kernel, space->final, sizeof(process->kernel));
	process->has_kernel = true;
	if (space->exiting)
		memcpy(process->at_exit, space->at_exit, sizeof(process->at_exit));
	process->has_at_exit = space->exiting;
	process_end(table, process);
	kernel_recycle(kernel, slot);
}

void space_drain(struct kernel *kernel, struct process_table *table, uint64_t grace_ns)
{
	__u32 used = kernel_used_slots(kernel);
	uint64_t now = self_monotonic_ns();

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];

		if (space->state == MT_SPACE_CLOSED && space->closed_ns + grace_ns <= now)
			take_closed(kernel, table, slot);
	}
	process_fold(table);
}

/* ---- live ones ---- */

struct record {
	struct mt_space space;
	struct mt_book book;
	struct mt_record_end end;
};

static struct process *add_live(struct kernel *kernel, struct process *process,
				const struct mt_space *space, const struct mt_book *book,
				const struct mt_lane *lanes)
{
	process_free(process->live);
	process->live = process_copy(process);
	process_add(process->live, space, book, lanes);
	add_histograms(kernel, process->live, space);
	return process->live;
}

static void take_record(struct kernel *kernel, struct process_table *table,
			const struct record *record)
{
	struct process *process = process_get(table, record->space.pid,
					      record->space.start_boot_ns);
	struct process *live = process->live;

	/* Caught standing still before. */
	if (live && live->stable)
		return;
	live = add_live(kernel, process, &record->space, &record->book, &record->end.lanes);
	memcpy(live->kernel, record->end.kernel, sizeof(live->kernel));
	live->has_kernel = true;
	live->stable = record->end.stable;
}

/* Fills a record from the iterator; false at its end. */
static bool read_record(int fd, struct record *record, struct error **error)
{
	char *at = (char *)record;
	size_t left = sizeof(*record);

	while (left) {
		ssize_t got = read(fd, at, left);

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			*error = error_new(errno, "cannot read the live address spaces");
		if (got <= 0)
			return false;
		at += got;
		left -= got;
	}
	return true;
}

static struct error *read_pass(struct kernel *kernel, struct process_table *table,
			       struct record *record)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;
	struct error *error = NULL;
	cleanup_close int fd = -1;

	skeleton->bss->request = MT_REQUEST_READ;
	skeleton->bss->request_run++;
	fd = bpf_iter_create(bpf_link__fd(kernel->reader));
	if (fd < 0)
		return error_new(errno, "cannot walk the tasks");
	while (read_record(fd, record, &error))
		take_record(kernel, table, record);
	return error;
}

static uint32_t count_unstable(const struct process_table *table)
{
	uint32_t count = 0;

	for (const struct process *process = table->first; process; process = process->next)
		count += process->live && !process->live->stable;
	return count;
}

/* Open spaces whose tasks are past the point where an iterator sees them: ending right now. */
static uint32_t read_leftovers(struct kernel *kernel, struct process_table *table, bool take)
{
	__u32 used = kernel_used_slots(kernel);
	uint32_t count = 0;

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct mt_lane lanes;
		struct process *process;
		struct mt_book book;

		if (space->state != MT_SPACE_OPEN)
			continue;
		process = process_get(table, space->pid, space->start_boot_ns);
		if (process->live)
			continue;
		count++;
		if (!take)
			continue;
		lanes = sum_lanes(kernel, slot);
		kernel_read_book(kernel, space->book, &book);
		add_live(kernel, process, space, &book, &lanes);
	}
	return count;
}

/* What is being torn down right now will be closed in a moment; the number of those left. */
static uint32_t await_endings(struct kernel *kernel, struct process_table *table)
{
	const struct timespec pause = { 0, PASS_PAUSE_NS };
	uint32_t left = read_leftovers(kernel, table, false);

	for (int pass = 0; left && pass < ENDING_PASSES; pass++) {
		nanosleep(&pause, NULL);
		space_drain(kernel, table, 0);
		left = read_leftovers(kernel, table, false);
	}
	read_leftovers(kernel, table, true);
	return left;
}

struct error *space_read(struct kernel *kernel, struct process_table *table, uint32_t *unread)
{
	cleanup_free struct record *record = memory_new(1, sizeof(*record));
	const struct timespec pause = { 0, PASS_PAUSE_NS };

	space_forget(table);
	for (int pass = 0; pass < READ_PASSES; pass++) {
		TRY(read_pass(kernel, table, record));
		*unread = count_unstable(table) + read_leftovers(kernel, table, false);
		if (!*unread)
			return NULL;
		nanosleep(&pause, NULL);
		space_drain(kernel, table, 0);
	}
	*unread = count_unstable(table) + await_endings(kernel, table);
	return NULL;
}

void space_forget(struct process_table *table)
{
	for (struct process *process = table->first; process; process = process->next) {
		process_free(process->live);
		process->live = NULL;
	}
}
