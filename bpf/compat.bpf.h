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

/* 6.2 (a35a7c6) made it: a plain load from an address that need not be trusted. */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

static __always_inline __s32 load_s32(__u64 address)
{
	const struct kref *at = bpf_rdonly_cast((void *)address,
						bpf_core_type_id_kernel(struct kref));

	return at->refcount.refs.counter;
}

static __always_inline __u64 load_u64(__u64 address)
{
	const struct timespec64 *at = bpf_rdonly_cast((void *)address,
						      bpf_core_type_id_kernel(struct timespec64));

	return at->tv_sec;
}

/*
 * object->field, a pointer to a struct.  Through a cast: the verifier of 6.x searches all
 * types of the kernel, a millisecond, for each pointer that is loaded from a trusted one.
 */
#define FOLLOW(type, object, field)                                          \
	((struct type *)bpf_rdonly_cast((void *)load_u64((__u64) & (object)->field), \
					bpf_core_type_id_kernel(struct type)))

static __always_inline struct mm_struct *mm_of(struct task_struct *task)
{
	return FOLLOW(mm_struct, task, mm);
}

#define OFFSET(type, field) \
	__builtin_preserve_field_info(((struct type *)0)->field, BPF_FIELD_BYTE_OFFSET)

#endif
