/* SPDX-License-Identifier: GPL-2.0 */
/* What ends a capture, and what happens until then?  The one poll loop. */
#ifndef MEMTRACE_CLI_SESSION_H
#define MEMTRACE_CLI_SESSION_H

#include "user/cli/output.h"
#include "user/collect/collector.h"

/*
 * Runs a capture until its targets end, its time is up, or a signal stops it.  A second
 * signal kills.  Signals that were not sent by the terminal are passed on to the command.
 */
struct error *session_run(struct collector *collector, const struct options *options,
			  struct output *output);

#endif
