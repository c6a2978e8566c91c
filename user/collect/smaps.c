// SPDX-License-Identifier: GPL-2.0
/*
 * What is mapped in a process that lives?  See smaps.h.  What glibc maps has no name: its arenas
 * are told by where they begin, stacks of threads by the guard before them.
 */
#include "user/collect/smaps.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (64ULL << 20)
#define GUARD_MOST (1 << 20)
#define SHADOW_LEAST (1ULL << 40)

struct area {
	uint64_t start, end;
	char access[5];
	char *name; /* NULL: there is none so far */
	uint64_t resident_kib, swap_kib, lazy_kib;
	bool hugetlb;
	const char *kind, *called; /* found out when all of it is read */
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* ---- what it is ---- */

static bool is_shared_memory(const char *name)
{
	return begins(name, "/SYSV") || begins(name, "/dev/zero") || begins(name, "/memfd:") ||
	       begins(name, "/dev/shm/") || begins(name, "[anon_shmem:");
}

static bool is_arena(const struct area *area)
{
	return !strcmp(area->access, "rw-p") && area->start % ARENA_BYTES == 0 &&
	       area->end - area->start <= ARENA_BYTES;
}

static bool is_rest_of_arena(const struct area *area, const struct area *before)
{
	return !strcmp(area->access, "---p") && before->called &&
	       !strcmp(before->called, "glibc arena") && before->end == area->start &&
	       area->end % ARENA_BYTES == 0;
}

static bool is_guarded(const struct area *area, const struct area *before)
{
	return !strcmp(area->access, "rw-p") && !strcmp(before->access, "---p") &&
	       before->end == area->start && before->end - before->start <= GUARD_MOST &&
	       before->name && !*before->name;
}

static void name_nameless(struct area *area, const struct area *before)
{
	area->kind = "anon";
	area->called = "";
	if (is_arena(area) || is_rest_of_arena(area, before)) {
		area->kind = "heap";
		area->called = "glibc arena";
	} else if (is_guarded(area, before)) {
		area->kind = "thread-stack";
	} else if (!strcmp(area->access, "---p")) {
		area->called = "no access";
	} else if (area->end - area->start >= SHADOW_LEAST) {
		area->called = "shadow";
	}
}

static void classify(struct area *area, const struct area *before)
{
	area->called = area->name;
	if (area->hugetlb)
		area->kind = "hugetlb";
	else if (!*area->name)
		name_nameless(area, before);
	else if (!strcmp(area->name, "[heap]"))
		area->kind = "heap";
	else if (begins(area->name, "[stack"))
		area->kind = "stack";
	else if (is_shared_memory(area->name))
		area->kind = "shmem";
	else if (begins(area->name, "[anon:"))
		area->kind = "anon";
	else
		area->kind = *area->name == '[' ? "kernel" : "file";
}

/* ---- what there is of it ---- */

static Mt__Mapping *new_mapping(struct smaps *smaps, const struct area *area)
{
	Mt__Mapping *made = memory_new(1, sizeof(*made));

	mt__mapping__init(made);
	made->kind = memory_copy(area->kind, strlen(area->kind));
	made->name.len = strlen(area->called);
	made->name.data = memory_copy(area->called, made->name.len);
	made->count = 1;
	made->virtual_bytes = area->end - area->start;
	made->resident_bytes = area->resident_kib * 1024;
	smaps->mappings = memory_grow(smaps->mappings, smaps->count, sizeof(*smaps->mappings));
	smaps->mappings[smaps->count++] = made;
	return made;
}

/* Anonymous memory has nothing where no page is, and none in swap. */
static void add_empty(Mt__Mapping *mapping, const struct area *area)
{
	uint64_t bytes = area->end - area->start;
	uint64_t held = (area->resident_kib + area->swap_kib) * 1024;

	if (strcmp(area->kind, "heap") != 0 && strcmp(area->kind, "anon") != 0 &&
	    strcmp(area->kind, "stack") != 0 && strcmp(area->kind, "thread-stack") != 0)
		return;
	mapping->has_empty_bytes = 1;
	mapping->empty_bytes = bytes > held ? bytes - held : 0;
}

static void add_area(struct smaps *smaps, struct area *area, const struct area *before)
{
	classify(area, before);
	smaps->lazy_bytes += area->lazy_kib * 1024;
	if (strcmp(area->name, "[vsyscall]") != 0) /* the kernel's own */
		add_empty(new_mapping(smaps, area), area);
}

static int compare_names(const Mt__Mapping *a, const Mt__Mapping *b)
{
	int order = strcmp(a->kind, b->kind);

	if (order || a->name.len != b->name.len)
		return order ?: a->name.len < b->name.len ? -1 : 1;
	return memcmp(a->name.data, b->name.data, a->name.len);
}

static int by_name(const void *left, const void *right)
{
	return compare_names(*(Mt__Mapping *const *)left, *(Mt__Mapping *const *)right);
}

static int by_size(const void *left, const void *right)
{
	const Mt__Mapping *a = *(Mt__Mapping *const *)left, *b = *(Mt__Mapping *const *)right;

	if (a->resident_bytes != b->resident_bytes)
		return a->resident_bytes > b->resident_bytes ? -1 : 1;
	if (a->virtual_bytes != b->virtual_bytes)
		return a->virtual_bytes > b->virtual_bytes ? -1 : 1;
	return compare_names(a, b);
}

/* Those of one kind and name are one. */
static void merge(struct smaps *smaps)
{
	size_t kept = 0;

	if (smaps->count)
		qsort(smaps->mappings, smaps->count, sizeof(*smaps->mappings), by_name);
	for (size_t i = 0; i < smaps->count; i++) {
		Mt__Mapping *one = smaps->mappings[i], *last;

		last = kept ? smaps->mappings[kept - 1] : NULL;
		if (!last || compare_names(last, one) != 0) {
			smaps->mappings[kept++] = one;
			continue;
		}
		last->count++;
		last->virtual_bytes += one->virtual_bytes;
		last->resident_bytes += one->resident_bytes;
		last->empty_bytes += one->empty_bytes;
		mt__mapping__free_unpacked(one, NULL);
	}
	smaps->count = kept;
	if (kept)
		qsort(smaps->mappings, kept, sizeof(*smaps->mappings), by_size);
}

/* ---- the text ---- */

/* "7f0-7f1 rw-p 0 00:00 0    [heap]" */
static bool parse_head(char *line, struct area *area)
{
	int at = 0;

	*area = (struct area){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %*u%n", &area->start,
		   &area->end, area->access, &at) != 3 ||
	    !at || area->end < area->start)
		return false;
	line[strcspn(line, "\n")] = 0;
	line += at + strspn(line + at, " ");
	area->name = memory_copy(line, strlen(line));
	return true;
}

static void parse_line(const char *line, struct area *area)
{
	uint64_t kib;

	if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
		area->resident_kib = kib;
	else if (sscanf(line, "Swap: %" SCNu64, &kib) == 1)
		area->swap_kib = kib;
	else if (sscanf(line, "LazyFree: %" SCNu64, &kib) == 1)
		area->lazy_kib = kib;
	else if (begins(line, "VmFlags:"))
		area->hugetlb = strstr(line, " ht") != NULL;
}

struct smaps smaps_read(FILE *file)
{
	struct area area = { 0 }, before = { 0 }, next;
	cleanup_free char *line = NULL;
	struct smaps smaps = { 0 };
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		/* Names of figures have capitals. */
		if (*line >= 'A' && *line <= 'Z') {
			parse_line(line, &area);
		} else if (parse_head(line, &next)) {
			if (area.name)
				add_area(&smaps, &area, &before);
			free(before.name);
			before = area;
			area = next;
		}
	}
	if (area.name)
		add_area(&smaps, &area, &before);
	free(before.name);
	free(area.name);
	merge(&smaps);
	return smaps;
}

struct smaps smaps_of(uint32_t pid)
{
	cleanup_fclose FILE *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/smaps", pid);
	file = fopen(path, "re");
	return smaps_read(file);
}

void smaps_free(struct smaps *smaps)
{
	for (size_t i = 0; i < smaps->count; i++)
		mt__mapping__free_unpacked(smaps->mappings[i], NULL);
	free(smaps->mappings);
	*smaps = (struct smaps){ 0 };
}
