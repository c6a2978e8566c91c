// SPDX-License-Identifier: GPL-2.0
/* Sites of the same stack, which came to have several numbers.  See merge.h. */
#include "user/collect/merge.h"

#include <stdlib.h>

static int by_stack(const void *a, const void *b)
{
	const Mt__Site *left = *(Mt__Site *const *)a, *right = *(Mt__Site *const *)b;

	return left->stack < right->stack ? -1 : left->stack > right->stack;
}

static void add_operations(int64_t *to, const int64_t *what, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] += what[i];
}

/* What one does not have, the other has not either: they are of the same reading. */
static void add_site(Mt__Site *to, const Mt__Site *what)
{
	to->touched_bytes += what->touched_bytes;
	to->resident_bytes += what->resident_bytes;
	to->swapped_bytes += what->swapped_bytes;
	to->reserved_bytes += what->reserved_bytes;
	to->unreserved_bytes += what->unreserved_bytes;
	to->never_touched_bytes += what->never_touched_bytes;
	to->gone_untouched_bytes += what->gone_untouched_bytes;
	add_operations(to->released_bytes, what->released_bytes, to->n_released_bytes);
	add_operations(to->gave_back_bytes, what->gave_back_bytes, to->n_gave_back_bytes);
}

void merge_sites(Mt__Process *process, const uint32_t *same)
{
	Mt__Site **sites = process->sites;
	size_t kept = 0;

	for (size_t i = 0; i < process->n_sites; i++)
		sites[i]->stack = same[sites[i]->stack];
	if (process->n_sites)
		qsort(sites, process->n_sites, sizeof(*sites), by_stack);
	for (size_t i = 0; i < process->n_sites; i++) {
		if (kept && sites[kept - 1]->stack == sites[i]->stack) {
			add_site(sites[kept - 1], sites[i]);
			mt__site__free_unpacked(sites[i], NULL);
		} else {
			sites[kept++] = sites[i];
		}
	}
	process->n_sites = kept;
}
