// SPDX-License-Identifier: GPL-2.0
/* How is a capture kept?  See file.h. */
#include "user/snapshot/file.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/snapshot/check.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <zstd.h>

#define MAGIC "MEMTRACE"
#define MOST_BYTES (1ULL << 30) /* of a file, of what it unpacks to, of the structs made of it */
#define MEMORY_SHARE 16 /* each of these, and what a report makes of them, has to find room */

struct header {
	char magic[8];
	uint32_t version; /* little-endian, like all of it */
	uint32_t unused; /* 0 */
	uint64_t bytes; /* of the message, unpacked */
};

static struct error *compress(const Mt__Capture *capture, void **out, size_t *out_bytes,
			      size_t *raw_bytes)
{
	size_t raw = mt__capture__get_packed_size(capture), room = ZSTD_compressBound(raw), made;
	cleanup_free uint8_t *message = memory_new(raw, 1);
	ZSTD_CCtx *context = ZSTD_createCCtx();

	if (!context)
		return error_new(ENOMEM, "cannot compress the capture");
	mt__capture__pack(capture, message);
	*out = memory_new(room, 1);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	made = ZSTD_compress2(context, *out, room, message, raw);
	ZSTD_freeCCtx(context);
	if (ZSTD_isError(made))
		return error_new(0, "cannot compress the capture: %s", ZSTD_getErrorName(made));
	*out_bytes = made;
	*raw_bytes = raw;
	return NULL;
}

static struct error *write_capture(const struct file *file, const Mt__Capture *capture)
{
	struct header header = { .magic = MAGIC, .version = htole32(CAPTURE_VERSION) };
	cleanup_free void *frame = NULL;
	size_t frame_bytes = 0, raw_bytes = 0;

	TRY(file_make_private(file));
	TRY(compress(capture, &frame, &frame_bytes, &raw_bytes));
	header.bytes = htole64(raw_bytes);
	TRY(file_write(file, &header, sizeof(header)));
	return file_write(file, frame, frame_bytes);
}

struct error *capture_save(const Mt__Capture *capture, struct file *file)
{
	int number = file_begin(file), closed;
	struct error *error = number ? NULL : write_capture(file, capture);

	if (error || number)
		file_discard(file);
	closed = file_close(file);
	if (closed)
		number = closed;
	if (number && !error)
		error = error_new(number, "cannot write %s", file->path);
	return error;
}

/* ---- loading ---- */

/* Whoever made the file does not say how much memory is used up for it: on a small machine, or
 * where little is allowed, less is taken. */
static size_t most_bytes(void)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	struct rlimit allowed;

	if (!getrlimit(RLIMIT_AS, &allowed) && allowed.rlim_cur < memory)
		memory = allowed.rlim_cur;
	return memory / MEMORY_SHARE < MOST_BYTES ? memory / MEMORY_SHARE : MOST_BYTES;
}

static struct error *too_large(const char *name)
{
	char most[24];

	return error_new(0, "%s would take more than %s of memory to be read: memtrace takes no "
			    "larger capture here", name,
			 text_bytes(most, sizeof(most), (int64_t)most_bytes(), 0));
}

/* Message structs cost far more than their bytes in the file: what they may take is limited. */
struct budget {
	size_t left;
	bool exceeded;
};

static void *budget_alloc(void *data, size_t bytes)
{
	struct budget *budget = data;

	/* malloc's own share counts, too */
	budget->exceeded |= bytes + 32 > budget->left;
	if (budget->exceeded)
		return NULL;
	budget->left -= bytes + 32;
	return malloc(bytes);
}

static void budget_free(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

static ProtobufCAllocator plain_allocator = { NULL, budget_free, NULL };

void capture_free(Mt__Capture *capture)
{
	if (capture)
		mt__capture__free_unpacked(capture, &plain_allocator);
}

static struct error *damaged(const char *name, const char *how)
{
	return error_new(0, "%s is damaged (%s): no report can be made from it", name, how);
}

static struct error *unpack(const void *message, size_t bytes, const char *name,
			    Mt__Capture **capture)
{
	struct budget budget = { .left = most_bytes() };
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
	Mt__Capture *made = mt__capture__unpack(&allocator, bytes, message);
	const char *wrong;

	if (!made)
		return budget.exceeded ? too_large(name) :
					 damaged(name, "its message cannot be read");
	wrong = capture_wrong(made);
	if (wrong) {
		capture_free(made);
		return damaged(name, wrong);
	}
	*capture = made;
	return NULL;
}

struct error *capture_parse(const void *bytes, size_t count, const char *name,
			    Mt__Capture **capture)
{
	const uint8_t *frame = (const uint8_t *)bytes + sizeof(struct header);
	cleanup_free void *message = NULL;
	struct header header;
	uint64_t size;

	if (count < sizeof(header) || memcmp(bytes, MAGIC, 8))
		return error_new(0, "%s is not a memtrace capture (write one with -w FILE)", name);
	memcpy(&header, bytes, sizeof(header));
	if (le32toh(header.version) != CAPTURE_VERSION)
		return error_new(0, "%s has capture format %u, this memtrace reads %u: use the "
				    "memtrace that wrote it", name, le32toh(header.version),
				 CAPTURE_VERSION);
	size = le64toh(header.bytes);
	count -= sizeof(header);
	if (header.unused)
		return damaged(name, "its header says what no memtrace writes");
	if (ZSTD_getFrameContentSize(frame, count) != size)
		return damaged(name, "its size is not what it says");
	if (size > most_bytes())
		return too_large(name);
	message = malloc(size + 1);
	if (!message)
		return error_new(ENOMEM, "cannot load %s", name);
	if (ZSTD_decompress(message, size, frame, count) != size)
		return damaged(name, "its checksum or length is wrong");
	return unpack(message, size, name, capture);
}

static struct error *read_all(int fd, const char *path, void **out, size_t *out_bytes)
{
	const size_t most = most_bytes();
	size_t bytes = 0, room = 1 << 16;
	cleanup_free char *buffer = memory_new(room, 1);

	for (;;) {
		ssize_t got = read(fd, buffer + bytes, room - bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_new(errno, "cannot read %s", path);
		if (!got)
			break;
		bytes += got;
		if (bytes > most)
			return error_new(0, "%s is too large to be a memtrace capture", path);
		if (bytes == room) {
			char *larger = realloc(buffer, room *= 2);

			if (!larger)
				return error_new(ENOMEM, "cannot load %s", path);
			buffer = larger;
		}
	}
	*out = buffer;
	*out_bytes = bytes;
	buffer = NULL;
	return NULL;
}

struct error *capture_open(const char *path, int *fd)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? error_new(errno, "cannot open %s", path) : NULL;
}

struct error *capture_load(int fd, const char *path, Mt__Capture **capture)
{
	cleanup_free void *bytes = NULL;
	size_t count = 0;

	TRY(read_all(fd, path, &bytes, &count));
	return capture_parse(bytes, count, path, capture);
}
