// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a capture that breaks a report?  libFuzzer's bytes are taken as a file, and as the
 * message in a file whose frame is right: what a checksum would keep from being looked at.
 */
#include "tests/fuzz/check.h"
#include "user/snapshot/file.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 24
#define BLOCK_MOST (128 << 10)

static void put(uint8_t **at, const void *bytes, size_t count)
{
	*at = (uint8_t *)mempcpy(*at, bytes, count);
}

/* Header, and a frame of raw blocks (RFC 8878): no compressing, no checksum. */
static uint8_t *wrap(const uint8_t *message, size_t count, size_t *file_bytes)
{
	size_t blocks = count / BLOCK_MOST + 1;
	uint8_t *file = malloc(HEADER + 13 + blocks * 3 + count), *at = file;
	uint64_t size = count;

	put(&at, "MEMTRACE\1\0\0\0\0\0\0\0", 16);
	put(&at, &size, 8);
	put(&at, "\x28\xb5\x2f\xfd\xe0", 5);
	put(&at, &size, 8);
	for (size_t i = 0; i < blocks; i++) {
		size_t part = i + 1 < blocks ? BLOCK_MOST : count % BLOCK_MOST;
		uint32_t head = (uint32_t)part << 3 | (i + 1 == blocks);

		put(&at, &head, 3);
		put(&at, message + i * BLOCK_MOST, part);
	}
	*file_bytes = at - file;
	return file;
}

static void take(const uint8_t *bytes, size_t count)
{
	Mt__Capture *capture = NULL;
	struct error *error = capture_parse(bytes, count, "it", &capture);

	if (!error != !!capture)
		abort();
	if (capture)
		check_reports(capture);
	capture_free(capture);
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	size_t file_bytes;
	uint8_t *file = wrap(bytes, count, &file_bytes);

	take(bytes, count);
	take(file, file_bytes);
	free(file);
	return 0;
}
