// SPDX-License-Identifier: GPL-2.0
/* Where are the symbols and lines of a file that was stripped of them?  See debug.h. */
#include "user/symbol/debug.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "usr/lib/debug"
#define MOST_FILE ((uint64_t)1 << 30) /* that a checksum is made of */
#define MOST_MINI ((size_t)64 << 20)
#define CHUNK (1 << 16)

static void write_hex(char *out, const uint8_t *bytes, size_t count)
{
	*out = 0;
	for (size_t i = 0; i < count; i++)
		sprintf(&out[2 * i], "%02x", bytes[i]);
}

void debug_build_id(Elf *elf, char id[2 * DEBUG_ID_BYTES + 1])
{
	const void *found = NULL;
	ssize_t count = dwelf_elf_gnu_build_id(elf, &found);

	if (count > DEBUG_ID_BYTES)
		count = DEBUG_ID_BYTES;
	write_hex(id, found, count > 0 ? (size_t)count : 0);
}

/* ---- files ---- */

/* A regular file below a directory.  What is no such file is not opened: to open a device or a
 * pipe may do something. */
static int open_regular(int root, const char *path)
{
	cleanup_close int found = -1;
	struct stat status;
	char own[64];

	while (*path == '/')
		path++;
	found = openat(root, path, O_PATH | O_CLOEXEC);
	if (found < 0 || fstat(found, &status) || !S_ISREG(status.st_mode))
		return -1;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", found);
	return open(own, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static bool has_build_id(Elf *elf, const char *wanted)
{
	char id[2 * DEBUG_ID_BYTES + 1];

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

/* An ELF file with what is wanted; `descriptor` is -1 and the result NULL if there is none. */
static Elf *open_wanted(int root, const char *path, const struct wanted *wanted, int *descriptor)
{
	Elf *elf;

	*descriptor = open_regular(root, path);
	if (*descriptor < 0)
		return NULL;
	elf = elf_read(*descriptor);
	if (elf && (*wanted->build_id ? has_build_id(elf, wanted->build_id) :
					has_checksum(*descriptor, wanted->checksum)))
		return elf;
	elf_end(elf);
	close(*descriptor);
	*descriptor = -1;
	return NULL;
}

/* The directory of a path, as a prefix of another. */
static int directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

static char *path_beside(const char *path, const char *between, const char *name)
{
	size_t size = strlen(path) + strlen(between) + strlen(name) + 2;
	char *made = memory_new(size, 1);

	snprintf(made, size, "%.*s/%s%s", directory_length(path), path, between, name);
	return made;
}

/* ---- what several share ---- */

/* .gnu_debugaltlink: a path, and the build-id of what is to be there. */
static void find_alt(struct debug *debug, int root, const char *path)
{
	Elf_Data *data = elf_rawdata(elf_section(debug->elf, ".gnu_debugaltlink"), NULL);
	char id[2 * DEBUG_ID_BYTES + 1];
	struct wanted wanted = { .build_id = id };
	cleanup_free char *beside = NULL;
	const char *name;
	size_t length;

	if (!data || !data->d_buf)
		return;
	name = data->d_buf;
	length = strnlen(name, data->d_size) + 1;
	if (length >= data->d_size || data->d_size - length > DEBUG_ID_BYTES)
		return;
	write_hex(id, (const uint8_t *)name + length, data->d_size - length);
	beside = name[0] == '/' ? memory_copy(name, length) : path_beside(path, "", name);
	debug->alt = open_wanted(root, beside, &wanted, &debug->alt_descriptor);
}

/* ---- the search ---- */

static struct debug *try_path(int root, const char *path, const struct wanted *wanted)
{
	struct debug debug = { .alt_descriptor = -1 };

	debug.elf = open_wanted(root, path, wanted, &debug.descriptor);
	if (!debug.elf)
		return NULL;
	find_alt(&debug, root, path);
	return memory_copy(&debug, sizeof(debug));
}

static struct debug *by_build_id(int root, const struct wanted *wanted)
{
	char path[sizeof(FOLDER) + 2ul * DEBUG_ID_BYTES + 32];

	if (strlen(wanted->build_id) < 4)
		return NULL;
	snprintf(path, sizeof(path), FOLDER "/.build-id/%.2s/%s.debug", wanted->build_id,
		 wanted->build_id + 2);
	return try_path(root, path, wanted);
}

/* Where gdb looks for it: beside the file, in .debug there, and below /usr/lib/debug. */
static struct debug *by_link(int root, const char *path, const char *name,
			     const struct wanted *wanted)
{
	struct debug *debug = NULL;

	if (strchr(name, '/') || path[0] != '/')
		return NULL;
	for (int i = 0; i < 3 && !debug; i++) {
		cleanup_free char *beside = path_beside(path, i == 1 ? ".debug/" : "", name);
		cleanup_free char *below = path_beside(FOLDER "/", "", beside + 1);

		debug = try_path(root, i == 2 ? below : beside, wanted);
	}
	return debug;
}

struct debug *debug_find(Elf *elf, int root, const char *path)
{
	char id[2 * DEBUG_ID_BYTES + 1];
	struct wanted wanted = { .build_id = id };
	struct debug *debug;
	GElf_Word checksum = 0;
	const char *name;

	debug_build_id(elf, id);
	debug = by_build_id(root, &wanted);
	if (debug)
		return debug;
	name = dwelf_elf_gnu_debuglink(elf, &checksum);
	wanted.checksum = checksum;
	return name ? by_link(root, path, name, &wanted) : NULL;
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
