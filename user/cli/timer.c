// SPDX-License-Identifier: GPL-2.0
/* When is it time?  See timer.h. */
#include "user/cli/timer.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct error *timer_open(int *fd)
{
	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return *fd < 0 ? error_new(errno, "cannot make timers") : NULL;
}

static struct timespec span(double seconds)
{
	struct timespec time = { .tv_sec = (time_t)seconds };

	time.tv_nsec = (seconds - (double)time.tv_sec) * 1e9;
	if (!time.tv_sec && !time.tv_nsec)
		time.tv_nsec = 1;
	return time;
}

void timer_set(int fd, double seconds, bool again)
{
	struct itimerspec timer = { .it_value = span(seconds) };

	if (again)
		timer.it_interval = timer.it_value;
	timerfd_settime(fd, 0, &timer, NULL);
}

bool timer_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}
