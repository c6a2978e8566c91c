// SPDX-License-Identifier: GPL-2.0
/* Where may a report or a capture be written, and who may read it there?  See place.h. */
#include "user/snapshot/place.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what is open already ---- */

/* Which descriptor is it another name of?  A shell puts /dev/fd/63 for >(command). */
static int descriptor_of(const char *path)
{
	char after;
	int fd;

	if (!strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	return sscanf(path, "/dev/fd/%d%c", &fd, &after) == 1 ? fd : -1;
}

static struct error *take_given(struct file *file, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
		return error_new(0, "%s is not open for writing", file->path);
	file->given = true;
	file->descriptor = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return file->descriptor < 0 ? error_new(errno, "cannot open %s", file->path) : NULL;
}

/* ---- what has a name ---- */

/* The directory is held: later on its path may lead elsewhere. */
static int open_directory(struct file *file)
{
	const char *slash = strrchr(file->path, '/');
	cleanup_free char *path = memory_copy(slash ? file->path : ".",
					      slash ? slash - file->path + 1 : 1);

	file->name = slash ? slash + 1 : file->path;
	if (slash && !*file->name)
		file->name = "."; /* the directory itself, which cannot be written */
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_named(struct file *file)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(file->directory, file->name, flags | O_EXCL, 0600);

	file->made = fd >= 0;
	return fd < 0 && errno == EEXIST ? openat(file->directory, file->name, flags, 0600) : fd;
}

/*
 * Where everybody may put files, as in /tmp, somebody may have put one there in wait for what a
 * privileged user will write, or another name of a file of that user's.  So does the kernel see
 * it, where fs.protected_regular, _fifos and _hardlinks are set.
 */
static bool is_trap(const struct file *file)
{
	struct stat here, there;

	if (fstat(file->descriptor, &here) || fstat(file->directory, &there))
		return true;
	if (!S_ISREG(here.st_mode) && !S_ISFIFO(here.st_mode))
		return false;
	if (!(there.st_mode & S_IWOTH) && !(there.st_mode & S_ISVTX && there.st_mode & S_IWGRP))
		return false;
	return (here.st_uid != geteuid() && here.st_uid != there.st_uid) ||
	       (S_ISREG(here.st_mode) && here.st_nlink > 1);
}

static void close_all(struct file *file)
{
	cleanup_close_(&file->descriptor);
	cleanup_close_(&file->directory);
	file->descriptor = file->directory = -1;
}

static struct error *why_not_opened(const struct file *file, int number)
{
	if (number == ELOOP)
		return error_new(0, "%s is a symbolic link: memtrace writes through none, name "
				    "the file itself", file->path);
	return error_new(number, "cannot create %s", file->path);
}

struct error *file_create(struct file *file, const char *path)
{
	int given = descriptor_of(path);
	struct error *error = NULL;

	*file = (struct file){ .path = path, .descriptor = -1, .directory = -1 };
	if (given >= 0)
		return take_given(file, given);
	file->directory = open_directory(file);
	if (file->directory >= 0)
		file->descriptor = open_named(file);
	if (file->descriptor < 0)
		error = why_not_opened(file, errno);
	else if (!file->made && is_trap(file))
		error = error_new(0, "%s is another user's, or has another name, in a directory "
				     "where all may put files: memtrace does not write into it",
				  path);
	if (error)
		close_all(file);
	return error;
}

/* ---- rights ---- */

/* Can it be emptied and removed? */
static bool is_ours(const struct file *file)
{
	struct stat stat;

	return !file->given && !fstat(file->descriptor, &stat) && S_ISREG(stat.st_mode);
}

/* One that was there before may be open to all by oversight; a group is somebody's choice. */
struct error *file_make_private(const struct file *file)
{
	struct stat stat;

	if (is_ours(file) && !fstat(file->descriptor, &stat) && (stat.st_mode & 07) &&
	    fchmod(file->descriptor, stat.st_mode & 0600))
		return error_new(errno, "cannot keep others from reading %s", file->path);
	return NULL;
}

/* ---- writing ---- */

int file_begin(struct file *file)
{
	file->begun = true;
	return is_ours(file) && ftruncate(file->descriptor, 0) ? errno : 0;
}

struct error *file_write(const struct file *file, const void *bytes, size_t count)
{
	const char *at = bytes;

	while (count) {
		ssize_t written = write(file->descriptor, at, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return error_new(errno, "cannot write %s", file->path);
		at += written;
		count -= written;
	}
	return NULL;
}

int file_close(struct file *file)
{
	int number = close(file->descriptor) ? errno : 0;

	file->descriptor = -1;
	if (file->made && (!file->begun || number))
		unlinkat(file->directory, file->name, 0);
	close_all(file);
	return number;
}

void file_discard(struct file *file)
{
	if (!is_ours(file))
		return;
	/* Without its rights of the beginning memtrace may not be allowed to remove it. */
	if (unlinkat(file->directory, file->name, 0))
		(void)!ftruncate(file->descriptor, 0);
}
