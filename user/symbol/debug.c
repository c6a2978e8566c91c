// SPDX-License-Identifier: GPL-2.0
/* Where are the symbols and lines of a file that was stripped of them?  See debug.h. */
#include "user/symbol/debug.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <elfutils/libdwelf.h>
#include <lzma.h>
#include <string.h>
#include <unistd.h>

#define MOST_FILE ((uint64_t)1 << 30) /* that a checksum is made of */
#define MOST_MINI ((size_t)64 << 20)
#define CHUNK (1 << 16)

static void write_hex(char *out, const uint8_t *bytes, size_t count)
{
	*out = 0;
	for (size_t i = 0; i < count; i++)
		sprintf(&out[2 * i], "%02x", bytes[i]);
}

void debug_build_id(Elf *elf, char id[DEBUG_ID_TEXT])
{
	const void *found = NULL;
	ssize_t count = dwelf_elf_gnu_build_id(elf, &found);

	if (count > DEBUG_ID_BYTES)
		count = DEBUG_ID_BYTES;
	write_hex(id, found, count > 0 ? (size_t)count : 0);
}

/* ---- is it the one? ---- */

static bool has_build_id(Elf *elf, const char *wanted)
{
	char id[DEBUG_ID_TEXT];

	debug_build_id(elf, id);
	return *wanted && !strcmp(id, wanted);
}

static bool has_checksum(int descriptor, uint32_t wanted)
{
	cleanup_free uint8_t *chunk = memory_new(1, CHUNK);
	uint64_t at = 0;
	uint32_t sum = 0;
	ssize_t count;

	while ((count = pread(descriptor, chunk, CHUNK, (off_t)at)) > 0) {
		sum = lzma_crc32(chunk, (size_t)count, sum);
		at += (uint64_t)count;
		if (at > MOST_FILE)
			return false;
	}
	return !count && sum == wanted;
}

struct wanted {
	const char *build_id; /* "": none, then the checksum counts */
	uint32_t checksum;
};

/* An ELF file with what is wanted, NULL: it is none, and its descriptor is closed. */
static Elf *open_wanted(int descriptor, const struct wanted *wanted)
{
	Elf *elf = elf_read(descriptor);

	if (elf && (*wanted->build_id ? has_build_id(elf, wanted->build_id) :
					has_checksum(descriptor, wanted->checksum)))
		return elf;
	elf_end(elf);
	close(descriptor);
	return NULL;
}

static const char *link_of(Elf *elf, uint32_t *checksum)
{
	GElf_Word found = 0;
	const char *name = dwelf_elf_gnu_debuglink(elf, &found);

	*checksum = found;
	return name;
}

void debug_wish(Elf *elf, struct debug_wish *wish)
{
	uint32_t checksum;
	const char *link = link_of(elf, &checksum);

	debug_build_id(elf, wish->build_id);
	wish->link[0] = 0;
	if (link && strlen(link) < sizeof(wish->link))
		strcpy(wish->link, link);
}

struct debug *debug_take(Elf *elf, int descriptor)
{
	struct debug debug = { .descriptor = descriptor, .alt_descriptor = -1 };
	char id[DEBUG_ID_TEXT];
	struct wanted wanted = { .build_id = id };

	debug_build_id(elf, id);
	link_of(elf, &wanted.checksum);
	debug.elf = open_wanted(descriptor, &wanted);
	return debug.elf ? memory_copy(&debug, sizeof(debug)) : NULL;
}

/* ---- what several share ---- */

/* .gnu_debugaltlink: a path, and the build-id of what is to be there.  NULL: there is none. */
static const char *alt_of(const struct debug *debug, char id[DEBUG_ID_TEXT])
{
	Elf_Data *data = elf_rawdata(elf_section(debug->elf, ".gnu_debugaltlink"), NULL);
	const char *name;
	size_t length;

	if (!data || !data->d_buf)
		return NULL;
	name = data->d_buf;
	length = strnlen(name, data->d_size) + 1;
	if (length >= data->d_size || data->d_size - length > DEBUG_ID_BYTES ||
	    length > DEBUG_NAME)
		return NULL;
	write_hex(id, (const uint8_t *)name + length, data->d_size - length);
	return name;
}

void debug_wish_alt(const struct debug *debug, char name[DEBUG_NAME])
{
	char id[DEBUG_ID_TEXT];
	const char *found = alt_of(debug, id);

	strcpy(name, found ?: "");
}

bool debug_take_alt(struct debug *debug, int descriptor)
{
	char id[DEBUG_ID_TEXT];
	struct wanted wanted = { .build_id = id };

	if (!alt_of(debug, id)) {
		close(descriptor);
		return false;
	}
	debug->alt = open_wanted(descriptor, &wanted);
	debug->alt_descriptor = debug->alt ? descriptor : -1;
	return debug->alt;
}

void debug_free(struct debug *debug)
{
	if (!debug)
		return;
	elf_end(debug->elf);
	close(debug->descriptor);
	elf_end(debug->alt);
	if (debug->alt_descriptor >= 0)
		close(debug->alt_descriptor);
	free(debug);
}

/* ---- mini debuginfo ---- */

Elf *debug_mini(Elf *elf, void **bytes)
{
	Elf_Scn *section = elf_section(elf, ".gnu_debugdata");
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	uint64_t memory = MOST_MINI;
	size_t from = 0, to = 0;
	Elf *mini = NULL;

	*bytes = NULL;
	if (!data || !data->d_buf)
		return NULL;
	*bytes = malloc(MOST_MINI);
	if (*bytes && lzma_stream_buffer_decode(&memory, 0, NULL, data->d_buf, &from, data->d_size,
						*bytes, &to, MOST_MINI) == LZMA_OK) {
		*bytes = memory_trim(*bytes, to, 1);
		mini = elf_read_memory(*bytes, to);
	}
	if (!mini) {
		free(*bytes);
		*bytes = NULL;
	}
	return mini;
}
