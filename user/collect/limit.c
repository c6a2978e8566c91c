// SPDX-License-Identifier: GPL-2.0
/* How much memory may a cgroup have?  The tightest limit of it and of those above.  See limit.h. */
#include "user/collect/limit.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOST_CGROUPS 256
#define MOST_LEVELS 32
#define NO_LIMIT (1ULL << 60) /* version 1 has a number near 2^63 where there is none */

struct names {
	const char *limit, *slow; /* beyond the second one nobody is killed; NULL: there is none */
	const char *charged, *anon, *file, *shmem;
};

static const struct names version_2 = { "memory.max", "memory.high", "memory.current", "anon",
					"file", "shmem" };
static const struct names version_1 = { "memory.limit_in_bytes", NULL, "memory.usage_in_bytes",
					"total_rss", "total_cache", "total_shmem" };

static FILE *open_file(const char *directory, const char *name)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

/* False also for "max": there is none. */
static bool read_number(const char *directory, const char *name, uint64_t *number)
{
	cleanup_fclose FILE *file = open_file(directory, name);

	return file && fscanf(file, "%" SCNu64, number) == 1;
}

static void read_parts(Mt__Cgroup *cgroup, const char *directory, const struct names *names)
{
	cleanup_fclose FILE *file = open_file(directory, "memory.stat");
	char name[64];
	uint64_t bytes;

	while (file && fscanf(file, "%63s %" SCNu64, name, &bytes) == 2) {
		if (!strcmp(name, names->anon))
			cgroup->anon_bytes = bytes;
		else if (!strcmp(name, names->file))
			cgroup->file_bytes = bytes;
		else if (!strcmp(name, names->shmem))
			cgroup->shmem_bytes = bytes;
	}
	/* The kernel counts files in memory among the others, but cannot drop them. */
	if (cgroup->shmem_bytes > cgroup->file_bytes)
		cgroup->shmem_bytes = cgroup->file_bytes;
	cgroup->has_shmem_bytes = cgroup->shmem_bytes != 0;
	cgroup->file_bytes -= cgroup->shmem_bytes;
}

/* The lower one of the two that there may be; false: there is none. */
static bool read_limit(const char *directory, const struct names *names, uint64_t *limit,
		       bool *slow)
{
	uint64_t high;

	if (!read_number(directory, names->limit, limit))
		*limit = NO_LIMIT;
	*slow = names->slow && read_number(directory, names->slow, &high) && high < *limit;
	if (*slow)
		*limit = high;
	return *limit < NO_LIMIT;
}

/* Takes it if it leaves less than what was found so far. */
static bool take_limit(Mt__Cgroup *cgroup, const char *directory, const struct names *names,
		       bool first)
{
	uint64_t limit, charged;
	bool slow;

	if (!read_limit(directory, names, &limit, &slow) ||
	    !read_number(directory, names->charged, &charged) ||
	    (!first && (int64_t)(limit - charged) >=
			       (int64_t)(cgroup->limit_bytes - cgroup->charged_bytes)))
		return false;
	cgroup->limit_bytes = limit;
	cgroup->charged_bytes = charged;
	cgroup->has_slow = cgroup->slow = slow;
	return true;
}

/*
 * From the cgroup itself upwards: that whose limit leaves least counts.  The highest one that is
 * mounted may have a limit, too: in a container it is the container's.
 */
static bool read_limits(Mt__Cgroup *cgroup, char *directory, size_t root,
			const struct names *names)
{
	char *tightest = NULL;
	const char *of;

	for (int level = 0; level < MOST_LEVELS && strlen(directory) >= root; level++) {
		if (take_limit(cgroup, directory, names, !tightest)) {
			free(tightest);
			tightest = memory_copy(directory, strlen(directory));
		}
		*strrchr(directory, '/') = 0;
	}
	if (!tightest)
		return false;
	read_parts(cgroup, tightest, names);
	of = strlen(tightest) > root ? tightest + root : "/";
	cgroup->of.len = strlen(of);
	cgroup->of.data = memory_copy(of, cgroup->of.len);
	free(tightest);
	return true;
}

static bool same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

static bool is_known(const Mt__Capture *capture, ProtobufCBinaryData name)
{
	for (size_t i = 0; i < capture->n_cgroups; i++) {
		if (same(capture->cgroups[i]->name, name))
			return true;
	}
	return false;
}

static void add_cgroup(Mt__Capture *capture, const struct cgroup_names *names,
		       ProtobufCBinaryData name)
{
	Mt__Cgroup *cgroup = memory_new(1, sizeof(*cgroup));
	size_t root = strlen(names->root);
	cleanup_free char *directory = memory_new(root + name.len + 2, 1);

	mt__cgroup__init(cgroup);
	memcpy(directory, names->root, root);
	if (name.len > 1)
		memcpy(directory + root, name.data, name.len);
	if (!read_limits(cgroup, directory, root, names->version_1 ? &version_1 : &version_2)) {
		free(cgroup);
		return;
	}
	cgroup->name.len = name.len;
	cgroup->name.data = memory_copy(name.data, name.len);
	capture->cgroups = memory_grow(capture->cgroups, capture->n_cgroups,
				       sizeof(*capture->cgroups));
	capture->cgroups[capture->n_cgroups++] = cgroup;
}

/* One that is not below what is mounted has a name such as /../other: its limits are not seen. */
static bool can_be_read(ProtobufCBinaryData name)
{
	return name.len && name.data[0] == '/' && !memmem(name.data, name.len, "/..", 3);
}

void limits_fill(Mt__Capture *capture, const struct cgroup_names *names)
{
	ProtobufCBinaryData last = { 0 };

	for (size_t i = 0; names->root && i < capture->n_processes; i++) {
		const Mt__Process *process = capture->processes[i];

		if (process->ended || same(process->cgroup, last) ||
		    !can_be_read(process->cgroup) || is_known(capture, process->cgroup) ||
		    capture->n_cgroups >= MOST_CGROUPS)
			continue;
		last = process->cgroup;
		add_cgroup(capture, names, last);
	}
}
