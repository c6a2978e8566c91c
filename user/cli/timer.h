/* SPDX-License-Identifier: GPL-2.0 */
/* When is it time?  Descriptors that become readable then, for poll loops. */
#ifndef MEMTRACE_CLI_TIMER_H
#define MEMTRACE_CLI_TIMER_H

#include "user/base/error.h"

#include <stdbool.h>

/* One that is not set, to be closed. */
struct error *timer_open(int *fd);

/* In so many seconds, and `again` each time as many later. */
void timer_set(int fd, double seconds, bool again);

/* Has its time come since this was asked last? */
bool timer_take(int fd);

#endif
