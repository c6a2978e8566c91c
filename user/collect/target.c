// SPDX-License-Identifier: GPL-2.0
/* Whom does the user mean?  See target.h. */
#include "user/collect/target.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#define PF_KTHREAD 0x00200000

static struct error *no_process(pid_t pid)
{
	return error_new(0, "no process has pid %d", pid);
}

/* False where /proc does not show it: it is gone, or of another user (hidepid), or there is
 * no /proc at all. */
static bool read_stat(pid_t pid, struct proc_stat *stat)
{
	char path[64], text[1024];
	cleanup_close int fd = -1;
	ssize_t bytes;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (bytes <= 0)
		return false;
	text[bytes] = 0;
	return proc_parse_stat(text, stat);
}

/* The process that a thread is of, 0 if that is not to be seen. */
static pid_t process_of(pid_t thread)
{
	cleanup_fclose FILE *file = NULL;
	uint64_t tgid = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	file = fopen(path, "re");
	proc_find_number(file, "Tgid", &tgid);
	return tgid;
}

static struct error *why_not_opened(pid_t pid, int number)
{
	pid_t process = process_of(pid);

	if (process && process != pid)
		return error_new(0, "%d is a thread of process %d: follow that with -p %d", pid,
				 process, process);
	if (number == ESRCH)
		return no_process(pid);
	if (number == EINVAL || number == ENOENT)
		return error_new(0, "%d is a thread: follow its process", pid);
	return error_new(number, "cannot watch process %d", pid);
}

/* A main thread that has ended is a zombie as long as others go on: they are the process. */
static bool is_zombie(const struct proc_stat *stat)
{
	return (stat->state == 'Z' || stat->state == 'X') && stat->threads <= 1;
}

/* What /proc does not show is found out when it is followed. */
static struct error *check_status(pid_t pid)
{
	struct proc_stat stat;

	if (!read_stat(pid, &stat))
		return NULL;
	if (stat.flags & PF_KTHREAD)
		return error_new(0, "%d is a kernel thread: it has no memory of its own to follow",
				 pid);
	if (is_zombie(&stat))
		return error_new(0, "process %d has ended already (a zombie): nothing is left of "
				    "its memory", pid);
	return NULL;
}

static struct error *open_target(pid_t pid, int *pidfd)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct error *error;

	if (fd < 0)
		return why_not_opened(pid, errno);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	error = check_status(pid);
	if (error)
		close(fd);
	else
		*pidfd = fd;
	return error;
}

/* ---- several ---- */

static struct error *watch(struct targets *targets, pid_t pid)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = targets->count };
	int pidfd = -1;

	TRY(open_target(pid, &pidfd));
	targets->pidfds[targets->count++] = pidfd;
	targets->living++;
	if (epoll_ctl(targets->epoll, EPOLL_CTL_ADD, pidfd, &event))
		return error_new(errno, "cannot watch process %d", pid);
	return NULL;
}

struct error *targets_open(struct targets *targets, const pid_t *pids, size_t count)
{
	if (!count)
		return NULL;
	targets->pidfds = memory_new(count, sizeof(*targets->pidfds));
	targets->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (targets->epoll < 0)
		return error_new(errno, "cannot watch processes");
	for (size_t i = 0; i < count; i++)
		TRY(watch(targets, pids[i]));
	return NULL;
}

void targets_free(struct targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		cleanup_close_(&targets->pidfds[i]);
	cleanup_close_(&targets->epoll);
	free(targets->pidfds);
	*targets = (struct targets){ .epoll = -1 };
}

void targets_poll(struct targets *targets)
{
	struct epoll_event event;

	while (targets->living && epoll_wait(targets->epoll, &event, 1, 0) == 1) {
		int *pidfd = &targets->pidfds[event.data.u64];

		close(*pidfd);
		*pidfd = -1;
		targets->living--;
	}
}

bool target_ended(const struct targets *targets, size_t number)
{
	struct pollfd wait = { .fd = targets->pidfds[number], .events = POLLIN };

	return wait.fd < 0 || poll(&wait, 1, 0) > 0;
}

/* ---- all ---- */

bool target_all(void (*each)(void *context, pid_t pid), void *context)
{
	cleanup_closedir DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0)
			each(context, pid);
	}
	return proc;
}

bool target_has_memory(pid_t pid)
{
	struct proc_stat stat;

	return read_stat(pid, &stat) && !(stat.flags & PF_KTHREAD) && !is_zombie(&stat);
}
