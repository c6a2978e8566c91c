/* SPDX-License-Identifier: GPL-2.0 */
/* What does the argument of an option say? */
#ifndef MEMTRACE_CLI_VALUE_H
#define MEMTRACE_CLI_VALUE_H

#include "user/base/error.h"

#include <stdbool.h>

#define USAGE 2 /* the status where the user asked for what cannot be */

#define usage(...) error_status(USAGE, 0, __VA_ARGS__)

/* Above 0, decimals allowed; `name` is the option's, for the message. */
struct error *value_seconds(const char *text, const char *name, double *out);

/* A whole number of at most so many; false: it is none. */
bool value_count(const char *text, unsigned long most, unsigned int *out);

#endif
