/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the current task have in its memory?  bpf_probe_read_user() takes 75 ns, however
 * little is read.  By the task's page tables, and where the kernel has all memory mapped, a word
 * takes one or two.  A load from where nothing is gives 0, as the kernel does for programs; what
 * is compared or read so is gone through again the other way where that fails.
 */
#ifndef MEMTRACE_GLANCE_BPF_H
#define MEMTRACE_GLANCE_BPF_H

#include "bpf/compat.bpf.h"
#include "bpf/maps.bpf.h"

/* Page tables of arm64 have another form, of four sizes: the other way is the only one there. */
#if defined(__TARGET_ARCH_x86)
#define CAN_GLANCE HAS_CASTS
#else
#define CAN_GLANCE 0
#endif

/* Of an entry of the page tables of x86-64. */
#define ENTRY_PRESENT (1 << 0)
#define ENTRY_USER (1 << 2)
#define ENTRY_LARGE (1 << 7)   /* of tables above the last */
#define ENTRY_SPECIAL (1 << 9) /* of the last: not the kernel's memory */
#define ENTRY_FRAME 0x000ffffffffff000ULL

static __always_inline __u64 entry_of(__u64 table, __u64 address, __u32 shift)
{
	__u64 entry = cast_u64(table + ((address >> shift) & 511) * 8);
	__u64 needs = ENTRY_PRESENT | ENTRY_USER;

	return (entry & needs) == needs ? entry : 0;
}

/* Where the kernel has what an entry points to, of so many bytes. */
static __always_inline __u64 behind(__u64 entry, __u64 address, __u32 shift)
{
	__u64 within = (1ULL << shift) - 1;

	return hot.memory + (entry & ENTRY_FRAME & ~within) + (address & within);
}

/* The kernel's address of a byte of user memory; 0: it is not there, or not to be had so. */
__noinline __u64 glance(__u64 table, __u64 address)
{
	__u64 entry;

	if (!CAN_GLANCE || !table || address >> (hot.levels * 9 + 11))
		return 0;
	if (hot.levels == 5) {
		entry = entry_of(table, address, 48);
		if (!entry)
			return 0;
		table = behind(entry, 0, 12);
	}
	entry = entry_of(table, address, 39);
	if (!entry)
		return 0;
	entry = entry_of(behind(entry, 0, 12), address, 30);
	if (!entry || entry & ENTRY_LARGE)
		return entry ? behind(entry, address, 30) : 0;
	entry = entry_of(behind(entry, 0, 12), address, 21);
	if (!entry || entry & ENTRY_LARGE)
		return entry ? behind(entry, address, 21) : 0;
	entry = entry_of(behind(entry, 0, 12), address, 12);
	return entry && !(entry & ENTRY_SPECIAL) ? behind(entry, address, 12) : 0;
}

/* The page tables of the current task, 0: they cannot be read. */
static __always_inline __u64 my_tables(void)
{
	struct mm_struct *mm;

	if (!CAN_GLANCE || !hot.memory)
		return 0;
	mm = mm_of(current_task());
	return mm ? cast_u64((__u64)&mm->pgd) : 0;
}

/* As bpf_probe_read_user(). */
static __always_inline long read_user(__u64 tables, void *out, __u32 bytes, __u64 address)
{
	__u64 at;

	if (tables && (address & 4095) + bytes <= 4096) {
		at = glance(tables, address);
		if (at && !bpf_probe_read_kernel(out, bytes, (void *)at))
			return 0;
	}
	return bpf_probe_read_user(out, bytes, (void *)address);
}

/* ---- several words of what is near each other ---- */

static __always_inline void close_view(struct mt_view *view)
{
	view->pages = 0;
}

/* Of up to three pages' length.  False: they cannot all be seen. */
static __always_inline bool open_view(struct mt_view *view, __u64 tables, __u64 address,
				      __u64 bytes)
{
	__u64 page = address >> 12, pages = ((address & 4095) + bytes + 4095) >> 12;

	if (!CAN_GLANCE)
		return false;
	if (page == view->page && pages <= view->pages)
		return true;
	view->page = page;
	view->pages = 0;
	if (!tables)
		return false;
#pragma unroll
	for (__u32 i = 0; i < 3; i++) {
		if (i >= pages)
			break;
		view->at[i] = glance(tables, (page + i) << 12);
		if (!view->at[i])
			return false;
	}
	view->pages = pages;
	return true;
}

static __always_inline __u64 seen(const struct mt_view *view, __u64 address)
{
	return cast_u64(view->at[((address >> 12) - view->page) & 3] + (address & 4095));
}

/* ---- where all memory is mapped ---- */

#define GIGABYTE (1ULL << 30)
#define MEMORY_MOST (1 << 16) /* gigabytes */

struct search {
	__u64 tables;
	__u64 found;
};

static long try_memory(__u32 number, struct search *search)
{
	__u64 at;

	hot.memory = (search->tables & ~(GIGABYTE - 1)) - number * GIGABYTE;
	at = glance(search->tables, config.known_at);
	search->found = at && cast_u64(at) == config.known[0] &&
			cast_u64(at + 8) == config.known[1];
	return search->found;
}

/*
 * Page tables are of that memory, so it begins so many gigabytes below one.  Found where two words
 * that memtrace made up, in its own memory, are seen.
 */
static __always_inline void find_memory(void)
{
	struct mm_struct *mm = mm_of(current_task());
	struct search search = {};

	if (!CAN_GLANCE || !config.stacks || !config.known[0] || !mm)
		return;
	search.tables = cast_u64((__u64)&mm->pgd);
	/* A counter of its own: up to 6.12 one in a global makes a loop without end. */
	for (__u32 levels = 4; levels <= 5; levels++) {
		hot.levels = levels;
		bpf_loop(MEMORY_MOST, try_memory, &search, 0);
		if (search.found)
			return;
	}
	hot.memory = 0;
}

#endif
