// SPDX-License-Identifier: GPL-2.0
/* How is a command started so that nothing of it is missed?  See launch.h. */
#include "user/collect/launch.h"

#include "user/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NOT_STARTED 125

/* In the child: from here on it is the command's process, not ours. */
static void become(char *const *command, int go, int failure)
{
	char byte = 0;
	int number;

	while (read(go, &byte, 1) < 0 && errno == EINTR)
		;
	if (byte != 'g')
		_exit(NOT_STARTED);
	execvp(command[0], command);
	number = errno;
	if (write(failure, &number, sizeof(number)) < 0)
		_exit(NOT_STARTED);
	_exit(NOT_STARTED);
}

struct error *launch_prepare(struct launch *launch, char *const *command)
{
	int go[2], failure[2];

	if (pipe2(go, O_CLOEXEC) || pipe2(failure, O_CLOEXEC))
		return error_new(errno, "cannot make a pipe");
	launch->pid = fork();
	if (launch->pid < 0) {
		launch->pid = 0;
		return error_new(errno, "cannot make a process for %s", command[0]);
	}
	if (launch->pid == 0) {
		close(go[1]);
		become(command, go[0], failure[1]);
	}
	close(go[0]);
	close(failure[1]);
	launch->go = go[1];
	launch->failure = failure[0];
	launch->pidfd = syscall(SYS_pidfd_open, launch->pid, 0);
	if (launch->pidfd < 0)
		return error_new(errno, "cannot watch process %d", launch->pid);
	fcntl(launch->pidfd, F_SETFD, FD_CLOEXEC);
	return NULL;
}

struct error *launch_go(struct launch *launch, const char *name)
{
	int number = 0;
	ssize_t got;

	if (write(launch->go, "g", 1) != 1)
		return error_new(errno, "cannot start %s", name);
	do
		got = read(launch->failure, &number, sizeof(number));
	while (got < 0 && errno == EINTR);
	if (got != sizeof(number))
		return NULL; /* closed by a successful exec */
	launch_wait(launch);
	/* A script whose interpreter is missing is there, and cannot be run. */
	if (number == ENOENT && access(name, F_OK))
		return error_status(127, 0, "%s: command not found", name);
	return error_status(126, number, "cannot run %s", name);
}

bool launch_poll(struct launch *launch)
{
	if (!launch->ended && waitpid(launch->pid, &launch->wait_status, WNOHANG) == launch->pid)
		launch->ended = true;
	return launch->ended;
}

void launch_wait(struct launch *launch)
{
	while (!launch->ended) {
		pid_t pid = waitpid(launch->pid, &launch->wait_status, 0);

		if (pid == launch->pid || (pid < 0 && errno != EINTR))
			launch->ended = true;
	}
}

int launch_status(const struct launch *launch)
{
	if (WIFSIGNALED(launch->wait_status))
		return 128 + WTERMSIG(launch->wait_status);
	return WEXITSTATUS(launch->wait_status);
}

void launch_free(struct launch *launch)
{
	if (!launch->pid)
		return;
	close(launch->go);
	close(launch->failure);
	close(launch->pidfd);
}
