/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is a capture kept?  A file of 24 bytes of header (magic, version, size) and one zstd
 * frame with a checksum, which holds the message of capture.proto.
 */
#ifndef MEMTRACE_SNAPSHOT_FILE_H
#define MEMTRACE_SNAPSHOT_FILE_H

#include "build/capture.pb-c.h"
#include "user/base/error.h"
#include "user/snapshot/place.h"

#define CAPTURE_VERSION 1

/* Saves a capture for its owner's eyes and closes the file.  One that could not be written
 * whole is discarded. */
struct error *capture_save(const Mt__Capture *capture, struct file *file);

struct error *capture_open(const char *path, int *fd);

/*
 * Loads one from an open file, whose path is for the messages.  Trusts nothing of it: sizes,
 * indexes and the number of balances have been checked when this succeeds.  The result is given
 * back with capture_free().
 */
struct error *capture_load(int fd, const char *path, Mt__Capture **capture);

/* The same from memory, for tests and fuzzers.  `name` is for the messages. */
struct error *capture_parse(const void *bytes, size_t count, const char *name,
			    Mt__Capture **capture);

void capture_free(Mt__Capture *capture);

#endif
