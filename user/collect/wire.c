// SPDX-License-Identifier: GPL-2.0
/* How do memtrace and its reader send each other bytes and descriptors?  See wire.h. */
#include "user/collect/wire.h"

#include "user/symbol/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define NS_A_MS 1000000

/* Room for one descriptor. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void put_descriptor(struct msghdr *message, union control *control, int descriptor)
{
	struct cmsghdr *header;

	message->msg_control = control->bytes;
	message->msg_controllen = sizeof(control->bytes);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
}

/* There is room for the whole of it: who waits for an ask has read those before. */
bool wire_ask(int socket, const struct wire_ask *ask, const void *bytes, int descriptor)
{
	struct iovec parts[] = { { (void *)ask, sizeof(*ask) }, { (void *)bytes, ask->bytes } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	union control control = { .bytes = { 0 } };

	if (descriptor >= 0)
		put_descriptor(&message, &control, descriptor);
	return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof(*ask) + ask->bytes);
}

static int take_descriptor(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int descriptor = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
	return descriptor;
}

bool wire_take(int socket, struct wire_ask *ask, int *descriptor)
{
	union control control = { .bytes = { 0 } };
	struct iovec part = { ask, sizeof(*ask) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	bool all = recvmsg(socket, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) == sizeof(*ask);

	*descriptor = take_descriptor(&message);
	return all;
}

bool wire_read(int socket, void *bytes, size_t count)
{
	char *at = bytes;

	while (count) {
		ssize_t got = read(socket, at, count);

		if (got <= 0)
			return false;
		at += got;
		count -= (size_t)got;
	}
	return true;
}

bool wire_write(int socket, const void *bytes, size_t count)
{
	const char *at = bytes;

	while (count) {
		ssize_t put = write(socket, at, count);

		if (put <= 0)
			return false;
		at += put;
		count -= (size_t)put;
	}
	return true;
}

/* Signals go on waiting, which has an end. */
static bool wait_for(int socket, uint64_t deadline_ns)
{
	struct pollfd polled = { .fd = socket, .events = POLLIN };
	uint64_t now = frame_deadline(0);

	if (now >= deadline_ns)
		return false;
	return poll(&polled, 1, (int)((deadline_ns - now) / NS_A_MS) + 1) >= 0 || errno == EINTR;
}

bool wire_await(int socket, void *bytes, size_t count, uint64_t deadline_ns)
{
	char *at = bytes;

	while (count) {
		ssize_t got = read(socket, at, count);

		if (got > 0) {
			at += got;
			count -= (size_t)got;
		} else if (!got || (errno != EAGAIN && errno != EINTR) ||
			   !wait_for(socket, deadline_ns)) {
			return false;
		}
	}
	return true;
}
