/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Was it a write to a page that is there, that a page fault interrupted?  Asked where the
 * kernel does not say it: the instruction tells a write, and a page that is there can be read.
 * (On a CPU before ARMv8.1 one that was not used for long cannot, nor a forked child's own.)
 */
#ifndef MEMTRACE_STORE_BPF_H
#define MEMTRACE_STORE_BPF_H

#include "bpf/arch.bpf.h"

#if defined(__TARGET_ARCH_arm64)

#define BIT(word, number) ((word) >> (number) & 1)
#define LOADS(word) BIT(word, 22) /* of most kinds */

/* Exclusive, ordered, compare and swap. */
static __always_inline bool is_ordered_store(__u32 word)
{
	bool swaps = BIT(word, 21) && (BIT(word, 23) || !BIT(word, 31));

	return swaps || !LOADS(word);
}

/* One register; with bit 21 and 00 at the end of the offset, an atomic operation. */
static __always_inline bool is_single_store(__u32 word)
{
	__u32 size = word >> 30, kind = word >> 22 & 3, mode = word >> 10 & 3;
	bool of_vectors = BIT(word, 26);

	if (!BIT(word, 24) && BIT(word, 21) && !of_vectors) {
		if (mode == 0) /* LDAPR only loads */
			return (word >> 12 & 0xf) != 0xc;
		if (mode & 1) /* with a signed pointer */
			return false;
	}
	return kind == 0 || (of_vectors && size == 0 && kind == 2);
}

/* By the tables of the A64 instruction set: "Loads and stores", and DC ZVA, GVA, GZVA. */
static __always_inline bool is_store(__u32 word)
{
	if ((word & 0xffffff00) == 0xd50b7400)
		return true;
	if ((word & 0x0a000000) != 0x08000000)
		return false;
	switch (word >> 27 & 7) {
	case 1: /* or structures of vectors */
		return BIT(word, 26) ? !LOADS(word) : is_ordered_store(word);
	case 3: /* literals; ordered, of tags, copies */
		return BIT(word, 24) && ((word >> 22 & 3) == 0 || BIT(word, 21) ||
					 (word >> 10 & 3) == 1);
	case 5:
		return !LOADS(word);
	}
	return is_single_store(word);
}

static __always_inline bool stores_to_present(const struct event_registers *regs, __u64 address)
{
	__u32 word = 0;
	__u8 there;

	if (is_of_32_bits(regs))
		return false;
	return !bpf_probe_read_user(&word, sizeof(word), (void *)interrupted_ip(regs)) &&
	       is_store(word) && !bpf_probe_read_user(&there, sizeof(there), (void *)address);
}

#else

static __always_inline bool stores_to_present(const struct event_registers *regs, __u64 address)
{
	return false;
}

#endif
#endif
