// SPDX-License-Identifier: GPL-2.0
/* What did the address spaces hold that are gone?  See space.h. */
#include "user/collect/space.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/identity.h"
#include "user/collect/self.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_NS 20000000 /* a program may be busy with a space that closed so long ago */

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

bool space_add(const struct kernel *kernel, struct process *process,
	       const struct mt_space *space, const struct mt_book *book,
	       const struct mt_lane *lanes)
{
	add_histograms(kernel, process, space);
	return process_add(process, space, book, lanes);
}

__u32 space_slot_of(const struct kernel *kernel, __u32 pid)
{
	__u32 used = kernel_used_slots(kernel);

	for (__u32 slot = 1; slot < used; slot++) {
		if (kernel->spaces[slot].state == MT_SPACE_OPEN && kernel->spaces[slot].pid == pid)
			return slot;
	}
	return 0;
}

struct mt_lane space_lanes(const struct kernel *kernel, __u32 slot)
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

/* ---- taking ---- */

static void end(struct process_table *table, struct process *process,
		const struct mt_space *space)
{
	memcpy(process->kernel, space->final, sizeof(process->kernel));
	process->has_kernel = true;
	if (space->exiting)
		memcpy(process->at_exit, space->at_exit, sizeof(process->at_exit));
	process->has_at_exit = space->exiting;
	process_end(table, process);
}

static void take(struct kernel *kernel, struct process_table *table, __u32 slot)
{
	struct mt_space *space = &kernel->spaces[slot];
	struct process *process = process_get(table, space->pid, space->start_boot_ns);
	struct mt_lane lanes = space_lanes(kernel, slot);
	struct mt_book book;

	kernel_read_book(kernel, space->book, &book); /* number 0 is an empty one */
	kernel->stale += space->untouched;
	process_drop_live(process);
	identity_born(process, space, process_find(table, space->forked_by));
	process->serial = space->serial;
	if (space_add(kernel, process, space, &book, &lanes) && space->ended_by != MT_OP_EXEC)
		end(table, process, space);
	space->state = MT_SPACE_TAKEN;
}

/* ---- which ones ---- */

struct closed {
	__u32 slot;
	uint64_t opened_ns;
};

struct closed_list {
	struct closed *closed;
	size_t count;
};

/* A parent before its child, a program before the one that it became. */
static int by_birth(const void *left, const void *right)
{
	const struct closed *a = left, *b = right;

	return a->opened_ns < b->opened_ns ? -1 : a->opened_ns > b->opened_ns;
}

static struct closed_list find_closed(const struct kernel *kernel, uint64_t before_ns)
{
	__u32 used = kernel_used_slots(kernel);
	struct closed_list list = { 0 };

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		__u32 state = __atomic_load_n(&space->state, __ATOMIC_ACQUIRE);

		if (state != MT_SPACE_CLOSED || space->closed_ns > before_ns)
			continue;
		list.closed = memory_grow(list.closed, list.count, sizeof(*list.closed));
		list.closed[list.count++] = (struct closed){ slot, space->opened_ns };
	}
	if (list.count)
		qsort(list.closed, list.count, sizeof(*list.closed), by_birth);
	return list;
}

static void recycle(struct kernel *kernel, uint64_t before_ns)
{
	__u32 used = kernel_used_slots(kernel);

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];

		if (space->state == MT_SPACE_TAKEN && space->closed_ns <= before_ns)
			kernel_recycle(kernel, slot);
	}
}

void space_drain(struct kernel *kernel, struct process_table *table, uint64_t grace_ns)
{
	uint64_t now = self_monotonic_ns();
	struct closed_list list = find_closed(kernel, now - grace_ns);

	/* What is closed has sent all of its events. */
	kernel_poll(kernel);
	for (size_t i = 0; i < list.count; i++)
		take(kernel, table, list.closed[i].slot);
	free(list.closed);
	recycle(kernel, now - BUSY_NS);
	process_fold(table);
}

static bool is_part_of_it(struct process_table *table, const struct mt_space *space,
			  uint64_t began_ns)
{
	if (process_get(table, space->pid, space->start_boot_ns)->live)
		return false;
	return space->ended_by != MT_OP_EXEC || space->opened_ns < began_ns;
}

void space_drain_last(struct kernel *kernel, struct process_table *table, uint64_t began_ns)
{
	struct closed_list list = find_closed(kernel, self_monotonic_ns());

	kernel_poll(kernel);
	for (size_t i = 0; i < list.count; i++) {
		__u32 slot = list.closed[i].slot;

		if (is_part_of_it(table, &kernel->spaces[slot], began_ns))
			take(kernel, table, slot);
	}
	free(list.closed);
}
