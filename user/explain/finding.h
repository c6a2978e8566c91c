/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why is the memory of a process where it is, and what can be done?  A list of findings, the
 * largest first.  Each number in their sentences is a number of the model, and in `evidence`.
 */
#ifndef MEMTRACE_FINDING_H
#define MEMTRACE_FINDING_H

#include "user/model/model.h"

#define FINDING_EVIDENCE 20

/* Its unit is in its name: bytes, nanoseconds, percent, or a count.  A text where there is one. */
struct evidence {
	const char *name;
	int64_t value;
	char *text;
};

struct finding {
	const char *id;
	int64_t bytes;
	bool inferred; /* from what was measured, where it could not be measured itself */
	bool alarm;    /* there is something to be done; otherwise it only says how things are */
	unsigned int drowned; /* as its rule has it */
	bool told;     /* another one has its figures: the title is enough */
	char *title, *why, *remedy; /* sentences; the last may be "" */
	struct evidence evidence[FINDING_EVIDENCE];
	size_t evidence_count;
};

struct findings {
	struct finding *at;
	size_t count;
};

void findings_build(struct findings *findings, const struct model *model,
		    const struct process_model *process);
void findings_free(struct findings *findings);

/* Where the memory of several processes is: without files, and what they share by fork once. */
struct whereabouts {
	size_t living;
	int64_t own_bytes;		     /* of all that live */
	const struct process_model *largest; /* of those that live, or by its highest RSS */
	int64_t largest_bytes;
};

void findings_where(struct whereabouts *where, const struct model *model);

#endif
