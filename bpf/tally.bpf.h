/* SPDX-License-Identifier: GPL-2.0 */
/* How many pages has each site? */
#ifndef MEMTRACE_TALLY_BPF_H
#define MEMTRACE_TALLY_BPF_H

#include "bpf/space.bpf.h"

#ifndef MEMTRACE_OLD

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

static __always_inline void add_touched(struct mt_site *site, __u64 pages)
{
	__sync_fetch_and_add(&site->touched_pages, pages);
	__sync_fetch_and_add(&site->resident_pages, pages);
}

/* Pages that a CPU gathered go to their site. */
__noinline int put_away(__u64 pages)
{
	__u64 count = pages & MT_GATHERED_MOST;
	struct mt_site *site;

	if (!config.stacks || !count)
		return 0;
	site = site_of(pages >> 32, (__u32)pages >> MT_GATHERED_SHIFT);
	if (!site) {
		__sync_fetch_and_add(&losses[MT_LOSS_STACKS], count - 1);
		return 0;
	}
	add_touched(site, count);
	return 0;
}

/* One page more, most often of the same site as the last: to find that costs more than all else. */
static __always_inline void gather(__u32 serial, __u32 stack)
{
	__u64 key = (__u64)serial << 32 | stack << MT_GATHERED_SHIFT, before;
	__u32 zero = 0;
	__u64 *pages = bpf_map_lookup_elem(&gathered, &zero);

	if (!pages)
		return;
	before = *pages;
	if ((before ^ key) < MT_GATHERED_MOST &&
	    __sync_val_compare_and_swap(pages, before, before + 1) == before)
		return;
	put_away(__sync_lock_test_and_set(pages, key + 1));
}

/* Pages that stood for one stack are gone, or for another one by now. */
__noinline int take_from(__u32 serial, __u32 stack, __u64 pages, __u32 operation)
{
	struct mt_site *site;

	if (!config.stacks || !stack || stack == MT_TOUCHED || !pages)
		return 0;
	site = site_of(serial, stack);
	settle(operation);
	if (!site || operation >= MT_OPERATIONS)
		return 0;
	__sync_fetch_and_add(&site->resident_pages, -pages);
	__sync_fetch_and_add(&site->released_pages[operation], pages);
	return 0;
}

#endif
#endif
