/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is a capture kept?  A file of 24 bytes of header (magic, version, size) and one zstd
 * frame with a checksum, which holds the message of capture.proto.
 */
#ifndef MEMTRACE_SNAPSHOT_FILE_H
#define MEMTRACE_SNAPSHOT_FILE_H

#include "build/capture.pb-c.h"
#include "user/base/error.h"

#include <stdbool.h>

#define CAPTURE_VERSION 1

/* A file that is opened before there is anything to write, so that it is known at once where
 * it cannot be.  What was there before stays until then. */
struct file {
	const char *path; /* the caller's */
	int descriptor;
	bool made;  /* it was not there before */
	bool given; /* /dev/fd/3, /dev/stderr: it is open already, and somebody else's */
	bool begun; /* what it had is gone */
};

/* Opens a file to be written: never through a symbolic link, other than those for what is open
 * already.  A new one is its owner's alone. */
struct error *file_create(struct file *file, const char *path);

/* Empties it: from now on it is written.  Returns an errno, or 0. */
int file_begin(struct file *file);

/* Closes it, and removes it if it is new and was not begun.  Returns an errno, or 0: some file
 * systems say only now that they are full. */
int file_close(struct file *file);

/* Saves a capture for its owner's eyes and closes the file.  One that could not be written
 * whole is removed. */
struct error *capture_save(const Mt__Capture *capture, struct file *file);

/*
 * Loads one.  Trusts nothing of it: sizes, indexes and the number of balances have been
 * checked when this succeeds.  The result is given back with capture_free().
 */
struct error *capture_load(const char *path, Mt__Capture **capture);

/* The same from memory, for tests and fuzzers.  `name` is for the messages. */
struct error *capture_parse(const void *bytes, size_t count, const char *name,
			    Mt__Capture **capture);

void capture_free(Mt__Capture *capture);

#endif
