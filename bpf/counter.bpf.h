/* SPDX-License-Identifier: GPL-2.0 */
/*
 * By how much did a counter of an address space just change?  The event does not say
 * (since 6.2, f1a7941243c1), so each CPU's slot of the kernel's per-CPU counter is taken
 * against what it was when last seen: the differences telescope, nothing can be missed.
 */
#ifndef MEMTRACE_COUNTER_BPF_H
#define MEMTRACE_COUNTER_BPF_H

#include "bpf/compat.bpf.h"

struct counter {
	__u64 slots; /* address of CPU 0's slot before the CPU's offset is added; 0: no slots */
	__s64 count; /* what the slots have flushed */
};

/* Up to 6.1: one number, and no slots. */
static __always_inline struct counter old_counter_at(__u64 mm, __u32 member)
{
	struct counter counter = {};

	stay_below();
	counter.count = load_u64(mm + OFFSET(mm_struct___old, rss_stat) + member * sizeof(__u64));
	return counter;
}

/* On the path of faults, where each member is read by itself. */
static __always_inline struct counter counter_of(struct mm_struct *mm, __u32 member)
{
	struct counter counter;

	if (!HAS_CPU_COUNTERS)
		return old_counter_at((__u64)mm, member);
	stay_below();
	/* A switch, since CO-RE relocates constant array indexes only. */
	switch (member) {
	case MT_FILE:
		counter.slots = load_u64((__u64)&mm->rss_stat[MT_FILE].counters);
		counter.count = mm->rss_stat[MT_FILE].count;
		break;
	case MT_ANON:
		counter.slots = load_u64((__u64)&mm->rss_stat[MT_ANON].counters);
		counter.count = mm->rss_stat[MT_ANON].count;
		break;
	case MT_SWAP:
		counter.slots = load_u64((__u64)&mm->rss_stat[MT_SWAP].counters);
		counter.count = mm->rss_stat[MT_SWAP].count;
		break;
	default:
		counter.slots = load_u64((__u64)&mm->rss_stat[MT_SHMEM].counters);
		counter.count = mm->rss_stat[MT_SHMEM].count;
		break;
	}
	return counter;
}

/* What this CPU's slot of it holds. */
static __always_inline __s32 own_count(struct mm_struct *mm, const struct mt_cpu *cpu,
				       __u32 member)
{
	__u64 slots;

	stay_below();
	switch (member) {
	case MT_FILE:
		slots = (__u64)mm->rss_stat[MT_FILE].counters;
		break;
	case MT_ANON:
		slots = (__u64)mm->rss_stat[MT_ANON].counters;
		break;
	case MT_SWAP:
		slots = (__u64)mm->rss_stat[MT_SWAP].counters;
		break;
	default:
		slots = (__u64)mm->rss_stat[MT_SHMEM].counters;
		break;
	}
	return load_s32(slots + cpu->offset);
}

/* The same where all members are read in a loop. */
static __always_inline struct counter counter_at(__u64 mm, __u32 member)
{
	struct counter counter;
	__u64 at;

	if (!HAS_CPU_COUNTERS)
		return old_counter_at(mm, member);
	stay_below();
	at = mm + OFFSET(mm_struct, rss_stat) + member * bpf_core_type_size(struct percpu_counter);
	counter.slots = load_u64(at + OFFSET(percpu_counter, counters));
	counter.count = load_u64(at + OFFSET(percpu_counter, count));
	return counter;
}

static __always_inline __s64 slot_on(__u64 slots, __u32 cpu)
{
	struct mt_cpu *state = cpu_at(cpu);

	/* Offset 0 is a CPU that was never there: its slot would be CPU 0's template. */
	return state->offset ? load_s32(slots + state->offset) : 0;
}

__noinline __s64 sum_counter(__u64 mm, __u32 member)
{
	struct counter counter = counter_at(mm, member & (MT_MEMBERS - 1));
	__s64 sum = counter.count;

	for (__u32 cpu = 0; HAS_CPU_COUNTERS && cpu < MT_CPUS && cpu < config.cpus; cpu++)
		sum += slot_on(counter.slots, cpu);
	return sum;
}

/* The kernel's own figure, exact while nobody changes it. */
static __always_inline __s64 counter_sum(const struct mt_space *space, __u32 member)
{
	return sum_counter(space->mm, member);
}

static __always_inline __s64 take_count(struct mt_space *space, __u32 member, __s64 count)
{
	member &= MT_MEMBERS - 1;
	if (space->count_seen[member] == count)
		return 0;
	return count - EXCHANGE(&space->count_seen[member], count);
}

/* What all CPUs together have not yet been seen to change. */
__noinline __s64 take_all(__u32 slot, __u32 member)
{
	struct mt_space *space = space_at(slot);
	struct counter counter;
	__s64 change = 0;

	if (!space)
		return 0;
	member &= MT_MEMBERS - 1;
	counter = counter_at(space->mm, member);
	for (__u32 cpu = 0; HAS_CPU_COUNTERS && cpu < MT_CPUS && cpu < config.cpus; cpu++) {
		struct mt_lane *lane = lane_at(cpu, slot);
		__s32 now;

		if (!lane)
			continue;
		now = slot_on(counter.slots, cpu);
		change += now - EXCHANGE(&lane->seen[member], now);
	}
	return change + take_count(space, member, counter.count);
}

struct change {
	__s64 pages;
	__s32 before; /* this CPU's slot */
	__s32 now;
};

/*
 * What this CPU has not yet been seen to change.  The flushed count is looked at only
 * where a flush can have happened (it leaves the slot 0); at every event it would catch
 * other CPUs' flushes too and hand their pages to the wrong operation.
 */
static __always_inline struct change take_own(struct mm_struct *mm, struct mt_space *space,
					      struct mt_cpu *cpu, struct mt_lane *lane,
					      __u32 member)
{
	struct counter counter = counter_of(mm, member);
	struct change change;

	if (!HAS_CPU_COUNTERS) {
		change.before = 0;
		change.now = 1;
		change.pages = take_count(space, member, counter.count);
		return change;
	}
	change.now = load_s32(counter.slots + cpu->offset);
	change.before = EXCHANGE(&lane->seen[member & 3], change.now);
	change.pages = change.now - change.before;
	if (change.now == 0)
		change.pages += take_count(space, member, counter.count);
	return change;
}

/*
 * A fault brings 1 to 512 pages, a power of two.  Anything else at a flush means that
 * another CPU flushed in between: what it added stays for its own event.
 */
static __always_inline __s64 untangle(struct mt_space *space, __u32 member,
				      const struct change *change)
{
	__s64 pages = change->pages;

	if (change->now != 0 || change->before <= 0 || change->before >= config.batch)
		return pages;
	if (pages > 0 && pages <= 512 && (pages & (pages - 1)) == 0)
		return pages;
	__sync_fetch_and_add(&space->count_seen[member & 3],
			     config.batch - change->before - pages);
	return config.batch - change->before;
}

#endif
