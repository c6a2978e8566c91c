// SPDX-License-Identifier: GPL-2.0
/* How did a process come to have what it has?  See growth.h. */
#include "user/collect/growth.h"

#include "user/base/memory.h"
#include "user/collect/space.h"

#define STEP_NS 100000000ULL /* a tick */
#define POINTS_LEAST 4	     /* fewer say nothing */

static int64_t seen_pages(const struct kernel *kernel, __u32 slot, size_t member)
{
	int64_t pages = kernel->spaces[slot].count_seen[member];

	for (__u32 cpu = 0; cpu < kernel->cpus; cpu++)
		pages += kernel->lanes[(size_t)cpu * kernel->slots + slot].seen[member];
	return pages;
}

int64_t growth_resident_pages(const struct kernel *kernel, __u32 slot)
{
	return seen_pages(kernel, slot, MT_FILE) + seen_pages(kernel, slot, MT_ANON) +
	       seen_pages(kernel, slot, MT_SHMEM);
}

bool growth_balances(const struct kernel *kernel, uint32_t pid, int64_t *balances)
{
	__u32 slot = space_slot_of(kernel, pid);

	if (!slot)
		return false;
	for (size_t i = 0; i < MT_MEMBERS; i++)
		balances[i] = seen_pages(kernel, slot, i);
	for (size_t i = MT_MEMBERS; i < MT_BALANCES; i++)
		balances[i] = kernel->spaces[slot].seen[i - MT_MEMBERS];
	return true;
}

static void thin_out(struct growth *growth)
{
	for (size_t i = 0; i < GROWTH_POINTS / 2; i++) {
		growth->virtual_pages[i] = growth->virtual_pages[2 * i];
		growth->resident_pages[i] = growth->resident_pages[2 * i];
	}
	growth->count = GROWTH_POINTS / 2;
	growth->step_ns *= 2;
}

static uint64_t positive(int64_t pages)
{
	return pages > 0 ? pages : 0;
}

/* A point that is late by a little is as good. */
static bool is_due(const struct growth *growth, uint64_t now_ns)
{
	return now_ns + STEP_NS / 4 >= growth->first_ns + growth->count * growth->step_ns;
}

static void note(const struct kernel *kernel, struct growth *growth, __u32 slot, uint64_t now_ns)
{
	const struct mt_space *space = &kernel->spaces[slot];

	if (!growth->step_ns || growth->serial != space->serial)
		*growth = (struct growth){ .first_ns = now_ns, .step_ns = STEP_NS,
					   .serial = space->serial };
	while (is_due(growth, now_ns)) {
		if (growth->count == GROWTH_POINTS) {
			thin_out(growth);
			continue;
		}
		growth->virtual_pages[growth->count] =
			positive(space->seen[MT_VIRTUAL - MT_MEMBERS]);
		growth->resident_pages[growth->count++] =
			positive(growth_resident_pages(kernel, slot));
	}
}

void growth_tick(const struct kernel *kernel, struct process_table *table, uint64_t now_ns)
{
	__u32 used = kernel_used_slots(kernel);

	for (__u32 slot = 1; slot < used; slot++) {
		struct process *process = NULL;

		if (kernel->spaces[slot].state == MT_SPACE_OPEN)
			process = process_find(table, kernel->spaces[slot].pid);
		if (!process || process->start_boot_ns != kernel->spaces[slot].start_boot_ns)
			continue;
		if (!process->growth)
			process->growth = memory_new(1, sizeof(*process->growth));
		note(kernel, process->growth, slot, now_ns);
	}
}

static uint64_t *bytes_of(const uint64_t *pages, uint32_t count, uint32_t page_bytes)
{
	uint64_t *bytes = memory_new(count, sizeof(*bytes));

	for (uint32_t i = 0; i < count; i++)
		bytes[i] = pages[i] * page_bytes;
	return bytes;
}

void growth_record(const struct process *process, Mt__Process *made, uint64_t started_ns,
		   uint32_t page_bytes)
{
	const struct growth *growth = process->growth;
	Mt__Growth *record;

	if (!growth || growth->count < POINTS_LEAST)
		return;
	record = made->growth = memory_new(1, sizeof(*record));
	mt__growth__init(record);
	record->first_ns = growth->first_ns > started_ns ? growth->first_ns - started_ns : 0;
	record->step_ns = growth->step_ns;
	record->n_virtual_bytes = record->n_resident_bytes = growth->count;
	record->virtual_bytes = bytes_of(growth->virtual_pages, growth->count, page_bytes);
	record->resident_bytes = bytes_of(growth->resident_pages, growth->count, page_bytes);
}
