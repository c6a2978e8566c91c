// SPDX-License-Identifier: GPL-2.0
/* Who reads files of code, debug symbols and perf maps?  See reader.h. */
#include "user/collect/reader.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/confine.h"
#include "user/collect/wire.h"
#include "user/symbol/perf_map.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#define SOCKET 0
#define IDLE_MS 100
#define MOST_SECONDS 10 /* of CPU time, for an answer: memtrace waits no longer, either */

struct reader {
	struct code *files[MT_FILES]; /* by number */
	int descriptors[MT_FILES];    /* theirs */
	struct perf_map *map;
	uint32_t lines_of; /* the file that lines are in memory of */
	uint8_t asked[WIRE_ASK_MOST + 1];
	uint8_t chunk[WIRE_CHUNK_MOST];
	size_t used;
};

/* ---- files ---- */

/* It is the same in every process, and so in this one.  Its section headers are the last thing in
 * it. */
static struct code *open_vdso(void)
{
	Elf64_Ehdr *image = (Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);

	return image ? code_open_image(image, image->e_shoff +
					      (size_t)image->e_shnum * image->e_shentsize) : NULL;
}

/* One text, of all that there is room for; freed by the caller. */
static char *join_needs(const struct code *code, uint32_t *bytes)
{
	char **needs = code_needs(code), *joined = memory_new(WIRE_NEEDS, 1);

	*bytes = 0;
	for (size_t i = 0; needs[i]; i++) {
		size_t length = strlen(needs[i]) + 1;

		if (length < WIRE_NAME && length <= WIRE_NEEDS - *bytes) {
			memcpy(joined + *bytes, needs[i], length);
			*bytes += (uint32_t)length;
		}
		free(needs[i]);
	}
	free(needs);
	return joined;
}

static bool tell_of_file(struct code *code)
{
	struct wire_file file = { .is_code = 1 };
	char *needs = join_needs(code, &file.needs_bytes);
	bool told;

	file.segment_count = (uint32_t)code_segments(code, file.segments, MT_SEGMENTS);
	code_wish(code, &file.wish);
	told = wire_write(SOCKET, &file, sizeof(file)) &&
	       wire_write(SOCKET, needs, file.needs_bytes);
	free(needs);
	return told;
}

static bool answer_file(struct reader *reader, const struct wire_ask *ask, int descriptor)
{
	static const struct wire_file nothing;
	struct code *code = descriptor >= 0 ? code_open(descriptor) : open_vdso();

	if (!code)
		return wire_write(SOCKET, &nothing, sizeof(nothing));
	code_close(reader->files[ask->number]);
	reader->files[ask->number] = code;
	reader->descriptors[ask->number] = descriptor;
	return tell_of_file(code);
}

/* Without rows where nothing describes the code. */
static bool answer_table(struct reader *reader, const struct wire_ask *ask)
{
	struct code *code = reader->files[ask->number];
	struct wire_table answer = { .row_count = 0 };
	struct cfi_table table = { 0 };
	bool told;

	if (code)
		error_free(code_rows(code, &table));
	if (table.count <= WIRE_ROWS)
		answer.row_count = (uint32_t)table.count;
	answer.base = table.base;
	answer.far_count = (uint32_t)table.far_count;
	answer.links = table.links;
	memcpy(answer.far, table.far, sizeof(answer.far));
	told = wire_write(SOCKET, &answer, sizeof(answer)) &&
	       wire_write(SOCKET, table.rows, answer.row_count * sizeof(*table.rows));
	cfi_free(&table);
	return told;
}

static bool answer_python(const struct reader *reader, const struct wire_ask *ask)
{
	struct python_file python = { .found = false };

	if (reader->files[ask->number])
		python = python_look(reader->descriptors[ask->number],
				     (const char *)reader->asked);
	return wire_write(SOCKET, &python, sizeof(python));
}

static bool answer_debug(struct reader *reader, const struct wire_ask *ask, int descriptor)
{
	struct wire_debug answer = { .taken = 0 };
	struct code *code = reader->files[ask->number];

	if (!code)
		close(descriptor);
	else if (ask->what == WIRE_ALT)
		answer.taken = code_take_alt(code, descriptor);
	else
		answer.taken = code_take_debug(code, descriptor);
	if (code && answer.taken)
		code_wish_alt(code, answer.alt);
	return wire_write(SOCKET, &answer, sizeof(answer));
}

/* ---- names ---- */

static void put(struct reader *reader, const void *bytes, size_t count)
{
	if (count)
		memcpy(reader->chunk + reader->used, bytes, count);
	reader->used += count;
}

static uint16_t text_length(const char *text)
{
	return text ? (uint16_t)strnlen(text, WIRE_TEXT) : 0;
}

static void put_places(struct reader *reader, const struct places *places)
{
	const struct wire_places head = { .offset = places->offset,
					  .count = (uint32_t)places->count };

	put(reader, &head, sizeof(head));
	for (size_t i = 0; i < places->count; i++) {
		const struct place *place = &places->at[i];
		uint16_t function = text_length(place->function), file = text_length(place->file);
		const struct wire_place one = { place->line, function + !!place->function,
						file + !!place->file };

		put(reader, &one, sizeof(one));
		put(reader, place->function, function);
		put(reader, place->file, file);
	}
}

/* The lines of one file at a time are in memory. */
static void forget_lines(struct reader *reader, uint32_t number)
{
	struct code *code = reader->files[reader->lines_of];

	if (code && reader->lines_of != number)
		code_forget_lines(code);
	reader->lines_of = number;
}

static void find_places(struct reader *reader, const struct wire_ask *ask, uint64_t address,
			struct places *places)
{
	struct code *code = reader->files[ask->number];
	const char *name;

	*places = (struct places){ .count = 1 };
	if (ask->what == WIRE_PLACES && code)
		code_places(code, address, ask->deadline_ns, places);
	if (ask->what != WIRE_NAMES || !reader->map)
		return;
	name = perf_map_find(reader->map, address, &places->offset);
	places->at[0].function = name ? memory_copy(name, strlen(name)) : NULL;
}

static bool answer_addresses(struct reader *reader, const struct wire_ask *ask)
{
	struct wire_chunk chunk = { 0 };
	size_t count = ask->bytes / sizeof(uint64_t);
	struct places places;

	for (size_t i = 0; i < count; i++) {
		uint64_t address;

		memcpy(&address, &reader->asked[i * sizeof(address)], sizeof(address));
		find_places(reader, ask, address, &places);
		put_places(reader, &places);
		places_free(&places);
		chunk.count++;
		if (reader->used < WIRE_CHUNK && i + 1 < count)
			continue;
		chunk.bytes = (uint32_t)reader->used;
		if (!wire_write(SOCKET, &chunk, sizeof(chunk)) ||
		    !wire_write(SOCKET, reader->chunk, reader->used))
			return false;
		reader->used = chunk.count = 0;
	}
	return true;
}

static void read_map(struct reader *reader, int descriptor)
{
	cleanup_fclose FILE *file = fdopen(descriptor, "r");

	reader->map = file ? perf_map_read(file) : NULL;
}

static bool answer_names(struct reader *reader, const struct wire_ask *ask, int descriptor)
{
	bool told;

	if (!reader->map && descriptor >= 0)
		read_map(reader, descriptor);
	told = answer_addresses(reader, ask);
	if (ask->more)
		return told;
	perf_map_free(reader->map);
	reader->map = NULL;
	return told;
}

/* ---- the process ---- */

static bool answer(struct reader *reader, const struct wire_ask *ask, int descriptor)
{
	switch (ask->what) {
	case WIRE_FILE:
		return answer_file(reader, ask, descriptor);
	case WIRE_TABLE:
		return answer_table(reader, ask);
	case WIRE_PYTHON:
		return answer_python(reader, ask);
	case WIRE_DEBUG:
	case WIRE_ALT:
		return answer_debug(reader, ask, descriptor);
	case WIRE_NAMES:
		return answer_names(reader, ask, descriptor);
	default:
		forget_lines(reader, ask->number);
		return answer_addresses(reader, ask);
	}
}

/* A file that keeps it busy for too long ends it: memtrace may not, which is another user's. */
static void limit_time(time_t seconds)
{
	const struct itimerval limit = { .it_value = { .tv_sec = seconds } };

	setitimer(ITIMER_PROF, &limit, NULL);
}

static bool answer_next(struct reader *reader)
{
	struct wire_ask ask = { 0 };
	int descriptor;
	bool told;

	if (!wire_take(SOCKET, &ask, &descriptor) || ask.bytes > WIRE_ASK_MOST ||
	    ask.number >= MT_FILES || !wire_read(SOCKET, reader->asked, ask.bytes))
		return false;
	reader->asked[ask.bytes] = 0;
	limit_time(MOST_SECONDS);
	told = answer(reader, &ask, descriptor);
	limit_time(0);
	return told;
}

/* When nothing has been asked for a while, what answers took is given back. */
static void rest(struct reader *reader)
{
	struct pollfd polled = { .fd = SOCKET, .events = POLLIN };

	if (poll(&polled, 1, IDLE_MS))
		return;
	forget_lines(reader, MT_VDSO);
	malloc_trim(0);
}

/* It holds on to nothing but the socket, and is disturbed by nothing: Ctrl-C is not for it. */
static void let_go(int socket)
{
	int nothing = open("/", O_PATH);
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGPROF);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPROF, SIG_DFL);
	dup2(socket, SOCKET);
	dup2(nothing, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

void reader_run(int socket)
{
	struct reader *reader;

	let_go(socket);
	prctl(PR_SET_NAME, "memtrace-reader");
	error_free(confine_reader());
	reader = memory_new(1, sizeof(*reader));
	while (answer_next(reader))
		rest(reader);
	_exit(0);
}
