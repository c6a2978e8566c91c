// SPDX-License-Identifier: GPL-2.0
/* A program of the golden tests: the message on standard input, as a file of memtrace. */
#include "user/snapshot/file.h"

#include <stdio.h>

static int save(const Mt__Capture *capture, const char *path)
{
	struct file file;
	struct error *error = file_create(&file, path);

	if (!error)
		error = capture_save(capture, &file);
	if (error)
		fprintf(stderr, "pack: %s\n", error->text);
	error_free(error);
	return error ? 1 : 0;
}

int main(int count, char **words)
{
	static uint8_t message[1 << 20];
	size_t bytes = fread(message, 1, sizeof(message), stdin);
	Mt__Capture *capture = mt__capture__unpack(NULL, bytes, message);
	int status;

	if (count != 2 || !capture) {
		fputs("usage: pack FILE < MESSAGE\n", stderr);
		return 2;
	}
	status = save(capture, words[1]);
	mt__capture__free_unpacked(capture, NULL);
	return status;
}
