// SPDX-License-Identifier: GPL-2.0
/* What do the texts of /proc say?  See proc.h. */
#include "user/collect/proc.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The name is in brackets and may hold anything, brackets and newlines, too. */
bool proc_parse_stat(const char *text, struct proc_stat *stat)
{
	const char *at = strrchr(text, ')');

	return at && sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d "
			    "%*d %*d %d %*d %llu", &stat->state, &stat->flags, &stat->threads,
			    &stat->start_ticks) == 4;
}

/* In the name of a process a newline is written as \n: a line begins with what it is. */
bool proc_find_number(FILE *file, const char *name, uint64_t *number)
{
	size_t length = strlen(name);
	cleanup_free char *line = NULL;
	unsigned long long found;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		if (strncmp(line, name, length) || line[length] != ':')
			continue;
		if (sscanf(line + length + 1, " %llu", &found) != 1)
			return false;
		*number = found;
		return true;
	}
	return false;
}

void proc_read_offsets(FILE *file, int64_t *monotonic_ns, int64_t *boot_ns)
{
	long long seconds, ns;
	char clock[16];

	*monotonic_ns = *boot_ns = 0;
	while (file && fscanf(file, "%15s %lld %lld", clock, &seconds, &ns) == 3) {
		/* Any number is taken, without a sum that is undefined. */
		int64_t offset = (uint64_t)seconds * 1000000000 + (uint64_t)ns;

		if (!strcmp(clock, "monotonic"))
			*monotonic_ns = offset;
		if (!strcmp(clock, "boottime"))
			*boot_ns = offset;
	}
}

/* ---- cgroups ---- */

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
	       at[2] <= '7';
}

/* Blanks, newlines and backslashes of a path are written as \040 and the like. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *at = path; *at; at++) {
		char byte = *at;

		if (byte == '\\' && is_octal(at + 1)) {
			byte = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 3;
		}
		*to++ = byte;
	}
	*to = 0;
}

/* Is the memory controller in a list with commas? */
static bool has_memory(const char *list)
{
	while (true) {
		size_t length = strcspn(list, ",");

		if (length == strlen("memory") && !memcmp(list, "memory", length))
			return true;
		if (!list[length])
			return false;
		list += length + 1;
	}
}

char *proc_find_hierarchy(FILE *file, bool version_1)
{
	const char *wanted = version_1 ? "cgroup" : "cgroup2";
	cleanup_free char *line = NULL;
	char *found = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		char *rest = line, *field[4]; /* what, where, type, how */

		for (size_t i = 0; i < 4; i++)
			field[i] = strsep(&rest, " ");
		if (!field[3] || strcmp(field[2], wanted) || (version_1 && !has_memory(field[3])))
			continue;
		unescape(field[1]);
		free(found);
		found = memory_copy(field[1], strlen(field[1]));
	}
	return found;
}

/* In a line such as 4:memory:/path, or 0::/path: the path, if it is the line that counts. */
static const char *path_in(char *line, bool version_1)
{
	char *controllers = strchr(line, ':'), *path;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return NULL;
	*path++ = 0;
	controllers++;
	path[strcspn(path, "\n")] = 0;
	return (version_1 ? has_memory(controllers) : !*controllers) ? path : NULL;
}

char *proc_find_cgroup(FILE *file, bool version_1)
{
	cleanup_free char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		const char *path = path_in(line, version_1);

		if (path)
			return memory_copy(path, strlen(path));
	}
	return NULL;
}

bool proc_next_pid(FILE *file, pid_t *pid)
{
	return file && fscanf(file, "%d", pid) == 1;
}
