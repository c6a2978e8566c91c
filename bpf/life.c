// SPDX-License-Identifier: GPL-2.0
/* Which processes are born, become another program, enter a cgroup, and die? */
#include "bpf/space.bpf.h"

#define SIGNAL_GROUP_EXIT 4
#define CLONE_VFORK 0x4000

static __always_inline bool is_followed(struct task_struct *task)
{
	struct mt_task *state;

	if (config.follow_all)
		return true;
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	return state && state->followed;
}

static __always_inline bool is_within(struct cgroup *cgroup, __u64 id)
{
	struct cgroup_subsys_state *css = &cgroup->self;

	for (__u32 depth = 0; depth < 32 && css; depth++) {
		if (BPF_CORE_READ(css, cgroup, kn, id) == id)
			return true;
		css = BPF_CORE_READ(css, parent);
	}
	return false;
}

static __always_inline void fill_event(struct mt_event *event, __u32 kind, struct task_struct *task)
{
	event->kind = kind;
	event->pid = pid_of(task);
	event->parent_pid = pid_of(FOLLOW(task_struct, task, real_parent));
	event->exit_code = 0;
	event->start_boot_ns = FOLLOW(task_struct, task, group_leader)->start_boottime;
	event->time_ns = bpf_ktime_get_ns();
	event->cgroup_id = BPF_CORE_READ(cgroup_of(task), kn, id);
	bpf_probe_read_kernel(event->comm, sizeof(event->comm), task->comm);
}

static __always_inline void send_event(__u32 kind, struct task_struct *task, __s32 exit_code)
{
	struct mt_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lost(MT_LOSS_EVENTS);
		return;
	}
	fill_event(event, kind, task);
	event->exit_code = exit_code;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* A parent that waits for its child to exec: there may be thousands of those a second. */
static __always_inline bool is_vfork(struct task_struct *parent)
{
	struct call call = call_of(parent);
	__u64 flags = call.argument[0];

	if (call.number == NR_VFORK)
		return true;
	/* clone3 has them in a struct. */
	if (call.number == NR_CLONE3 && bpf_probe_read_user(&flags, sizeof(flags), (void *)flags))
		return false;
	return (call.number == NR_CLONE || call.number == NR_CLONE3) && (flags & CLONE_VFORK);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(mt_fork, struct task_struct *parent, struct task_struct *child)
{
	bool thread = child->tgid == parent->tgid;
	struct mm_struct *mm = mm_of(child);
	struct mt_task *state = 0;
	bool guest;

	if (!is_followed(parent) || !(thread || config.follow_children)) {
		/* clone3 can put a child straight into a cgroup. */
		if (thread || !config.cgroup_id ||
		    !is_within(cgroup_of(child), config.cgroup_id))
			return 0;
	}
	guest = !thread && mm && mm == mm_of(parent);
	if (!config.follow_all || guest) {
		state = task_state(child);
		if (state)
			state->followed = guest ? MT_FOLLOWED_AS_GUEST : MT_FOLLOWED;
	}
	if (thread || !mm)
		return 0;
	if (!guest) {
		open_space(mm, child, MT_BORN_FORK);
	} else if (state && !is_vfork(bpf_get_current_task_btf())) {
		state->announced = 1;
		send_event(MT_EVENT_SHARES, child, 0);
	}
	return 0;
}

/* The arguments lie where the kernel has just put them, so that no page is missing. */
static __always_inline void read_arguments(struct mt_event_exec *exec, struct mm_struct *mm)
{
	__u64 start = mm->arg_start, bytes = mm->arg_end - start;

	if (bytes > MT_ARGUMENTS)
		bytes = MT_ARGUMENTS;
	exec->argument_bytes = 0;
	if (bytes && bpf_probe_read_user(exec->arguments, bytes & (2 * MT_ARGUMENTS - 1),
					 (void *)start) == 0)
		exec->argument_bytes = bytes;
}

static __always_inline void send_exec(struct task_struct *task, struct linux_binprm *program)
{
	struct mt_event_exec *exec = bpf_ringbuf_reserve(&events, sizeof(*exec), 0);

	if (!exec) {
		lost(MT_LOSS_EVENTS);
		return;
	}
	fill_event(&exec->event, MT_EVENT_EXEC, task);
	exec->argument_count = program->argc;
	if (bpf_probe_read_kernel_str(exec->path, sizeof(exec->path), program->interp) < 0)
		exec->path[0] = 0;
	read_arguments(exec, mm_of(task));
	bpf_ringbuf_submit(exec, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(mt_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *program)
{
	struct mm_struct *mm = mm_of(task);

	struct mt_task *state;

	if (!mm || !is_followed(task))
		return 0;
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	if (state && state->followed)
		state->followed = MT_FOLLOWED;
	if (open_space(mm, task, MT_BORN_EXEC))
		send_exec(task, program);
	return 0;
}

static __always_inline __s32 exit_code_of(struct task_struct *task)
{
	struct signal_struct *signal = FOLLOW(signal_struct, task, signal);

	return signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code :
						   FOLLOW(task_struct, task, group_leader)->exit_code;
}

/*
 * Since 6.16 (2e3a8ea) this comes before the address space is let go of: the kernel's own
 * counters can be read here, as a witness for what the ledger says of this moment.
 */
static __always_inline void witness_exit(struct task_struct *task)
{
	struct mm_struct *mm = mm_of(task);
	struct mt_space *space;
	__u32 slot;

	if (!mm)
		return;
	slot = find_slot(mm);
	space = space_of(slot, mm);
	/* A guest's end is not that of its host, unless the host went before. */
	if (!slot || !space || (space->pid != pid_of(task) && !space->exiting))
		return;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	for (__u32 member = 0; member < MT_MEMBERS; member++)
		space->at_exit[member] = counter_sum(mm, member);
	space->at_exit[MT_VIRTUAL] = mm->total_vm;
	space->at_exit[MT_PAGE_TABLE] = mm->pgtables_bytes.counter;
	space->at_exit[MT_LOCKED] = mm->locked_vm;
	space->at_exit[MT_HUGETLB] = mm->hugetlb_usage.counter;
	space->exiting = 1;
	if (space->pid == pid_of(task))
		bpf_probe_read_kernel(space->comm, sizeof(space->comm),
				      FOLLOW(task_struct, task, group_leader)->comm);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(mt_exit, struct task_struct *task)
{
	struct mt_task *state;
	bool guest;

	/* The last thread to go ends the process. */
	if (FOLLOW(signal_struct, task, signal)->live.counter != 0 || !is_followed(task) || (task->flags & PF_KTHREAD))
		return 0;
	witness_exit(task);
	state = bpf_task_storage_get(&tasks, task, 0, 0);
	guest = state && state->followed == MT_FOLLOWED_AS_GUEST;
	/* Of a guest that was never announced nobody waits for the end. */
	if (!guest || state->announced)
		send_event(MT_EVENT_EXIT, task, exit_code_of(task));
	return 0;
}

/* --cgroup: a process that enters is followed from then on, and to its end. */
SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(mt_enter_cgroup, struct cgroup *to, const char *path, struct task_struct *task)
{
	struct mm_struct *mm;
	struct mt_task *state;

	if (!config.cgroup_id || !is_within(to, config.cgroup_id))
		return 0;
	state = task_state(task);
	if (state)
		state->followed = 1;
	mm = mm_of(task);
	if (mm && !(task->flags & PF_KTHREAD))
		open_space(mm, task, MT_BORN_BEFORE);
	return 0;
}
