// SPDX-License-Identifier: GPL-2.0
/* Who are the processes that are counted?  See roster.h. */
#include "user/collect/roster.h"

#include "user/collect/identity.h"
#include "user/collect/self.h"

#include <string.h>

#define FORGOTTEN_NS 60000000000 /* so long after a process ended, its memory is gone, too */

/* A process that execs, dies, or lives in another's address space. */
void roster_event(void *context, const struct mt_event *event, size_t bytes)
{
	struct process *process;

	if (!event->pid)
		return;
	process = process_get(context, event->pid, event->start_boot_ns);
	if (!process->parent_pid) /* its first address space knows better */
		process->parent_pid = event->parent_pid;
	process->cgroup_id = event->cgroup_id;
	memcpy(process->comm, event->comm, sizeof(process->comm));
	switch (event->kind) {
	case MT_EVENT_EXEC:
		process->shares_with = 0;
		identity_exec(process, (const struct mt_event_exec *)event, bytes);
		break;
	case MT_EVENT_EXIT:
		process->has_exit = true;
		process->exit_code = event->value;
		process->exit_ns = event->time_ns;
		break;
	case MT_EVENT_SHARES:
		process->shares_with = event->value;
		process->shares_ns = event->time_ns;
		break;
	}
}

static void ask(struct collector *collector, struct process *process, uint64_t opened_ns)
{
	identity_read(process);
	cgroup_learn(&collector->cgroups, process->cgroup_id, process->pid);
	process->asked_ns = opened_ns;
}

static void identify_spaces(struct collector *collector, uint32_t most)
{
	struct process_table *table = &collector->processes;
	const struct kernel *kernel = &collector->kernel;
	uint32_t asked = 0, used = kernel_used_slots(kernel);

	for (uint32_t slot = 1; slot < used && asked < most; slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct process *process;

		if (space->state != MT_SPACE_OPEN)
			continue;
		process = process_get(table, space->pid, space->start_boot_ns);
		if (process->asked_ns >= space->opened_ns)
			continue;
		process->cgroup_id = space->cgroup_id;
		identity_born(process, space, process_find(table, space->forked_by));
		ask(collector, process, space->opened_ns);
		asked++;
	}
}

void roster_identify(struct collector *collector, uint32_t most)
{
	identify_spaces(collector, most);
	for (struct process *process = collector->processes.first; process;
	     process = process->next) {
		if (process->shares_with && !process->asked_ns)
			ask(collector, process, 1);
	}
}

/* Is nothing of it to come any more?  What got no slot is never closed. */
static bool is_over(const struct process *process, uint64_t now)
{
	if (process->ended || !process->has_exit)
		return false;
	return (process->shares_with && !process->has_space) ||
	       now - process->exit_ns > FORGOTTEN_NS;
}

void roster_sweep(struct collector *collector)
{
	uint64_t now = self_monotonic_ns();

	for (struct process *process = collector->processes.first; process;
	     process = process->next) {
		if (!is_over(process, now))
			continue;
		process->hidden = !process->has_space;
		process_end(&collector->processes, process);
	}
}
