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

#define HAS_CPU_COUNTERS (!bpf_core_field_exists(struct mm_struct___old, rss_stat.count))

/* What stands below, such as the offset of a field that only some kernels have, stays there. */
#define stay_below() asm volatile("" ::: "memory")

/*
 * 6.2 (a35b9af4ec2c) made it: a plain load from an address that need not be trusted.  It came
 * with the counters above, and what is never reached is not linked.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

#define HAS_CASTS HAS_CPU_COUNTERS

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

static __always_inline __u64 load_u64(__u64 address)
{
	__u64 value = 0;

	if (HAS_CASTS) {
		const struct timespec64 *at = bpf_rdonly_cast(
			(void *)address, bpf_core_type_id_kernel(struct timespec64));

		return at->tv_sec;
	}
	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/*
 * object->field, a pointer to a struct.  Through a cast: the verifier of 6.x searches all
 * types of the kernel, a millisecond, for each pointer that is loaded from a trusted one.
 */
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

static __always_inline struct mm_struct *mm_of(struct task_struct *task)
{
	return FOLLOW(mm_struct, task, mm);
}

#define OFFSET(type, field) \
	__builtin_preserve_field_info(((struct type *)0)->field, BPF_FIELD_BYTE_OFFSET)

#endif
