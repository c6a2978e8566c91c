/* SPDX-License-Identifier: GPL-2.0 */
/* How are numbers read out of bytes that nobody vouches for?  Behind the end all are 0. */
#ifndef MEMTRACE_BYTES_H
#define MEMTRACE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *at, *end;
	bool short_of; /* something was asked for that is not there */
};

static inline bool bytes_skip(struct bytes *bytes, uint64_t count)
{
	if (count > (uint64_t)(bytes->end - bytes->at)) {
		bytes->at = bytes->end;
		bytes->short_of = true;
		return false;
	}
	bytes->at += count;
	return true;
}

/* Little-endian, up to 8 bytes. */
static inline uint64_t bytes_fixed(struct bytes *bytes, size_t count)
{
	const uint8_t *start = bytes->at;
	uint64_t value = 0;

	if (!bytes_skip(bytes, count))
		return 0;
	for (size_t i = count; i-- > 0;)
		value = value << 8 | start[i];
	return value;
}

static inline uint64_t bytes_uleb(struct bytes *bytes)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)bytes_fixed(bytes, 1);

		if (shift < 64)
			value |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return value;
	}
}

static inline int64_t bytes_sleb(struct bytes *bytes)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;;) {
		uint8_t byte = (uint8_t)bytes_fixed(bytes, 1);

		if (shift < 64)
			value |= (uint64_t)(byte & 127) << shift;
		shift += 7;
		if (byte & 128)
			continue;
		if (shift < 64 && (byte & 64))
			value |= ~0ULL << shift;
		return (int64_t)value;
	}
}

#endif
