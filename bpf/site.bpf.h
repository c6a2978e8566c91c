/* SPDX-License-Identifier: GPL-2.0 */
/* Whose code touched each page that is resident, and who gave it back? */
#ifndef MEMTRACE_SITE_BPF_H
#define MEMTRACE_SITE_BPF_H

#include "bpf/space.bpf.h"

/* x86-64 from 5.17 on: nothing else can be unwound so far. */
#if defined(__TARGET_ARCH_x86) && !defined(MEMTRACE_OLD)
#include "bpf/code.bpf.h"

#define SHADOW_SHIFT (12 + 6) /* bytes of a chunk */

static __always_inline struct mt_site *site_of(__u32 serial, __u32 stack)
{
	struct mt_site_key key = { serial, stack };
	static const struct mt_site nothing;
	struct mt_site *site = bpf_map_lookup_elem(&sites, &key);

	if (site)
		return site;
	bpf_map_update_elem(&sites, &key, &nothing, BPF_NOEXIST);
	site = bpf_map_lookup_elem(&sites, &key);
	if (!site)
		lost(MT_LOSS_STACKS);
	return site;
}

static __always_inline struct mt_shadow *shadow_at(__u32 serial, __u64 chunk, bool make)
{
	struct mt_shadow_key key = { serial, 0, chunk };
	static const struct mt_shadow nothing;
	struct mt_shadow *found = bpf_map_lookup_elem(&shadow, &key);

	if (found || !make)
		return found;
	bpf_map_update_elem(&shadow, &key, &nothing, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&shadow, &key);
	if (!found)
		lost(MT_LOSS_PAGES);
	return found;
}

/* Pages that stood for one stack are gone, or for another one by now. */
__noinline int take_from(__u32 serial, __u32 stack, __u64 pages, __u32 operation)
{
	struct mt_site *site;

	if (!stack || !pages)
		return 0;
	site = site_of(serial, stack);
	settle(operation);
	if (!site || operation >= MT_OPERATIONS)
		return 0;
	__sync_fetch_and_add(&site->resident_pages, -pages);
	__sync_fetch_and_add(&site->released_pages[operation], pages);
	return 0;
}

/* A run of pages within a chunk gets another stack; 0: they are gone, by that operation. */
__noinline int set_run(__u32 serial, __u64 chunk, __u64 span, __u64 what)
{
	__u32 first = span & 63, count = (span >> 32) & 127, stack = what, operation = what >> 32;
	struct mt_shadow *found = shadow_at(serial, chunk, stack != 0);
	__u32 before = 0;
	__u64 run = 0;

	if (!found)
		return 0;
	for (__u32 i = 0; i < MT_SHADOW_PAGES; i++) {
		__u32 at = (first + i) & (MT_SHADOW_PAGES - 1), old;

		if (i >= count)
			break;
		old = found->stack[at];
		if (old != before) {
			take_from(serial, before, run, operation);
			before = old;
			run = 0;
		}
		run++;
		found->stack[at] = stack;
	}
	take_from(serial, before, run, operation);
	return 0;
}

struct sweep {
	__u64 page, end; /* numbers of pages */
	__u64 what;
	__u32 serial;
};

static long sweep_chunk(__u32 number, struct sweep *sweep)
{
	__u64 first = sweep->page & 63, count = 64 - first;

	if (sweep->page >= sweep->end)
		return 1;
	if (count > sweep->end - sweep->page)
		count = sweep->end - sweep->page;
	set_run(sweep->serial, sweep->page >> 6, first | count << 32, sweep->what);
	sweep->page += count;
	return 0;
}

/* These pages are resident, touched by that stack. */
__noinline int note_pages(__u32 slot, __u64 address, __u32 pages, __u32 stack)
{
	struct mt_space *space = space_at(slot);
	struct sweep sweep;
	struct mt_site *site;

	if (!space || !stack || !pages)
		return 0;
	/* A folio of more pages is aligned to its size. */
	sweep.page = (address >> 12) & ~(__u64)(pages - 1);
	sweep.end = sweep.page + pages;
	sweep.serial = space->serial;
	sweep.what = stack | (__u64)MT_OP_OTHER << 32;
	if (pages == 1)
		set_run(sweep.serial, sweep.page >> 6, (sweep.page & 63) | 1ULL << 32, sweep.what);
	else
		bpf_loop(16, sweep_chunk, &sweep, 0);
	site = site_of(space->serial, stack);
	if (!site)
		return 0;
	__sync_fetch_and_add(&site->touched_pages, pages);
	__sync_fetch_and_add(&site->resident_pages, pages);
	return 0;
}

/* A call has given back what was resident in a range. */
__noinline int forget_pages(__u32 slot, __u64 start, __u64 bytes, __u32 operation)
{
	struct mt_space *space = space_at(slot);
	struct sweep sweep;

	if (!space || !bytes)
		return 0;
	sweep.page = start >> 12;
	sweep.end = (start + bytes + 4095) >> 12;
	sweep.serial = space->serial;
	sweep.what = (__u64)operation << 32;
	bpf_loop(1 << 22, sweep_chunk, &sweep, 0);
	return 0;
}

struct move {
	__u64 from, to, end; /* numbers of pages; end: of those moved from */
	__u32 serial;
};

static long move_piece(__u32 number, struct move *move)
{
	__u64 count = 64 - (move->from & 63), room = 64 - (move->to & 63);
	struct mt_shadow *from, *to;

	if (move->from >= move->end)
		return 1;
	if (count > room)
		count = room;
	if (count > move->end - move->from)
		count = move->end - move->from;
	from = shadow_at(move->serial, move->from >> 6, false);
	to = from ? shadow_at(move->serial, move->to >> 6, true) : 0;
	for (__u32 i = 0; from && to && i < MT_SHADOW_PAGES && i < count; i++) {
		__u32 *stack = &from->stack[(move->from + i) & 63];

		to->stack[(move->to + i) & 63] = *stack;
		*stack = 0;
	}
	move->from += count;
	move->to += count;
	return 0;
}

/* mremap: the pages of a range are somewhere else now. */
__noinline int move_pages(__u32 slot, __u64 from, __u64 to, __u64 bytes)
{
	struct mt_space *space = space_at(slot);
	struct move move;

	if (!space || !bytes)
		return 0;
	move.from = from >> 12;
	move.to = to >> 12;
	move.end = (from + bytes + 4095) >> 12;
	move.serial = space->serial;
	bpf_loop(1 << 23, move_piece, &move, 0);
	return 0;
}

#else

#define walk_from(slot, registers) 0
#define note_pages(slot, address, pages, stack) ((void)(address))
#define forget_pages(slot, start, bytes, operation) 0
#define move_pages(slot, from, to, bytes) ((void)(bytes))
#define note_code(slot, address, vdso) 0
#define note_program(slot, mm) 0
#define inherit_code(parent, child) ((void)0)

#endif
#endif
