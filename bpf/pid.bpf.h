/* SPDX-License-Identifier: GPL-2.0 */
/* What is a process called in the pid namespace that memtrace was started in? */
#ifndef MEMTRACE_PID_BPF_H
#define MEMTRACE_PID_BPF_H

#include "bpf/compat.bpf.h"

#define PIDTYPE_TGID 1

struct name {
	__u32 number;
	__u32 namespace; /* inode of the namespace that it is valid in */
};

/* A process has a number in its own namespace, at its depth, and in each one above. */
static __always_inline struct name name_at(__u64 pid, __u32 depth)
{
	struct name name = {};
	struct upid upid = {};

	bpf_probe_read_kernel(&upid, sizeof(upid),
			      (void *)(pid + OFFSET(pid, numbers) + depth * sizeof(upid)));
	name.number = upid.nr;
	name.namespace = BPF_CORE_READ(upid.ns, ns.inum);
	return name;
}

static __always_inline __u64 pid_struct_of(struct task_struct *task)
{
	struct signal_struct *signal = FOLLOW(signal_struct, task, signal);

	return load_u64((__u64)&signal->pids[PIDTYPE_TGID]);
}

static __always_inline __u32 depth_of(__u64 pid)
{
	return load_s32(pid + OFFSET(pid, level));
}

/* The process's id in memtrace's pid namespace, 0 where it is not visible there. */
static __always_inline __u32 pid_of(struct task_struct *task)
{
	__u64 pid = pid_struct_of(task);
	struct name name;

	if (!pid || depth_of(pid) < pid_level)
		return 0;
	name = name_at(pid, pid_level);
	return name.namespace == pid_namespace ? name.number : 0;
}

#endif
