/* SPDX-License-Identifier: GPL-2.0 */
/* Which file does a process have mapped there?  Whatever has become of its path. */
#ifndef MEMTRACE_COLLECT_MAPPED_H
#define MEMTRACE_COLLECT_MAPPED_H

#include <stddef.h>
#include <stdint.h>

/*
 * Opens what was mapped from `start` to `end`, of which the end may have been mapped over since;
 * -1: it is not there.  `path` is as the process has it, cut to its room.
 */
int mapped_open(uint32_t pid, uint64_t start, uint64_t end, char *path, size_t room);

#endif
