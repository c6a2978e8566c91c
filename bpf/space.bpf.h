/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which address space is this, and is it followed?  Finding, opening and closing its slot,
 * and catching up with the balances that have no event of their own.
 */
#ifndef MEMTRACE_SPACE_BPF_H
#define MEMTRACE_SPACE_BPF_H

#include "bpf/pid.bpf.h"
#include "bpf/post.bpf.h"

/* The smallest kernel stack of x86-64 and arm64; each is aligned to its size at least.  Of a
 * larger one (KASAN, pages of 64 KiB) each part has an id of its own. */
#define STACK_BITS 14

static __always_inline struct mt_cpu *this_cpu(void)
{
	struct mt_cpu *cpu = cpu_at(bpf_get_smp_processor_id());

	settle(cpu); /* else it is computed anew at each use */
	return cpu;
}

static __always_inline struct mt_lane *lane_by(const struct mt_cpu *cpu, __u32 slot)
{
	__u32 index = cpu->lanes + slot;

	return bpf_map_lookup_elem(&lanes, &index);
}

static __always_inline __u32 find_slot(__u64 mm)
{
	__u32 *slot = bpf_map_lookup_elem(&slot_of_mm, &mm);

	return slot ? *slot : 0;
}

/*
 * The slot by way of this CPU's memory of the last fault, 0: not followed.  Only the hook of
 * user faults fills that memory: it runs with interrupts off, so that nothing can tear it.
 */
static __always_inline __u32 slot_of(const struct mt_cpu *cpu, struct mm_struct *mm)
{
	if (cpu->mm == (__u64)mm && cpu->generation == hot.generation)
		return cpu->slot;
	return find_slot((__u64)mm);
}

/*
 * Registers of a fault from user mode, and what a hook is called with, lie on the kernel stack
 * of the task and nobody else's: that tells who it is without the call of a helper, which costs
 * as much as all else here.  Through memory: the verifier lets no program shift a pointer.
 */
static __always_inline __u64 stack_of(struct mt_cpu *cpu, const void *on_it)
{
	*(volatile __u64 *)&cpu->scratch = (__u64)on_it;
	return *(volatile __u64 *)&cpu->scratch >> STACK_BITS;
}

static __always_inline bool is_by(const struct mt_cpu *cpu, __u64 stack)
{
	return cpu->stack == stack && cpu->generation == hot.generation;
}

/* Of the stack that is_by(): whose it is. */
static __always_inline struct task_struct *task_by(const struct mt_cpu *cpu)
{
	if (HAS_CASTS)
		return bpf_rdonly_cast((void *)cpu->task,
				       bpf_core_type_id_kernel(struct task_struct));
	return current_task();
}

/* A task ends, or becomes another program: what its stack says of it is no longer so. */
static __always_inline void forget_stack(struct task_struct *task)
{
	for (__u32 cpu = 0; cpu < MT_CPUS && cpu < config.cpus; cpu++)
		if (cpu_at(cpu)->task == (__u64)task)
			cpu_at(cpu)->stack = 0;
}

/* A slot that a recycled mm_struct left behind is not this one's. */
static __always_inline struct mt_space *space_of(__u32 slot, struct mm_struct *mm)
{
	struct mt_space *space = space_at(slot);

	return space && space->mm == (__u64)mm ? space : 0;
}

static __always_inline bool is_fault(__u32 operation)
{
	return operation <= MT_OP_FAULT_COW;
}

/* Holds mmap_lock to the end, so what moves meanwhile is its own doing. */
static __always_inline bool holds_lock(__u32 operation)
{
	return operation == MT_OP_MUNMAP || operation == MT_OP_BRK_SHRINK ||
	       operation == MT_OP_BRK_GROW || operation == MT_OP_MREMAP;
}

static __always_inline __s64 take_seen(struct mt_space *space, __u32 balance, __s64 now)
{
	__s64 *seen = &space->seen[(balance - MT_MEMBERS) & 3];

	if (*seen == now)
		return 0;
	return now - EXCHANGE(seen, now);
}

/* Address space and locked memory: only under mmap_lock held for writing. */
__noinline int book_mapped(__u32 slot, __u32 operation, __s64 total_vm, __s64 locked_vm)
{
	struct mt_space *space = space_at(slot);
	__u32 why = operation;
	__s64 change;

	if (!space)
		return 0;
	change = take_seen(space, MT_VIRTUAL, total_vm);
	if (change) {
		if (is_fault(operation))
			why = MT_OP_STACK;
		else if (operation == MT_OP_GUP || operation == MT_OP_OTHER) /* io_setup and such */
			why = change > 0 ? MT_OP_MMAP : MT_OP_MUNMAP;
		if (why == MT_OP_STACK)
			count_cause(slot, why);
		post(slot, why, MT_VIRTUAL, change);
	}
	change = take_seen(space, MT_LOCKED, locked_vm);
	if (change)
		post(slot, why, MT_LOCKED, change);
	return 0;
}

/*
 * Without an event of its lock an address space is looked at when a call ends.  Stacks, which
 * grow without one, have a counter of their own.
 */
static __always_inline void catch_up_stack(struct mm_struct *mm, __u32 slot)
{
#ifdef MEMTRACE_OLD
	struct mt_space *space = space_at(slot);
	__u32 now = GET(mm, stack_vm);
	__s64 grown;

	if (!space || space->stack_pages == now)
		return;
	grown = (__s32)(now - EXCHANGE(&space->stack_pages, now));
	if (grown <= 0)
		return;
	__sync_fetch_and_add(&space->seen[MT_VIRTUAL - MT_MEMBERS], grown);
	count_cause(slot, MT_OP_STACK);
	post(slot, MT_OP_STACK, MT_VIRTUAL, grown);
#endif
}

static __always_inline void catch_up_mapped(struct mm_struct *mm, __u32 slot, __u32 operation)
{
	catch_up_stack(mm, slot);
	book_mapped(slot, operation, GET(mm, total_vm), GET(mm, locked_vm));
}

static __always_inline bool releases(__u32 operation)
{
	return operation == MT_OP_MUNMAP || operation == MT_OP_BRK_SHRINK ||
	       operation == MT_OP_MADV_DONTNEED || operation == MT_OP_MADV_FREE ||
	       operation == MT_OP_EXIT || operation == MT_OP_EXEC;
}

/*
 * Page tables and huge pages of hugetlbfs: counters without an event, seen at the next one.
 * Growth that a releasing call finds came from a fault before it; shrinkage that a fault
 * finds, from the last release.
 */
__noinline int book_tables(__u32 slot, __u32 operation, __s64 pgtables_bytes, __s64 hugetlb)
{
	struct mt_space *space = space_at(slot);
	__u32 why = operation;
	__s64 change;

	if (!space)
		return 0;
	change = take_seen(space, MT_PAGE_TABLE, pgtables_bytes);
	if (change < 0 && is_fault(operation))
		why = space->last_release;
	else if (change < 0)
		space->last_release = operation;
	else if (releases(operation))
		why = MT_OP_FAULT;
	if (change)
		post(slot, why, MT_PAGE_TABLE, change);
	change = take_seen(space, MT_HUGETLB, hugetlb);
	if (change)
		post(slot, change > 0 && releases(operation) ? MT_OP_FAULT : operation,
		     MT_HUGETLB, change);
	return 0;
}

static __always_inline void catch_up_tables(struct mm_struct *mm, __u32 slot, __u32 operation)
{
	book_tables(slot, operation, GET(mm, pgtables_bytes.counter),
		    GET(mm, hugetlb_usage.counter));
}

static __always_inline bool tables_moved(struct mm_struct *mm, const struct mt_space *space)
{
	return space->seen[MT_PAGE_TABLE - MT_MEMBERS] != GET(mm, pgtables_bytes.counter) ||
	       space->seen[MT_HUGETLB - MT_MEMBERS] != GET(mm, hugetlb_usage.counter);
}

static __always_inline bool mapped_moved(struct mm_struct *mm, const struct mt_space *space)
{
	return space->seen[MT_VIRTUAL - MT_MEMBERS] != (__s64)GET(mm, total_vm) ||
	       space->seen[MT_LOCKED - MT_MEMBERS] != (__s64)GET(mm, locked_vm);
}

/* ---- whose it is ---- */

static __always_inline struct cgroup *cgroup_of(struct task_struct *task)
{
	struct css_set *set = FOLLOW(css_set, task, cgroups);
	struct cgroup_subsys_state *css = 0;
	__u32 memory = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);

	if (!config.cgroup_v1)
		return FOLLOW(cgroup, set, dfl_cgrp);
	bpf_probe_read_kernel(&css, sizeof(css), &set->subsys[0] + memory);
	return css ? BPF_CORE_READ(css, cgroup) : 0;
}

static __always_inline void identify(struct mt_space *space, struct task_struct *task)
{
	struct task_struct *leader = FOLLOW(task_struct, task, group_leader);

	space->pid = pid_of(task);
	space->parent_pid = pid_of(FOLLOW(task_struct, task, real_parent));
	space->start_boot_ns = GET(leader, start_boottime);
	space->cgroup_id = BPF_CORE_READ(cgroup_of(task), kn, id);
	bpf_probe_read_kernel(space->comm, sizeof(space->comm), leader->comm);
}

static __always_inline struct mt_task *task_state(struct task_struct *task)
{
	struct mt_task *state = make_task(task);

	if (!state)
		lost(MT_LOSS_STORAGE);
	return state;
}

/* ---- its end ---- */

/*
 * With an event at the very end (since 6.0, d2081b2bf819) page tables are gone by then.  Without,
 * they go right after the last page, and with them what the kernel counts of them.
 */
static __always_inline void leave_tables(struct mm_struct *mm, struct mt_space *space,
					 __u32 slot, __u32 end)
{
#ifdef MEMTRACE_OLD
	post(slot, end, MT_PAGE_TABLE, take_seen(space, MT_PAGE_TABLE, 0));
	post(slot, end, MT_HUGETLB, take_seen(space, MT_HUGETLB, 0));
#else
	space->final[MT_PAGE_TABLE] = GET(mm, pgtables_bytes.counter);
	space->final[MT_HUGETLB] = GET(mm, hugetlb_usage.counter);
#endif
}

/* What an address space still has when it is torn down goes by the operation that ends it. */
static __noinline int close_space(struct mm_struct *mm, struct task_struct *task, __u32 slot)
{
	struct mt_space *space = space_at(slot);
	__u64 key = (__u64)mm;
	struct call call;
	__u32 end;

	if (!mm || !task || !space)
		return 0;
	call = call_of(task);
	end = cause_of_end(task, &call);
	for (__u32 member = 0; member < MT_MEMBERS; member++) {
		__s64 change = take_all(slot, member);

		if (change)
			post(slot, MT_OP_OTHER, member, change);
		space->final[member] = counter_sum(space, member);
	}
	catch_up_mapped(mm, slot, end);
	catch_up_tables(mm, slot, end);
	leave_tables(mm, space, slot, end);
	/* The kernel forgets these with the space and never takes them down. */
	post(slot, end, MT_VIRTUAL, take_seen(space, MT_VIRTUAL, 0));
	post(slot, end, MT_LOCKED, take_seen(space, MT_LOCKED, 0));
	if (end == MT_OP_EXIT)
		count_cause(slot, end);
	/* A guest goes by an exec, or went while its host was on its way out. */
	if (space->left || (end == MT_OP_EXIT && is_in_exec(task, &call)))
		space->exiting = 0;
	bpf_map_delete_elem(&slot_of_mm, &key);
	space->ended_by = end;
	space->closed_ns = bpf_ktime_get_ns();
	renew_generation(); /* and all above is seen where the state is */
	space->state = MT_SPACE_CLOSED;
	return 0;
}

/* Nobody is left in it who could bring a page, and the last page has gone. */
static __always_inline bool is_torn_down(struct mm_struct *mm,
					 const struct mt_space *space)
{
	if (GET(mm, mm_users.counter) != 0)
		return false;
	for (__u32 member = 0; member < MT_MEMBERS; member++) {
		if (counter_sum(space, member) != 0)
			return false;
	}
	return true;
}

/* ---- its beginning ---- */

static __always_inline void take_opening(struct mm_struct *mm, struct mt_space *space, __u32 slot,
					 __s64 *balance)
{
	for (__u32 member = 0; member < MT_MEMBERS; member++)
		balance[member] = take_all(slot, member);
	balance[MT_VIRTUAL] = take_seen(space, MT_VIRTUAL, GET(mm, total_vm));
	balance[MT_PAGE_TABLE] = take_seen(space, MT_PAGE_TABLE, GET(mm, pgtables_bytes.counter));
	balance[MT_LOCKED] = take_seen(space, MT_LOCKED, GET(mm, locked_vm));
	balance[MT_HUGETLB] = take_seen(space, MT_HUGETLB, GET(mm, hugetlb_usage.counter));
#ifdef MEMTRACE_OLD
	space->stack_pages = GET(mm, stack_vm);
#endif
}

/* What a newborn has is the first entry of its book; it opens at nothing. */
static __always_inline void book_birth(struct mt_space *space, __u32 slot, __u32 operation)
{
	for (__u32 balance = 0; balance < MT_BALANCES; balance++) {
		if (space->opening[balance])
			post(slot, operation, balance, space->opening[balance]);
		space->opening[balance] = 0;
	}
	count_cause(slot, operation);
}

/* What moved on other CPUs while there was a book, but it could not be found. */
static __noinline int catch_up_opening(struct mm_struct *mm, __u32 slot, __u32 birth)
{
	struct mt_space *space = space_at(slot);
	__s64 late[MT_BALANCES];

	if (!mm || !space)
		return 0;
	take_opening(mm, space, slot, late);
	for (__u32 balance = 0; balance < MT_BALANCES; balance++) {
		if (late[balance] && birth == MT_BORN_BEFORE)
			space->opening[balance] += late[balance];
		else if (late[balance])
			post(slot, MT_OP_EXEC, balance, late[balance]);
	}
	return 0;
}

/* An exec fills its new address space before it is told of; a reader may have come meanwhile. */
static __always_inline bool is_of_process(const struct mt_space *space, struct task_struct *task)
{
	return space && space->pid == pid_of(task) &&
	       space->start_boot_ns == GET(FOLLOW(task_struct, task, group_leader), start_boottime);
}

static __always_inline void fill_space(struct mt_space *space, struct mm_struct *mm,
				       struct task_struct *task, __u32 slot, __u32 birth)
{
	space->mm = (__u64)mm;
	space->birth = birth;
	space->serial = take_serial(slot);
	space->last_release = MT_OP_MUNMAP;
	space->opened_ns = bpf_ktime_get_ns();
	identify(space, task);
	take_opening(mm, space, slot, space->opening);
	space->peak_pages = space->opening[MT_FILE] + space->opening[MT_ANON] +
			    space->opening[MT_SHMEM];
	space->peak_ns = space->opened_ns;
	if (birth != MT_BORN_BEFORE)
		book_birth(space, slot, birth == MT_BORN_FORK ? MT_OP_FORK : MT_OP_EXEC);
	space->state = MT_SPACE_OPEN;
}

/* Reader and exec may both be at it: the slower one's slot is given back. */
static __always_inline __u32 give_way(struct mt_space *space, struct mm_struct *mm)
{
	__u32 slot = find_slot((__u64)mm);

	space->closed_ns = bpf_ktime_get_ns();
	space->mm = 0;
	space->state = MT_SPACE_TAKEN;
	if (!slot)
		lost(MT_LOSS_SPACES);
	return slot;
}

/* Of several threads one; all of them where the first has ended. */
static __always_inline bool speaks_for_process(struct task_struct *task)
{
	struct task_struct *leader = FOLLOW(task_struct, task, group_leader);

	return task == leader || !mm_of(leader);
}

/*
 * Opens a book on an address space.  One that was there before opens with what it has; a
 * newborn opens at nothing, and what it was born with is the first entry.
 */
static __noinline __u32 open_space(struct mm_struct *mm, struct task_struct *task, __u32 birth)
{
	struct mt_space *space;
	__u64 key = (__u64)mm;
	__u32 pid = task ? pid_of(task) : 0, slot;

	if (!mm || !pid || pid == config.own_pid || pid == config.timer_pid ||
	    pid == config.reader_pid)
		return 0;
	slot = find_slot((__u64)mm);
	if (slot && (birth == MT_BORN_BEFORE || is_of_process(space_at(slot), task)))
		return slot;
	if (slot) /* its end was not seen: the mm_struct is recycled */
		close_space(mm, task, slot);
	slot = TAKE(fresh_slots, config.slots, free_slots);
	space = space_at(slot);
	if (!slot || !space) {
		if (birth != MT_BORN_BEFORE)
			lost(MT_LOSS_SPACES);
		else if (speaks_for_process(task))
			__sync_fetch_and_add(&unplaced, 1);
		return 0;
	}
	fill_space(space, mm, task, slot, birth);
	if (bpf_map_update_elem(&slot_of_mm, &key, &slot, BPF_NOEXIST))
		return give_way(space, mm);
	renew_generation();
	if (birth != MT_BORN_FORK)
		catch_up_opening(mm, slot, birth);
	return slot;
}

#endif
