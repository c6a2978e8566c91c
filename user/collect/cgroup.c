// SPDX-License-Identifier: GPL-2.0
/* Which cgroup is meant, who is in it, and what is it called?  See cgroup.h. */
#include "user/collect/cgroup.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/proc.h"
#include "user/collect/self.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the hierarchy ---- */

/* Where the hierarchy with the memory controller is mounted. */
static char *find_hierarchy(bool version_1)
{
	cleanup_fclose FILE *file = fopen("/proc/self/mounts", "re");

	return proc_find_hierarchy(file, version_1);
}

static char *join(const char *root, const char *path)
{
	size_t bytes = strlen(root) + strlen(path) + 2;
	char *joined = memory_new(bytes, 1);

	snprintf(joined, bytes, "%s/%s", root, path + (*path == '/'));
	return joined;
}

/* The id of the cgroup that a directory is, 0 if it is none. */
static uint64_t id_of(const char *directory)
{
	cleanup_free char *file = join(directory, "cgroup.procs");
	struct stat stat_of;

	if (access(file, F_OK) || stat(directory, &stat_of))
		return 0;
	return stat_of.st_ino; /* kernfs: the inode number is the cgroup's id */
}

/* ---- the one that is meant ---- */

struct error *cgroup_open(const char *path, char **directory, uint64_t *id)
{
	cleanup_free char *root = find_hierarchy(self_memory_cgroup_v1());
	char *inside;

	if (!*path)
		return error_new(0, "--cgroup takes the path of a cgroup, / for all of them");
	*id = *path == '/' && path[1] ? id_of(path) : 0;
	if (*id) {
		*directory = memory_copy(path, strlen(path));
		return NULL;
	}
	if (!root)
		return error_new(0, "no cgroup hierarchy is mounted: --cgroup needs one");
	inside = join(root, path);
	*id = id_of(inside);
	if (*id)
		*directory = inside;
	else
		free(inside);
	return *id ? NULL : error_new(0, "there is no cgroup %s, neither as a directory nor below "
				      "%s", path, root);
}

static void close_tree(FTS **tree)
{
	if (*tree)
		fts_close(*tree);
}

/* Not by recursion: how deep cgroups are nested is for others to say. */
static FTS *open_tree(char *directory)
{
	char *const roots[] = { directory, NULL };

	return fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

static struct error *members_of(const char *directory,
				struct error *(*each)(void *context, pid_t pid), void *context)
{
	cleanup_free char *path = join(directory, "cgroup.procs");
	cleanup_fclose FILE *file = fopen(path, "re");
	pid_t pid;

	while (proc_next_pid(file, &pid)) {
		if (pid > 0) /* 0: not of our pid namespace */
			TRY(each(context, pid));
	}
	return NULL; /* a cgroup that is gone meanwhile has no members */
}

struct error *cgroup_members(const char *directory, struct error *(*each)(void *context, pid_t pid),
			     void *context)
{
	cleanup_free char *top = memory_copy(directory, strlen(directory));
	__attribute__((cleanup(close_tree))) FTS *tree = open_tree(top);
	const FTSENT *entry;

	while (tree && (entry = fts_read(tree))) {
		if (entry->fts_info == FTS_D)
			TRY(members_of(entry->fts_path, each, context));
	}
	return NULL;
}

/* ---- names ---- */

struct cgroup_name {
	uint64_t id;
	char *path;
};

void cgroup_names_init(struct cgroup_names *names)
{
	*names = (struct cgroup_names){ .version_1 = self_memory_cgroup_v1() };
	names->root = find_hierarchy(names->version_1);
}

void cgroup_names_free(struct cgroup_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i].path);
	free(names->names);
	free(names->root);
	*names = (struct cgroup_names){ 0 };
}

/* The place of the first with that id or a higher one. */
static size_t place_of(const struct cgroup_names *names, uint64_t id)
{
	size_t from = 0, to = names->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (names->names[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static const char *known(const struct cgroup_names *names, uint64_t id)
{
	size_t at = place_of(names, id);

	return at < names->count && names->names[at].id == id ? names->names[at].path : NULL;
}

static void add(struct cgroup_names *names, uint64_t id, const char *path)
{
	size_t at = place_of(names, id);
	struct cgroup_name *name;

	if (known(names, id))
		return;
	names->names = memory_grow(names->names, names->count, sizeof(*names->names));
	name = &names->names[at];
	memmove(name + 1, name, (names->count - at) * sizeof(*name));
	names->count++;
	*name = (struct cgroup_name){ id, memory_copy(path, strlen(path)) };
}

/* The process may just have moved: a name is that of the id if the directory says so. */
static bool is_right(const struct cgroup_names *names, uint64_t id, const char *path)
{
	cleanup_free char *directory = names->root ? join(names->root, path) : NULL;
	uint64_t there = directory ? id_of(directory) : 0;

	return !there || there == id;
}

void cgroup_learn(struct cgroup_names *names, uint64_t id, pid_t pid)
{
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *path = NULL;
	char name[32];

	if (!id || known(names, id))
		return;
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "re");
	path = proc_find_cgroup(file, names->version_1);
	if (path && is_right(names, id, path))
		add(names, id, path);
}

static void search(struct cgroup_names *names)
{
	__attribute__((cleanup(close_tree))) FTS *tree = names->root ? open_tree(names->root) :
								       NULL;
	const FTSENT *entry;

	names->searched = true;
	while (tree && (entry = fts_read(tree))) {
		const char *path = entry->fts_path + strlen(names->root);

		if (entry->fts_info == FTS_D)
			add(names, entry->fts_statp->st_ino, *path ? path : "/");
	}
}

const char *cgroup_name(struct cgroup_names *names, uint64_t id)
{
	if (!known(names, id) && !names->searched && id)
		search(names);
	return known(names, id);
}
