// SPDX-License-Identifier: GPL-2.0
/*
 * What does each live address space have right now, by the ledger and by the kernel?
 * An iterator over tasks: both are read within a microsecond, and again where something
 * changed meanwhile.
 */
#include "bpf/event.bpf.h"
#include "bpf/late.bpf.h"
#include "bpf/space.bpf.h"

#define TRIES 6

/* All tries of one task have to fit into the buffer of the iterator. */
#define SEQ_BYTES (8 * 4096)
#define RECORD_BYTES (sizeof(struct mt_space) + sizeof(struct mt_book) + \
		      sizeof(struct mt_record_end))
_Static_assert(TRIES * RECORD_BYTES <= SEQ_BYTES, "tries");

struct totals {
	struct mt_lane lanes;
	__u64 stamp; /* differs wherever anything was booked in between */
};

static __always_inline __u64 stir(__u64 stamp, __u64 value)
{
	return stamp * 31 + value;
}

static __noinline int sum_lanes(const struct mt_space *space, __u32 slot, struct totals *totals)
{
	if (!space || !totals)
		return 0;
	__builtin_memset(totals, 0, sizeof(*totals));
	totals->stamp = space->events;
	for (__u32 cpu = 0; cpu < MT_CPUS && cpu < config.cpus; cpu++) {
		struct mt_lane *lane = lane_at(cpu, slot);

		if (!lane)
			continue;
		for (__u32 member = 0; member < MT_MEMBERS; member++) {
			totals->lanes.fault[member] += lane->fault[member];
			totals->stamp = stir(totals->stamp, lane->seen[member]);
		}
		totals->lanes.faults += lane->faults;
		totals->lanes.cow_faults += lane->cow_faults;
	}
	totals->stamp = stir(totals->stamp, totals->lanes.faults);
	totals->stamp = stir(totals->stamp, totals->lanes.cow_faults);
	return 0;
}

static __always_inline void read_kernel(const struct mt_space *space, struct mm_struct *mm,
					 __s64 *balance)
{
	for (__u32 member = 0; member < MT_MEMBERS; member++)
		balance[member] = counter_sum(space, member);
	balance[MT_VIRTUAL] = GET(mm, total_vm);
	balance[MT_PAGE_TABLE] = GET(mm, pgtables_bytes.counter);
	balance[MT_LOCKED] = GET(mm, locked_vm);
	balance[MT_HUGETLB] = GET(mm, hugetlb_usage.counter);
}

/* One record: the space, its book, and last what closes it. */
static __noinline bool write_record(struct seq_file *seq, struct mm_struct *mm, __u32 slot)
{
	struct mt_space *space = space_at(slot);
	struct mt_record_end end = {};
	struct totals before, after;
	struct mt_book *book;
	__u32 number;

	if (!mm || !space)
		return true;
	number = space->book;
	book = bpf_map_lookup_elem(&books, &number); /* 0 is an empty one */
	if (!book)
		return true;
	end.slot = slot;
	sum_lanes(space, slot, &before);
	bpf_seq_write(seq, space, sizeof(*space));
	bpf_seq_write(seq, book, sizeof(*book));
	read_kernel(space, mm, end.kernel);
	sum_lanes(space, slot, &after);
	end.lanes = after.lanes;
	end.stable = before.stamp == after.stamp && !mapped_moved(mm, space) &&
		     !tables_moved(mm, space);
	bpf_seq_write(seq, &end, sizeof(end));
	return end.stable;
}

/* Pages that no event has shown yet: a thread that changed CPU at the wrong moment. */
static __noinline int find_unseen(struct mm_struct *mm, __u32 slot)
{
	struct mt_space *space = space_at(slot);

	if (!mm || !space)
		return 0;
	for (__u32 member = 0; member < MT_MEMBERS; member++) {
		__s64 change = take_all(slot, member);

		if (change)
			post(slot, MT_OP_OTHER, member, change);
	}
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	/* Stacks that grew, calls that are on their way, events that were missed. */
	if ((IS_OLD || HAS_PREEMPTIBLE_EVENTS) && mapped_moved(mm, space))
		catch_up_mapped(mm, slot, MT_OP_OTHER);
	return 0;
}

/* What is so of the process only, and not of a guest in its memory. */
static __always_inline void renew_names(struct mt_space *space, struct task_struct *task)
{
	space->cgroup_id = BPF_CORE_READ(cgroup_of(task), kn, id);
	bpf_probe_read_kernel(space->comm, sizeof(space->comm),
			      FOLLOW(task_struct, task, group_leader)->comm);
}

/* A process that is in another's memory is told of: it has no book of its own. */
static __always_inline void note_guest_of(struct task_struct *task, const struct mt_space *space,
					  __u32 slot)
{
	struct mt_task *state;

	if (space->pid == pid_of(task))
		return;
	state = task_state(task);
	if (!state)
		return;
	state->followed = MT_FOLLOWED_AS_GUEST;
	announce_guest(task, state, slot);
}

/* In the middle of an exec: the old address space is gone, the new one has no book so far. */
static __always_inline bool is_between(struct task_struct *task, struct mm_struct *mm)
{
	return !find_slot((__u64)mm) && is_followed(task) && is_execve(call_of(task).number);
}

static __always_inline void read_space(struct seq_file *seq, struct task_struct *task,
				       struct mm_struct *mm)
{
	__u32 slot = find_slot((__u64)mm);
	struct mt_space *space = space_of(slot, mm);

	if (!slot || !space)
		return;
	settle_before(task, mm, slot);
	if (request == MT_REQUEST_READ && is_followed(task))
		note_guest_of(task, space, slot);
	if (space->read_run == request_run)
		return;
	space->read_run = request_run;
	if (space->pid == pid_of(task))
		renew_names(space, task);
	for (__u32 try = 0; try < TRIES; try++) {
		if (write_record(seq, mm, slot))
			break;
		if (try == TRIES / 2)
			find_unseen(mm, slot);
	}
}

static __always_inline void follow(struct task_struct *task, struct mm_struct *mm)
{
	struct mt_task *state = 0;
	struct mt_space *space;
	__u32 slot;

	if (!config.follow_all) {
		state = make_task(task);
		if (!state)
			__sync_fetch_and_add(&unmarked, 1);
	}
	if (state && !state->followed)
		state->followed = MT_FOLLOWED;
	if (state && !state->faults)
		state->faults = faults_of(task) + 1;
	if (request != MT_REQUEST_OPEN || !mm)
		return;
	slot = open_space(mm, task, MT_BORN_BEFORE);
	space = space_at(slot);
	if (slot && space)
		note_guest_of(task, space, slot);
}

SEC("iter/task")
int mt_read(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct mm_struct *mm;

	if (!task || (GET(task, flags) & PF_KTHREAD))
		return 0;
	mm = mm_of(task);
	if (request == MT_REQUEST_READ || request == MT_REQUEST_AGAIN) {
		if (mm && is_between(task, mm))
			open_space(mm, task, MT_BORN_EXEC);
		if (mm)
			read_space(context->meta->seq, task, mm);
	} else if (!request_pid || pid_of(task) == request_pid) {
		follow(task, mm);
	}
	return 0;
}
