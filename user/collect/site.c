// SPDX-License-Identifier: GPL-2.0
/* What have stacks touched and given back?  See site.h. */
#include "user/collect/site.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/self.h"

#include <bpf/bpf.h>
#include <stdlib.h>

#define SWEEP_NS 1000000000
#define STALE_PAGES 65536 /* of spaces that are gone, before their shadow is cleared away */

struct kept {
	struct mt_site_key key;
	struct mt_site site;
};

struct site_store {
	struct kernel *kernel;
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
	return sites;
}

void site_store_free(struct site_store *sites)
{
	if (!sites)
		return;
	free(sites->kept);
	free(sites);
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

static void keep(struct site_store *sites, const struct mt_site_key *key,
		 const struct mt_site *site)
{
	sites->kept = memory_grow(sites->kept, sites->count, sizeof(*sites->kept));
	sites->kept[sites->count++] = (struct kept){ *key, *site };
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
		keep(sites, &key, &site);
		sites->stale_pages += site.resident_pages;
	}
}

static void clear_shadow(struct site_store *sites, const struct open *open)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.shadow);
	struct mt_shadow_key key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (is_gone(open, key.serial))
			bpf_map_delete_elem(fd, &key);
	}
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
	if (sites->stale_pages > STALE_PAGES)
		clear_shadow(sites, &open);
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

static void add(struct mt_site *to, const struct mt_site *what)
{
	to->touched_pages += what->touched_pages;
	to->resident_pages += what->resident_pages;
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		to->released_pages[i] += what->released_pages[i];
}

void site_store_read(struct site_store *sites)
{
	int fd = bpf_map__fd(sites->kernel->skeleton->maps.sites);
	struct mt_site_key key, *before = NULL;
	struct mt_site site;
	size_t count = 0;

	for (; !bpf_map_get_next_key(fd, before, &key); before = &key) {
		if (!bpf_map_lookup_elem(fd, &key, &site))
			keep(sites, &key, &site);
	}
	if (sites->count)
		qsort(sites->kept, sites->count, sizeof(*sites->kept), compare_kept);
	for (size_t i = 0; i < sites->count; i++) {
		if (count && !compare_kept(&sites->kept[count - 1], &sites->kept[i]))
			add(&sites->kept[count - 1].site, &sites->kept[i].site);
		else
			sites->kept[count++] = sites->kept[i];
	}
	sites->count = count;
}

static Mt__Site *record_site(const struct kept *kept, uint32_t page_bytes)
{
	Mt__Site *made = memory_new(1, sizeof(*made));

	mt__site__init(made);
	made->stack = kept->key.stack;
	made->touched_bytes = kept->site.touched_pages * page_bytes;
	made->resident_bytes = kept->site.resident_pages * page_bytes;
	made->n_released_bytes = MT_OPERATIONS;
	made->released_bytes = memory_new(MT_OPERATIONS, sizeof(*made->released_bytes));
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		made->released_bytes[i] = kept->site.released_pages[i] * page_bytes;
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

void site_store_record(const struct site_store *sites, uint32_t serial, Mt__Process *process)
{
	for (size_t i = first_of(sites, serial);
	     i < sites->count && sites->kept[i].key.serial == serial; i++) {
		process->sites = memory_grow(process->sites, process->n_sites,
					     sizeof(*process->sites));
		process->sites[process->n_sites++] =
			record_site(&sites->kept[i], sites->kernel->page_bytes);
	}
}
