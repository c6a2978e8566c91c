// SPDX-License-Identifier: GPL-2.0
/*
 * Is there anything that the process which reads files of code could say, and break memtrace with
 * it?  libFuzzer's bytes are its answers; the first one says what was asked.
 */
#include "user/collect/remote.h"

#include "tests/fuzz/check.h"
#include "user/base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES 5000 /* asked for in several pieces */

static void ask_file(struct remote *remote)
{
	struct wire_file file;
	char *needs = NULL;

	if (remote_file(remote, 1, -1, &file, &needs) &&
	    (file.segment_count > MT_SEGMENTS || needs[file.needs_bytes] ||
	     strlen(file.wish.build_id) >= DEBUG_ID_TEXT || strlen(file.wish.link) >= DEBUG_NAME))
		abort();
	free(needs);
}

static void ask_table(struct remote *remote)
{
	struct cfi_table table;

	remote_table(remote, 1, &table);
	if (table.count > WIRE_ROWS || table.far_count > CFI_FAR)
		abort();
	for (size_t i = 1; i < table.count; i++)
		if (table.rows[i].pc <= table.rows[i - 1].pc)
			abort();
	cfi_free(&table);
}

static void ask_python(struct remote *remote)
{
	struct python_file python;

	if (remote_python(remote, 1, "/usr/bin/python3", &python) &&
	    (python.loop_count > PYTHON_LOOPS ||
	     (python.layout.minor && !python_is_sane(&python.layout))))
		abort();
}

static void ask_debug(struct remote *remote)
{
	struct wire_debug debug;

	if (remote_debug(remote, WIRE_DEBUG, 1, -1, &debug) && strlen(debug.alt) >= DEBUG_NAME)
		abort();
}

/* Each index once, in order. */
static void take(void *context, size_t index, struct places *places)
{
	size_t *next = context;

	if (index != (*next)++ || !places->count || places->count > PLACES)
		abort();
	for (size_t i = 0; i < places->count; i++) {
		const struct place *place = &places->at[i];

		if ((place->function && strlen(place->function) > WIRE_TEXT) ||
		    (place->file && strlen(place->file) > WIRE_TEXT))
			abort();
	}
	places_free(places);
}

static void ask_names(struct remote *remote, bool of_map)
{
	static const uint64_t addresses[ADDRESSES];
	size_t next = 0;

	if (of_map)
		remote_names(remote, -1, addresses, ADDRESSES, take, &next);
	else
		remote_places(remote, 1, addresses, ADDRESSES, 0, take, &next);
	if (next > ADDRESSES || (next < ADDRESSES && !remote->failed))
		abort();
}

static void ask(struct remote *remote, unsigned int what)
{
	switch (what % 6) {
	case 0:
		ask_file(remote);
		break;
	case 1:
		ask_debug(remote);
		break;
	case 2:
		ask_table(remote);
		break;
	case 3:
		ask_python(remote);
		break;
	default:
		ask_names(remote, what % 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct remote remote = { .pid = 0 };
	int sockets[2];

	if (!count || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return 0;
	remote.socket = sockets[0];
	fcntl(sockets[0], F_SETFL, O_NONBLOCK);
	if (send(sockets[1], bytes + 1, count - 1, MSG_NOSIGNAL) != (ssize_t)count - 1)
		abort();
	shutdown(sockets[1], SHUT_WR);
	ask(&remote, bytes[0]);
	close(sockets[1]);
	remote_close(&remote);
	return 0;
}
