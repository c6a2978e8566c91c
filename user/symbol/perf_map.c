// SPDX-License-Identifier: GPL-2.0
/* What does a runtime say of the code that it makes while it runs?  See perf_map.h. */
#include "user/symbol/perf_map.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <inttypes.h>
#include <string.h>

#define MOST_ENTRIES (1 << 20)
#define MOST_BYTES ((size_t)64 << 20) /* of the text, however long it grows */
#define MOST_NAME 1000

struct entry {
	uint64_t start, end;
	uint64_t reach; /* the furthest end of this one and those before it */
	size_t order;	/* what is said later of the same place holds */
	char *name;
};

struct perf_map {
	struct entry *entries;
	size_t count;
};

static void add_line(struct perf_map *map, const char *line)
{
	struct entry entry = { .order = map->count };
	uint64_t size;
	int at = 0;

	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &entry.start, &size, &at) < 2 || !at ||
	    !line[at] || !size || __builtin_add_overflow(entry.start, size, &entry.end))
		return;
	entry.name = memory_copy(line + at, strnlen(line + at, MOST_NAME));
	map->entries = memory_grow(map->entries, map->count, sizeof(entry));
	map->entries[map->count++] = entry;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->order < right->order ? -1 : 1;
}

struct perf_map *perf_map_read(FILE *file)
{
	struct perf_map *map = memory_new(1, sizeof(*map));
	cleanup_free char *line = memory_new(2ul * MOST_NAME, 1);
	uint64_t reach = 0;
	size_t bytes = 0;

	while (map->count < MOST_ENTRIES && bytes < MOST_BYTES &&
	       fgets(line, 2 * MOST_NAME, file)) {
		bytes += strlen(line) + 1;
		line[strcspn(line, "\n")] = 0;
		add_line(map, line);
	}
	if (map->count)
		qsort(map->entries, map->count, sizeof(map->entries[0]), compare_entries);
	for (size_t i = 0; i < map->count; i++) {
		if (map->entries[i].end > reach)
			reach = map->entries[i].end;
		map->entries[i].reach = reach;
	}
	return map;
}

void perf_map_free(struct perf_map *map)
{
	for (size_t i = 0; map && i < map->count; i++)
		free(map->entries[i].name);
	if (map)
		free(map->entries);
	free(map);
}

const char *perf_map_find(const struct perf_map *map, uint64_t address, uint64_t *offset)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i-- > 0 && map->entries[i].reach > address;) {
		if (map->entries[i].end <= address)
			continue;
		*offset = address - map->entries[i].start;
		return map->entries[i].name;
	}
	return NULL;
}
