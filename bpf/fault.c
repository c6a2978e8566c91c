// SPDX-License-Identifier: GPL-2.0
/* Which page faults does a process take, and what for?  Runs before the fault is served. */
#include "bpf/copy.bpf.h"
#include "bpf/late.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/site.bpf.h"
#include "bpf/store.bpf.h"
#include "bpf/vma.bpf.h"

#define FAULT_ON_PRESENT_PAGE 1
#define FAULT_WRITE 2

/* A write to a page that is there, in a private mapping, unshares it. */
static __always_inline bool is_of_present(__u64 error)
{
	return (error & (FAULT_ON_PRESENT_PAGE | FAULT_WRITE)) ==
	       (FAULT_ON_PRESENT_PAGE | FAULT_WRITE);
}

__noinline int is_copy(__u32 slot, __u64 address)
{
	struct mm_struct *mm = mm_of(current_task());
	struct mt_space *space = space_at(slot);

	if (!mm || !space)
		return 0;
	begin_copy(current_task());
	begin_note_of_copy(mark_of(current_task()), address);
	/* Of faults that put in zeroes only, which have no event of their own. */
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
	return !(mapping_flags(mm, address) & VM_SHARED);
}

/* Who is it that faults here?  Remembered for the events that follow, and for his next fault. */
static __noinline int remember(__u64 stack)
{
	struct task_struct *task = current_task();
	struct mt_cpu *cpu = this_cpu();
	__u64 mm = (__u64)mm_of(task);

	cpu->generation = hot.generation; /* before the look, which may be out of date at once */
	order_loads(cpu);
	cpu->slot = mm ? find_slot(mm) : 0;
	cpu->stack = stack;
	cpu->task = (__u64)task;
	cpu->mm = mm;
	cpu->mark = GET(task, pid);
	return 0;
}

/* What the faults before have brought besides pages, where nothing else tells in time. */
static __always_inline void catch_up_before(const struct mt_space *space, __u32 slot)
{
	struct mm_struct *mm = (struct mm_struct *)space->mm;

	catch_up_stack(mm, slot);
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT);
}

/*
 * Interrupts are off, and only this CPU writes its memory and its lane.  Arguments (address,
 * registers, error) are read where they are needed, to keep little on the stack: with 64 bytes
 * or more of it the kernel gives the program another one, a page more to reach.
 */
SEC("tp_btf/page_fault_user")
int mt_fault_user(const __u64 *arguments)
{
	struct mt_cpu *cpu = this_cpu();
	struct task_struct *task;
	struct mt_space *space;
	struct mt_mark *mark;
	struct mt_lane *lane;

	cpu->runs++;
	if (!is_by(cpu, stack_of(cpu, (void *)arguments[1])))
		remember(cpu->scratch >> STACK_BITS);
	leave_unless(cpu->slot);
	space = space_at(cpu->slot);
	lane = lane_by(cpu, cpu->slot);
	if (!space || !lane || space->mm != cpu->mm)
		return 0;
	mark = mark_at(cpu->mark);
	if (!HAS_CPU_COUNTERS && mark->cow == MT_COW_MAYBE)
		settle_late(current_task(), cpu->slot);
	if (config.stacks && mark->cow == MT_COW_MAYBE)
		note_copy(cpu->slot);
	if (is_of_present(arguments[2]) && is_copy(cpu->slot, arguments[0])) {
		mark->cow = MT_COW_MAYBE;
		lane->cow_faults++;
	} else {
		mark->cow = MT_COW_NO;
		lane->faults++;
	}
	if (IS_OLD)
		catch_up_before(space, cpu->slot);
	if (IS_OLD && mark->mode == MT_FAULT_IN_KERNEL)
		look_at_late(current_task(), cpu->slot);
	task = task_by(cpu);
	mark->stack = cpu->stack;
	mark->task = cpu->task;
	mark->address = arguments[0];
	mark->served = faults_of(task);
	mark->mode = MT_FAULT_IN_USER;
	mark->call_at = call_number_at((struct pt_regs *)arguments[1]);
	if (config.stacks)
		mark->caller = caller_of(cpu->slot, arguments[0], (struct pt_regs *)arguments[1]);
	if (space->untouched) /* only with --calls */
		note_touch(cpu->slot, arguments[0]);
	return 0;
}

/*
 * The kernel touched the process's memory on its behalf.  Reads by other tracers fault here
 * by the hundred thousand and are never served (pagefault_disabled): not the process's.
 * `on_stack`: what lies on the task's kernel stack.
 */
static __always_inline int take_kernel_fault(__u64 address, const void *on_stack)
{
	struct task_struct *task = current_task();
	struct mm_struct *mm = mm_of(task);
	struct mt_cpu *cpu = this_cpu();
	struct mt_space *space;
	struct mt_mark *mark;
	struct call call;
	__u32 slot;

	if (!mm)
		return 0;
	cpu->runs++;
	if (GET(task, pagefault_disabled) > FAULTS_OFF_TO_READ || address >> 63)
		return 0;
	slot = slot_of(cpu, mm);
	if (!slot)
		return 0;
	space = space_of(slot, mm);
	mark = mark_of(task);
	if (!space)
		return 0;
	catch_up_stack(mm, slot);
	if (tables_moved(mm, space))
		catch_up_tables(mm, slot, MT_OP_FAULT_KERNEL);
	settle_before(task, mm, slot);
	if (!HAS_CPU_COUNTERS)
		look_at_late(task, slot);
	if (config.stacks && mark->cow == MT_COW_MAYBE)
		note_copy(slot);
	call = call_of(task);
	mark->stack = stack_of(cpu, on_stack);
	mark->task = (__u64)task;
	mark->address = address;
	mark->served = faults_of(task);
	mark->mode = MT_FAULT_IN_KERNEL;
	mark->cow = MT_COW_NO;
	mark->ip = call.ip;
	mark->call = call.number;
	if (!HAS_CPU_COUNTERS)
		mark->call_at = uncounted(task, MT_ANON);
	if (config.stacks)
		mark->caller = caller_of(slot, address, user_registers(task));
	count_cause(slot, cause_of_kernel_fault(task, mark));
	__sync_fetch_and_add(&space->events, 1);
	if (space->untouched)
		note_touch(slot, address);
	return 0;
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(mt_fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return take_kernel_fault(address, regs);
}

/* ---- where those two events are not: all but x86 ---- */

static __always_inline int take_user_fault(struct bpf_perf_event_data *event)
{
	struct task_struct *task = current_task();
	struct mt_cpu *cpu = this_cpu();
	__u64 address = event->addr;
	struct mt_space *space;
	struct mt_mark *mark;
	struct mt_lane *lane;

	cpu->runs++;
	if (!is_by(cpu, stack_of(cpu, event)))
		remember(cpu->scratch >> STACK_BITS);
	if (!cpu->slot)
		return 0;
	space = space_at(cpu->slot);
	lane = lane_by(cpu, cpu->slot);
	if (!space || !lane || space->mm != cpu->mm)
		return 0;
	mark = mark_at(cpu->mark);
	if (config.stacks && mark->cow == MT_COW_MAYBE)
		note_copy(cpu->slot);
	if (stores_to_present(&event->regs, address) && is_copy(cpu->slot, address)) {
		mark->cow = MT_COW_MAYBE;
		lane->cow_faults++;
	} else {
		mark->cow = MT_COW_NO;
		lane->faults++;
	}
	mark->stack = cpu->stack;
	mark->task = cpu->task;
	mark->address = address;
	mark->served = faults_of(task);
	mark->mode = MT_FAULT_IN_USER;
	mark->call_at = call_number_at(user_registers(task));
	if (config.stacks)
		mark->caller = caller_of(cpu->slot, address, user_registers(task));
	if (space->untouched)
		note_touch(cpu->slot, address);
	return 0;
}

/*
 * perf counts page faults in software, before they are served, too.  Interrupts may be on there,
 * but preemption is off, and in an interrupt nothing of memtrace runs that would matter.
 */
SEC("?perf_event")
int mt_fault_perf(struct bpf_perf_event_data *event)
{
	if (is_from_user(&event->regs))
		return take_user_fault(event);
	return take_kernel_fault(event->addr, event);
}
