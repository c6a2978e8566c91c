/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of a stack is needed to walk it later?  Code is met before its table is made, in what runs
 * for a moment above all.  Sent are the registers and those words that a walk can depend on, so
 * that another fault from the same place need not send them again.  Included by unwind.bpf.h.
 */
#ifndef MEMTRACE_PIECE_BPF_H
#define MEMTRACE_PIECE_BPF_H

#define MOST_HOLES 8 /* pages */

struct sifting {
	struct mt_walk *walk;
	struct mt_event_piece *piece;
	const struct mt_execs *execs;
	__u64 read, end; /* what of the stack is in walk->span */
	__u64 hash;
};

static __always_inline bool is_in_code(const struct mt_execs *all, __u64 address)
{
	__u32 at = (COUNT_UP_TO(MT_EXECS, EXEC_START, address) - 1) & (MT_EXECS - 1);

	return address >= all->at[at].start && address < all->at[at].end;
}

/* The next page of it.  Within a big frame there are some that were never touched, read as zeroes;
 * above the stack there is nothing but those.  How many is kept in a map: the verifier of 7.3 would
 * follow each count of them through the rounds. */
static __always_inline bool read_more(struct sifting *sifting, __u64 address)
{
	struct mt_walk *walk = sifting->walk;
	__u32 bytes = 4096 - (address & 4095);

	settle(bytes);
	if (bytes > 4096)
		return false;
	walk->holes += bpf_probe_read_user(walk->span, bytes, (void *)address) != 0;
	sifting->read = address;
	sifting->end = address + bytes;
	return walk->holes < MOST_HOLES;
}

static long sift(__u32 number, struct sifting *sifting)
{
	struct mt_event_piece *piece = sifting->piece;
	__u64 address = piece->sp + 8ul * number, word, count = piece->count;

	if (address + 8 > sifting->end && !read_more(sifting, address))
		return 1;
	word = *(__u64 *)&sifting->walk->span[(address - sifting->read) & (MT_SPAN - 8)];
	word = without_signature(word);
	/* What a call returns to may lie right behind its code. */
	if (word - piece->sp >= MT_PIECE_BYTES && !is_in_code(sifting->execs, word - 1))
		return 0;
	if (count >= MT_PIECE_WORDS)
		return 1;
	word |= (__u64)number << MT_PIECE_SHIFT;
	piece->word[count] = word;
	piece->count = count + 1;
	sifting->hash = (sifting->hash ^ word) * 0x9e3779b97f4a7c15ULL;
	sifting->hash ^= sifting->hash >> 29;
	return 0;
}

/* As number_of() does, of what is not walked yet. */
static __always_inline __u32 number_of_piece(struct mt_event_piece *piece, __u64 hash)
{
	__u32 number = known_number(hash);
	__u64 bytes = offsetof(struct mt_event_piece, word) + 8 * piece->count;

	if (number || next_stack >= MT_STACKS)
		return number;
	number = __sync_fetch_and_add(&next_stack, 1);
	piece->event.value = number;
	settle(bytes);
	if (number >= MT_STACKS || bytes > sizeof(*piece) ||
	    bpf_ringbuf_output(&events, piece, bytes, 0))
		return 0;
	bpf_map_update_elem(&stacks, &hash, &number, BPF_NOEXIST);
	return number;
}

/* Of the stack whose registers are in this CPU's piece.  0: no room. */
__noinline __u32 send_words(__u32 slot)
{
	__u32 zero = 0;
	struct sifting sifting = {
		.walk = bpf_map_lookup_elem(&walks, &zero),
		.piece = bpf_map_lookup_elem(&pieces, &zero),
		.execs = bpf_map_lookup_elem(&execs, &slot),
	};
	const struct mt_space *space = space_at(slot);

	if (!config.stacks || !sifting.walk || !sifting.piece || !sifting.execs || !space)
		return 0;
	sifting.piece->event.kind = MT_EVENT_PIECE;
	sifting.piece->event.pid = space->pid;
	sifting.piece->event.start_boot_ns = space->start_boot_ns;
	sifting.piece->slot = slot;
	sifting.piece->serial = space->serial;
	sifting.piece->count = 0;
	sifting.walk->holes = 0;
	sifting.hash = sifting.piece->ip ^ sifting.piece->sp << 7 ^ sifting.piece->bp << 17 ^
		       sifting.piece->bx << 29 ^ (__u64)space->serial << 40;
	bpf_loop(MT_PIECE_BYTES / 8, sift, &sifting, 0);
	return number_of_piece(sifting.piece, sifting.hash);
}

/* What the walk began with is in what is kept of it.  0: what was walked has to do. */
static __always_inline __u32 put_off(const struct mt_walk *walk, const struct mt_kept *began)
{
	__u32 zero = 0;
	struct mt_event_piece *piece = bpf_map_lookup_elem(&pieces, &zero);

	/* The rest of the ring is for what cannot be had otherwise. */
	if (!piece || began->sp & 7 ||
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > MT_RING_STACKS / 2)
		return 0;
	piece->ip = began->ip;
	piece->sp = began->sp;
	piece->bp = began->bp;
	piece->bx = began->bx;
	piece->r11 = walk->r11;
	return send_words(walk->slot);
}

#endif
