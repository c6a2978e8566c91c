// SPDX-License-Identifier: GPL-2.0
/* Which file does a process have mapped there?  See mapped.h. */
#include "user/collect/mapped.h"

#include "user/base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static int open_link(uint32_t pid, uint64_t start, uint64_t end, char *path, size_t room)
{
	ssize_t bytes;
	char link[96];
	int descriptor;

	snprintf(link, sizeof(link), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	descriptor = open(link, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	bytes = readlink(link, path, room - 1);
	path[bytes > 0 ? bytes : 0] = 0;
	return descriptor;
}

/* Where what begins there ends by now; 0: nothing does. */
static uint64_t end_of(uint32_t pid, uint64_t start)
{
	cleanup_free char *line = NULL;
	cleanup_fclose FILE *maps = NULL;
	uint64_t from, to;
	size_t room = 0;
	char name[64];

	snprintf(name, sizeof(name), "/proc/%u/maps", pid);
	maps = fopen(name, "re");
	while (maps && getline(&line, &room, maps) > 0) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2 && from == start)
			return to;
	}
	return 0;
}

/*
 * A library whose first segment has its code is mapped as a whole, as code, before the other
 * segments are put over that: linkers for arm64 make such.
 */
int mapped_open(uint32_t pid, uint64_t start, uint64_t end, char *path, size_t room)
{
	int descriptor = open_link(pid, start, end, path, room);

	if (descriptor >= 0)
		return descriptor;
	end = end_of(pid, start);
	return end ? open_link(pid, start, end, path, room) : -1;
}
