/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which calls is a task within, in user mode?  Unwound by the tables that user/symbol/cfi.c
 * makes: without frame pointers, and without a wrong frame where they end.
 */
#ifndef MEMTRACE_UNWIND_BPF_H
#define MEMTRACE_UNWIND_BPF_H

#include "bpf/glance.bpf.h"
#include "bpf/space.bpf.h"

/* As user/symbol/cfi.h has them. */
enum {
	CFI_NONE,
	CFI_RSP,
	CFI_RBP,
	CFI_RBX,
	CFI_PLT,
	CFI_AT_RBP,
	CFI_FAR_RSP,
	CFI_FAR_RBP,
	CFI_R11,
	CFI_FAR_R11,
	CFI_SIGNAL,
	CFI_END,
};

struct step {
	struct mt_walk *walk;
	struct mt_kept *kept; /* of Python's frames: what was, or what is to be kept */
	__u32 differs;
	__u32 unused;
};

#include "bpf/recall.bpf.h"

/* ---- rows ---- */

/*
 * How many of `room` (a power of two) ascending numbers are up to a key.  Without branches, since
 * each would double the verifier's work; what is not in use has the highest number.
 */
#define COUNT_UP_TO(room, at, key)                                             \
	({                                                                     \
		__u64 count_ = 0;                                              \
		for (__u32 step_ = (room) / 2; step_; step_ /= 2)              \
			count_ += step_ * is_up_to(at(count_ + step_ - 1), key); \
		count_ + is_up_to(at(count_), key);                            \
	})

/* 1 or 0.  Not all bits or none, which the verifier of 6.18 takes for a branch where it meets &. */
static __always_inline __u64 is_up_to(__u64 number, __u64 key)
{
	__u64 bit = key - number;

	settle(bit); /* or clang makes branches of it, ... */
	bit = ~bit >> 63;
	settle(bit); /* ... or of that */
	return bit;
}

#define ROOT_PC(i) (leaf->pc[(i) & (MT_LEAVES - 1)])
#define ROW_PC(i) ((__u32)leaf->row[(i) & (MT_LEAF_ROWS - 1)])

/* The row of a pc, 0: none. */
__noinline __u64 find_row(__u32 number, __u32 pc)
{
	void *table = bpf_map_lookup_elem(&tables, &number);
	const struct mt_leaf *leaf;
	__u32 at = 0;

	if (!config.stacks || !table)
		return 0;
	leaf = bpf_map_lookup_elem(table, &at);
	if (!leaf)
		return 0;
	at = COUNT_UP_TO(MT_LEAVES, ROOT_PC, pc);
	leaf = at ? bpf_map_lookup_elem(table, &at) : 0;
	if (!leaf)
		return 0;
	return leaf->row[(COUNT_UP_TO(MT_LEAF_ROWS, ROW_PC, pc) - 1) & (MT_LEAF_ROWS - 1)];
}

/* ---- memory ---- */

/* A word of the stack, by way of a window into it: a read costs the same for many words. */
static __always_inline bool read_word(struct mt_walk *walk, __u64 address, __u64 *out)
{
	__u64 offset = address - walk->window;

	if (offset > MT_WINDOW - 8 || offset + 8 > walk->window_bytes) {
		__u32 bytes = 4096 - (address & 4095); /* the next page may not be there */

		if (bytes > MT_WINDOW)
			bytes = MT_WINDOW;
		walk->window_bytes = 0;
		if (bytes < 8 || bpf_probe_read_user(walk->bytes, bytes, (void *)address))
			return false;
		walk->window = address;
		walk->window_bytes = bytes;
		offset = 0;
	}
	*out = *(__u64 *)&walk->bytes[offset & (MT_WINDOW - 8)];
	return true;
}

/* ---- one step ---- */

/* Address less offset of the code at an offset, as the last segment up to there has it. */
static __always_inline __u64 shift_of(__u32 number, __u64 offset)
{
	struct mt_file *file = bpf_map_lookup_elem(&files, &number);
	__u64 shift = 0;

	for (int i = 0; file && i < MT_SEGMENTS; i++) {
		if (file->segment[i].offset <= offset)
			shift = file->segment[i].shift;
	}
	return shift;
}

static __always_inline void note_interpreter(struct mt_walk *walk)
{
	const struct mt_python *python = bpf_map_lookup_elem(&pythons, &walk->file);

	if (!python || !python->minor)
		return;
	walk->python.interpreter = walk->file;
	walk->python.bias = walk->bias;
}

/* The check of the index stays with it: 6.1 loses what the compiler knows of it. */
#define EXEC_START(i)                                  \
	({                                             \
		__u64 index_ = (i);                    \
		settle(index_);                        \
		all->at[index_ & (MT_EXECS - 1)].start; \
	})

static __always_inline bool find_file(struct mt_walk *walk, __u64 address)
{
	struct mt_execs *all = bpf_map_lookup_elem(&execs, &walk->slot);
	__u32 low;

	if (!all)
		return false;
	low = (COUNT_UP_TO(MT_EXECS, EXEC_START, address) - 1) & (MT_EXECS - 1);
	if (address < all->at[low].start || address >= all->at[low].end) {
		return false;
	}
	walk->start = all->at[low].start;
	walk->stop = all->at[low].end;
	walk->file = all->at[low].file;
	walk->bias = walk->start - all->at[low].offset - shift_of(walk->file, all->at[low].offset);
	if (config.stacks == MT_STACKS_PYTHON)
		note_interpreter(walk);
	return true;
}

static __always_inline void push(struct mt_walk *walk, __u64 frame)
{
	walk->frame[walk->count & (MT_FRAMES - 1)] = frame;
	walk->count++;
	walk->hash = (walk->hash ^ frame) * 0x9e3779b97f4a7c15ULL;
	walk->hash ^= walk->hash >> 29;
}

static __always_inline long stop(struct mt_walk *walk, __u32 why)
{
	walk->end = why;
	return 1;
}

static __always_inline bool read_noted(struct mt_walk *walk, __u64 address, __u64 *out)
{
	if (!read_word(walk, address, out))
		return false;
	note_word(walk, address, *out);
	return true;
}

static __always_inline __u64 far_offset(const struct mt_file *file, __u32 number)
{
	return file->far[number & (MT_FAR - 1)];
}

/* The caller's stack pointer; 0: not to be had. */
static __always_inline __u64 frame_address(struct mt_walk *walk, const struct mt_file *file,
					   __u64 row)
{
	__u32 rule = (row >> 32) & 0xffff, offset = (rule >> 4) * 8;
	__u64 at = 0;

	switch (rule & 15) {
	case CFI_RSP:
		return walk->sp + offset;
	case CFI_RBP:
		return use_bp(walk) + offset;
	case CFI_RBX:
		return use_bx(walk) + offset;
	case CFI_PLT:
		return walk->sp + 8 + ((walk->ip & 15) >= offset / 8 ? 8 : 0);
	case CFI_AT_RBP:
		return read_noted(walk, use_bp(walk) - offset, &at) ? at : 0;
	case CFI_FAR_RSP:
		return walk->sp + far_offset(file, offset / 8);
	case CFI_FAR_RBP:
		return use_bp(walk) + far_offset(file, offset / 8);
	case CFI_R11:
		return use_r11(walk) + offset;
	case CFI_FAR_R11:
		return use_r11(walk) + far_offset(file, offset / 8);
	}
	return 0;
}

#if defined(__TARGET_ARCH_arm64)
#include "bpf/link.bpf.h"
#else
enum { CFI_SAME = 0, CFI_LOST = 127, CFI_THERE = 126 };

#define SIGNAL_REGISTERS 40 /* struct rt_sigframe: up to uc_mcontext, without the return address */

static __always_inline void begin_at(struct mt_walk *walk, const struct pt_regs *regs)
{
	walk->ip = regs->ip;
	walk->sp = regs->sp;
	walk->bp = regs->bp;
	walk->bx = regs->bx;
	walk->r11 = regs->r11;
}

static __always_inline __u64 without_signature(__u64 word)
{
	return word;
}

/* What the kernel saved for a signal handler: struct sigcontext. */
static __always_inline long leave_signal(struct mt_walk *walk)
{
	__u64 saved[17];

	if (bpf_probe_read_user(saved, sizeof(saved), (void *)(walk->sp + SIGNAL_REGISTERS)))
		return stop(walk, MT_STACK_UNREAD);
	walk->bp_from = walk->sp + SIGNAL_REGISTERS + 10 * 8;
	walk->bx_from = walk->bp_from + 8;
	note_word(walk, walk->bp_from + 5 * 8, saved[15]);
	note_word(walk, walk->bp_from + 6 * 8, saved[16]);
	walk->bp = saved[10];
	walk->bx = saved[11];
	walk->sp = saved[15];
	walk->ip = saved[16];
	walk->exact = 1;
	return 0;
}

static __always_inline bool restore(struct mt_walk *walk, __u64 *saved, __u64 *from, __s8 where,
				    __u64 cfa)
{
	if (where == CFI_SAME || where == CFI_LOST)
		return true;
	*from = where == CFI_THERE ? use_bp(walk) : cfa + 8 * (__s64)where;
	return read_word(walk, *from, saved);
}

static __always_inline long leave_frame(struct mt_walk *walk, const struct mt_file *file, __u64 row)
{
	__u64 cfa = frame_address(walk, file, row), ip, bp = walk->bp, bp_from = walk->bp_from;

	if (!cfa)
		return stop(walk, MT_STACK_UNKNOWN);
	if (cfa <= walk->sp && walk->count > 1)
		return stop(walk, MT_STACK_BACKWARDS);
	if (!read_noted(walk, cfa - 8, &ip) ||
	    !restore(walk, &bp, &bp_from, (__s8)(row >> 48), cfa) ||
	    !restore(walk, &walk->bx, &walk->bx_from, (__s8)(row >> 56), cfa))
		return stop(walk, MT_STACK_UNREAD);
	walk->bp = bp;
	walk->bp_from = bp_from;
	walk->sp = cfa;
	walk->ip = ip;
	walk->exact = 0;
	return ip ? 0 : stop(walk, MT_STACK_WHOLE);
}
#endif

/* Else it is being made. */
static __always_inline bool has_table(__u32 number, const struct mt_file *file)
{
	return file->known && (!file->leaves || bpf_map_lookup_elem(&tables, &number));
}

static long take_step(__u32 number, struct step *step)
{
	struct mt_walk *walk = step->walk;
	__u64 look = walk->ip - !walk->exact, row;
	struct mt_file *file;

	if ((look < walk->start || look >= walk->stop) && !find_file(walk, look)) {
		push(walk, (__u64)MT_NO_FILE << 48 | (walk->ip & 0xffffffffffff));
		return stop(walk, MT_STACK_NO_FILE);
	}
	push(walk, (__u64)walk->file << 48 | ((walk->ip - walk->bias) & 0xffffffffffff));
	file = bpf_map_lookup_elem(&files, &walk->file);
	if (!file)
		return stop(walk, MT_STACK_NO_FILE);
	row = find_row(walk->file, look - walk->bias - file->base);
	switch ((row >> 32) & 15) {
	case CFI_NONE:
		return stop(walk, has_table(walk->file, file) ? MT_STACK_NO_ROW :
								MT_STACK_NO_TABLE);
	case CFI_END:
		return stop(walk, MT_STACK_WHOLE);
	case CFI_SIGNAL:
		return leave_signal(walk);
	}
	return leave_frame(walk, file, row);
}

#include "bpf/python.bpf.h"

/* ---- the whole ---- */

static __always_inline __u32 known_number(__u64 hash)
{
	__u32 *known = bpf_map_lookup_elem(&stacks, &hash);

	return known ? *known : 0;
}

/* A number for the stack that was walked, the same for the same frames.  0: no room. */
static __always_inline __u32 number_of(const struct mt_walk *walk)
{
	const struct mt_space *space = space_at(walk->slot);
	__u64 hash = walk->hash + walk->end;
	__u32 number = known_number(hash);
	struct mt_event_stack *event;

	if (number || next_stack >= MT_STACKS || !space)
		return number;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	number = __sync_fetch_and_add(&next_stack, 1);
	event->event.kind = MT_EVENT_STACK;
	event->event.pid = space->pid;
	event->event.start_boot_ns = space->start_boot_ns;
	event->event.value = number;
	event->count = walk->count < MT_FRAMES ? walk->count : MT_FRAMES;
	event->end = walk->end;
	bpf_probe_read_kernel(event->frame, sizeof(event->frame), walk->frame);
	if (number < MT_STACKS && !bpf_map_update_elem(&stacks, &hash, &number, BPF_NOEXIST)) {
		bpf_ringbuf_submit(event, 0);
		return number;
	}
	/* Another CPU has just seen it, too. */
	bpf_ringbuf_discard(event, 0);
	return known_number(hash);
}

#include "bpf/piece.bpf.h"

static __always_inline struct mt_walk *my_walk(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks, &zero);
}

/* What a walk depends on, besides registers and memory.  Before it looks at any of them. */
static __always_inline bool see_place(struct mt_walk *walk, __u32 slot)
{
	const struct mt_execs *all = bpf_map_lookup_elem(&execs, &slot);
	const struct mt_space *space = space_at(slot);

	if (!all || !space)
		return false;
	walk->slot = slot;
	walk->owner = space->serial + 1;
	walk->changes = *(const volatile __u32 *)&all->changes;
	walk->tables = *(const volatile __u32 *)&hot.tables;
	walk->tables_at = my_tables();
	return true;
}

static __always_inline void walk_native(struct mt_walk *walk)
{
	struct step step = { .walk = walk };

	walk->hash = walk->count = walk->start = walk->stop = walk->window_bytes = 0;
	walk->python.interpreter = 0;
	walk->exact = 1;
	walk->end = MT_STACK_LONG;
	bpf_loop(config.stacks == MT_STACKS_PYTHON ? MT_PYTHON_NATIVE_FRAMES : MT_FRAMES,
		 take_step, &step, 0);
}

/* In one function with the loops: from where some hooks get here, not many calls are left. */
static __always_inline __u32 find_stack(struct mt_walk *walk)
{
	struct mt_kept *known = kept_at(walk);
	bool still = known && is_still(walk, known);
	__u32 number;

	if (!known)
		return 0;
	if (still && known->number && (!known->interpreter || is_python_still(walk, known)))
		return known->number;
	if (still) {
		recall(walk, known);
	} else {
		begin_words(walk, known);
		walk_native(walk);
		if (walk->end == MT_STACK_NO_TABLE)
			return put_off(walk, known) ?: number_of(walk);
		keep_native(walk, known);
	}
	if (walk->python.interpreter)
		walk_python(walk, known);
	number = known_number(walk->hash + walk->end);
	if (!number) {
		if (still)
			recall_frames(walk, known);
		number = number_of(walk);
	}
	known->number = number;
	return number;
}

/* Of the registers in this CPU's walk.  Global, so that a program that walks in several places is
 * verified with one of them. */
__noinline __u32 walk_here(__u32 slot)
{
	struct mt_walk *walk = my_walk();
	__u32 number = 0;

	if (!config.stacks || !walk)
		return 0;
	if (see_place(walk, slot))
		number = find_stack(walk);
	if (!number)
		lost(MT_LOSS_STACKS);
	walk->busy = 0;
	return number;
}

/* The stack from given registers on, of the current task. */
static __always_inline __u32 walk_from(__u32 slot, const struct pt_regs *regs)
{
	struct mt_walk *walk = my_walk();

	if (!config.stacks || !walk || !regs)
		return 0;
	if (__sync_lock_test_and_set(&walk->busy, 1)) {
		lost(MT_LOSS_STACKS);
		return 0;
	}
	begin_at(walk, regs);
	return walk_here(slot);
}

#endif
