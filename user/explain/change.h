/* SPDX-License-Identifier: GPL-2.0 */
/* Which findings came, went, or stayed between two captures? */
#ifndef MEMTRACE_EXPLAIN_CHANGE_H
#define MEMTRACE_EXPLAIN_CHANGE_H

#include "user/explain/finding.h"
#include "user/model/change.h"

/* NULL: it came, or went. */
struct finding_change {
	const struct finding *old, *now;
};

struct finding_changes {
	struct findings old, now;
	struct finding_change *at; /* those of now first, in their order */
	size_t count;
};

void finding_changes_build(struct finding_changes *changes, const struct change *change,
			   const struct process_change *process);
void finding_changes_free(struct finding_changes *changes);

#endif
