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
	if (at > MT_SPAN - 8 || at & 7 || address & 7) {
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

/* It is the task's own in the innermost frame alone.  A walk by it is not kept: such code runs for
 * a moment. */
static __always_inline __u64 use_r11(struct mt_walk *walk)
{
	walk->words.count = MT_KEPT_WORDS + 1;
	return walk->count == 1 ? walk->r11 : 0;
}

/* ---- what is kept ---- */

static __always_inline bool begins_alike(const struct mt_walk *walk, const struct mt_kept *one)
{
	return one->ip == walk->ip && one->sp == walk->sp && one->owner == walk->owner;
}

/* Of the two where it can be: the one that it is in, or in turn the one that is to make room. */
static __always_inline struct mt_kept *kept_at(struct mt_walk *walk)
{
	__u64 hash = (walk->ip ^ walk->sp << 16) * 0x9e3779b97f4a7c15ULL;
	__u32 first = hash >> 60, second = first + MT_KEPT / 2;
	struct mt_kept *one = bpf_map_lookup_elem(&kept, &first);
	struct mt_kept *other = bpf_map_lookup_elem(&kept, &second);

	if (!one || !other || begins_alike(walk, one))
		return one;
	if (begins_alike(walk, other))
		return other;
	return walk->turn++ & 1 ? other : one;
}

/* Words are compared in groups, the last of which is filled up. */
#define KEPT_AT_ONCE 8

struct comparison {
	const struct mt_walk *walk;
	const struct mt_words *words;
	__u64 differs;
};

/* In what was read of the stack. */
static long compare_read(__u32 group, struct comparison *comparison)
{
	const struct mt_words *words = comparison->words;
	const struct mt_walk *walk = comparison->walk;
	__u32 first = group * KEPT_AT_ONCE;

	if (first >= words->count)
		return 1;
#pragma unroll
	for (__u32 i = 0; i < KEPT_AT_ONCE; i++) {
		__u32 at = (first + i) & (MT_KEPT_WORDS - 1);

		comparison->differs |= words->value[at] ^
				       *(__u64 *)&walk->span[words->at[at] & (MT_SPAN - 8)];
	}
	return comparison->differs != 0;
}

static __always_inline __u64 difference_of(const struct mt_walk *walk,
					   const struct mt_words *words, __u32 first)
{
	__u64 difference = 0;

#pragma unroll
	for (__u32 i = 0; i < KEPT_AT_ONCE; i++) {
		__u32 at = (first + i) & (MT_KEPT_WORDS - 1);

		difference |= words->value[at] ^ seen(&walk->view, walk->sp + words->at[at]);
	}
	return difference;
}

#define AT_FIRST 2 /* groups that are compared without a call */

/* On the stack itself. */
static long compare_seen(__u32 group, struct comparison *comparison)
{
	__u32 first = (group + AT_FIRST) * KEPT_AT_ONCE;

	if (first >= comparison->words->count)
		return 1;
	comparison->differs = difference_of(comparison->walk, comparison->words, first);
	return comparison->differs != 0;
}

#define KEPT_GROUPS (MT_KEPT_WORDS / KEPT_AT_ONCE)

static __always_inline bool are_same(const struct mt_walk *walk, const struct mt_words *words)
{
	struct comparison comparison = { walk, words, 0 };

	bpf_loop(KEPT_GROUPS, compare_read, &comparison, 0);
	return !comparison.differs;
}

static __always_inline bool look_same(const struct mt_walk *walk, const struct mt_words *words)
{
	struct comparison comparison = { walk, words, 0 };

	if (words->count && difference_of(walk, words, 0))
		return false;
	if (words->count > KEPT_AT_ONCE && difference_of(walk, words, KEPT_AT_ONCE))
		return false;
	if (words->count > AT_FIRST * KEPT_AT_ONCE)
		bpf_loop(KEPT_GROUPS - AT_FIRST, compare_seen, &comparison, 0);
	return !comparison.differs;
}

static __always_inline bool is_still(struct mt_walk *walk, const struct mt_kept *found)
{
	__u32 span = found->words.span;

	if (!begins_alike(walk, found) ||
	    found->changes != walk->changes || found->tables != walk->tables ||
	    (found->words.needs & MT_NEEDS_BP && found->bp != walk->bp) ||
	    (found->words.needs & MT_NEEDS_BX && found->bx != walk->bx))
		return false;
	close_view(&walk->view);
	if (open_view(&walk->view, walk->tables_at, walk->sp, span))
		return look_same(walk, &found->words);
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
	into->owner = into->number = 0;
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
