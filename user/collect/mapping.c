// SPDX-License-Identifier: GPL-2.0
/* Who clears away the mappings of address spaces that are gone?  See mapping.h. */
#include "user/collect/mapping.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#define STALE_MOST 1024 /* untouched mappings of closed spaces */

static int compare(const void *left, const void *right)
{
	__u32 a = *(const __u32 *)left, b = *(const __u32 *)right;

	return a < b ? -1 : a > b;
}

/* The serial numbers of the address spaces that are open, sorted. */
static __u32 *open_serials(const struct kernel *kernel, size_t *count)
{
	__u32 used = kernel_used_slots(kernel);
	__u32 *serials = memory_new(used, sizeof(*serials));

	*count = 0;
	for (__u32 slot = 1; slot < used; slot++) {
		if (kernel->spaces[slot].state == MT_SPACE_OPEN)
			serials[(*count)++] = kernel->spaces[slot].serial;
	}
	qsort(serials, *count, sizeof(*serials), compare);
	return serials;
}

/* An untouched mapping still counts in the filter, where it would cost live spaces lookups. */
static void uncount(struct kernel *kernel, __u32 serial, __u32 size_class,
		    const struct mt_mapping *mapping)
{
	__u32 shift = mt_filter_shift(size_class);

	if (!mapping->start || mapping->touched)
		return;
	for (__u64 chunk = mapping->start >> shift, last = (mapping->end - 1) >> shift;
	     chunk <= last; chunk++)
		__sync_fetch_and_sub(
			&kernel->filter[mt_filter_index(serial, size_class, chunk)], 1);
}

static void sweep(struct kernel *kernel)
{
	int fd = bpf_map__fd(kernel->skeleton->maps.mappings);
	struct mt_mapping_key key, next;
	struct mt_mapping_pair pair;
	size_t serial_count, count = 0;
	cleanup_free __u32 *serials = open_serials(kernel, &serial_count);
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bsearch(&key.serial, serials, serial_count, sizeof(*serials), compare) ||
		    bpf_map_lookup_elem(fd, &key, &pair) || bpf_map_delete_elem(fd, &key))
			continue;
		uncount(kernel, key.serial, key.size_class, &pair.at[0]);
		uncount(kernel, key.serial, key.size_class, &pair.at[1]);
		count++;
	}
	__sync_fetch_and_sub(&kernel->skeleton->bss->mapping_count, count);
	kernel->stale = 0;
	kernel->swept = kernel->skeleton->bss->mapping_count;
}

void mapping_sweep(struct kernel *kernel)
{
	__u32 count = kernel->skeleton->bss->mapping_count;

	if (kernel->calls && (count > MT_MAPPINGS / 2 + kernel->swept / 2 ||
			      kernel->stale > STALE_MOST))
		sweep(kernel);
}
