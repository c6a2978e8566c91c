/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which address space have stacks reserved, and which of that is still there?  The kernel side
 * tells of each call that makes, moves or takes away some; here is what came of it.
 */
#ifndef MEMTRACE_COLLECT_RANGE_H
#define MEMTRACE_COLLECT_RANGE_H

#include "bpf/stack.h"

#include <stddef.h>
#include <stdint.h>

struct range_list;

/* Of pages that were touched one of `sample` is told of, and stands for as many. */
struct range_list *range_list_new(uint32_t sample);
void range_list_free(struct range_list *list);

/* Such an event.  They have to come in the order in which they happened. */
void range_list_add(struct range_list *list, const struct mt_event_range *event);

/* How many ranges there are: each takes memory. */
size_t range_list_count(const struct range_list *list);

/* How many found no room. */
uint64_t range_list_lost(const struct range_list *list);

/* What pages of an address space have been touched: they are not among the never touched. */
void range_list_touch(struct range_list *list, const struct mt_shadow_key *key,
		      const struct mt_shadow *shadow);

/* Of one stack in one address space, in bytes. */
struct reserved {
	struct mt_site_key key;
	int64_t reserved, unreserved;
	int64_t never_touched; /* of anonymous memory that is still there */
	int64_t gone_untouched; /* and of what is not, at the least */
};

/* Hands out what there is of an address space, all touched pages of which have been told, and
 * forgets it.  NULL: nothing.  To be freed. */
struct reserved *range_list_take(struct range_list *list, uint32_t serial, size_t *count);

/* The next address space that there is something of, from this number on; UINT32_MAX: none. */
uint32_t range_list_next(const struct range_list *list, uint32_t serial);

#endif
