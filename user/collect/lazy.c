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

static bool read_resident(uint32_t pid, uint64_t *bytes)
{
	cleanup_fclose FILE *file = NULL;
	char path[64];
	uint64_t kib;

	snprintf(path, sizeof(path), "/proc/%u/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!proc_find_number(file, "LazyFree", &kib))
		return false;
	*bytes = kib * 1024;
	return true;
}

void lazy_fill(Mt__Process *process, const struct smaps *smaps)
{
	const Mt__Row *row = row_of(process, MT_OP_MADV_FREE);
	Mt__LazyFree *made;

	if (!row && (!smaps || !smaps->lazy_bytes))
		return;
	made = process->lazy_free = memory_new(1, sizeof(*made));
	mt__lazy_free__init(made);
	made->has_marked_bytes = row && row->has_requested_bytes;
	made->marked_bytes = row ? row->requested_bytes : 0;
	if (smaps && smaps->count)
		made->resident_bytes = smaps->lazy_bytes;
	made->has_resident_bytes = (smaps && smaps->count) ||
				   (!process->ended &&
				    read_resident(process->pid, &made->resident_bytes));
}
