/* SPDX-License-Identifier: GPL-2.0 */
/* What do this kernel and these privileges allow?  Looked up, never read off a version. */
#ifndef MEMTRACE_COLLECT_PROBE_H
#define MEMTRACE_COLLECT_PROBE_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct probe {
	const char *name;
	bool there;
	bool required;	    /* memtrace does not work without it */
	const char *lost;   /* what is missing without it */
	const char *remedy; /* how to get it */
	bool unknown;	    /* it could not be looked at */
};

/* All of them; the table is valid until the next call. */
const struct probe *probe_all(size_t *count);

/* What memtrace does not work without and is not there, as an error; NULL: nothing. */
struct error *probe_missing(void);

/* Why the programs could not be loaded, as well as it can be told. */
struct error *probe_why_not_loaded(int number);

/* May the types of the kernel's modules be looked through? */
bool probe_modules(void);

bool probe_preempt_rt(void);
bool probe_preemptible_events(void);

/* Does the kernel count each page at once, and not some of a thread's faults late? */
bool probe_counters(void);

/* Does the kernel have events for page faults, which say what they are for? */
bool probe_fault_events(void);

/* Has it all that the usual programs need of the verifier and of helpers?  It is asked for the
 * youngest of that, of 5.19 (07343110b293).  Below 0: that may not be asked. */
int probe_helpers(void);

/* Has this kernel an event, a raw tracepoint with types? */
bool probe_event(const char *event);

#endif
