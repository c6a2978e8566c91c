// SPDX-License-Identifier: GPL-2.0
/* How does following begin, for those that are there already?  See follow.h. */
#include "user/collect/follow.h"

static struct error *follow_member(void *context, pid_t pid)
{
	struct collector *collector = context;

	return kernel_follow(&collector->kernel, pid, true);
}

/* Members may be born while they are read: until two readings agree. */
static struct error *follow_cgroup(struct collector *collector)
{
	uint32_t before;

	do {
		collector->kernel.unplaced = 0;
		before = kernel_used_slots(&collector->kernel);
		TRY(cgroup_members(collector->cgroup_directory, follow_member, collector));
	} while (kernel_used_slots(&collector->kernel) != before);
	return NULL;
}

/* It has a space of its own, or was announced as a guest in another's. */
static bool is_followed(struct collector *collector, pid_t pid)
{
	const struct kernel *kernel = &collector->kernel;

	/* From the end: it is likely to be the last. */
	for (__u32 slot = kernel_used_slots(kernel); slot-- > 1;) {
		if (kernel->spaces[slot].pid == (__u32)pid)
			return true;
	}
	kernel_poll(&collector->kernel);
	return process_find(&collector->processes, pid);
}

/* While its pidfd says that it lives, nobody else can have got its pid. */
static struct error *follow_pid(struct collector *collector, size_t number)
{
	pid_t pid = collector->options.pids[number];

	TRY(kernel_follow(&collector->kernel, pid, true));
	if (!is_followed(collector, pid) || target_ended(&collector->targets, number))
		return error_new(0, "process %d cannot be followed: it has just ended, "
				    "or the kernel does not show it to BPF", pid);
	return NULL;
}

static struct error *follow(struct collector *collector)
{
	const struct collector_options *options = &collector->options;

	collector->kernel.unplaced = 0;
	if (collector->cgroup_id)
		return follow_cgroup(collector);
	if (options->system)
		return kernel_follow(&collector->kernel, 0, true);
	if (options->command)
		return kernel_follow(&collector->kernel, collector->launch.pid, false);
	for (size_t i = 0; i < options->pid_count; i++)
		TRY(follow_pid(collector, i));
	return NULL;
}

struct error *follow_targets(struct collector *collector)
{
	TRY(follow(collector));
	kernel_lose_unplaced(&collector->kernel);
	return NULL;
}

/* Whoever finds no slot now is counted already, from its birth or from the beginning. */
void follow_late(struct collector *collector)
{
	uint64_t losses = kernel_losses(&collector->kernel, MT_LOSS_SPACES);

	if (!collector->options.system ||
	    (losses == collector->late_losses && !collector->kernel.unplaced))
		return;
	collector->late_losses = losses;
	error_free(follow(collector));
}
