// SPDX-License-Identifier: GPL-2.0
/* Whom does the user mean?  See target.h. */
#include "user/collect/target.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PF_KTHREAD 0x00200000

/* ---- processes ---- */

struct status {
	int tgid;
	char state;
	unsigned int flags;
};

static struct error *no_process(pid_t pid)
{
	return error_new(0, "no process has pid %d", pid);
}

static struct error *read_status(pid_t pid, struct status *status)
{
	char path[64], line[1024], *at;
	cleanup_fclose FILE *file = NULL;
	cleanup_fclose FILE *stat = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	if (!file || !stat)
		return errno == ENOENT || errno == ESRCH ? no_process(pid) :
							   error_new(errno, "cannot read %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Tgid: %d", &status->tgid) == 1)
			break;
	}
	/* The name is in brackets and may hold brackets itself. */
	at = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
	if (!at || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u", &status->state, &status->flags) != 2)
		return no_process(pid);
	return NULL;
}

struct error *target_open(pid_t pid, int *pidfd)
{
	struct status status = { 0 };
	int fd;

	TRY(read_status(pid, &status));
	if (status.tgid != pid)
		return error_new(0, "%d is a thread of process %d: follow that with -p %d", pid,
				 status.tgid, status.tgid);
	if (status.flags & PF_KTHREAD)
		return error_new(0, "%d is a kernel thread: it has no memory of its own to follow",
				 pid);
	if (status.state == 'Z' || status.state == 'X')
		return error_new(0, "process %d has ended already (a zombie): nothing is left of "
				    "its memory", pid);
	fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? no_process(pid) :
					error_new(errno, "cannot watch process %d", pid);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*pidfd = fd;
	return NULL;
}

void target_all(void (*each)(void *context, pid_t pid), void *context)
{
	cleanup_closedir DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		struct status status = { 0 };
		pid_t pid = atoi(entry->d_name);
		struct error *error;

		if (pid <= 0)
			continue;
		error = read_status(pid, &status);
		if (!error && !(status.flags & PF_KTHREAD) && status.state != 'Z' &&
		    status.state != 'X')
			each(context, pid);
		error_free(error);
	}
}

bool target_ended(int pidfd)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) > 0;
}

/* ---- cgroups ---- */

/* Where the hierarchy with the memory controller is mounted: the last of its kind. */
static struct error *find_hierarchy(char *out, size_t room)
{
	cleanup_fclose FILE *file = fopen("/proc/self/mounts", "re");
	const char *wanted = self_memory_cgroup_v1() ? "cgroup" : "cgroup2";
	char line[8192], where[PATH_MAX], type[64], how[1024];

	*out = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %4095s %63s %1023s", where, type, how) != 3 ||
		    strcmp(type, wanted))
			continue;
		if (!strcmp(wanted, "cgroup2") || strstr(how, "memory"))
			snprintf(out, room, "%s", where);
	}
	return *out ? NULL : error_new(0, "no cgroup hierarchy is mounted: --cgroup needs one");
}

static bool is_cgroup(const char *directory, uint64_t *id)
{
	char path[PATH_MAX + 16];
	struct stat stat_of;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	if (access(path, F_OK) || stat(directory, &stat_of))
		return false;
	*id = stat_of.st_ino; /* kernfs: the inode number is the cgroup's id */
	return true;
}

struct error *target_cgroup(const char *path, char **directory, uint64_t *id)
{
	char root[PATH_MAX], full[PATH_MAX];

	if (path[0] == '/' && is_cgroup(path, id)) {
		*directory = memory_copy(path, strlen(path));
		return NULL;
	}
	TRY(find_hierarchy(root, sizeof(root)));
	if ((size_t)snprintf(full, sizeof(full), "%s/%s", root, path) >= sizeof(full) ||
	    !is_cgroup(full, id))
		return error_new(0, "there is no cgroup %s, neither as a directory nor below %s",
				 path, root);
	*directory = memory_copy(full, strlen(full));
	return NULL;
}

static struct error *members_of(const char *directory,
				struct error *(*each)(void *context, pid_t pid), void *context)
{
	char path[PATH_MAX + 16];
	cleanup_fclose FILE *file = NULL;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	file = fopen(path, "re");
	while (file && fscanf(file, "%d", &pid) == 1)
		TRY(each(context, pid));
	return NULL; /* a cgroup that is gone meanwhile has no members */
}

struct error *target_members(const char *directory, struct error *(*each)(void *context, pid_t pid),
			     void *context)
{
	cleanup_closedir DIR *children = opendir(directory);
	const struct dirent *child;

	TRY(members_of(directory, each, context));
	while (children && (child = readdir(children))) {
		char path[PATH_MAX];

		if (child->d_type != DT_DIR || child->d_name[0] == '.' ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", directory, child->d_name) >=
			    sizeof(path))
			continue;
		TRY(target_members(path, each, context));
	}
	return NULL;
}
