/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where is which file's code in a process?  Kept where it is mapped, in the kernel: a stack is
 * walked right after, and a reader of /proc would come too late.
 */
#ifndef MEMTRACE_CODE_BPF_H
#define MEMTRACE_CODE_BPF_H

#include "bpf/pid.bpf.h"
#include "bpf/unwind.bpf.h"

#define VM_EXEC 4
#define AUXV_PAIRS 24
#define AT_BASE 7
#define AT_SYSINFO_EHDR 33
#define LINKER_MAPPINGS 6 /* of the dynamic linker, up to its code */

static const struct mt_execs no_code = {
	.at = { [0 ... 2 * MT_EXECS - 1] = { .start = MT_NO_ADDRESS } }
};

/* What lies at an address. */
struct sight {
	__u64 start, end, offset;
	struct mt_file_key file;
	__u32 is_code, has_file;
};

static long see(struct task_struct *task, struct vm_area_struct *vma, struct sight *sight)
{
	struct file *file = vma->vm_file;

	sight->start = vma->vm_start;
	sight->end = vma->vm_end;
	sight->offset = vma->vm_pgoff << 12;
	sight->is_code = (vma->vm_flags & VM_EXEC) != 0;
	if (!file)
		return 0;
	sight->has_file = 1;
	sight->file.inode = BPF_CORE_READ(file, f_inode, i_ino);
	sight->file.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	return 0;
}

static __always_inline void ask_for(__u32 number, const struct sight *sight)
{
	struct mt_event_code *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lost(MT_LOSS_STACKS);
		return;
	}
	event->event.kind = MT_EVENT_CODE;
	event->event.pid = pid_of(bpf_get_current_task_btf());
	event->event.value = number;
	event->start = sight->start;
	event->end = sight->end;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

/* The number of a file, given to it at first sight; MT_NO_FILE: none left. */
static __always_inline __u32 number_of_file(const struct sight *sight)
{
	__u32 *known = bpf_map_lookup_elem(&numbers, &sight->file), number;
	struct mt_file *file;

	if (known) {
		number = *known;
	} else {
		number = __sync_fetch_and_add(&next_file, 1);
		if (number >= MT_FILES)
			return MT_NO_FILE;
		if (bpf_map_update_elem(&numbers, &sight->file, &number, BPF_NOEXIST)) {
			known = bpf_map_lookup_elem(&numbers, &sight->file);
			number = known ? *known : MT_NO_FILE;
		}
	}
	file = bpf_map_lookup_elem(&files, &number);
	if (file && !file->known)
		ask_for(number, sight);
	return number;
}

/* Makes room before a mapping. */
static __always_inline void move_up(struct mt_execs *all, __u32 at)
{
	__u32 zero = 0, count = all->count - at;
	struct mt_moved *kept = bpf_map_lookup_elem(&moved, &zero);

	settle(count);
	settle(at);
	at &= MT_EXECS - 1;
	count &= MT_EXECS - 1;
	if (!kept)
		return;
	bpf_probe_read_kernel(kept, count * sizeof(kept->at[0]), &all->at[at]);
	bpf_probe_read_kernel(&all->at[at + 1], count * sizeof(kept->at[0]), kept);
}

/* Puts in a mapping, in the place of the one that was at the same address. */
static __always_inline void put_code(struct mt_execs *all, const struct sight *sight, __u32 file)
{
	__u32 at = COUNT_UP_TO(MT_EXECS, EXEC_START, sight->start);
	struct mt_exec *exec;

	if (!at || all->at[(at - 1) & (MT_EXECS - 1)].start != sight->start) {
		if (all->count >= MT_EXECS - 1) {
			all->missed++;
			return;
		}
		move_up(all, at);
		all->count++;
		at++;
	}
	exec = &all->at[(at - 1) & (MT_EXECS - 1)];
	exec->start = sight->start;
	exec->end = sight->end;
	exec->offset = sight->offset;
	exec->file = file;
	__sync_fetch_and_add(&all->changes, 1);
}

/* What is mapped there, if it is code, is known from now on.  Returns where it ends. */
__noinline __u64 note_code(__u32 slot, __u64 address, __u32 vdso)
{
	struct mt_execs *all = bpf_map_lookup_elem(&execs, &slot);
	struct sight sight = {};
	__u32 file;

	if (!config.stacks || !all ||
	    bpf_find_vma(bpf_get_current_task_btf(), address, see, &sight, 0))
		return 0;
	if (!sight.is_code || (!sight.has_file && !vdso))
		return sight.end;
	if (vdso)
		sight.offset = 0;
	file = vdso ? MT_VDSO : number_of_file(&sight);
	if (__sync_lock_test_and_set(&all->busy, 1)) {
		all->missed++;
		return 0;
	}
	put_code(all, &sight, file);
	all->busy = 0;
	return 0;
}

/* An exec has mapped the program, the dynamic linker and the vdso. */
static __noinline int note_program(__u32 slot, struct mm_struct *mm)
{
	__u64 vdso = 0, at = 0, pair[2];

	if (!mm)
		return 0;
	bpf_map_update_elem(&execs, &slot, &no_code, BPF_ANY);
	note_code(slot, mm->start_code, false);
	/* One by one: up to 6.12 the stack has no room for all. */
	for (int i = 0; i < AUXV_PAIRS; i++) {
		if (bpf_probe_read_kernel(pair, sizeof(pair), &mm->saved_auxv[2 * i]))
			break;
		vdso |= pair[1] & -(__u64)(pair[0] == AT_SYSINFO_EHDR);
		at |= pair[1] & -(__u64)(pair[0] == AT_BASE);
	}
	if (vdso)
		note_code(slot, vdso, true);
	for (int i = 0; at && i < LINKER_MAPPINGS; i++)
		at = note_code(slot, at, false);
	return 0;
}

/* A child has the code of its parent. */
static __always_inline void inherit_code(__u32 parent, __u32 child)
{
	struct mt_execs *all = bpf_map_lookup_elem(&execs, &parent);

	if (all)
		bpf_map_update_elem(&execs, &child, all, BPF_ANY);
}

#endif
