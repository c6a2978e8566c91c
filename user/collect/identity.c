// SPDX-License-Identifier: GPL-2.0
/* What is a process's program, its arguments, its cgroup?  See identity.h. */
#include "user/collect/identity.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MOST 4096

/* Reads a file of /proc, which has no size to ask for.  Returns the bytes, -1 on failure. */
static ssize_t read_file(int directory, const char *name, char *out, size_t room)
{
	cleanup_close int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t bytes = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while (bytes < room && (got = read(fd, out + bytes, room - bytes)) > 0)
		bytes += got;
	return bytes;
}

/* Does the pid still mean this process?  Field 22 of stat is its start, in clock ticks. */
static bool is_same(int directory, const struct process *process)
{
	uint64_t tick_ns = 1000000000ULL / sysconf(_SC_CLK_TCK);
	unsigned long long start = 0;
	char stat[1024];
	ssize_t bytes = read_file(directory, "stat", stat, sizeof(stat) - 1);
	char *at;

	if (bytes <= 0)
		return false;
	stat[bytes] = 0;
	/* The name is in brackets and may hold brackets itself. */
	at = strrchr(stat, ')');
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			  "%*d %*d %*d %*d %llu", &start) != 1)
		return false;
	return start == process->start_boot_ns / tick_ns;
}

static void read_arguments(int directory, struct process *process)
{
	char line[ARGUMENTS_MOST];
	ssize_t bytes = read_file(directory, "cmdline", line, sizeof(line));

	if (bytes < 0)
		return;
	free(process->arguments);
	process->arguments = memory_copy(line, bytes);
	process->argument_bytes = bytes;
}

static void read_executable(int directory, struct process *process)
{
	char path[PATH_MAX];
	ssize_t bytes = readlinkat(directory, "exe", path, sizeof(path));

	if (bytes < 0)
		return;
	free(process->executable);
	process->executable = memory_copy(path, bytes);
}

/* The line of the hierarchy that has the memory controller. */
static void read_cgroup(int directory, struct process *process, bool cgroup_v1)
{
	char text[16384], *line, *rest = text;
	ssize_t bytes = read_file(directory, "cgroup", text, sizeof(text) - 1);

	if (bytes < 0)
		return;
	text[bytes] = 0;
	while ((line = strsep(&rest, "\n"))) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		if (cgroup_v1 ? !strstr(list, "memory") : list[1] != 0)
			continue;
		free(process->cgroup);
		process->cgroup = memory_copy(path, strlen(path));
		return;
	}
}

void identity_read(struct process *process, bool cgroup_v1)
{
	cleanup_close int directory = -1;
	char path[32];

	if (process->identified)
		return;
	snprintf(path, sizeof(path), "/proc/%u", process->pid);
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || !is_same(directory, process))
		return;
	if (!process->arguments)
		read_arguments(directory, process);
	read_executable(directory, process);
	read_cgroup(directory, process, cgroup_v1);
	process->identified = true;
}

static char *copy_text(const char *text)
{
	return text ? memory_copy(text, strlen(text)) : NULL;
}

void identity_inherit(struct process *process, const struct process *parent)
{
	if (!parent || process->identified)
		return;
	if (!process->arguments && parent->arguments) {
		process->arguments = memory_copy(parent->arguments, parent->argument_bytes);
		process->argument_bytes = parent->argument_bytes;
	}
	if (!process->executable)
		process->executable = copy_text(parent->executable);
	if (!process->cgroup && process->cgroup_id == parent->cgroup_id)
		process->cgroup = copy_text(parent->cgroup);
}

void identity_exec(struct process *process, const struct mt_event_exec *event, size_t bytes)
{
	size_t argument_bytes = event->argument_bytes;

	if (bytes < sizeof(*event) || argument_bytes > MT_ARGUMENTS)
		return;
	free(process->arguments);
	free(process->executable);
	process->arguments = memory_copy(event->arguments, argument_bytes);
	process->argument_bytes = argument_bytes;
	process->executable = memory_copy(event->path, strnlen(event->path, sizeof(event->path)));
	process->identified = false; /* /proc knows the whole path, if it is asked in time */
}
