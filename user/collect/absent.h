/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which pages that stacks have touched are not there any more, though no call took them?  The
 * kernel side knows of pages by address only where somebody faults or calls; of what the kernel
 * takes by itself, or another process does, the page tables of the process tell at the end.
 */
#ifndef MEMTRACE_COLLECT_ABSENT_H
#define MEMTRACE_COLLECT_ABSENT_H

#include "bpf/stack.h"

#include <stddef.h>
#include <stdint.h>

struct absent_space;

struct absent {
	struct absent_space *spaces; /* by serial */
	size_t count;
};

/* Of one stack in one address space. */
struct absent_pages {
	uint32_t swapped, taken;
};

/* Opens the page tables of a process that lives in that address space, some pages of which an
 * operation of the ledger took. */
void absent_open(struct absent *absent, uint32_t serial, uint32_t pid, uint32_t operation);

/* Looks at the pages of one entry of the shadow. */
void absent_look(struct absent *absent, const struct mt_shadow_key *key,
		 const struct mt_shadow *shadow);

/* What was found, and the operation. */
struct absent_pages absent_of(const struct absent *absent, const struct mt_site_key *key,
			      uint32_t *operation);

void absent_free(struct absent *absent);

#endif
