/* SPDX-License-Identifier: GPL-2.0 */
/* Whose code touched each page that is resident, and who gave it back? */
#ifndef MEMTRACE_SITE_BPF_H
#define MEMTRACE_SITE_BPF_H

#include "bpf/space.bpf.h"

/* From 5.17 on. */
#ifndef MEMTRACE_OLD
#include "bpf/code.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/tally.bpf.h"

#define SWEPT_AT_ONCE 1024 /* pages: of more, those that were never touched are passed over */

/* Who takes a fault, where that will be asked for. */
static __always_inline __u32 caller_of(__u32 slot, __u64 address, const struct pt_regs *regs)
{
	return is_sampled(address >> 12) ? walk_from(slot, regs) : 0;
}

/* Who took it, now that it has brought these pages: others of a whole folio may be of those that
 * are asked for. */
static __always_inline __u32 toucher_of(__u32 slot, const struct mt_mark *mark, __s64 pages)
{
	if (config.sampled && pages > 1 && !mark->caller)
		return walk_from(slot, user_registers(current_task()));
	return mark->caller;
}

/* That there is one of these in its group, which is so until the space is gone. */
static __always_inline void mark_group(__u32 serial, __u32 level, __u64 number)
{
	struct mt_shadow_key key = { serial, level, number >> 6 };
	__u64 bit = 1ULL << (number & 63), *group = bpf_map_lookup_elem(&groups, &key);

	if (!group && !bpf_map_update_elem(&groups, &key, &bit, BPF_NOEXIST))
		return;
	group = group ?: bpf_map_lookup_elem(&groups, &key);
	if (group)
		__sync_fetch_and_or(group, bit);
	else
		lost(MT_LOSS_PAGES);
}

static __always_inline struct mt_shadow *shadow_at(__u32 serial, __u64 chunk, bool make)
{
	struct mt_shadow_key key = { serial, 0, chunk };
	static const struct mt_shadow nothing;
	struct mt_shadow *found = bpf_map_lookup_elem(&shadow, &key);

	if (found || !make)
		return found;
	mark_group(serial, 1, chunk);
	mark_group(serial, 2, chunk >> 6);
	bpf_map_update_elem(&shadow, &key, &nothing, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&shadow, &key);
	if (!found)
		lost(MT_LOSS_PAGES);
	return found;
}

/* Pages within a chunk, in turn: the verifier of 6.1 would follow each way through a loop. */
struct run {
	struct mt_shadow *chunk;
	__u64 pages; /* with the stack `before`, up to here */
	__u64 page;  /* filled: the number of the first one */
	__u32 first, count, serial, operation;
	__u32 stack; /* what they get */
	__u32 before;
	__u32 found; /* cleared: that had been touched; filled: that are new */
};

/* Not so often as there are pages: the verifier takes that number for exact, and finds no end. */
#define FOR_EACH_PAGE(run, do_page) bpf_loop(MT_SHADOW_PAGES, do_page, run, 0)

static __always_inline void take_run(const struct run *run)
{
	take_from(run->serial, run->before, run->pages, run->operation);
}

static long clear_page(__u32 number, struct run *run)
{
	__u32 *stack = &run->chunk->stack[(run->first + number) & (MT_SHADOW_PAGES - 1)];
	__u32 before = *stack;

	if (number >= run->count)
		return 1;
	if (before != run->before) {
		take_run(run);
		run->before = before;
		run->pages = 0;
	}
	run->pages++;
	if (before) {
		run->found++;
		*stack = run->stack;
	}
	return 0;
}

/*
 * A run of pages within a chunk is gone by an operation: `what` has that, and below it 0 or
 * MT_TOUCHED, which those that had been touched get.  Returns how many had.
 */
__noinline int clear_run(__u32 serial, __u64 chunk, __u64 span, __u64 what)
{
	struct run run = { .first = span & 63, .serial = serial, .stack = what };
	struct mt_shadow_key key = { serial, 0, chunk };

	if (!config.stacks)
		return 0;
	run.operation = what >> 32;
	run.count = span >> 32;
	run.chunk = shadow_at(serial, chunk, false);
	if (!run.chunk)
		return 0;
	FOR_EACH_PAGE(&run, clear_page);
	take_run(&run);
	if (!run.stack && run.count == MT_SHADOW_PAGES)
		bpf_map_delete_elem(&shadow, &key);
	return run.found;
}

/* May a stack have that page?  One that has another one has only been away, in swap. */
static __always_inline bool is_free(__u32 before, __u64 page)
{
	return (!before || before == MT_TOUCHED) && is_sampled(page);
}

static long fill_page(__u32 number, struct run *run)
{
	__u32 *stack = &run->chunk->stack[(run->first + number) & (MT_SHADOW_PAGES - 1)];

	if (number >= run->count)
		return 1;
	if (is_free(*stack, run->page + number)) {
		*stack = run->stack;
		run->found++;
	}
	return 0;
}

/*
 * A run of pages is there, touched by that stack.  One that has a stack already has only been
 * away, in swap: it stays who touched it first.  Returns how many are new.
 */
__noinline int fill_run(__u32 serial, __u64 chunk, __u64 span, __u32 stack)
{
	struct run run = { .first = span & 63, .count = span >> 32, .stack = stack };

	if (!config.stacks)
		return 0;
	run.page = chunk * MT_SHADOW_PAGES + run.first;
	run.chunk = shadow_at(serial, chunk, true);
	if (!run.chunk)
		return 0;
	FOR_EACH_PAGE(&run, fill_page);
	return run.found;
}

struct sweep {
	__u64 page, end; /* numbers of pages */
	__u64 what;
	__u64 touched;
	__u32 serial;
};

static __always_inline __u64 group_at(__u32 serial, __u32 level, __u64 number)
{
	struct mt_shadow_key key = { serial, level, number };
	__u64 *group = bpf_map_lookup_elem(&groups, &key);

	return group ? *group : 0;
}

/* The first page from there on that may have been touched, or the next group of 1 GiB. */
static __always_inline __u64 pass_over(__u32 serial, __u64 page)
{
	__u64 chunk = page >> 6, group;

	group = group_at(serial, 2, chunk >> 12) >> ((chunk >> 6) & 63);
	if (!group)
		return ((page >> 18) + 1) << 18;
	if (!(group & 1))
		return ((page >> 12) + 1) << 12;
	group = group_at(serial, 1, chunk >> 6) >> (chunk & 63);
	if (!group)
		return ((page >> 12) + 1) << 12;
	return group & 1 ? page : ((page >> 6) + 1) << 6;
}

static long clear_chunk(__u32 number, struct sweep *sweep)
{
	__u64 first, count;

	if (sweep->page < sweep->end && sweep->end - sweep->page > SWEPT_AT_ONCE)
		sweep->page = pass_over(sweep->serial, sweep->page);
	if (sweep->page >= sweep->end)
		return 1;
	first = sweep->page & 63;
	count = 64 - first;
	if (count > sweep->end - sweep->page)
		count = sweep->end - sweep->page;
	sweep->touched +=
		clear_run(sweep->serial, sweep->page >> 6, first | count << 32, sweep->what);
	sweep->page += count;
	return 0;
}

/* Of a folio, which is aligned to its size: a part of a chunk, or whole ones. */
static long fill_chunk(__u32 number, struct sweep *sweep)
{
	__u64 first = sweep->page & 63, count = 64 - first;

	if (sweep->page >= sweep->end)
		return 1;
	if (count > sweep->end - sweep->page)
		count = sweep->end - sweep->page;
	sweep->touched +=
		fill_run(sweep->serial, sweep->page >> 6, first | count << 32, sweep->what);
	sweep->page += count;
	return 0;
}

#define FOLIO_CHUNKS 16

/* As fill_run() of one page, which is what most faults bring. */
static __always_inline __u32 fill_one(__u32 serial, __u64 page, __u32 stack)
{
	struct mt_shadow *chunk = shadow_at(serial, page >> 6, true);
	__u32 *before = chunk ? &chunk->stack[page & (MT_SHADOW_PAGES - 1)] : 0;

	if (!before || !is_free(*before, page))
		return 0;
	*before = stack;
	return 1;
}

/* These pages are resident, touched by that stack. */
__noinline int note_pages(__u32 slot, __u64 address, __u32 pages, __u32 stack)
{
	struct mt_space *space = space_at(slot);
	struct sweep sweep;
	struct mt_site *site;

	if (!config.stacks || !space || !stack || !pages)
		return 0;
	if (pages == 1) {
		if (fill_one(space->serial, address >> 12, stack))
			gather(space->serial, stack);
		return 0;
	}
	sweep.page = (address >> 12) & ~(__u64)(pages - 1);
	sweep.end = sweep.page + pages;
	sweep.serial = space->serial;
	sweep.touched = 0;
	sweep.what = stack;
	bpf_loop(FOLIO_CHUNKS, fill_chunk, &sweep, 0);
	site = sweep.touched ? site_of(space->serial, stack) : 0;
	if (!site)
		return 0;
	add_touched(site, sweep.touched);
	return 0;
}

static long count_page(__u32 number, struct run *run)
{
	__u32 stack = run->chunk->stack[(run->first + number) & (MT_SHADOW_PAGES - 1)];

	if (number >= run->count)
		return 1;
	if (stack && stack != MT_TOUCHED)
		run->found++;
	return 0;
}

static long count_chunk(__u32 number, struct sweep *sweep)
{
	struct run run = { .first = sweep->page & 63 };
	__u64 count = 64 - run.first;

	if (sweep->page >= sweep->end)
		return 1;
	if (count > sweep->end - sweep->page)
		count = sweep->end - sweep->page;
	run.count = count;
	run.chunk = shadow_at(sweep->serial, sweep->page >> 6, false);
	if (run.chunk)
		FOR_EACH_PAGE(&run, count_page);
	sweep->touched += run.found;
	sweep->page += count;
	return 0;
}

/*
 * A call has brought so many pages of a range.  If that is as many as have no stack, they are
 * the stack's that it was made from; else nothing tells which they are.  Where not each page is
 * followed, it is as many only of a range that had none.
 */
__noinline int note_brought(__u32 slot, __u64 start, __u64 bytes, __u64 pages)
{
	struct mt_space *space = space_at(slot);
	struct sweep sweep;
	struct mt_site *site;
	__u32 stack;

	if (!config.stacks || !space)
		return 0;
	sweep.page = start >> 12;
	sweep.end = sweep.page + (bytes >> 12);
	sweep.serial = space->serial;
	sweep.touched = 0;
	bpf_loop(1 << 22, count_chunk, &sweep, 0);
	if ((bytes >> 12) - sweep.touched != pages)
		return 0;
	stack = caller_of_call(current_task());
	site = stack ? site_of(space->serial, stack) : 0;
	if (!site)
		return 0;
	sweep.page = start >> 12;
	sweep.touched = 0;
	sweep.what = stack;
	bpf_loop(1 << 22, fill_chunk, &sweep, 0);
	add_touched(site, sweep.touched);
	return 0;
}

static __always_inline bool stays_mapped(__u32 operation)
{
	return operation >= MT_OP_MADV_DONTNEED && operation <= MT_OP_MADV_OTHER;
}

/* A call has given back what was resident in a range, which stays mapped or not.  Returns how
 * many of its pages had ever been touched. */
__noinline __u64 forget_pages(__u32 slot, __u64 start, __u64 bytes, __u32 operation)
{
	struct mt_space *space = space_at(slot);
	struct sweep sweep;

	if (!config.stacks || !space || !bytes)
		return 0;
	sweep.page = start >> 12;
	sweep.end = (start + bytes + 4095) >> 12;
	sweep.serial = space->serial;
	sweep.what = (__u64)operation << 32 | (stays_mapped(operation) ? MT_TOUCHED : 0);
	sweep.touched = 0;
	bpf_loop(1 << 22, clear_chunk, &sweep, 0);
	return sweep.touched;
}

struct move {
	__u64 from, to, end; /* numbers of pages; end: of those moved from */
	__u32 serial;
};

struct pages {
	struct mt_shadow *from, *to;
	__u32 first, target, count;
	__u32 unused;
};

static long move_page(__u32 number, struct pages *pages)
{
	__u32 *from = &pages->from->stack[(pages->first + number) & (MT_SHADOW_PAGES - 1)];

	if (number >= pages->count)
		return 1;
	pages->to->stack[(pages->target + number) & (MT_SHADOW_PAGES - 1)] = *from;
	*from = 0;
	return 0;
}

static long move_piece(__u32 number, struct move *move)
{
	struct pages pages = {};
	__u64 count, room, next;

	if (move->from < move->end && move->end - move->from > SWEPT_AT_ONCE) {
		next = pass_over(move->serial, move->from);
		move->to += next - move->from;
		move->from = next;
	}
	if (move->from >= move->end)
		return 1;
	pages.first = move->from & 63;
	pages.target = move->to & 63;
	count = 64 - pages.first;
	room = 64 - pages.target;
	if (count > room)
		count = room;
	if (count > move->end - move->from)
		count = move->end - move->from;
	pages.count = count;
	pages.from = shadow_at(move->serial, move->from >> 6, false);
	pages.to = pages.from ? shadow_at(move->serial, move->to >> 6, true) : 0;
	if (pages.from && pages.to)
		FOR_EACH_PAGE(&pages, move_page);
	move->from += count;
	move->to += count;
	return 0;
}

/* mremap: the pages of a range are somewhere else now. */
__noinline int move_pages(__u32 slot, __u64 from, __u64 to, __u64 bytes)
{
	struct mt_space *space = space_at(slot);
	struct move move;

	if (!config.stacks || !space || !bytes)
		return 0;
	move.from = from >> 12;
	move.to = to >> 12;
	move.end = (from + bytes + 4095) >> 12;
	move.serial = space->serial;
	bpf_loop(1 << 23, move_piece, &move, 0);
	return 0;
}

/* The stack that a call was made from gave back so many pages. */
__noinline int give_back(__u32 slot, __u32 operation, __u64 pages, __u32 stack)
{
	struct mt_space *space = space_at(slot);
	__u32 call = operation - MT_OP_CALL_FIRST;
	struct mt_site *site;

	if (!config.stacks || !space)
		return 0;
	site = site_of(space->serial, stack);
	settle(call);
	if (site && call < MT_OP_CALLS)
		__sync_fetch_and_add(&site->gave_back_pages[call], pages);
	return 0;
}

#else

#define walk_from(slot, registers) 0
#define caller_of(slot, address, registers) 0
#define toucher_of(slot, mark, pages) 0
#define give_back(slot, operation, pages, stack) 0
#define note_pages(slot, address, pages, stack) ((void)(address))
#define note_brought(slot, start, bytes, pages) ((void)(start))
#define forget_pages(slot, start, bytes, operation) 0
#define move_pages(slot, from, to, bytes) ((void)(bytes))
#define note_code(slot, address, vdso) 0
#define note_program(slot, mm) 0
#define inherit_code(parent, child) ((void)0)

#endif
#endif
