// SPDX-License-Identifier: GPL-2.0
/* How is a command started so that nothing of it is missed?  See launch.h. */
#include "user/collect/launch.h"

#include "user/base/cleanup.h"
#include "user/collect/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define NOT_STARTED 125
#define LET_GO_MS 50 /* for it to stop; what sleeps in a driver does not */

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
	/* Where that is ignored, a process leaves no status behind. */
	void (*end_of_child)(int) = signal(SIGCHLD, SIG_DFL);
	int go[2], failure[2];

	launch->watch = -1;
	if (pipe2(go, O_CLOEXEC) || pipe2(failure, O_CLOEXEC))
		return error_new(errno, "cannot make a pipe");
	launch->pid = fork();
	if (launch->pid < 0) {
		launch->pid = 0;
		return error_new(errno, "cannot make a process for %s", command[0]);
	}
	if (launch->pid == 0) {
		signal(SIGCHLD, end_of_child);
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

void launch_watch(struct launch *launch)
{
	launch->watch = hold_watch();
}

static bool is_in(const char *directory, size_t length, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%.*s%s%s", (int)length, directory,
				length ? "/" : "", name) < sizeof(path) && !access(path, F_OK);
}

/* Is there a file of that name where execvp() looks for it?  It may not be one to run. */
static bool is_there(const char *name)
{
	const char *at = getenv("PATH");

	if (!*name || strchr(name, '/'))
		return !access(name, F_OK) || errno != ENOENT;
	if (!at)
		at = "/bin:/usr/bin"; /* as execvp() */
	while (true) {
		size_t length = strcspn(at, ":");

		if (is_in(at, length, name))
			return true;
		if (!at[length])
			return false;
		at += length + 1;
	}
}

struct error *launch_go(struct launch *launch, const char *name)
{
	int number = 0;
	ssize_t got;

	/* Nobody reads it where a signal has ended the process before it became the command. */
	if (write(launch->go, "g", 1) != 1 && errno != EPIPE)
		return error_new(errno, "cannot start %s", name);
	do
		got = read(launch->failure, &number, sizeof(number));
	while (got < 0 && errno == EINTR);
	if (got != sizeof(number)) { /* closed by a successful exec, or by that end */
		launch->traced = launch->watch >= 0 && hold_begin(launch->pid);
		return NULL;
	}
	launch_wait(launch);
	/* A script whose interpreter is missing is there, and cannot be run. */
	if (!is_there(name))
		return error_status(127, 0, "%s: command not found", name);
	return error_status(126, number, "cannot run %s", name);
}

/* False: there is nothing that it says, or it goes on. */
static bool take(struct launch *launch, int flags)
{
	int status = 0;
	pid_t pid = waitpid(launch->pid, &status, flags);

	if (!pid || (pid < 0 && errno == EINTR))
		return false;
	if (pid > 0 && WIFSTOPPED(status)) {
		enum hold_stop stop = hold_stopped(launch->pid, status);

		launch->held = stop == HOLD_TIDIES || stop == HOLD_ENDS;
		launch->traced = stop != HOLD_NEVER;
		launch->tidies = stop == HOLD_TIDIES;
		return !launch->held;
	}
	launch->ended = true; /* or it is no child of ours any more */
	launch->wait_status = status;
	return false;
}

bool launch_poll(struct launch *launch)
{
	bool went_on = false;

	hold_forget(launch->watch);
	while (!launch->ended && !launch->held && take(launch, WNOHANG))
		went_on = true;
	return went_on && !launch->ended && !launch->held;
}

void launch_release(struct launch *launch)
{
	if (launch->held)
		hold_release(launch->pid);
	launch->held = false;
}

/* One that does not stop in time is served by launch_wait(). */
void launch_let_go(struct launch *launch)
{
	int status = 0;

	if (!launch->traced || launch->ended)
		return;
	hold_interrupt(launch->pid);
	for (int ms = 0; ms < LET_GO_MS && launch->traced && !launch->ended; ms++) {
		pid_t pid = waitpid(launch->pid, &status, WNOHANG);

		if (pid > 0 && WIFSTOPPED(status)) {
			hold_end(launch->pid, status);
			launch->traced = false;
		} else if (pid) {
			launch->ended = true;
			launch->wait_status = status;
		} else {
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
}

void launch_wait(struct launch *launch)
{
	while (!launch->ended) {
		take(launch, 0);
		launch_release(launch);
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
	cleanup_close_(&launch->watch);
}
