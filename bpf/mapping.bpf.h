/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When was the mapping at this address made, and is this its first touch?  Mappings that a
 * call made are filed by size class; a small filter of counters keeps those lookups away
 * from faults on memory that has been touched before.
 */
#ifndef MEMTRACE_MAPPING_BPF_H
#define MEMTRACE_MAPPING_BPF_H

#include "bpf/post.bpf.h"

static __always_inline __u32 class_of(__u64 bytes)
{
	__u32 size_class = bucket_of(bytes);

	return size_class < MT_CLASS_FIRST ? MT_CLASS_FIRST :
	       size_class > MT_CLASS_LAST  ? MT_CLASS_LAST :
					     size_class;
}

static __always_inline __u32 *filter_at(__u32 serial, __u32 size_class, __u64 chunk)
{
	__u32 index = mt_filter_index(serial, size_class, chunk);

	return bpf_map_lookup_elem(&filter, &index);
}

__noinline int filter_add(__u32 serial, __u64 start, __u64 end, __u32 size_class, int by)
{
	__u32 shift = mt_filter_shift(size_class & 63);
	__u64 chunk = start >> shift, last = (end - 1) >> shift;

	for (__u32 i = 0; i < MT_CHUNKS_MOST && chunk <= last; i++, chunk++) {
		__u32 *counter = filter_at(serial, size_class, chunk);

		if (counter)
			__sync_fetch_and_add(counter, by);
	}
	return 0;
}

static __always_inline struct mt_mapping_key key_of(__u32 serial, __u32 size_class, __u64 chunk)
{
	struct mt_mapping_key key = { serial, size_class, chunk };

	return key;
}

static __always_inline bool covers(const struct mt_mapping *mapping, __u64 address)
{
	return mapping->start <= address && address < mapping->end;
}

/* The mapping of a class that covers an address: it starts in that chunk or the one before. */
static __noinline struct mt_mapping *find_mapping(__u32 serial, __u32 size_class, __u64 address)
{
	__u64 chunk = address >> (size_class & 63);

	for (__u32 back = 0; back < 2; back++) {
		struct mt_mapping_key key = key_of(serial, size_class, chunk - back);
		struct mt_mapping_pair *pair = bpf_map_lookup_elem(&mappings, &key);

		if (!pair)
			continue;
		if (covers(&pair->at[0], address))
			return &pair->at[0];
		if (covers(&pair->at[1], address))
			return &pair->at[1];
	}
	return 0;
}

__noinline int touch_class(__u32 slot, __u32 size_class, __u64 address)
{
	struct mt_space *space = space_at(slot);
	struct mt_mapping *mapping;

	if (!space)
		return 0;
	mapping = find_mapping(space->serial, size_class, address);
	if (!mapping || EXCHANGE(&mapping->touched, 1))
		return 0;
	__sync_fetch_and_add(&space->untouched, -1);
	filter_add(space->serial, mapping->start, mapping->end, size_class, -1);
	observe(slot, MT_HIST_TOUCH_DELAY_NS, bpf_ktime_get_ns() - mapping->made_ns);
	return 0;
}

/* On each fault while mappings are untouched: one counter for each size class in use. */
__noinline int note_touch(__u32 slot, __u64 address)
{
	struct mt_space *space = space_at(slot);
	__u64 classes;

	if (!space)
		return 0;
	classes = space->classes >> MT_CLASS_FIRST;
	for (__u32 i = MT_CLASS_FIRST; i <= MT_CLASS_LAST && classes; i++, classes >>= 1) {
		__u32 *counter;

		if (!(classes & 1))
			continue;
		counter = filter_at(space->serial, i, address >> mt_filter_shift(i));
		if (counter && *counter)
			touch_class(slot, i, address);
	}
	return 0;
}

/* ---- made and unmade, by the calls that do it ---- */

__noinline int add_mapping(__u32 slot, __u64 start, __u64 end, __u64 made_ns, __u32 touched)
{
	struct mt_mapping mapping = { start, end, made_ns, touched };
	struct mt_space *space = space_at(slot);
	struct mt_mapping_pair fresh = {}, *pair;
	struct mt_mapping_key key;
	__u32 size_class;

	if (!space || end <= start)
		return 0;
	size_class = class_of(end - start);
	key = key_of(space->serial, size_class, start >> size_class);
	pair = bpf_map_lookup_elem(&mappings, &key);
	if (pair && (!pair->at[0].start || pair->at[0].start == start)) {
		pair->at[0] = mapping;
	} else if (pair) {
		pair->at[1] = mapping;
	} else {
		fresh.at[0] = mapping;
		if (bpf_map_update_elem(&mappings, &key, &fresh, BPF_ANY)) {
			lost(MT_LOSS_MAPPINGS);
			return 0;
		}
		__sync_fetch_and_add(&mapping_count, 1);
	}
	space->classes |= 1ULL << size_class;
	if (touched)
		return 0;
	__sync_fetch_and_add(&space->untouched, 1);
	filter_add(space->serial, start, end, size_class, 1);
	return 0;
}

static __always_inline void take_out(struct mt_mapping *from, struct mt_mapping *taken)
{
	*taken = *from;
	from->start = 0;
	from->end = 0;
}

/* Takes the mapping of a class that starts at an address out of the files. */
VERIFIED_ALONE __noinline int take_from_class(__u32 slot, __u32 size_class, __u64 start,
					      struct mt_mapping *taken)
{
	struct mt_space *space = space_at(slot);
	struct mt_mapping_pair *pair;
	struct mt_mapping_key key;

	if (!space || !taken)
		return 0;
	key = key_of(space->serial, size_class, start >> (size_class & 63));
	pair = bpf_map_lookup_elem(&mappings, &key);
	if (!pair)
		return 0;
	if (pair->at[0].start == start)
		take_out(&pair->at[0], taken);
	else if (pair->at[1].start == start)
		take_out(&pair->at[1], taken);
	else
		return 0;
	if (!taken->touched) {
		__sync_fetch_and_add(&space->untouched, -1);
		filter_add(space->serial, start, taken->end, size_class, -1);
	}
	/* What was mapped is often mapped again: the place is kept while there is room. */
	if (mapping_count > MT_MAPPINGS / 4 && !pair->at[0].start && !pair->at[1].start &&
	    !bpf_map_delete_elem(&mappings, &key))
		__sync_fetch_and_add(&mapping_count, -1);
	return 1;
}

/* The likely class first: most mappings go as they came. */
VERIFIED_ALONE __noinline int take_mapping(__u32 slot, __u64 start, __u64 bytes,
					   struct mt_mapping *taken)
{
	struct mt_space *space = space_at(slot);

	if (!space || !taken)
		return 0;
	if (take_from_class(slot, class_of(bytes), start, taken))
		return 1;
	for (__u32 i = MT_CLASS_FIRST; i <= MT_CLASS_LAST; i++) {
		if ((space->classes >> i & 1) && take_from_class(slot, i, start, taken))
			return 1;
	}
	return 0;
}

#define UNMAP_RUN 8 /* adjoining mappings that one munmap may end; more are left uncounted */

/* A mapping lives until its first page goes; what is left of it keeps its age. */
__noinline int end_mappings(__u32 slot, __u64 start, __u64 bytes, __u64 now)
{
	__u64 end = start + bytes;

	for (__u32 i = 0; i < UNMAP_RUN && start < end; i++) {
		struct mt_mapping mapping = {};

		if (!take_mapping(slot, start, end - start, &mapping))
			return 0;
		if (mapping.end > end)
			return add_mapping(slot, end, mapping.end, mapping.made_ns,
					   mapping.touched);
		observe(slot, MT_HIST_MAPPING_LIFETIME_NS, now - mapping.made_ns);
		start = mapping.end;
	}
	return 0;
}

#endif
