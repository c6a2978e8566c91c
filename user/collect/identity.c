// SPDX-License-Identifier: GPL-2.0
/* What is a process's program, and with which arguments?  See identity.h. */
#include "user/collect/identity.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/proc.h"
#include "user/collect/self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MOST 8192
#define CUT "\u2026" /* where there were more */

/* ---- /proc ---- */

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

/* Does the pid still mean this process? */
static bool is_same(int directory, const struct process *process)
{
	uint64_t tick_ns = 1000000000ULL / sysconf(_SC_CLK_TCK);
	struct proc_stat stat;
	char text[1024];
	ssize_t bytes = read_file(directory, "stat", text, sizeof(text) - 1);

	if (bytes <= 0)
		return false;
	text[bytes] = 0;
	return proc_parse_stat(text, &stat) &&
	       stat.start_ticks == self_shown_boot_ns(process->start_boot_ns) / tick_ns;
}

/* Replaces arguments; those that are cut end with a mark, and not within a character. */
static void set_arguments(struct words *words, const char *line, size_t bytes, bool cut)
{
	char *copy;

	for (int i = 0; cut && i < 3 && bytes && (line[bytes - 1] & 0x80); i++)
		bytes--;
	copy = memory_new(bytes + sizeof(CUT), 1);
	memcpy(copy, line, bytes);
	if (cut) {
		memcpy(copy + bytes, CUT, sizeof(CUT));
		bytes += strlen(CUT);
	}
	free(words->arguments);
	words->arguments = copy;
	words->argument_bytes = bytes;
}

static void read_arguments(int directory, struct process *process)
{
	char line[ARGUMENTS_MOST + 1];
	ssize_t bytes = read_file(directory, "cmdline", line, sizeof(line));

	if (bytes > ARGUMENTS_MOST)
		set_arguments(&process->words, line, ARGUMENTS_MOST, true);
	else if (bytes >= 0)
		set_arguments(&process->words, line, bytes, false);
}

static void set_executable(struct words *words, const char *path, size_t bytes)
{
	free(words->executable);
	words->executable = memory_copy(path, bytes);
}

/* False where there is no memory to ask about: the thread has ended. */
static bool read_program(int directory, struct process *process)
{
	char path[PATH_MAX];
	ssize_t bytes = readlinkat(directory, "exe", path, sizeof(path));

	if (bytes < 0 && errno == ENOENT)
		return false;
	if (bytes >= 0)
		set_executable(&process->words, path, bytes);
	read_arguments(directory, process);
	return true;
}

/* Where the main thread has ended, the others still know. */
static void ask_threads(int process_directory, struct process *process)
{
	int fd = openat(process_directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (tasks && (entry = readdir(tasks))) {
		cleanup_close int thread = openat(fd, entry->d_name,
						  O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (entry->d_name[0] != '.' && thread >= 0 && read_program(thread, process))
			return;
	}
}

void identity_read(struct process *process)
{
	cleanup_close int directory = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", process->pid);
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || !is_same(directory, process))
		return;
	if (!read_program(directory, process))
		ask_threads(directory, process);
}

/* ---- birth ---- */

/* A new program, of which nothing is known so far. */
static struct words *renew_words(struct process *process, uint64_t since_ns)
{
	words_free(&process->before);
	process->before = process->words;
	process->words = (struct words){ .since_ns = since_ns };
	return &process->words;
}

static bool are_known(const struct words *words)
{
	return words->arguments || words->executable;
}

/* What a process was at a time, NULL where that is not known. */
static const struct words *words_at(const struct process *process, uint64_t ns)
{
	if (process->words.since_ns <= ns)
		return are_known(&process->words) ? &process->words : NULL;
	return process->before.since_ns <= ns && are_known(&process->before) ? &process->before :
									       NULL;
}

void identity_born(struct process *process, const struct mt_space *space,
		   const struct process *parent)
{
	if (space->birth == MT_BORN_FORK) {
		process->forked_by = space->forked_by;
		process->forked_ns = space->opened_ns;
		identity_inherit(process, parent);
	}
	/* What was sent of its exec got lost: it is not what it was, and more is not known. */
	if (space->birth == MT_BORN_EXEC && process->words.since_ns < space->opened_ns)
		renew_words(process, space->opened_ns);
}

void identity_inherit(struct process *process, const struct process *parent)
{
	/* Its own, unless it has become another program since. */
	struct words *own = process->words.since_ns > process->forked_ns ? &process->before :
									   &process->words;
	const struct words *from = parent ? words_at(parent, process->forked_ns) : NULL;

	if (!process->forked_ns || !from || are_known(own) ||
	    parent->start_boot_ns > process->start_boot_ns)
		return;
	own->since_ns = process->forked_ns;
	if (from->arguments)
		own->arguments = memory_copy(from->arguments, from->argument_bytes);
	own->argument_bytes = from->argument_bytes;
	if (from->executable)
		set_executable(own, from->executable, strlen(from->executable));
}

/* ---- exec ---- */

/* The kernel side sends a path's names, the last one first, each with a NUL behind it.  Those of
 * a very long one are not all there. */
static void set_path(struct words *words, const char *names, size_t bytes, bool whole)
{
	char path[sizeof(CUT) + MT_PATH_ROOM];
	size_t at = sizeof(path);

	for (size_t i = 0; i < bytes; i += strnlen(names + i, bytes - i) + 1) {
		size_t length = strnlen(names + i, bytes - i);

		if (sizeof(CUT) + length > at)
			break;
		at -= length;
		memcpy(path + at, names + i, length);
		path[--at] = '/';
	}
	for (size_t i = strlen(CUT); !whole && i > 0; i--)
		path[--at] = CUT[i - 1];
	set_executable(words, path + at, sizeof(path) - at);
}

static size_t count_arguments(const char *line, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += !line[i];
	return count;
}

void identity_exec(struct process *process, const struct mt_event_exec *event, size_t bytes)
{
	struct words *words;

	if (bytes < sizeof(*event) || event->argument_bytes > MT_ARGUMENTS ||
	    event->path_bytes > MT_PATH_ROOM)
		return;
	words = renew_words(process, event->event.time_ns);
	set_arguments(words, event->arguments, event->argument_bytes,
		      count_arguments(event->arguments, event->argument_bytes) <
			      event->argument_count);
	set_path(words, event->path, event->path_bytes, event->path_whole);
	process->asked_ns = 0; /* /proc knows all of it, if it is asked in time */
}
