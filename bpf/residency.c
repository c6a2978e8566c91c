// SPDX-License-Identifier: GPL-2.0
/* Who changed how much of an address space is resident (or swapped), and by what? */
#include "bpf/late.bpf.h"
#include "bpf/site.bpf.h"

/* A copy-on-write fault shows what it replaced: a file's page, or (by its absence) zeroes. */
static __always_inline void settle_cow(struct mt_mark *mark, struct mt_lane *lane, __u32 member,
				       __s64 pages)
{
	if (mark->cow != MT_COW_MAYBE)
		return;
	if (member != MT_ANON && pages < 0) {
		mark->cow = MT_COW_FILE;
	} else if (member == MT_ANON && pages > 0) {
		mark->cow = MT_COW_NO;
		__sync_fetch_and_add(&lane->cow_faults, -1);
		__sync_fetch_and_add(&lane->faults, 1);
	}
}

static __always_inline void book_change(struct task_struct *task, struct mm_struct *mm,
					struct mt_space *space, struct mt_lane *lane,
					__u32 slot, __u32 member, __s64 pages)
{
	struct mt_mark *mark = mark_of(task);
	bool gone = pages < 0 && member != MT_SWAP;
	__u32 why, operation;

	if (!is_running(mark, task))
		settle_before(task, mm, slot);
	else if (is_late(task, mm, member, pages))
		begin_anew(mark, member);
	else
		settle_cow(mark, lane, member, pages);
	why = cause_now(mm, pages);
	if (is_late(task, mm, member, pages))
		why = book_late(task, mark, slot, member, why, &pages);
	operation = operation_of(why);
	if (pages)
		post(slot, why, member, pages);
	if (config.stacks && member == MT_ANON && pages > 0 && is_fault(operation) &&
	    mark->task == (__u64)task)
		note_pages(slot, mark->address, pages, toucher_of(slot, mark, pages));
	if (!counts_itself(operation))
		note_call(slot, why, pages, member);
	if (gone)
		note_peak(mm, space, pages);
	if (mm_of(task) == mm && holds_lock(operation) && mapped_moved(mm, space))
		catch_up_mapped(mm, slot, operation);
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, operation);
}

/* The common case, without a hash or a call: a program touched a page that was not there. */
static __always_inline bool is_plain_fault(const struct mt_cpu *cpu, const struct mt_mark *mark)
{
	struct task_struct *task;

	if (mark->stack != cpu->stack || mark->mode != MT_FAULT_IN_USER ||
	    mark->cow != MT_COW_NO)
		return false;
	task = task_by(cpu);
	return !(GET(task, flags) & PF_UNUSUAL) &&
	       mark->served == faults_of(task) &&
	       load_call_number(mark->call_at) < 0;
}

/* The page table's lock is held, so nobody else on this CPU is here. */
static __always_inline void add_faulted(struct mt_lane *lane, __u32 member, __s64 pages)
{
	if (hot.preemptible_locks)
		__sync_fetch_and_add(&lane->fault[member & 3], pages);
	else
		lane->fault[member & 3] += pages;
}

static __always_inline void note_faulted(const struct mt_cpu *cpu, __u32 slot, __s64 pages)
{
	const struct mt_mark *mark = mark_at(cpu->mark);

	if (pages > 0)
		note_pages(slot, mark->address, pages, toucher_of(slot, mark, pages));
}

/* A fault's event at which the CPU's slot is, or was, flushed. */
static __noinline int take_flushed(struct mm_struct *mm, __u32 slot, __u32 member)
{
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space = space_at(slot);
	struct mt_lane *lane = lane_by(cpu, slot);
	struct change change;

	if (!mm || !space || !lane)
		return 0;
	change = take_own(mm, space, cpu, lane, member);
	if (member == MT_ANON)
		change.pages = untangle(space, member, &change);
	add_faulted(lane, member, change.pages);
	if (config.stacks && member == MT_ANON)
		note_faulted(cpu, slot, change.pages);
	if (change.now == 0)
		note_peak(mm, space, 0);
	return 0;
}

/* All else that changes what is resident. */
static __noinline int take_change(struct mm_struct *mm, __u32 slot, __u32 member)
{
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	struct mt_lane *lane;
	struct change change;

	if (!mm)
		return 0;
	space = space_of(slot, mm);
	lane = lane_by(cpu, slot);
	if (!space || !lane)
		return 0;
	change = take_own(mm, space, cpu, lane, member);
	/* A thread that changed CPU between the change and its event. */
	if (change.pages == 0)
		change.pages = take_all(slot, member);
	if (change.pages)
		book_change(current_task(), mm, space, lane, slot, member,
			    change.pages);
	if (IS_OLD && is_torn_down(mm, space))
		close_space(mm, current_task(), slot);
	return 0;
}

/* Address space and member.  As with page_fault_user, little is kept on the stack. */
SEC("tp_btf/rss_stat")
int mt_rss_stat(const __u64 *arguments)
{
	struct mm_struct *mm = (struct mm_struct *)arguments[0];
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	struct mt_lane *lane;
	__u32 slot;
	__s32 now;

	cpu->runs++;
	slot = slot_of(cpu, mm);
	leave_unless(slot);
	if ((IS_OLD && !GET(mm, mm_users.counter)) || cpu->mm != (__u64)mm ||
	    !is_by(cpu, stack_of(cpu, arguments)) ||
	    !is_plain_fault(cpu, mark_at(cpu->mark)))
		return take_change(mm, slot, arguments[1] & 3);
	space = space_at(slot);
	lane = lane_by(cpu, slot);
	if (!space || !lane || space->mm != (__u64)mm)
		return 0;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	now = HAS_CPU_COUNTERS ? own_count(mm, cpu, arguments[1] & 3) : 0;
	if (now == 0)
		return take_flushed(mm, slot, arguments[1] & 3);
	now -= EXCHANGE(&lane->seen[arguments[1] & 3], now);
	add_faulted(lane, arguments[1] & 3, now);
	if (config.stacks && (arguments[1] & 3) == MT_ANON)
		note_faulted(cpu, slot, now);
	return 0;
}
