/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kind of mapping is at an address?  bpf_find_vma cannot be used with interrupts off
 * (each call would put off an unlock), so the tree of mappings is walked by hand, under
 * RCU, as the kernel's own lockless lookup does.
 */
#ifndef MEMTRACE_VMA_BPF_H
#define MEMTRACE_VMA_BPF_H

#include "bpf/compat.bpf.h"

#define VM_SHARED 0x00000008
#define MAPLE_DEPTH 8
#define MAPLE_LEAF 1
#define MAPLE_ARANGE 3

#define META_END(type) ((__u8)load_u64(node + OFFSET(type, meta.end)))

/* The child (or the mapping) that covers an address, in a node of 16 slots. */
__noinline __u64 range_slot(__u64 address, __u64 node)
{
	__u64 pivots = node + OFFSET(maple_range_64, pivot);
	__u32 last = load_u64(pivots + 14 * 8) ? 15 : META_END(maple_range_64), i;

	for (i = 0; i < 15 && i < last; i++) {
		if (load_u64(pivots + i * 8) >= address)
			break;
	}
	return load_u64(node + OFFSET(maple_range_64, slot) + i * 8);
}

/* The same in a node of 10 slots, which the upper levels have. */
__noinline __u64 arange_slot(__u64 address, __u64 node)
{
	__u64 pivots = node + OFFSET(maple_arange_64, pivot);
	__u32 last = META_END(maple_arange_64), i;

	for (i = 0; i < 9 && i < last; i++) {
		if (load_u64(pivots + i * 8) >= address)
			break;
	}
	return load_u64(node + OFFSET(maple_arange_64, slot) + i * 8);
}

static __always_inline __u64 flags_of(__u64 vma, __u64 address)
{
	if (load_u64(vma + OFFSET(vm_area_struct, vm_start)) > address ||
	    load_u64(vma + OFFSET(vm_area_struct, vm_end)) <= address)
		return 0;
	return load_u64(vma + OFFSET(vm_area_struct, vm_flags));
}

/* Flags of the mapping at an address, 0 where there is none. */
__noinline __u64 flags_in_tree(__u64 root, __u64 address)
{
	__u64 entry = root;

	/* Bit 1 marks the root.  Nodes are 256-byte aligned, their type is in bits 3 to 6. */
	if ((root & 3) != 2)
		return 0;
	for (__u32 depth = 0; depth < MAPLE_DEPTH && entry > 4096; depth++) {
		__u32 type = entry >> 3 & 15;
		__u64 node = entry & ~255ULL;

		entry = type == MAPLE_ARANGE ? arange_slot(address, node) :
					       range_slot(address, node);
		if (type <= MAPLE_LEAF)
			return entry > 4096 ? flags_of(entry, address) : 0;
	}
	return 0;
}

#ifdef MEMTRACE_OLD
/* Up to 6.0 (524e00b36e8c) it is a red-black tree. */
struct rb_node___old {
	struct rb_node___old *rb_right;
	struct rb_node___old *rb_left;
} __attribute__((preserve_access_index));

struct rb_root___old {
	struct rb_node___old *rb_node;
} __attribute__((preserve_access_index));

struct vm_area_struct___old {
	struct rb_node___old vm_rb;
} __attribute__((preserve_access_index));

struct mm_struct___rb {
	struct rb_root___old mm_rb;
} __attribute__((preserve_access_index));

#define RB_DEPTH 34 /* twice the logarithm of the mappings that a process may have */

__noinline __u64 flags_in_rb_tree(__u64 node, __u64 address)
{
	for (__u32 depth = 0; depth < RB_DEPTH && node; depth++) {
		__u64 vma = node - OFFSET(vm_area_struct___old, vm_rb);

		if (address < load_u64(vma + OFFSET(vm_area_struct, vm_start)))
			node = load_u64(node + OFFSET(rb_node___old, rb_left));
		else if (address >= load_u64(vma + OFFSET(vm_area_struct, vm_end)))
			node = load_u64(node + OFFSET(rb_node___old, rb_right));
		else
			return load_u64(vma + OFFSET(vm_area_struct, vm_flags));
	}
	return 0;
}

static __always_inline __u64 mapping_flags(struct mm_struct *mm, __u64 address)
{
	__u64 root = (__u64)mm + OFFSET(mm_struct___rb, mm_rb);

	return flags_in_rb_tree(load_u64(root), address);
}
#else
static __always_inline __u64 mapping_flags(struct mm_struct *mm, __u64 address)
{
	return flags_in_tree(load_u64((__u64)&mm->mm_mt.ma_root), address);
}
#endif

#endif
