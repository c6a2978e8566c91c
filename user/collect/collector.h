/* SPDX-License-Identifier: GPL-2.0 */
/* How is a capture taken?  All that cli/ needs to know of this folder. */
#ifndef MEMTRACE_COLLECT_COLLECTOR_H
#define MEMTRACE_COLLECT_COLLECTOR_H

#include "build/capture.pb-c.h"
#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct collector;

/* As enum mt_stacks has them. */
enum stacks_kind {
	STACKS_NONE,
	STACKS_NATIVE,
	STACKS_PYTHON, /* native ones too */
};

struct collector_options {
	const pid_t *pids; /* attach to these ... */
	size_t pid_count;
	char *const *command; /* ... or run this, ... */
	bool system;	      /* ... or follow everything, ... */
	const char *cgroup;   /* ... or what is in this cgroup */
	bool children;
	bool calls;
	enum stacks_kind stacks;
	uint32_t sample; /* stacks are kept of one page of so many */
	bool allocators; /* look at what is inside them */
	bool keep_intervals; /* for the capture; else it has but the last one */
	bool screen; /* intervals have every process that lives, and the terminal may be set */
	void (*say)(const char *text); /* takes what libbpf has to say, NULL: nobody */
};

/* The state of a running capture, for the status line. */
struct collector_status {
	uint64_t elapsed_ns;
	uint64_t events;
	uint64_t resident_bytes;
	uint32_t processes;
};

/* Checks the targets, and makes the process of the command: call it before handling signals. */
struct error *collector_new(const struct collector_options *options, struct collector **out);

/* Loads and attaches: all that takes privileges. */
struct error *collector_attach(struct collector *collector);

/* Gives up what is not needed any more.  An error leaves everything as it should be, but for
 * what it says. */
struct error *collector_confine(const struct collector *collector);

/* Opens the books: counting when it returns. */
struct error *collector_start(struct collector *collector);

/* Lets the command go, which waits until then. */
struct error *collector_go(struct collector *collector);

/* Descriptors to poll for: events of the kernel side, and the end of each target.  Returns
 * their number, at most `room`. */
size_t collector_descriptors(const struct collector *collector, int *descriptors, size_t room);

/* Takes in what has happened: whenever a descriptor is readable, and ten times a second. */
void collector_tick(struct collector *collector);

/* All targets have ended. */
bool collector_ended(const struct collector *collector);

struct collector_status collector_status(const struct collector *collector);

/* Adds an interval to the capture to be: what moved since the last one.  The capture that it
 * comes with has the names that its rows refer to; both stay the collector's. */
struct error *collector_interval(struct collector *collector, const Mt__Capture **names,
				 const Mt__Interval **interval);

/* How things stand at the last interval: losses, costs, and of the process with that pid (0:
 * none) and its descendants, if they are not many, all that a report has: to be freed by
 * mt__capture__free_unpacked(). */
Mt__Capture *collector_look(struct collector *collector, pid_t pid);

/* Ends the capture, detaches, and hands it over: mt__capture__free_unpacked() frees it. */
struct error *collector_finish(struct collector *collector, Mt__Capture **capture);

/* The command's process, 0 where there is none, and a descriptor of it. */
pid_t collector_child(const struct collector *collector);
int collector_child_descriptor(const struct collector *collector);

/* Ends the counting and waits for the command's end; returns its status as the shell has it. */
int collector_child_wait(struct collector *collector);

void collector_free(struct collector *collector);

#endif
