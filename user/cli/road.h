/* SPDX-License-Identifier: GPL-2.0 */
/* The way from a capture to a report, the same for all commands. */
#ifndef MEMTRACE_CLI_ROAD_H
#define MEMTRACE_CLI_ROAD_H

#include "user/cli/output.h"
#include "user/collect/collector.h"

/* What a collector is asked for, by any command that follows processes. */
struct collector_options road_options(const struct options *options);

/*
 * From here on memtrace has no capability, opens nothing, and makes no call but those that a
 * report takes.  `command` is the pidfd of one that lives on and is sent signals, -1: none.
 */
void road_confine(const struct options *options, int command);

/* Builds the model of a capture and writes the report that was asked for. */
struct error *road_walk(const Mt__Capture *capture, const struct options *options,
			struct output *output);

/* Exit status of a report that was made: 3 with --strict if anything was lost. */
int road_status(const Mt__Capture *capture, const struct options *options);

#endif
