// SPDX-License-Identifier: GPL-2.0
/* How much of what was given to madvise(MADV_FREE) is still resident?  See lazy.h. */
#include "user/collect/lazy.h"

#include "bpf/abi.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/proc.h"

#include <stdio.h>

static const Mt__Row *row_of(const Mt__Process *process, uint32_t operation)
{
	for (size_t i = 0; i < process->n_rows; i++) {
		if (process->rows[i]->operation == operation)
			return process->rows[i];
	}
	return NULL;
}

void lazy_fill(Mt__Process *process)
{
	const Mt__Row *row = row_of(process, MT_OP_MADV_FREE);
	cleanup_fclose FILE *file = NULL;
	char path[64];
	uint64_t kib;

	if (!row)
		return;
	process->lazy_free = memory_new(1, sizeof(*process->lazy_free));
	mt__lazy_free__init(process->lazy_free);
	process->lazy_free->has_marked_bytes = row->has_requested_bytes;
	process->lazy_free->marked_bytes = row->requested_bytes;
	if (process->ended)
		return;
	snprintf(path, sizeof(path), "/proc/%u/smaps_rollup", process->pid);
	file = fopen(path, "re");
	if (!proc_find_number(file, "LazyFree", &kib))
		return;
	process->lazy_free->has_resident_bytes = 1;
	process->lazy_free->resident_bytes = kib * 1024;
}
