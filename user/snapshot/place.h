/* SPDX-License-Identifier: GPL-2.0 */
/* Where may a report or a capture be written, and who may read it there? */
#ifndef MEMTRACE_SNAPSHOT_PLACE_H
#define MEMTRACE_SNAPSHOT_PLACE_H

#include "user/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A file that is opened before there is anything to write, so that it is known at once where
 * it cannot be.  What was there before stays until then. */
struct file {
	const char *path; /* the caller's */
	const char *name; /* in the directory */
	int directory;	  /* a descriptor of it, -1 for what is open already */
	int descriptor;
	bool made;  /* it was not there before */
	bool given; /* /dev/fd/3, /dev/stderr: it is open already, and somebody else's */
	bool begun; /* what it had is gone */
};

/*
 * Opens a file to be written: never through a symbolic link, other than those for what is open
 * already, and where all may put files none that another user has put there.  A new one is its
 * owner's alone.
 */
struct error *file_create(struct file *file, const char *path);

/* Takes from others what rights they have on one that was there before; a group's stay. */
struct error *file_make_private(const struct file *file);

/* Empties it: from now on it is written.  Returns an errno, or 0. */
int file_begin(struct file *file);

struct error *file_write(const struct file *file, const void *bytes, size_t count);

/* Closes it, and removes it if it is new and was not begun, or not written whole.  Returns an
 * errno, or 0: some file systems say only now that they are full. */
int file_close(struct file *file);

/* Removes it instead, or empties it where it cannot be removed. */
void file_discard(struct file *file);

#endif
