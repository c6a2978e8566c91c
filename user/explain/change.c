// SPDX-License-Identifier: GPL-2.0
/* Which findings came, went, or stayed between two captures?  See change.h. */
#include "user/explain/change.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

static const struct finding *find(const struct findings *findings, const char *id)
{
	for (size_t i = 0; i < findings->count; i++) {
		if (!strcmp(findings->at[i].id, id))
			return &findings->at[i];
	}
	return NULL;
}

static void add(struct finding_changes *changes, const struct finding *old,
		const struct finding *now)
{
	changes->at = memory_grow(changes->at, changes->count, sizeof(*changes->at));
	changes->at[changes->count++] = (struct finding_change){ old, now };
}

void finding_changes_build(struct finding_changes *changes, const struct change *change,
			   const struct process_change *process)
{
	*changes = (struct finding_changes){ 0 };
	if (process->old)
		findings_build(&changes->old, change->old, process->old);
	if (process->now)
		findings_build(&changes->now, change->now, process->now);
	for (size_t i = 0; i < changes->now.count; i++)
		add(changes, find(&changes->old, changes->now.at[i].id), &changes->now.at[i]);
	for (size_t i = 0; i < changes->old.count; i++) {
		if (!find(&changes->now, changes->old.at[i].id))
			add(changes, &changes->old.at[i], NULL);
	}
}

void finding_changes_free(struct finding_changes *changes)
{
	findings_free(&changes->old);
	findings_free(&changes->now);
	free(changes->at);
}
