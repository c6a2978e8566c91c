/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How does a change reach the books?  Booking a balance, counting a call, and putting a
 * value into a histogram.
 */
#ifndef MEMTRACE_POST_BPF_H
#define MEMTRACE_POST_BPF_H

#include "bpf/cause.bpf.h"
#include "bpf/counter.bpf.h"

static __always_inline bool is_call(__u32 operation)
{
	return operation >= MT_OP_CALL_FIRST && operation <= MT_OP_CALL_LAST;
}

/* The book of an address space, given to it if it has none; 0 where there is none left. */
__noinline __u32 book_of(__u32 slot)
{
	struct mt_space *space = space_at(slot);
	__u32 book, mine;

	if (!space)
		return 0;
	book = space->book;
	if (book)
		return book;
	mine = TAKE(fresh_books, config.books, free_books);
	if (!mine)
		return 0;
	book = CLAIM(&space->book, mine);
	if (book)
		bpf_map_push_elem(&free_books, &mine, 0);
	return book ? book : mine;
}

static __always_inline struct mt_entry *entry_at(__u32 slot, __u32 operation)
{
	__u32 number = book_of(slot);
	struct mt_book *book = bpf_map_lookup_elem(&books, &number);

	settle(operation);
	if (!number || !book || operation >= MT_OPERATIONS) {
		lost(MT_LOSS_CELLS);
		return 0;
	}
	return &book->entry[operation];
}

/* Where the row of (operation, call) is: claimed at first use, never moved.  Or MT_DETAILS. */
__noinline __u32 find_detail(__u32 number, __u32 key)
{
	struct mt_book *book = bpf_map_lookup_elem(&books, &number);
	__u32 start = key * 2654435761u >> 27;

	if (!number || !book)
		return MT_DETAILS;
	for (__u32 tries = 0; tries < MT_DETAIL_TRIES; tries++) {
		__u32 at = (start + tries) & (MT_DETAILS - 1);
		__u32 holder = book->detail[at].key;

		if (holder == 0)
			holder = CLAIM(&book->detail[at].key, key);
		if (holder == 0 || holder == key)
			return at;
	}
	lost(MT_LOSS_CELLS);
	return MT_DETAILS;
}

static __always_inline struct mt_detail *detail_for(__u32 slot, __u32 why)
{
	struct mt_book *book;
	__u32 number, at;

	if (!(why >> 16))
		return 0;
	number = book_of(slot);
	at = find_detail(number, ((why & 0xffff) + 1) | (why & 0xffff0000));
	book = bpf_map_lookup_elem(&books, &number);
	if (!book || at >= MT_DETAILS)
		return 0;
	settle(at);
	return &book->detail[at & (MT_DETAILS - 1)];
}

/* One more call or fault.  `why` is a cause. */
__noinline int count_cause(__u32 slot, __u32 why)
{
	struct mt_detail *row = detail_for(slot, why);
	struct mt_entry *entry;

	if (row) {
		__sync_fetch_and_add(&row->count, 1);
		return 0;
	}
	entry = entry_at(slot, why & 0xffff);
	if (entry)
		__sync_fetch_and_add(&entry->count, 1);
	return 0;
}

/* A balance moved.  What finds no row for its call is booked without the call, and what
 * finds no book at all in the space itself: the sum stays whole. */
__noinline int post(__u32 slot, __u32 why, __u32 balance, __s64 change)
{
	struct mt_detail *row = balance < MT_MEMBERS ? detail_for(slot, why) : 0;
	struct mt_space *space = space_at(slot);
	struct mt_entry *entry;

	if (!space)
		return 0;
	__sync_fetch_and_add(&space->events, 1);
	if (row) {
		__sync_fetch_and_add(&row->moved[balance & 3], change);
		return 0;
	}
	entry = entry_at(slot, why & 0xffff);
	if (entry)
		__sync_fetch_and_add(&entry->moved[balance & 7], change);
	else
		__sync_fetch_and_add(&space->unbooked[balance & 7], change);
	return 0;
}

/*
 * Smallest i with value <= 2^i, up to the last bucket: how many bits value - 1 has.
 * Without branches, since each would double the verifier's work.
 */
static __always_inline __u32 bucket_of(__u64 value)
{
	__u64 bits = value - (value != 0);

	bits |= bits >> 1;
	bits |= bits >> 2;
	bits |= bits >> 4;
	bits |= bits >> 8;
	bits |= bits >> 16;
	bits |= bits >> 32;
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return bits * 0x0101010101010101ULL >> 56;
}

/* Puts a value into a histogram of an address space, or of all if the pool is empty. */
__noinline int observe(__u32 slot, __u32 histogram, __u64 value)
{
	struct mt_space *space = space_at(slot);
	__u32 block, bucket = bucket_of(value);
	struct mt_hist *hist;

	if (bucket >= MT_BUCKETS)
		bucket = MT_BUCKETS - 1;
	settle(histogram);
	if (!space || histogram >= MT_HISTOGRAMS)
		return 0;
	block = space->hist[histogram];
	if (!block) {
		__u32 mine = TAKE(fresh_blocks, config.blocks, free_blocks);

		if (!mine) {
			lost(MT_LOSS_CELLS);
			mine = 1 + histogram;
		}
		block = CLAIM(&space->hist[histogram], mine);
		if (block && mine >= MT_BLOCKS_SHARED)
			bpf_map_push_elem(&free_blocks, &mine, 0);
		if (!block)
			block = mine;
	}
	hist = bpf_map_lookup_elem(&hists, &block);
	settle(bucket);
	if (!hist || bucket >= MT_BUCKETS)
		return 0;
	__sync_fetch_and_add(&hist->sum, value);
	__sync_fetch_and_add(&hist->bucket[bucket], 1);
	return 0;
}

/*
 * The highest RSS.  It stands right before something is given back, so that is where it is
 * looked for exactly; while it climbs, the flushed counts give its time.
 */
static __always_inline void note_peak(struct mm_struct *mm, struct mt_space *space, __s64 change)
{
	__s64 pages, slack = 3 * config.batch * config.cpus;

	pages = counter_of(mm, MT_FILE).count + counter_of(mm, MT_ANON).count +
		counter_of(mm, MT_SHMEM).count;
	if (change < 0) {
		if (pages - change + slack <= (__s64)space->peak_pages)
			return;
		pages = counter_sum(space, MT_FILE) + counter_sum(space, MT_ANON) +
			counter_sum(space, MT_SHMEM) - change;
	}
	if (pages <= (__s64)space->peak_pages)
		return;
	space->peak_pages = pages;
	space->peak_ns = bpf_ktime_get_ns();
}

#endif
