/* SPDX-License-Identifier: GPL-2.0 */
/* How does user space learn of births, execs and ends, as they happen? */
#ifndef MEMTRACE_EVENT_BPF_H
#define MEMTRACE_EVENT_BPF_H

#include "bpf/space.bpf.h"

static __always_inline bool is_followed(struct task_struct *task)
{
	struct mt_task *state;

	if (config.follow_all)
		return true;
	state = find_task(task);
	return state && state->followed;
}

static __always_inline void fill_event(struct mt_event *event, __u32 kind, struct task_struct *task)
{
	struct task_struct *leader = FOLLOW(task_struct, task, group_leader);

	event->kind = kind;
	event->pid = pid_of(task);
	event->parent_pid = pid_of(FOLLOW(task_struct, task, real_parent));
	event->value = 0;
	event->start_boot_ns = GET(leader, start_boottime);
	event->time_ns = bpf_ktime_get_ns();
	event->cgroup_id = BPF_CORE_READ(cgroup_of(task), kn, id);
	bpf_probe_read_kernel(event->comm, sizeof(event->comm), leader->comm);
}

/* User space looks ten times a second.  It is woken where that would be too late. */
static __always_inline __u64 wakeup(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > MT_RING / 4 ? BPF_RB_FORCE_WAKEUP :
									     BPF_RB_NO_WAKEUP;
}

static __always_inline void send_event(__u32 kind, struct task_struct *task, __s32 value)
{
	struct mt_event *event;

	if (!pid_of(task)) /* of another pid namespace */
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		lost(MT_LOSS_EVENTS);
		return;
	}
	fill_event(event, kind, task);
	event->value = value;
	if (kind == MT_EVENT_SHARES) /* perhaps noticed long after */
		event->time_ns -= bpf_ktime_get_boot_ns() - event->start_boot_ns;
	bpf_ringbuf_submit(event, wakeup());
}

/* A process in the memory of another one, which has the book. */
static __always_inline void announce_guest(struct task_struct *task, struct mt_task *state,
					   __u32 slot)
{
	struct mt_space *space = space_at(slot);

	if (state->host || !space)
		return;
	state->host = slot;
	send_event(MT_EVENT_SHARES, task, space->pid);
}

#endif
