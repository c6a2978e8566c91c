// SPDX-License-Identifier: GPL-2.0
/* What does the reader say of files?  See remote.h. */
#include "user/collect/remote.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/proc.h"
#include "user/collect/reader.h"
#include "user/symbol/bytes.h"
#include "user/symbol/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ANSWER_NS 5000000000ULL
#define END_MS 50 /* for it to end */

/* ---- the process ---- */

void remote_open(struct remote *remote)
{
	int sockets[2];

	remote->socket = -1;
	remote->failed = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return;
	remote->pid = fork();
	if (remote->pid == 0)
		reader_run(sockets[1]);
	close(sockets[1]);
	if (remote->pid < 0) {
		close(sockets[0]);
		remote->pid = 0;
		return;
	}
	fcntl(sockets[0], F_SETFL, O_NONBLOCK);
	remote->socket = sockets[0];
	remote->failed = clock_getcpuclockid(remote->pid, &remote->clock);
}

static void hang_up(struct remote *remote)
{
	cleanup_close_(&remote->socket);
	remote->socket = -1;
}

/* One that is stopped ends when it goes on. */
void remote_close(struct remote *remote)
{
	hang_up(remote);
	for (int ms = 0; remote->pid && ms < END_MS; ms++) {
		pid_t pid = waitpid(remote->pid, NULL, WNOHANG);

		if (pid > 0 || (pid < 0 && errno != EINTR))
			remote->pid = 0;
		else
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	remote->pid = 0;
}

/* It is asked no more. */
static bool fail(struct remote *remote)
{
	hang_up(remote);
	remote->failed = true;
	return false;
}

/* ---- asking ---- */

static bool ask(struct remote *remote, const struct wire_ask *asked, const void *bytes,
		int descriptor)
{
	uint64_t now = frame_deadline(0);

	if (remote->failed)
		return false;
	remote->deadline_ns = ANSWER_NS + (asked->deadline_ns > now ? asked->deadline_ns : now);
	return wire_ask(remote->socket, asked, bytes, descriptor) || fail(remote);
}

static bool await(struct remote *remote, void *bytes, size_t count)
{
	return !remote->failed &&
	       (wire_await(remote->socket, bytes, count, remote->deadline_ns) || fail(remote));
}

/* ---- files ---- */

static bool is_text(const char *text, size_t room)
{
	return memchr(text, 0, room);
}

static bool are_segments(const struct wire_file *file)
{
	if (file->segment_count > MT_SEGMENTS)
		return false;
	for (uint32_t i = 0; i + 1 < file->segment_count; i++)
		if (file->segments[i].offset > file->segments[i + 1].offset)
			return false;
	return true;
}

static bool is_file(const struct wire_file *file)
{
	return file->is_code == 1 && are_segments(file) &&
	       is_text(file->wish.build_id, sizeof(file->wish.build_id)) &&
	       is_text(file->wish.link, sizeof(file->wish.link)) &&
	       strspn(file->wish.build_id, "0123456789abcdef") == strlen(file->wish.build_id) &&
	       file->needs_bytes <= WIRE_NEEDS;
}

bool remote_file(struct remote *remote, uint32_t number, int descriptor, struct wire_file *file,
		 char **needs)
{
	const struct wire_ask asked = { .what = WIRE_FILE, .number = number };

	*needs = NULL;
	if (!ask(remote, &asked, NULL, descriptor) || !await(remote, file, sizeof(*file)) ||
	    !file->is_code)
		return false;
	if (!is_file(file))
		return fail(remote);
	*needs = memory_new((size_t)file->needs_bytes + 1, 1);
	return await(remote, *needs, file->needs_bytes);
}

/* They are searched in; the end of code is the last of them. */
static bool are_rows(const struct cfi_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((i && rows[i].pc <= rows[i - 1].pc) || cfi_kind(rows[i]) >= CFI_KINDS)
			return false;
	return !count || cfi_kind(rows[count - 1]) == CFI_NONE;
}

void remote_table(struct remote *remote, uint32_t number, struct cfi_table *table)
{
	const struct wire_ask asked = { .what = WIRE_TABLE, .number = number };
	struct wire_table from;

	*table = (struct cfi_table){ 0 };
	if (!ask(remote, &asked, NULL, -1) || !await(remote, &from, sizeof(from)))
		return;
	if (from.row_count > WIRE_ROWS || from.far_count > CFI_FAR) {
		fail(remote);
		return;
	}
	table->rows = memory_new(from.row_count, sizeof(*table->rows));
	if (!await(remote, table->rows, from.row_count * sizeof(*table->rows)))
		return;
	if (!are_rows(table->rows, from.row_count)) {
		fail(remote);
		return;
	}
	table->base = from.base;
	table->count = from.row_count;
	table->far_count = from.far_count;
	table->links = from.links;
	memcpy(table->far, from.far, sizeof(from.far));
}

/* What is not a truth value must not be looked at as one. */
static bool is_interpreter(const struct python_file *python)
{
	uint8_t found;

	memcpy(&found, &python->found, sizeof(found));
	return found <= 1 && python->loop_count <= PYTHON_LOOPS &&
	       (!python->layout.minor || python_is_sane(&python->layout));
}

bool remote_python(struct remote *remote, uint32_t number, const char *path,
		   struct python_file *python)
{
	const char *slash = strrchr(path, '/'), *name = slash ?: path;
	const struct wire_ask asked = { .what = WIRE_PYTHON, .number = number,
					.bytes = (uint32_t)strnlen(name, WIRE_NAME) };

	if (!ask(remote, &asked, name, -1) || !await(remote, python, sizeof(*python)))
		return false;
	return is_interpreter(python) || fail(remote);
}

bool remote_debug(struct remote *remote, enum wire_what what, uint32_t number, int descriptor,
		  struct wire_debug *debug)
{
	const struct wire_ask asked = { .what = what, .number = number };

	if (!ask(remote, &asked, NULL, descriptor) || !await(remote, debug, sizeof(*debug)))
		return false;
	if (debug->taken > 1 || !is_text(debug->alt, sizeof(debug->alt)))
		return fail(remote);
	return debug->taken;
}

/* ---- names ---- */

/* `length` as struct wire_place has it. */
static char *take_text(struct bytes *bytes, uint32_t length)
{
	const uint8_t *text = bytes->at;

	if (!length || length > WIRE_TEXT + 1 || !bytes_skip(bytes, length - 1)) {
		bytes->short_of |= length != 0;
		return NULL;
	}
	return memory_copy(text, length - 1);
}

static void take_place(struct bytes *bytes, struct place *place)
{
	uint32_t function, file;

	place->line = (uint32_t)bytes_fixed(bytes, sizeof(uint32_t));
	function = (uint32_t)bytes_fixed(bytes, sizeof(uint16_t));
	file = (uint32_t)bytes_fixed(bytes, sizeof(uint16_t));
	place->function = take_text(bytes, function);
	place->file = take_text(bytes, file);
}

static bool take_places(struct bytes *bytes, struct places *places)
{
	uint64_t count;

	places->count = 0;
	places->offset = bytes_fixed(bytes, sizeof(uint64_t));
	count = bytes_fixed(bytes, sizeof(uint32_t));
	bytes_skip(bytes, sizeof(uint32_t));
	if (!count || count > PLACES)
		return false;
	while (places->count < count && !bytes->short_of)
		take_place(bytes, &places->at[places->count++]);
	if (!bytes->short_of)
		return true;
	places_free(places);
	return false;
}

struct taking {
	remote_take take;
	void *context;
	size_t first; /* index */
};

/* Returns how many addresses were told of, 0: nothing sensible was said. */
static size_t take_chunk(struct remote *remote, size_t most, const struct taking *taking)
{
	cleanup_free uint8_t *buffer = NULL;
	struct wire_chunk chunk;
	struct places places;
	struct bytes bytes;

	if (!await(remote, &chunk, sizeof(chunk)) || chunk.count > most ||
	    chunk.bytes > WIRE_CHUNK_MOST)
		return 0;
	buffer = memory_new(chunk.bytes, 1);
	if (!await(remote, buffer, chunk.bytes))
		return 0;
	bytes = (struct bytes){ .at = buffer, .end = buffer + chunk.bytes };
	for (size_t i = 0; i < chunk.count; i++) {
		if (!take_places(&bytes, &places))
			return 0;
		taking->take(taking->context, taking->first + i, &places);
	}
	return bytes.at == bytes.end ? chunk.count : 0;
}

static bool take_all(struct remote *remote, size_t count, struct taking taking)
{
	while (count) {
		size_t told = take_chunk(remote, count, &taking);

		if (!told)
			return fail(remote);
		taking.first += told;
		count -= told;
	}
	return true;
}

static void ask_addresses(struct remote *remote, struct wire_ask asked, int descriptor,
			  const uint64_t *addresses, size_t count, struct taking taking)
{
	size_t end = taking.first + count;

	while (taking.first < end) {
		size_t part = end - taking.first;

		if (part > WIRE_ADDRESSES)
			part = WIRE_ADDRESSES;
		asked.bytes = (uint32_t)(part * sizeof(*addresses));
		asked.more = taking.first + part < end;
		if (!ask(remote, &asked, &addresses[taking.first], descriptor) ||
		    !take_all(remote, part, taking))
			return;
		taking.first += part;
		descriptor = -1;
	}
}

void remote_places(struct remote *remote, uint32_t number, const uint64_t *addresses, size_t count,
		   uint64_t deadline_ns, remote_take take, void *context)
{
	const struct wire_ask asked = { .what = WIRE_PLACES, .number = number,
					.deadline_ns = deadline_ns };

	ask_addresses(remote, asked, -1, addresses, count, (struct taking){ take, context, 0 });
}

void remote_names(struct remote *remote, int descriptor, const uint64_t *addresses, size_t count,
		  remote_take take, void *context)
{
	const struct wire_ask asked = { .what = WIRE_NAMES };

	ask_addresses(remote, asked, descriptor, addresses, count,
		      (struct taking){ take, context, 0 });
}

/* ---- what it costs ---- */

uint64_t remote_cpu_ns(const struct remote *remote)
{
	struct timespec used;

	if (!remote->pid || clock_gettime(remote->clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

uint64_t remote_resident_bytes(const struct remote *remote)
{
	cleanup_fclose FILE *file = NULL;
	uint64_t kib = 0;
	char path[64];

	if (!remote->pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", remote->pid);
	file = fopen(path, "re");
	proc_find_number(file, "VmRSS", &kib);
	return kib * 1024;
}
