// SPDX-License-Identifier: GPL-2.0
/* What do the live address spaces hold?  See live.h. */
#include "user/collect/live.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/space.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_PASSES 9 /* 255 ms in all, where some take long to end */
#define PAUSE_NS 500000L

struct record {
	struct mt_space space;
	struct mt_book book;
	struct mt_record_end end;
};

/* ---- what a process has of live spaces ---- */

/*
 * Nearly always one.  Two where it became another program while a child still lived in the
 * memory that it had before: that goes on under its name.
 */
static struct process **part_of(struct process *process, uint32_t serial)
{
	struct process **part = &process->live;

	while (*part && (*part)->serial != serial)
		part = &(*part)->next;
	return part;
}

/* The first part has what ended spaces left, too. */
static struct process *renew_part(const struct kernel *kernel, struct process *process,
				  const struct record *record)
{
	struct process **at = part_of(process, record->space.serial);
	struct process *next = *at ? (*at)->next : NULL, *part;

	part = at == &process->live ? process_copy(process) : memory_new(1, sizeof(*part));
	process_free(*at);
	*at = part;
	part->next = next;
	part->serial = record->space.serial;
	space_add(kernel, part, &record->space, &record->book, &record->end.lanes);
	return part;
}

/*
 * The kernel changes a counter before it tells of it: in between all stands still, and the two
 * differ.  Another reading shows whether that was it.
 */
static bool adds_up(const struct record *record)
{
	for (size_t balance = 0; balance < MT_BALANCES; balance++) {
		int64_t sum = record->space.opening[balance] + record->space.unbooked[balance];

		for (size_t operation = 0; operation < MT_OPERATIONS; operation++)
			sum += record->book.entry[operation].moved[balance];
		for (size_t i = 0; i < MT_DETAILS && balance < MT_MEMBERS; i++)
			sum += record->book.detail[i].moved[balance];
		if (balance < MT_MEMBERS)
			sum += record->end.lanes.fault[balance];
		if (sum != record->end.kernel[balance])
			return false;
	}
	return true;
}

static void take_record(const struct kernel *kernel, struct process_table *table,
			const struct record *record)
{
	struct process *process = process_get(table, record->space.pid,
					      record->space.start_boot_ns);
	struct process *part = *part_of(process, record->space.serial);

	/* Caught standing still before. */
	if (part && part->stable && part->adds_up)
		return;
	part = renew_part(kernel, process, record);
	memcpy(part->kernel, record->end.kernel, sizeof(part->kernel));
	part->has_kernel = true;
	part->stable = record->end.stable;
	part->adds_up = adds_up(record);
}

static uint32_t count_unstable(const struct process_table *table)
{
	uint32_t count = 0;

	for (const struct process *process = table->first; process; process = process->next) {
		for (const struct process *part = process->live; part; part = part->next)
			count += !part->stable;
	}
	return count;
}

static bool all_add_up(const struct process_table *table)
{
	for (const struct process *process = table->first; process; process = process->next) {
		for (const struct process *part = process->live; part; part = part->next) {
			if (!part->adds_up)
				return false;
		}
	}
	return true;
}

/* All parts as one, with the names of the youngest. */
static void join_parts(struct process *process)
{
	struct process *live = process->live;

	for (const struct process *part = live; part; part = part->next) {
		if (part == live)
			continue;
		process_join(live, part);
		if (part->last_opened_ns <= live->last_opened_ns)
			continue;
		live->last_opened_ns = part->last_opened_ns;
		live->cgroup_id = part->cgroup_id;
		memcpy(live->comm, part->comm, sizeof(live->comm));
	}
}

/* ---- reading ---- */

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
			       struct record *record, enum mt_request request)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;
	struct error *error = NULL;
	cleanup_close int fd = -1;

	skeleton->bss->request = request;
	skeleton->bss->request_run++;
	fd = bpf_iter_create(bpf_link__fd(kernel->reader));
	if (fd < 0)
		return error_new(errno, "cannot walk the tasks");
	while (read_record(fd, record, &error))
		take_record(kernel, table, record);
	return error;
}

/* The same without the iterator, and without the kernel's own figures. */
static void copy_record(const struct kernel *kernel, __u32 slot, struct record *record)
{
	record->space = kernel->spaces[slot];
	record->end.lanes = space_lanes(kernel, slot);
	kernel_read_book(kernel, record->space.book, &record->book);
}

/* Is it one that the walk has to bring?  Not a child that was born since it began, nor what a
 * process that it did bring has become since. */
static bool is_wanted(const struct mt_space *space, const struct process *process,
		      uint64_t began_ns)
{
	if (space->opened_ns < began_ns || space->birth == MT_BORN_BEFORE)
		return true;
	return space->birth == MT_BORN_EXEC && !process->live;
}

/* Open spaces whose tasks are past the point where an iterator sees them: ending right now.
 * With a record to use for it they are taken without the kernel's own figures. */
static uint32_t count_unseen(const struct kernel *kernel, struct process_table *table,
			     uint64_t began_ns, struct record *record)
{
	__u32 used = kernel_used_slots(kernel);
	uint32_t count = 0;

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct process *process;

		if (space->state != MT_SPACE_OPEN)
			continue;
		process = process_get(table, space->pid, space->start_boot_ns);
		if (*part_of(process, space->serial) || !is_wanted(space, process, began_ns))
			continue;
		count++;
		if (!record)
			continue;
		copy_record(kernel, slot, record);
		renew_part(kernel, process, record);
	}
	return count;
}

/* A process that was read after an exec has also what it left by that, if it was not drained
 * in time.  One that was read before has not, whatever it has become since. */
static void add_left(const struct kernel *kernel, struct process_table *table,
		     struct record *record)
{
	__u32 used = kernel_used_slots(kernel);

	for (__u32 slot = 1; slot < used; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct process *process, *part;

		if (space->state != MT_SPACE_CLOSED || space->ended_by != MT_OP_EXEC)
			continue;
		process = process_get(table, space->pid, space->start_boot_ns);
		part = *part_of(process, space->serial);
		if (!process->live || (part && !process->live->next))
			continue;
		copy_record(kernel, slot, record);
		part = renew_part(kernel, process, record);
		memcpy(part->kernel, space->final, sizeof(part->kernel));
		part->has_kernel = true;
		part->stable = true;
	}
}

static void pause_for(long ns)
{
	const struct timespec pause = { .tv_nsec = ns };

	nanosleep(&pause, NULL);
}

/* Until all stand still: `unread` gets the number of those that did not. */
static struct error *read_all(struct kernel *kernel, struct process_table *table,
			      uint64_t began_ns, struct record *record, uint32_t *unread)
{
	for (int pass = 0; pass < READ_PASSES; pass++) {
		uint32_t unseen;

		TRY(read_pass(kernel, table, record, pass ? MT_REQUEST_AGAIN : MT_REQUEST_READ));
		unseen = count_unseen(kernel, table, began_ns, NULL);
		*unread = count_unstable(table) + unseen;
		if (!*unread && all_add_up(table))
			return NULL;
		/* A large address space takes its time to go. */
		pause_for(unseen ? PAUSE_NS << pass : PAUSE_NS);
		space_drain(kernel, table, 0);
	}
	*unread = count_unstable(table) + count_unseen(kernel, table, began_ns, record);
	return NULL;
}

struct error *live_read(struct kernel *kernel, struct process_table *table, uint64_t began_ns,
			uint32_t *unread)
{
	cleanup_free struct record *record = memory_new(1, sizeof(*record));

	live_forget(table);
	TRY(read_all(kernel, table, began_ns, record, unread));
	add_left(kernel, table, record);
	for (struct process *process = table->first; process; process = process->next)
		join_parts(process);
	return NULL;
}

void live_forget(struct process_table *table)
{
	for (struct process *process = table->first; process; process = process->next)
		process_drop_live(process);
}
