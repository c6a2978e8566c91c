/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels?  All of it is here, each with the version and the change
 * that made it, and each is probed, never read off a version number.
 */
#ifndef MEMTRACE_COMPAT_BPF_H
#define MEMTRACE_COMPAT_BPF_H

#include "bpf/maps.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/*
 * The kernel side is compiled twice.  MEMTRACE_OLD is for kernels whose verifier or helpers
 * fall short of 5.19: what they lack has a substitute in this file, and both lie in the program.
 * user/collect/old.c asks for the youngest of the helpers to tell which one to load.
 */
/*
 * Up to 6.1 the RSS counters are one atomic number each, and a task keeps up to 64 of its faults
 * to itself before it adds them up; since 6.2 (f1a7941243c1) they are per-CPU.
 */
struct mm_rss_stat___old {
	atomic_long_t count[MT_MEMBERS];
} __attribute__((preserve_access_index));

struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

struct task_rss_stat___old {
	int count[MT_MEMBERS];
} __attribute__((preserve_access_index));

struct task_struct___old {
	struct task_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

#ifdef MEMTRACE_OLD
#define IS_OLD 1
#define HAS_CPU_COUNTERS 0
#else
#define IS_OLD 0
#define HAS_CPU_COUNTERS (!bpf_core_field_exists(struct mm_struct___old, rss_stat.count))
#endif

/* What stands below, such as the offset of a field that only some kernels have, stays there. */
#define stay_below() asm volatile("" ::: "memory")

/*
 * 6.2 (a35b9af4ec2c) made it: a plain load from an address that need not be trusted.  It came
 * with the counters above, and what is never reached is not linked.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

#ifdef MEMTRACE_OLD
#define HAS_CASTS 0
#else
#define HAS_CASTS HAS_CPU_COUNTERS
#endif

static __always_inline __s32 load_s32(__u64 address)
{
	__s32 value = 0;

	if (HAS_CASTS) {
		const struct kref *at = bpf_rdonly_cast((void *)address,
							bpf_core_type_id_kernel(struct kref));

		return at->refcount.refs.counter;
	}
	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/* Only where HAS_CASTS. */
static __always_inline __u64 cast_u64(__u64 address)
{
	const struct timespec64 *at = bpf_rdonly_cast((void *)address,
						      bpf_core_type_id_kernel(struct timespec64));

	return at->tv_sec;
}

static __always_inline __u64 load_u64(__u64 address)
{
	__u64 value = 0;

	if (HAS_CASTS)
		return cast_u64(address);
	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/*
 * 5.11 (3ca1032ab7ab) gave the current task as a pointer that programs may read through.
 * Before, it is a number, and each field is a call: GET and FOLLOW hide that.
 */
#ifdef MEMTRACE_OLD
#define FAULTS_OFF_TO_READ 1 /* the call has put them off itself, when it reads whether they are */

#define GET(object, field)                      \
	({                                      \
		__auto_type object_ = (object); \
		BPF_CORE_READ(object_, field);  \
	})

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}
#else
#define FAULTS_OFF_TO_READ 0
#define GET(object, field) ((object)->field)

static __always_inline struct task_struct *current_task(void)
{
	return bpf_get_current_task_btf();
}
#endif

/*
 * object->field, a pointer to a struct.  Through a cast: the verifier of 6.x searches all
 * types of the kernel, a millisecond, for each pointer that is loaded from a trusted one.
 */
#ifdef MEMTRACE_OLD
#define FOLLOW(type, object, field) ((struct type *)GET(object, field))
#else
#define FOLLOW(type, object, field)                                                   \
	({                                                                            \
		struct type *followed_;                                               \
		if (HAS_CASTS)                                                        \
			followed_ = bpf_rdonly_cast(                                  \
				(void *)load_u64((__u64) & (object)->field),          \
				bpf_core_type_id_kernel(struct type));                \
		else                                                                  \
			followed_ = (struct type *)(object)->field;                   \
		followed_;                                                            \
	})
#endif

/*
 * The event of mmap_lock's release had the path of a cgroup before `write`, up to some kernel
 * between 6.12 and 6.18; the form of its record in tracefs tells.
 */
struct trace_event_raw_mmap_lock___old {
	__u32 __data_loc_memcg_path;
} __attribute__((preserve_access_index));

#define HAS_LOCK_PATH \
	bpf_core_field_exists(struct trace_event_raw_mmap_lock___old, __data_loc_memcg_path)

static __always_inline bool is_lock_for_writing(const __u64 *arguments)
{
	__u64 write;

	/* By hand: the compiler would compute the address, which the verifier refuses. */
	if (HAS_LOCK_PATH)
		asm volatile("%0 = *(u64 *)(%1 + 16)" : "=r"(write) : "r"(arguments));
	else
		asm volatile("%0 = *(u64 *)(%1 + 8)" : "=r"(write) : "r"(arguments));
	return (bool)write;
}

static __always_inline struct mm_struct *mm_of(struct task_struct *task)
{
	return FOLLOW(mm_struct, task, mm);
}

#define OFFSET(type, field) \
	__builtin_preserve_field_info(((struct type *)0)->field, BPF_FIELD_BYTE_OFFSET)

/*
 * 5.12 (5ca419f2864a, 5ffa25502b5a) made atomic operations that tell what was there before;
 * an older verifier refuses a program with one in it even where it is never reached.
 *
 * EXCHANGE: puts a value in, gives what was there.  All uses take a difference, and adding the
 * difference is what keeps it right without: who is overtaken has booked too much or too little,
 * the sum is that, too, and the next look takes it back.
 *
 * CLAIM: puts a number in where 0 is, gives what was there: 0, it is ours.  An entry of a hash
 * that must not be there yet is the lock.  It is held for nanoseconds, at first uses only.
 */
#ifdef MEMTRACE_OLD
#define EXCHANGE(at, value)                                  \
	({                                                   \
		typeof(*(at)) was_ = *(volatile typeof(was_) *)(at); \
		__sync_fetch_and_add(at, (value) - was_);    \
		was_;                                        \
	})

#define CLAIM_TRIES 32
#define CLAIM_FAILED 0xffffffff /* a number of nothing */

static __noinline __u32 claim(__u32 *at, __u32 number)
{
	__u64 key = (__u64)at;
	__u32 was;

	if (!at)
		return CLAIM_FAILED;
	for (int try = 0; bpf_map_update_elem(&claims, &key, &key, BPF_NOEXIST); try++) {
		if (try == CLAIM_TRIES)
			return CLAIM_FAILED;
	}
	was = *(volatile __u32 *)at;
	if (!was)
		*(volatile __u32 *)at = number;
	bpf_map_delete_elem(&claims, &key);
	return was;
}

#define CLAIM(at, number) claim(at, number)
#else
#define EXCHANGE(at, value) __sync_lock_test_and_set(at, value)
#define CLAIM(at, number) __sync_val_compare_and_swap(at, 0, number)
#endif

/* A number from a pool: a fresh one while there are, else one that was given back.  0: none. */
#ifdef MEMTRACE_OLD
#define TAKE_FRESH(fresh) 0
#else
#define TAKE_FRESH(fresh) __sync_fetch_and_add(&(fresh), 1)
#endif

#define TAKE(fresh, most, given_back)                                             \
	({                                                                        \
		__u32 taken_ = 0;                                                 \
		if ((fresh) < (most))                                             \
			taken_ = TAKE_FRESH(fresh);                               \
		if (taken_ >= (most))                                             \
			taken_ = 0;                                               \
		if (!taken_ && bpf_map_pop_elem(&(given_back), &taken_))          \
			taken_ = 0;                                               \
		taken_;                                                           \
	})

/* A number that is not used again, as good as never. */
static __always_inline __u32 take_serial(__u32 slot)
{
#ifdef MEMTRACE_OLD
	return (bpf_ktime_get_ns() + slot) * 0x9e3779b97f4a7c15ULL >> 32;
#else
	return __sync_fetch_and_add(&next_serial, 1);
#endif
}

/* 5.11 (4cf1bc1f1045) lets programs that trace keep something with a task. */
static __always_inline struct mt_task *find_task(struct task_struct *task)
{
#ifdef MEMTRACE_OLD
	__u64 key = (__u64)task;

	return bpf_map_lookup_elem(&tasks, &key);
#else
	return bpf_task_storage_get(&tasks, task, 0, 0);
#endif
}

static __always_inline struct mt_task *make_task(struct task_struct *task)
{
#ifdef MEMTRACE_OLD
	struct mt_task *state = find_task(task), fresh = {};
	__u64 key = (__u64)task;

	if (state)
		return state;
	bpf_map_update_elem(&tasks, &key, &fresh, BPF_NOEXIST);
	return find_task(task);
#else
	return bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
#endif
}

/*
 * By 7.0 events are guarded by SRCU, and who is in a program there may be preempted.  As long as
 * it has not come back, the same program of other tasks on its CPU is skipped (the kernel counts
 * that: user/collect/cost.c), and what is kept for the CPU would be torn.  Faults are not
 * concerned: interrupts are off there; nor is rss_stat, where a page table is locked.
 */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

#ifdef MEMTRACE_OLD
#define HAS_PREEMPTIBLE_EVENTS 0
#else
#define HAS_PREEMPTIBLE_EVENTS config.preemptible_events
#endif

/* Around all that such a program does. */
static __always_inline void hold_cpu(void)
{
	if (HAS_PREEMPTIBLE_EVENTS)
		bpf_preempt_disable();
}

static __always_inline void release_cpu(void)
{
	if (HAS_PREEMPTIBLE_EVENTS)
		bpf_preempt_enable();
}

/* 5.17 (e6f2dd0f8067) made bpf_loop.  Before, a loop has to have an end that can be seen, and
 * to be short. */
#ifdef MEMTRACE_OLD
#define LOOP_MOST 64
#define LOOP(most, step, context)                                       \
	do {                                                            \
		for (int i_ = 0; i_ < (most) && i_ < LOOP_MOST; i_++) { \
			if (step(i_, context))                          \
				break;                                  \
		}                                                       \
	} while (0)
#else
#define LOOP(most, step, context) bpf_loop(most, step, context, 0)
#endif

/* 5.13 (e5069b9c23b3) lets functions that are verified by themselves have a pointer. */
#ifdef MEMTRACE_OLD
#define VERIFIED_ALONE static
#else
#define VERIFIED_ALONE
#endif

/* Page faults of a task, as the kernel counts them when they have been served. */
static __always_inline __u64 faults_of(struct task_struct *task)
{
	return GET(task, min_flt) + GET(task, maj_flt);
}

static __always_inline struct mt_mark *mark_of(struct task_struct *task)
{
	return mark_at(GET(task, pid));
}

static __always_inline struct mt_call *call_state(struct task_struct *task)
{
	__u32 index = GET(task, pid);

	settle(index);
	return &calls[index & (MT_MARKS - 1)];
}

static __always_inline bool in_call(const struct mt_call *call, struct task_struct *task)
{
	return call->task == (__u64)task;
}

/* The stack that the call in flight was made from, 0: not known. */
static __always_inline __u32 caller_of_call(struct task_struct *task)
{
	const struct mt_call *call = call_state(task);

	return in_call(call, task) ? call->caller : 0;
}

#endif
