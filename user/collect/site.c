// SPDX-License-Identifier: GPL-2.0
/* What have stacks reserved, touched and given back?  See site.h. */
#include "user/collect/site.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/absent.h"
#include "user/collect/range.h"
#include "user/collect/self.h"
#include "user/collect/space.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#define SWEEP_NS 500000000
#define STALE_PAGES 65536 /* of spaces that are gone, before their shadow is cleared away, ... */
#define STALE_SPACES 64	  /* ... or so many of those, with what they had reserved */
#define AT_ONCE 1024	  /* chunks of the shadow */

struct kept {
	struct mt_site_key key;
	struct mt_site site;
	struct reserved reserved;
};

struct site_store {
	struct kernel *kernel;
	struct range_list *ranges;
	struct absent absent;
	struct kept *kept; /* after site_store_read() by serial, each once */
	size_t count;
	uint64_t swept_ns;
	uint32_t born_before; /* serials below this one were there at the last sweep */
	int64_t stale_pages;
};

struct site_store *site_store_new(struct kernel *kernel)
{
	struct site_store *sites = memory_new(1, sizeof(*sites));

	sites->kernel = kernel;
	sites->ranges = range_list_new(kernel->sample);
	return sites;
}

void site_store_free(struct site_store *sites)
{
	if (!sites)
		return;
	range_list_free(sites->ranges);
	absent_free(&sites->absent);
	free(sites->kept);
	free(sites);
}

void site_store_add(struct site_store *sites, const struct mt_event_range *event)
{
	range_list_add(sites->ranges, event);
}

uint64_t site_store_lost(const struct site_store *sites)
{
	return range_list_lost(sites->ranges);
}

/* ---- what is kept here ---- */

static struct kept *keep(struct site_store *sites, const struct mt_site_key *key)
{
	sites->kept = memory_grow(sites->kept, sites->count, sizeof(*sites->kept));
	sites->kept[sites->count] = (struct kept){ .key = *key };
	return &sites->kept[sites->count++];
}

/* What CPUs have gathered of sites, and not put away. */
struct gathered {
	uint64_t *pages;
	size_t count;
};

static struct gathered read_gathered(const struct site_store *sites)
{
	struct gathered all = { memory_new(sites->kernel->cpus, sizeof(*all.pages)), 0 };
	uint32_t zero = 0;

	if (!bpf_map_lookup_elem(bpf_map__fd(sites->kernel->skeleton->maps.gathered), &zero,
				 all.pages))
		all.count = sites->kernel->cpus;
	return all;
}

static struct kept as_kept(uint64_t gathered)
{
	int64_t pages = gathered & MT_GATHERED_MOST;

	return (struct kept){
		.key = { gathered >> 32, (uint32_t)gathered >> MT_GATHERED_SHIFT },
		.site = { .touched_pages = pages, .resident_pages = pages },
	};
}

static void keep_gathered(struct site_store *sites)
{
	struct gathered all = read_gathered(sites);

	for (size_t i = 0; i < all.count; i++) {
		struct kept kept = as_kept(all.pages[i]);

		if (kept.site.touched_pages)
			*keep(sites, &kept.key) = kept;
	}
	free(all.pages);
}

static void keep_reserved(struct site_store *sites, uint32_t serial)
{
	size_t count;
	cleanup_free struct reserved *stacks = range_list_take(sites->ranges, serial, &count);

	for (size_t i = 0; i < count; i++) {
		if (stacks[i].key.stack) /* 0: not known */
			keep(sites, &stacks[i].key)->reserved = stacks[i];
	}
}

/* ---- what is gone ---- */

static int compare_serials(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

/* Serials of the spaces that are open. */
struct open {
	uint32_t *serials;
	size_t count;
	uint32_t born_before;
};

static struct open list_open(const struct site_store *sites)
{
	const struct kernel *kernel = sites->kernel;
	uint32_t used = kernel_used_slots(kernel);
	struct open open = { memory_new(used, sizeof(*open.serials)), 0, sites->born_before };

	for (uint32_t slot = 1; slot < used; slot++) {
		if (kernel->spaces[slot].state == MT_SPACE_OPEN)
			open.serials[open.count++] = kernel->spaces[slot].serial;
	}
	qsort(open.serials, open.count, sizeof(*open.serials), compare_serials);
	return open;
}

/* One that is being opened right now is in nobody's list yet: it was not there last time. */
static bool is_gone(const struct open *open, uint32_t serial)
{
	return serial < open->born_before &&
	       !bsearch(&serial, open->serials, open->count, sizeof(serial), compare_serials);
}

static void take_gone(struct site_store *sites, const struct open *open)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.sites);
	struct mt_site_key key, next;
	struct mt_site site;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!is_gone(open, key.serial) || bpf_map_lookup_elem(fd, &key, &site) ||
		    bpf_map_delete_elem(fd, &key))
			continue;
		keep(sites, &key)->site = site;
		sites->stale_pages += site.resident_pages;
	}
}

/* One piece of the shadow. */
struct piece {
	struct mt_shadow_key keys[AT_ONCE];
	struct mt_shadow shadow[AT_ONCE];
	uint32_t count;
};

/* What of it is of spaces that are gone is taken away; NULL: everything is looked at. */
static void take_piece(struct site_store *sites, const struct piece *piece, const struct open *open)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.shadow);

	for (uint32_t i = 0; i < piece->count; i++) {
		if (open && !is_gone(open, piece->keys[i].serial))
			continue;
		range_list_touch(sites->ranges, &piece->keys[i], &piece->shadow[i]);
		if (open)
			bpf_map_delete_elem(fd, &piece->keys[i]);
		else
			absent_look(&sites->absent, &piece->keys[i], &piece->shadow[i]);
	}
}

static void read_shadow(struct site_store *sites, const struct open *open)
{
	cleanup_free struct piece *piece = memory_new(1, sizeof(*piece));
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.shadow), status = 0;
	uint32_t next, *from = NULL;

	while (!status) {
		piece->count = AT_ONCE;
		status = bpf_map_lookup_batch(fd, from, &next, piece->keys, piece->shadow,
					      &piece->count, NULL);
		if (status && errno != ENOENT)
			break;
		take_piece(sites, piece, open);
		from = &next;
	}
}

static void clear_groups(const struct site_store *sites, const struct open *open)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.groups);
	struct mt_shadow_key key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (is_gone(open, key.serial))
			bpf_map_delete_elem(fd, &key);
	}
}

static uint32_t next_gone(const struct site_store *sites, const struct open *open, uint32_t serial)
{
	do
		serial = range_list_next(sites->ranges, serial);
	while (serial != UINT32_MAX && !is_gone(open, serial) && ++serial);
	return serial;
}

static bool is_stale(const struct site_store *sites, const struct open *open)
{
	uint32_t count = 0, serial = 0;

	while (count < STALE_SPACES && (serial = next_gone(sites, open, serial)) != UINT32_MAX) {
		count++;
		serial++;
	}
	return count == STALE_SPACES || sites->stale_pages > STALE_PAGES;
}

static void clear_away(struct site_store *sites, const struct open *open)
{
	uint32_t serial = 0;

	read_shadow(sites, open);
	clear_groups(sites, open);
	while ((serial = next_gone(sites, open, serial)) != UINT32_MAX)
		keep_reserved(sites, serial);
	sites->stale_pages = 0;
}

void site_store_sweep(struct site_store *sites)
{
	uint64_t now = self_monotonic_ns();
	struct open open;

	if (now - sites->swept_ns < SWEEP_NS)
		return;
	open = list_open(sites);
	take_gone(sites, &open);
	if (is_stale(sites, &open))
		clear_away(sites, &open);
	free(open.serials);
	sites->born_before = sites->kernel->skeleton->bss->next_serial;
	sites->swept_ns = now;
}

/* ---- the end ---- */

static int compare_kept(const void *a, const void *b)
{
	const struct mt_site_key *left = &((const struct kept *)a)->key;
	const struct mt_site_key *right = &((const struct kept *)b)->key;

	if (left->serial != right->serial)
		return left->serial < right->serial ? -1 : 1;
	return left->stack < right->stack ? -1 : left->stack > right->stack;
}

static void add(struct kept *to, const struct kept *what)
{
	to->site.touched_pages += what->site.touched_pages;
	to->site.resident_pages += what->site.resident_pages;
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		to->site.released_pages[i] += what->site.released_pages[i];
	for (size_t i = 0; i < MT_OP_CALLS; i++)
		to->site.gave_back_pages[i] += what->site.gave_back_pages[i];
	to->reserved.reserved += what->reserved.reserved;
	to->reserved.unreserved += what->reserved.unreserved;
	to->reserved.never_touched += what->reserved.never_touched;
	to->reserved.gone_untouched += what->reserved.gone_untouched;
}

void site_store_expect_absent(struct site_store *sites, uint32_t serial, uint32_t pid,
			      uint32_t operation)
{
	absent_open(&sites->absent, serial, pid, operation);
}

void site_store_read(struct site_store *sites)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.sites);
	struct mt_site_key key, *before = NULL;
	struct mt_site site;
	uint32_t serial = 0;
	size_t count = 0;

	read_shadow(sites, NULL);
	keep_gathered(sites);
	while ((serial = range_list_next(sites->ranges, serial)) != UINT32_MAX)
		keep_reserved(sites, serial);
	for (; !bpf_map_get_next_key(fd, before, &key); before = &key) {
		if (!bpf_map_lookup_elem(fd, &key, &site))
			keep(sites, &key)->site = site;
	}
	if (sites->count)
		qsort(sites->kept, sites->count, sizeof(*sites->kept), compare_kept);
	for (size_t i = 0; i < sites->count; i++) {
		if (count && !compare_kept(&sites->kept[count - 1], &sites->kept[i]))
			add(&sites->kept[count - 1], &sites->kept[i]);
		else
			sites->kept[count++] = sites->kept[i];
	}
	sites->count = count;
}

static int64_t at_least_0(int64_t bytes)
{
	return bytes > 0 ? bytes : 0;
}

/* Still its own are those in swap; what was taken is as good as given back. */
static void take_absent(struct kept *kept, Mt__Site *made, const struct absent *absent,
			int64_t followed_bytes)
{
	uint32_t operation = MT_OP_RECLAIM;
	struct absent_pages pages = absent_of(absent, &kept->key, &operation);

	kept->site.resident_pages -= (int64_t)pages.swapped + pages.taken;
	kept->site.released_pages[operation % MT_OPERATIONS] += pages.taken;
	made->has_swapped_bytes = 1;
	made->swapped_bytes = pages.swapped * followed_bytes;
}

/* What is of pages is of those that are followed: each stands for several. */
static Mt__Site *record_site(struct kept kept, const struct site_store *sites)
{
	int64_t page_bytes = sites->kernel->page_bytes;
	int64_t followed_bytes = page_bytes * sites->kernel->sample;
	Mt__Site *made = memory_new(1, sizeof(*made));

	mt__site__init(made);
	take_absent(&kept, made, &sites->absent, followed_bytes);
	made->stack = kept.key.stack;
	made->touched_bytes = kept.site.touched_pages * followed_bytes;
	made->resident_bytes = kept.site.resident_pages * followed_bytes;
	made->n_released_bytes = MT_OPERATIONS;
	made->released_bytes = memory_new(MT_OPERATIONS, sizeof(*made->released_bytes));
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		made->released_bytes[i] = kept.site.released_pages[i] * followed_bytes;
	made->n_gave_back_bytes = MT_OPERATIONS;
	made->gave_back_bytes = memory_new(MT_OPERATIONS, sizeof(*made->gave_back_bytes));
	for (size_t i = 0; i < MT_OP_CALLS; i++)
		made->gave_back_bytes[MT_OP_CALL_FIRST + i] =
			kept.site.gave_back_pages[i] * page_bytes;
	made->has_reserved_bytes = made->has_unreserved_bytes = made->has_never_touched_bytes = 1;
	made->reserved_bytes = kept.reserved.reserved;
	made->unreserved_bytes = kept.reserved.unreserved;
	made->never_touched_bytes = at_least_0(kept.reserved.never_touched);
	made->has_gone_untouched_bytes = 1;
	made->gone_untouched_bytes = at_least_0(kept.reserved.gone_untouched);
	return made;
}

static size_t first_of(const struct site_store *sites, uint32_t serial)
{
	size_t low = 0, high = sites->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sites->kept[middle].key.serial < serial)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static Mt__Site *add_site(const struct site_store *sites, const struct kept *kept,
			  Mt__Process *process)
{
	process->sites = memory_grow(process->sites, process->n_sites, sizeof(*process->sites));
	process->sites[process->n_sites] = record_site(*kept, sites);
	return process->sites[process->n_sites++];
}

/* What a look sees of a site: nothing of what was reserved. */
static void add_seen(const struct site_store *sites, const struct kept *kept, uint32_t serial,
		     Mt__Process *process)
{
	Mt__Site *made;

	if (kept->key.serial != serial || kept->key.stack >= MT_STACKS)
		return;
	made = add_site(sites, kept, process);
	made->has_reserved_bytes = made->has_unreserved_bytes = 0;
	made->has_never_touched_bytes = made->has_gone_untouched_bytes = 0;
}

void site_store_record(const struct site_store *sites, uint32_t serial, Mt__Process *process)
{
	for (size_t i = first_of(sites, serial);
	     i < sites->count && sites->kept[i].key.serial == serial; i++)
		add_site(sites, &sites->kept[i], process);
}

void site_store_look(const struct site_store *sites, uint32_t serial, Mt__Process *process)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.sites);
	struct gathered all = read_gathered(sites);
	struct mt_site_key key, *before = NULL;

	for (; !bpf_map_get_next_key(fd, before, &key); before = &key) {
		struct kept kept = { .key = key };

		if (!bpf_map_lookup_elem(fd, &key, &kept.site))
			add_seen(sites, &kept, serial, process);
	}
	for (size_t i = 0; i < all.count; i++) {
		struct kept kept = as_kept(all.pages[i]);

		add_seen(sites, &kept, serial, process);
	}
	free(all.pages);
}

/* ---- one page ---- */

static uint32_t serial_of(const struct kernel *kernel, uint32_t pid)
{
	uint32_t slot = space_slot_of(kernel, pid);

	return slot ? kernel->spaces[slot].serial : 0;
}

uint32_t site_store_toucher(const struct site_store *sites, uint32_t pid, uint64_t address)
{
	uint64_t page = address / sites->kernel->page_bytes;
	struct mt_shadow_key key = { .serial = serial_of(sites->kernel, pid),
				     .chunk = page / MT_SHADOW_PAGES };
	struct mt_shadow shadow;

	if (bpf_map_lookup_elem(bpf_map__fd(sites->kernel->skeleton->maps.shadow), &key, &shadow))
		return 0;
	return shadow.stack[page % MT_SHADOW_PAGES];
}
