/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Has this very stack been walked a moment ago?  Most faults come from where the one before came
 * from.  A walk depends on registers, on words of the stack, on what code lies where and on the
 * tables: where all of these are the same, so is what it finds.  Included by unwind.bpf.h.
 */
#ifndef MEMTRACE_RECALL_BPF_H
#define MEMTRACE_RECALL_BPF_H

/* Where a register of a walk comes from, where that is not an address. */
enum {
	FROM_TASK,  /* it is still the task's own */
	FROM_NOTED, /* or is noted already */
};

/* ---- while a stack is walked ---- */

/* A word that the walk depends on. */
static __always_inline void note_word(struct mt_walk *walk, __u64 address, __u64 value)
{
	struct mt_words *words = &walk->words;
	__u64 at = address - walk->first_sp;
	__u32 count = words->count;

	words->count++;
	if (at > MT_SPAN - 8 || at & 7) {
		words->count = MT_KEPT_WORDS + 1; /* not to be kept */
		return;
	}
	settle(count);
	count &= MT_KEPT_WORDS - 1;
	words->value[count] = value;
	words->at[count] = at;
	if (words->span < at + 8)
		words->span = at + 8;
}

/* What a frame restores is noted only where another one is found by it: much of it never is. */
static __always_inline void note_use(struct mt_walk *walk, __u64 *from, __u64 value, __u32 need)
{
	if (*from == FROM_TASK)
		walk->words.needs |= need;
	else if (*from != FROM_NOTED)
		note_word(walk, *from, value);
	*from = FROM_NOTED;
}

static __always_inline __u64 use_bp(struct mt_walk *walk)
{
	note_use(walk, &walk->bp_from, walk->bp, MT_NEEDS_BP);
	return walk->bp;
}

static __always_inline __u64 use_bx(struct mt_walk *walk)
{
	note_use(walk, &walk->bx_from, walk->bx, MT_NEEDS_BX);
	return walk->bx;
}

/* ---- what is kept ---- */

static __always_inline struct mt_kept *kept_at(const struct mt_walk *walk)
{
	__u32 at = ((walk->ip ^ walk->sp << 16) * 0x9e3779b97f4a7c15ULL) >> 60;

	return bpf_map_lookup_elem(&kept, &at);
}

#define KEPT_AT_ONCE 8

/* Those are compared in groups; a last one is filled up. */
static __always_inline bool are_same(const struct mt_walk *walk, const struct mt_words *words)
{
	for (__u32 i = 0; i < MT_KEPT_WORDS; i += KEPT_AT_ONCE) {
		__u64 difference = 0;

		if (i >= words->count)
			break;
#pragma unroll
		for (__u32 j = i; j < i + KEPT_AT_ONCE; j++)
			difference |= words->value[j] ^
				      *(__u64 *)&walk->span[words->at[j] & (MT_SPAN - 8)];
		if (difference)
			return false;
	}
	return true;
}

static __always_inline bool is_still(struct mt_walk *walk, const struct mt_kept *found)
{
	__u32 span = found->words.span;

	if (found->ip != walk->ip || found->sp != walk->sp || found->owner != walk->owner ||
	    found->changes != walk->changes || found->tables != walk->tables ||
	    (found->words.needs & MT_NEEDS_BP && found->bp != walk->bp) ||
	    (found->words.needs & MT_NEEDS_BX && found->bx != walk->bx))
		return false;
	if (span > MT_SPAN || bpf_probe_read_user(walk->span, span, (void *)walk->sp))
		return false;
	return are_same(walk, &found->words);
}

/* As if the native frames had been walked. */
static __always_inline void recall(struct mt_walk *walk, const struct mt_kept *found)
{
	walk->hash = found->hash;
	walk->count = found->count;
	walk->end = found->end;
	walk->python.interpreter = found->interpreter;
	walk->python.bias = found->bias;
}

/* Its frames, too, which nobody needs where the whole stack is known. */
static __always_inline void recall_frames(struct mt_walk *walk, const struct mt_kept *found)
{
	bpf_probe_read_kernel(walk->frame, (found->count & (MT_FRAMES - 1)) * sizeof(__u64),
			      found->frame);
}

/* From here on nothing is kept, until the walk has come to its end. */
static __always_inline void begin_words(struct mt_walk *walk, struct mt_kept *into)
{
	into->owner = 0;
	into->ip = walk->ip;
	into->sp = walk->sp;
	into->bp = walk->bp;
	into->bx = walk->bx;
	walk->first_sp = walk->sp;
	walk->bp_from = walk->bx_from = FROM_TASK;
	walk->words.count = walk->words.needs = walk->words.span = 0;
}

/* The last group is filled up with the last word. */
static __always_inline void fill_up(struct mt_words *words)
{
	__u32 count = words->count, last = (count - 1) & (MT_KEPT_WORDS - 1);
	__u64 value = words->value[last];
	__u16 at = words->at[last];

	for (__u32 i = 0; i < KEPT_AT_ONCE - 1; i++) {
		__u32 to = (count + i) & (MT_KEPT_WORDS - 1);

		settle(to);
		if (count + i >= MT_KEPT_WORDS)
			break;
		words->value[to & (MT_KEPT_WORDS - 1)] = value;
		words->at[to & (MT_KEPT_WORDS - 1)] = at;
	}
}

/* After the native frames.  Memory that is not there may be there the next time. */
static __always_inline void keep_native(struct mt_walk *walk, struct mt_kept *into)
{
	if (walk->words.count > MT_KEPT_WORDS || walk->count >= MT_FRAMES ||
	    walk->end == MT_STACK_UNREAD)
		return;
	if (walk->words.count)
		fill_up(&walk->words);
	bpf_probe_read_kernel(&into->words, sizeof(into->words), &walk->words);
	bpf_probe_read_kernel(into->frame, sizeof(into->frame), walk->frame);
	into->hash = walk->hash;
	into->count = walk->count;
	into->end = walk->end;
	into->interpreter = walk->python.interpreter;
	into->bias = walk->python.bias;
	into->changes = walk->changes;
	into->tables = walk->tables;
	into->owner = walk->owner;
}

#endif
