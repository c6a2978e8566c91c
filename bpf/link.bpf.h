/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is a frame left on arm64?  A call keeps where it returns to in a register, x30: a function
 * that calls others saves it, with the caller's x29, and its row says where.  In the walk bp is
 * x29, and bx is x30.  Included by unwind.bpf.h.
 */
#ifndef MEMTRACE_LINK_BPF_H
#define MEMTRACE_LINK_BPF_H

/* As user/symbol/cfi.h has them: how a row tells where the two are, and how many words below. */
#define CFI_FORM 14
#define CFI_WORDS ((1 << CFI_FORM) - 1)
#define CFI_WORDS_APART 127

enum { CFI_APART, CFI_LINK, CFI_PAIR };

#define USER_ADDRESS 0xffffffffffffULL
#define FRAME_REGISTER 29
#define LINK_REGISTER 30
#define SIGNAL_REGISTERS 312 /* struct rt_sigframe: up to regs of its sigcontext */

static __always_inline void begin_at(struct mt_walk *walk, const struct pt_regs *regs)
{
	walk->ip = regs->pc;
	walk->sp = regs->sp;
	walk->bp = regs->regs[FRAME_REGISTER];
	walk->bx = regs->regs[LINK_REGISTER];
	walk->r11 = 0; /* of no row */
}

/* What signs a return address, where that is one. */
static __always_inline __u64 without_signature(__u64 word)
{
	return word & USER_ADDRESS;
}

/* What the kernel saved for a signal handler: x29, x30, sp, pc. */
static __always_inline long leave_signal(struct mt_walk *walk)
{
	__u64 at = walk->sp + SIGNAL_REGISTERS + FRAME_REGISTER * 8, saved[4];

	if (bpf_probe_read_user(saved, sizeof(saved), (void *)at))
		return stop(walk, MT_STACK_UNREAD);
	note_word(walk, at + 2 * 8, saved[2]);
	note_word(walk, at + 3 * 8, saved[3]);
	walk->bp_from = at;
	walk->bx_from = at + 8;
	walk->bp = saved[0];
	walk->bx = saved[1];
	walk->sp = saved[2];
	walk->ip = saved[3];
	walk->exact = 1;
	return 0;
}

/* How many words below the CFA each of the two is; 0: it is in its register. */
struct places {
	__u32 frame, link;
};

static __always_inline struct places places_of(__u64 row)
{
	__u32 saved = row >> 48, words = saved & CFI_WORDS;

	switch (saved >> CFI_FORM) {
	case CFI_LINK:
		return (struct places){ 0, words };
	case CFI_PAIR:
		return (struct places){ words, words - 1 };
	}
	return (struct places){ words >> 7, words & CFI_WORDS_APART };
}

/* Only where nothing has been called since is the return address still in its register. */
static __always_inline bool return_address(struct mt_walk *walk, __u64 cfa, __u32 words, __u64 *ip)
{
	if (words)
		return read_noted(walk, cfa - 8 * words, ip);
	*ip = use_bx(walk);
	return true;
}

static __always_inline long leave_frame(struct mt_walk *walk, const struct mt_file *file, __u64 row)
{
	struct places places = places_of(row);
	__u64 cfa = frame_address(walk, file, row), ip, bp = walk->bp, from = walk->bp_from;

	if (!cfa || (!places.link && !walk->exact))
		return stop(walk, MT_STACK_UNKNOWN);
	/* One that was called has saved what it must; the innermost may have no frame at all. */
	if (cfa < walk->sp || (cfa == walk->sp && !walk->exact))
		return stop(walk, MT_STACK_BACKWARDS);
	if (places.frame)
		from = cfa - 8 * places.frame;
	if (!return_address(walk, cfa, places.link, &ip) ||
	    (places.frame && !read_word(walk, from, &bp)))
		return stop(walk, MT_STACK_UNREAD);
	walk->bp = bp;
	walk->bp_from = from;
	walk->sp = cfa;
	walk->ip = without_signature(ip);
	walk->exact = 0;
	return walk->ip ? 0 : stop(walk, MT_STACK_WHOLE);
}

#endif
