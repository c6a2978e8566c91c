/* SPDX-License-Identifier: GPL-2.0 */
/* What ends a capture, and what happens until then?  The one poll loop. */
#ifndef MEMTRACE_CLI_SESSION_H
#define MEMTRACE_CLI_SESSION_H

#include "user/cli/output.h"
#include "user/collect/collector.h"

/*
 * Runs a capture until its targets end, its time is up, a signal stops it (the command is then
 * given a little time to end), or nobody takes its intervals any more.
 */
struct error *session_run(struct collector *collector, const struct options *options,
			  struct output *output);

#endif
