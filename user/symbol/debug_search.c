// SPDX-License-Identifier: GPL-2.0
/* Under which paths may a file's debug symbols be?  See debug_search.h. */
#include "user/symbol/debug_search.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "usr/lib/debug"

/* A regular file below a directory.  What is no such file is not opened: to open a device or a
 * pipe may do something. */
static int open_regular(int root, const char *path)
{
	cleanup_close int found = -1;
	struct stat status;
	char own[64];

	while (*path == '/')
		path++;
	found = openat(root, path, O_PATH | O_CLOEXEC);
	if (found < 0 || fstat(found, &status) || !S_ISREG(status.st_mode))
		return -1;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", found);
	return open(own, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static bool try_path(int root, const char *path, const struct debug_taker *taker)
{
	int descriptor = open_regular(root, path);

	return descriptor >= 0 && taker->take(taker->context, descriptor, path);
}

/* The directory of a path, as a prefix of another. */
static int directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

static char *path_beside(const char *path, const char *between, const char *name)
{
	size_t size = strlen(path) + strlen(between) + strlen(name) + 2;
	char *made = memory_new(size, 1);

	snprintf(made, size, "%.*s/%s%s", directory_length(path), path, between, name);
	return made;
}

static bool by_build_id(const char *id, int root, const struct debug_taker *taker)
{
	char path[sizeof(FOLDER) + DEBUG_ID_TEXT + 32];

	if (strlen(id) < 4)
		return false;
	snprintf(path, sizeof(path), FOLDER "/.build-id/%.2s/%s.debug", id, id + 2);
	return try_path(root, path, taker);
}

/* Where gdb looks for it: beside the file, in .debug there, and below /usr/lib/debug. */
static bool by_link(const char *name, int root, const char *path, const struct debug_taker *taker)
{
	bool taken = false;

	if (!*name || strchr(name, '/') || path[0] != '/')
		return false;
	for (int i = 0; i < 3 && !taken; i++) {
		cleanup_free char *beside = path_beside(path, i == 1 ? ".debug/" : "", name);
		cleanup_free char *below = path_beside(FOLDER "/", "", beside + 1);

		taken = try_path(root, i == 2 ? below : beside, taker);
	}
	return taken;
}

bool debug_search(const struct debug_wish *wish, int root, const char *path,
		  const struct debug_taker *taker)
{
	return by_build_id(wish->build_id, root, taker) || by_link(wish->link, root, path, taker);
}

bool debug_search_alt(const char *name, int root, const char *path,
		      const struct debug_taker *taker)
{
	cleanup_free char *beside = name[0] == '/' ? memory_copy(name, strlen(name)) :
						     path_beside(path, "", name);

	return try_path(root, beside, taker);
}
