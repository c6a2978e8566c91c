// SPDX-License-Identifier: GPL-2.0
/* Which processes are born, become another program, enter a cgroup, and die? */
#include "bpf/event.bpf.h"
#include "bpf/site.bpf.h"
#include "bpf/space.bpf.h"

#define SIGNAL_GROUP_EXIT 4
#define CLONE_VFORK 0x4000
#define CGROUP_DEPTH 2048 /* as a path has room for */
#define PATH_DEPTH 64 /* names and mounts */

/* On the way up from a cgroup to the top. */
struct ascent {
	struct cgroup_subsys_state *css;
	__u64 wanted;
	bool found;
};

static long ascend(__u64 number, struct ascent *ascent)
{
	struct cgroup_subsys_state *css = ascent->css;

	if (!css)
		return 1;
	ascent->found = BPF_CORE_READ(css, cgroup, kn, id) == ascent->wanted;
	ascent->css = BPF_CORE_READ(css, parent);
	return ascent->found;
}

static __always_inline bool is_within(struct cgroup *cgroup, __u64 id)
{
	struct ascent ascent = { .css = &cgroup->self, .wanted = id };

	LOOP(CGROUP_DEPTH, ascend, &ascent);
	return ascent.found;
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

/* Of a child in its parent's memory.  One that execs at once is not worth an event. */
static __always_inline void note_guest(struct task_struct *child, struct mm_struct *mm,
				       struct mt_task *state)
{
	__u32 slot = find_slot((__u64)mm);
	struct mt_space *space = space_of(slot, mm);

	if (slot && space && !is_vfork(current_task()))
		announce_guest(child, state, slot);
}

static __always_inline void note_child(struct task_struct *parent, struct task_struct *child,
				       struct mm_struct *mm)
{
	__u32 slot = open_space(mm, child, MT_BORN_FORK);
	struct mt_space *space = space_at(slot);

	if (slot && space)
		space->forked_by = pid_of(parent);
	if (slot && config.stacks)
		inherit_code(find_slot((__u64)mm_of(parent)), slot);
}

/* clone3 can put a child straight into a cgroup. */
static __always_inline bool is_born_within(struct task_struct *child)
{
	return config.cgroup_id && is_within(cgroup_of(child), config.cgroup_id);
}

static __always_inline void take_fork(struct task_struct *parent, struct task_struct *child)
{
	bool thread = GET(child, tgid) == GET(parent, tgid);
	struct mm_struct *mm = mm_of(child);
	struct mt_task *state = 0;
	bool guest;

	if (!(is_followed(parent) && (thread || config.follow_children)) &&
	    (thread || !is_born_within(child)))
		return;
	guest = !thread && mm && mm == mm_of(parent);
	if (!config.follow_all || guest) {
		state = task_state(child);
		if (state) {
			state->followed = guest ? MT_FOLLOWED_AS_GUEST : MT_FOLLOWED;
			state->faults = 1; /* none */
		}
	}
	if (thread || !mm)
		return;
	if (!guest)
		note_child(parent, child, mm);
	else if (state)
		note_guest(child, mm, state);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(mt_fork, struct task_struct *parent, struct task_struct *child)
{
	hold_cpu();
	take_fork(parent, child);
	release_cpu();
	return 0;
}

/* On the way up from a file to the root. */
struct climb {
	char *names;
	struct vfsmount *mount;
	struct dentry *dentry;
	__u32 bytes;
	__u32 arrived;
};

static __always_inline long arrive(struct climb *climb)
{
	climb->arrived = 1;
	return 1;
}

/* From the top of what is mounted to where it is mounted. */
static __always_inline long leave_mount(struct climb *climb)
{
	struct mount *below = (struct mount *)((__u64)climb->mount - OFFSET(mount, mnt));
	struct mount *above = BPF_CORE_READ(below, mnt_parent);

	if (above == below)
		return arrive(climb);
	climb->dentry = BPF_CORE_READ(below, mnt_mountpoint);
	climb->mount = (struct vfsmount *)((__u64)above + OFFSET(mount, mnt));
	return 0;
}

static long climb_once(__u64 number, struct climb *climb)
{
	struct dentry *dentry = climb->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct vfsmount *mount = climb->mount;
	__u32 at = climb->bytes;
	long bytes;

	if ((__u64)dentry == root_dentry && (__u64)mount == root_mount)
		return arrive(climb);
	if (dentry == BPF_CORE_READ(mount, mnt_root))
		return leave_mount(climb);
	settle(at);
	if (at >= MT_PATH)
		return 1;
	bytes = bpf_probe_read_kernel_str(climb->names + (at & (MT_PATH - 1)), MT_PATH,
					  BPF_CORE_READ(dentry, d_name.name));
	if (bytes <= 0)
		return 1;
	climb->bytes += bytes;
	if (parent == dentry) /* a memfd hangs nowhere */
		return arrive(climb);
	climb->dentry = parent;
	return 0;
}

#ifdef MEMTRACE_OLD
/* One that a function finds by itself, so that the verifier goes through a turn once only. */
__noinline int climb_alone(void)
{
	struct mt_climb *kept = bpf_map_lookup_elem(&climbs, &(__u32){ 0 });
	struct climb climb;
	long end;

	if (!kept)
		return 1;
	climb.names = kept->names;
	climb.mount = (struct vfsmount *)kept->mount;
	climb.dentry = (struct dentry *)kept->dentry;
	climb.bytes = kept->bytes;
	climb.arrived = 0;
	end = climb_once(0, &climb);
	kept->mount = (__u64)climb.mount;
	kept->dentry = (__u64)climb.dentry;
	kept->bytes = climb.bytes;
	kept->arrived = climb.arrived;
	return end;
}

static __always_inline void climb_up(struct climb *climb)
{
	struct mt_climb *kept = bpf_map_lookup_elem(&climbs, &(__u32){ 0 });

	if (!kept)
		return;
	kept->mount = (__u64)climb->mount;
	kept->dentry = (__u64)climb->dentry;
	kept->bytes = 0;
	for (int i = 0; i < PATH_DEPTH; i++) {
		if (climb_alone())
			break;
	}
	bpf_probe_read_kernel(climb->names, MT_PATH_ROOM, kept->names);
	climb->bytes = kept->bytes;
	climb->arrived = kept->arrived;
}
#else
static __always_inline void climb_up(struct climb *climb)
{
	bpf_loop(PATH_DEPTH, climb_once, climb, 0);
}
#endif

/*
 * Its names, the last one first, as long as they find room; up through mounts, to the root of
 * memtrace's own.  (There is a helper for it, but not in programs of this kind.)
 */
static __always_inline void read_path(struct mt_event_exec *exec, struct file *file)
{
	struct climb climb = {
		.names = exec->path,
		.mount = BPF_CORE_READ(file, f_path.mnt),
		.dentry = BPF_CORE_READ(file, f_path.dentry),
	};

	climb_up(&climb);
	exec->path_bytes = climb.bytes;
	exec->path_whole = climb.arrived;
}

/* The arguments lie where the kernel has just put them, so that no page is missing. */
static __always_inline void read_arguments(struct mt_event_exec *exec, struct mm_struct *mm)
{
	__u64 start = GET(mm, arg_start), bytes = GET(mm, arg_end) - start;

	if (bytes > MT_ARGUMENTS)
		bytes = MT_ARGUMENTS;
	exec->argument_bytes = 0;
	if (bytes && bpf_probe_read_user(exec->arguments, bytes & (2 * MT_ARGUMENTS - 1),
					 (void *)start) == 0)
		exec->argument_bytes = bytes;
}

static __always_inline void send_exec(struct task_struct *task, struct linux_binprm *program,
				      const struct mt_space *space)
{
	struct mt_event_exec *exec = bpf_ringbuf_reserve(&events, sizeof(*exec), 0);

	if (!exec) {
		lost(MT_LOSS_EVENTS);
		return;
	}
	fill_event(&exec->event, MT_EVENT_EXEC, task);
	if (space)
		exec->event.time_ns = space->opened_ns;
	exec->argument_count = program->argc;
	read_path(exec, FOLLOW(file, mm_of(task), exe_file));
	read_arguments(exec, mm_of(task));
	bpf_ringbuf_submit(exec, wakeup());
}

/* In a cgroup that is followed, a thread may never have been marked: not it, but its main
 * thread entered. */
static __always_inline bool is_followed_to_exec(struct task_struct *task)
{
	return is_followed(task) ||
	       (config.cgroup_id && is_within(cgroup_of(task), config.cgroup_id));
}

/* It has memory of its own now.  What it did to its host's since that one's end, no witness saw. */
static __always_inline void settle_down(struct mt_task *state)
{
	struct mt_space *space = space_at(state->host);

	if (state->host && space)
		space->left = 1;
	state->host = 0;
	state->followed = MT_FOLLOWED;
}

static __always_inline void take_exec(struct task_struct *task, struct linux_binprm *program)
{
	struct mm_struct *mm = mm_of(task);
	struct mt_task *state;
	__u32 slot;

	forget_stack(task);
	if (!mm || !pid_of(task) || !is_followed_to_exec(task))
		return;
	state = config.follow_all ? find_task(task) : task_state(task);
	if (state)
		settle_down(state);
	slot = open_space(mm, task, MT_BORN_EXEC);
	if (slot && config.stacks)
		note_program(slot, mm);
	send_exec(task, program, slot ? space_at(slot) : 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(mt_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *program)
{
	hold_cpu();
	take_exec(task, program);
	release_cpu();
	return 0;
}

static __always_inline __s32 exit_code_of(struct task_struct *task)
{
	struct signal_struct *signal = FOLLOW(signal_struct, task, signal);

	if (GET(signal, flags) & SIGNAL_GROUP_EXIT)
		return GET(signal, group_exit_code);
	return GET(FOLLOW(task_struct, task, group_leader), exit_code);
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
	slot = find_slot((__u64)mm);
	space = space_of(slot, mm);
	/* A guest's end is not that of its host, unless the host went before. */
	if (!slot || !space || (space->pid != pid_of(task) && !space->exiting))
		return;
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	for (__u32 member = 0; member < MT_MEMBERS; member++)
		space->at_exit[member] = counter_sum(space, member);
	space->at_exit[MT_VIRTUAL] = GET(mm, total_vm);
	space->at_exit[MT_PAGE_TABLE] = GET(mm, pgtables_bytes.counter);
	space->at_exit[MT_LOCKED] = GET(mm, locked_vm);
	space->at_exit[MT_HUGETLB] = GET(mm, hugetlb_usage.counter);
	space->exiting = 1;
	space->left = 0;
	if (space->pid == pid_of(task))
		bpf_probe_read_kernel(space->comm, sizeof(space->comm),
				      FOLLOW(task_struct, task, group_leader)->comm);
}

/* Its own memory is followed, whether the thread was ever marked or not. */
static __always_inline bool is_counted(struct task_struct *task)
{
	struct mm_struct *mm = mm_of(task);
	__u32 slot = mm ? find_slot((__u64)mm) : 0;
	struct mt_space *space = space_of(slot, mm);

	return slot && space && space->pid == pid_of(task);
}

/*
 * Its address space had no page left to give back at its end: the OOM reaper took them all.  The
 * task still has it on loan from itself.
 */
static __always_inline void close_behind(struct task_struct *task)
{
#ifdef MEMTRACE_OLD
	struct mm_struct *mm = FOLLOW(mm_struct, task, active_mm);
	__u32 slot = mm ? find_slot((__u64)mm) : 0;
	struct mt_space *space = slot ? space_of(slot, mm) : 0;

	if (space && is_torn_down(mm, space))
		close_space(mm, task, slot);
#endif
}

#ifdef MEMTRACE_OLD
SEC("?tp_btf/sched_process_free")
int BPF_PROG(mt_task_free, struct task_struct *task)
{
	__u64 key = (__u64)task;

	bpf_map_delete_elem(&tasks, &key);
	return 0;
}
#endif

static __always_inline void take_end(struct task_struct *task)
{
	struct mt_task *state;

	forget_stack(task);
	/* One that is killed within a call does not come out of it. */
	if (config.calls && in_call(call_state(task), task))
		call_state(task)->task = 0;
	close_behind(task);
	/* The last thread to go ends the process. */
	if (!is_last_thread(task) || (GET(task, flags) & PF_KTHREAD))
		return;
	if (!is_followed(task) && !is_counted(task))
		return;
	witness_exit(task);
	state = find_task(task);
	/* Of a guest that was never announced nobody waits for the end. */
	if (!is_guest(task) || (state && state->host))
		send_event(MT_EVENT_EXIT, task, exit_code_of(task));
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(mt_exit, struct task_struct *task)
{
	hold_cpu();
	take_end(task);
	release_cpu();
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
		state->followed = MT_FOLLOWED;
	mm = mm_of(task);
	if (mm && !(GET(task, flags) & PF_KTHREAD) && !open_space(mm, task, MT_BORN_BEFORE) &&
	    speaks_for_process(task))
		lost(MT_LOSS_SPACES);
	return 0;
}
