/* SPDX-License-Identifier: GPL-2.0 */
/* What does a runtime say of the code that it makes while it runs?  (/tmp/perf-PID.map) */
#ifndef MEMTRACE_PERF_MAP_H
#define MEMTRACE_PERF_MAP_H

#include <stdint.h>
#include <stdio.h>

struct perf_map;

/* Lines of a beginning, a size (both hexadecimal) and a name; others are passed over. */
struct perf_map *perf_map_read(FILE *file);
void perf_map_free(struct perf_map *map);

/* The name of the code at an address, NULL: none.  `offset` is from its beginning. */
const char *perf_map_find(const struct perf_map *map, uint64_t address, uint64_t *offset);

#endif
