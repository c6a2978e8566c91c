/* SPDX-License-Identifier: GPL-2.0 */
/* The commands: each does what was asked and says what the program is to end with. */
#ifndef MEMTRACE_CLI_COMMAND_H
#define MEMTRACE_CLI_COMMAND_H

#include "user/cli/options.h"

struct error *command_capture(const struct options *options, int *status);
struct error *command_report(const struct options *options, int *status);
struct error *command_diff(const struct options *options, int *status);
struct error *command_check(const struct options *options, int *status);
struct error *command_top(const struct options *options, int *status);

/* Tells the user what went wrong; returns the status to end with. */
int command_fail(const struct error *error);

/* What does not keep it from going on: said with -v. */
void command_note(const struct options *options, struct error *error);

#endif
