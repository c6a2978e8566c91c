// SPDX-License-Identifier: GPL-2.0
/* What do the allocators inside the followed processes have?  See look.h. */
#include "user/collect/look.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/allocator.h"
#include "user/collect/image.h"
#include "user/collect/proc.h"
#include "user/collect/record.h"
#include "user/collect/self.h"
#include "user/heap/huge.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ULL
#define SHARE 25		/* of all time, one part of so many is spent on looks ... */
#define CREDIT_NS (100 * MS)	/* ... once so much was: many commands are short ... */
#define OFTEN_NS (100 * MS)	/* ... that come so soon at the most */
#define EACH_NS (200 * MS)	/* the most CPU time for one while the capture goes on */
#define LAST_EACH_NS (500 * MS) /* and at its end */
#define LAST_NS (2000 * MS)	/* all processes together, then */
#define GROWTH_SHARE 8		/* what moves more in a tick is not looked at ... */
#define PATIENCE_NS (1000 * MS) /* but for a process that never rests */
#define HUGE_LEAST (8 << 20)	/* of huge pages, for them to be looked at */
#define LEAST_BYTES (1 << 20)	/* with less anonymous memory there is nothing to find */
#define BUSY_MOST 32		/* processes in a tick: of a server there are hundreds */
#define TIDYING_MOST 16		/* who makes SIGINT the system's so often is none that ends */

void look_free(struct look *look)
{
	for (size_t i = 0; look && i < look->count; i++)
		protobuf_c_message_free_unpacked(&look->allocators[i]->base, NULL);
	if (look) {
		free(look->allocators);
		free(look->balances);
		smaps_free(&look->smaps);
	}
	free(look);
}

#define NUMBERS 3

/* What a file of its in /proc begins with; false where it is gone. */
static bool read_numbers(pid_t pid, const char *name, uint64_t numbers[static NUMBERS])
{
	cleanup_fclose FILE *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	return file && fscanf(file, "%" SCNu64 " %" SCNu64 " %" SCNu64, &numbers[0], &numbers[1],
			      &numbers[2]) == NUMBERS;
}

/* Resident, and not of files; 0 where the process is gone. */
static uint64_t anon_bytes(pid_t pid, uint32_t page_bytes)
{
	uint64_t pages[NUMBERS]; /* of addresses, resident, of files or shared */

	if (!read_numbers(pid, "statm", pages) || pages[1] < pages[2])
		return 0;
	return (pages[1] - pages[2]) * page_bytes;
}

/* Who touched the page of the block that holds the rest. */
static void add_toucher(const struct stacks *stacks, pid_t pid, Mt__Allocator *allocator)
{
	for (size_t i = 0; i < allocator->n_figures; i++) {
		const Mt__Figure *figure = allocator->figures[i];

		if (!strcmp(figure->name, "last_used_address"))
			allocator->last_used_stack = stacks_toucher(stacks, pid, figure->value);
	}
	allocator->has_last_used_stack = allocator->last_used_stack != 0;
}

/* The kernel walks all page tables to say it: not while the capture goes on. */
static uint64_t huge_bytes(pid_t pid)
{
	cleanup_fclose FILE *file = NULL;
	uint64_t kib = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	return proc_find_number(file, "AnonHugePages", &kib) ? kib * 1024 : 0;
}

static uint64_t look_at_huge(const struct image *image, pid_t pid)
{
	uint64_t bytes = huge_bytes(pid);

	return bytes >= HUGE_LEAST ? huge_zero_bytes(image, bytes) : 0;
}

/* One that has gone meanwhile leaves what was seen before. */
static void look_at(const struct looks *looks, struct process *process, uint64_t limit_ns,
		    bool last)
{
	uint64_t now = self_monotonic_ns();
	struct look *look = memory_new(1, sizeof(*look));
	struct live_image live;

	look->at_ns = look->since_ns = now;
	look->page_bytes = looks->page_bytes;
	if (live_image_open(&live, process->pid, looks->page_bytes, self_cpu_ns() + limit_ns))
		look->allocators = allocators_read(&live.image, &look->count);
	if (last && live.image.mapping_count)
		look->huge_zero_bytes = look_at_huge(&live.image, process->pid);
	for (size_t i = 0; i < look->count && looks->stacks; i++)
		add_toucher(looks->stacks, process->pid, look->allocators[i]);
	look->late = live.late;
	live_image_close(&live);
	look->anon_bytes = anon_bytes(process->pid, looks->page_bytes);
	if (process->look && process->look->at_ns && (!look->count || !look->anon_bytes)) {
		look_free(look);
		return;
	}
	look->busy_ns = process->look ? process->look->busy_ns : 0;
	look_free(process->look);
	process->look = look;
}

static bool is_there(const struct process *process)
{
	return !process->ended && !process->has_exit && !process->shares_with && !process->hidden;
}

/* It did not end when it seemed to: it has more than then.  What was seen is of before. */
static bool went_on(struct look *look, uint64_t anon_bytes)
{
	if (anon_bytes <= look->anon_bytes + LEAST_BYTES)
		return false;
	look->last = false;
	look->smaps_ns = 0;
	return true;
}

/* Large enough to be of interest, and at rest. */
static bool is_due(struct process *process, uint32_t page_bytes, uint64_t now)
{
	uint64_t bytes = anon_bytes(process->pid, page_bytes), before;

	if (bytes < LEAST_BYTES)
		return false;
	if (!process->look) {
		process->look = memory_new(1, sizeof(*process->look));
		process->look->since_ns = now;
	}
	before = process->look->anon_bytes;
	if (process->look->last && !went_on(process->look, bytes))
		return false;
	process->look->anon_bytes = bytes;
	return (bytes > before ? bytes - before : before - bytes) < bytes / GROWTH_SHARE ||
	       now - process->look->since_ns > PATIENCE_NS;
}

static uint64_t age_ns(const struct process *process)
{
	uint64_t now = self_boot_ns();

	return now > process->start_boot_ns ? now - process->start_boot_ns : 0;
}

/* For how long its first thread ran, or would have if it had not had to wait for a CPU; 0: the
 * kernel does not say. */
static uint64_t busy_ns(const struct process *process)
{
	uint64_t ns[NUMBERS]; /* ran, waited; and how often */
	double age = (double)age_ns(process);

	if (!read_numbers(process->pid, "schedstat", ns))
		return 0;
	return (double)ns[1] < age ? (uint64_t)((double)ns[0] * age / (age - (double)ns[1])) :
				     ns[0] + ns[1];
}

static void add_cost(struct looks *looks, uint64_t wall_began, uint64_t cpu_began)
{
	looks->wall_ns += self_monotonic_ns() - wall_began;
	looks->spent_ns += self_cpu_ns() - cpu_began;
}

/* Of what ends before anybody looks at it that is all that is known. */
static void note_busy(struct looks *looks, struct process_table *table)
{
	uint64_t now = self_monotonic_ns();
	size_t count = 0;

	if (now < looks->next_ns)
		return;
	for (struct process *process = table->first; process && count < BUSY_MOST;
	     process = process->next) {
		if (!is_there(process))
			continue;
		if (!process->look)
			process->look = memory_new(1, sizeof(*process->look));
		process->look->busy_ns = busy_ns(process);
		count++;
	}
	looks->next_ns = now + OFTEN_NS;
}

void looks_tick(struct looks *looks, struct process_table *table)
{
	uint64_t began = self_monotonic_ns(), cpu = self_cpu_ns(), spent = looks->spent_ns;

	if (looks->on && !looks->command)
		note_busy(looks, table);
	if (!looks->on || !looks->command || began < looks->next_ns)
		return;
	for (struct process *process = table->first; process; process = process->next) {
		bool due;

		if (!is_there(process) || self_monotonic_ns() - began > EACH_NS)
			continue;
		due = is_due(process, looks->page_bytes, began);
		if (due)
			look_at(looks, process, EACH_NS, false);
		looks->count += due;
		if (process->look)
			process->look->busy_ns = busy_ns(process);
	}
	add_cost(looks, began, cpu);
	spent = looks->spent_ns - spent;
	if (looks->spent_ns < CREDIT_NS)
		spent = 0;
	looks->next_ns = began + (spent * SHARE > OFTEN_NS ? spent * SHARE : OFTEN_NS);
}

void looks_one(struct looks *looks, struct process *process)
{
	if (looks->on && is_there(process))
		look_at(looks, process, EACH_NS, true);
}

/* Their heaps are in pieces at their end: they free one by one what they have, and then exit.
 * The first says before that it will. */
static const char *const tidying[] = { "python", "perl", "ruby", "php", "lua", "node" };

static bool is_one_of(pid_t pid, const char *const *names, size_t count)
{
	char link[64], path[PATH_MAX];
	const char *name;
	ssize_t bytes;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	bytes = readlink(link, path, sizeof(path) - 1);
	path[bytes > 0 ? bytes : 0] = 0;
	name = strrchr(path, '/');
	for (size_t i = 0; name && i < count; i++) {
		if (!strncmp(name + 1, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

static void read_smaps(struct process *process)
{
	process->look->smaps_ns = self_monotonic_ns();
	smaps_free(&process->look->smaps);
	process->look->smaps = smaps_of(process->pid);
}

bool looks_before_tidying(struct looks *looks, struct process *process, const int64_t *balances)
{
	uint64_t began = self_monotonic_ns(), cpu = self_cpu_ns();
	const size_t bytes = MT_BALANCES * sizeof(*balances);

	if (++looks->tidying > TIDYING_MOST)
		return false;
	if (!looks->on || !process || !is_there(process) || !is_one_of(process->pid, tidying, 1))
		return true;
	look_at(looks, process, LAST_EACH_NS, true);
	process->look->last = true;
	free(process->look->balances);
	process->look->balances = memory_new(MT_BALANCES, sizeof(*balances));
	memcpy(process->look->balances, balances, bytes);
	read_smaps(process);
	looks->count++;
	add_cost(looks, began, cpu);
	return true;
}

/* As short as can be: who waits for it waits for us. */
void looks_held(struct looks *looks, struct process *process)
{
	uint64_t began = self_monotonic_ns(), cpu = self_cpu_ns();

	if (!looks->on || !process || !is_there(process))
		return;
	if (!process->look)
		process->look = memory_new(1, sizeof(*process->look));
	if (!is_one_of(process->pid, tidying, sizeof(tidying) / sizeof(tidying[0]))) {
		look_at(looks, process, LAST_EACH_NS, true);
		process->look->last = true;
	}
	process->look->busy_ns = busy_ns(process);
	if (!process->look->balances ||
	    went_on(process->look, anon_bytes(process->pid, looks->page_bytes)))
		read_smaps(process);
	looks->count++;
	add_cost(looks, began, cpu);
}

void looks_finish(struct looks *looks, struct process_table *table)
{
	uint64_t began = self_monotonic_ns(), cpu = self_cpu_ns();

	for (struct process *process = table->first; looks->on && process;
	     process = process->next) {
		if (!is_there(process))
			continue;
		if (self_monotonic_ns() - began > LAST_NS) {
			looks->skipped++;
			continue;
		}
		look_at(looks, process, LAST_EACH_NS, true);
		looks->count++;
	}
	add_cost(looks, began, cpu);
}

/* It was held before it freed what it had to end, and had no more after that. */
static bool is_of_end(const struct process *process, const struct look *look)
{
	int64_t pages = look->balances ? look->balances[MT_FILE] + look->balances[MT_ANON] +
						 look->balances[MT_SHMEM] : 0;

	return look->last && look->balances &&
	       (process->peak_ns <= look->at_ns ||
		process->peak_pages <= (uint64_t)pages + LEAST_BYTES / look->page_bytes);
}

/* What was seen of a program that it is not any more means nothing. */
void look_record(struct process *process, const Mt__Capture *capture, Mt__Process *made,
		 uint64_t end_ns)
{
	struct look *look = process->look;
	uint64_t end = process->has_exit && process->exit_ns < end_ns ? process->exit_ns : end_ns;

	if (!look)
		return;
	made->has_busy_ns = look->busy_ns != 0;
	made->busy_ns = look->busy_ns;
	if (!look->at_ns || look->at_ns < process->last_opened_ns)
		return;
	if (look->last)
		end = look->at_ns;
	if (is_of_end(process, look))
		made->before_tidying = record_balances(look->balances, look->page_bytes);
	made->has_huge_zero_bytes = look->huge_zero_bytes != 0;
	made->huge_zero_bytes = look->huge_zero_bytes;
	made->allocators = look->allocators;
	made->n_allocators = look->count;
	for (size_t i = 0; i < look->count; i++) {
		look->allocators[i]->has_before_end_ns = made->ended && end >= look->at_ns;
		look->allocators[i]->before_end_ns =
			look->allocators[i]->has_before_end_ns ? end - look->at_ns : 0;
		look->allocators[i]->late = look->late;
		if (look->allocators[i]->last_used_stack >= capture->n_stacks)
			look->allocators[i]->has_last_used_stack = false;
	}
	look->allocators = NULL;
	look->count = 0;
}

struct smaps *look_mappings(const struct process *process)
{
	struct look *look = process->look;

	return look && look->smaps_ns && look->smaps_ns >= process->last_opened_ns ? &look->smaps :
										     NULL;
}

void looks_record_cost(const struct looks *looks, Mt__Overhead *overhead)
{
	overhead->has_allocators_ns = overhead->has_allocators_cpu_ns = looks->count != 0;
	overhead->allocators_ns = looks->wall_ns;
	overhead->allocators_cpu_ns = looks->spent_ns;
}

bool looks_note(const struct looks *looks, char *note, size_t size)
{
	if (looks->skipped)
		snprintf(note, size, "There was no time to look inside the allocators of %" PRIu64
			 " processes.", looks->skipped);
	return looks->skipped != 0;
}
