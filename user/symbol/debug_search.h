/* SPDX-License-Identifier: GPL-2.0 */
/* Under which paths may a file's debug symbols be?  Opens them, and reads nothing. */
#ifndef MEMTRACE_DEBUG_SEARCH_H
#define MEMTRACE_DEBUG_SEARCH_H

#include <stdbool.h>

#define DEBUG_ID_BYTES 64
#define DEBUG_ID_TEXT (2 * DEBUG_ID_BYTES + 1) /* in hexadecimal digits */
#define DEBUG_NAME 1024

/* What a file says of them, "" where it does not. */
struct debug_wish {
	char build_id[DEBUG_ID_TEXT];
	char link[DEBUG_NAME]; /* .gnu_debuglink: a name without a directory */
};

/* Takes over the descriptor of what was opened under a path, and says whether that was it. */
struct debug_taker {
	bool (*take)(void *context, int descriptor, const char *path);
	void *context;
};

/*
 * Opens files under a root directory, until one is taken: by build-id, then by .gnu_debuglink from
 * the directory of `path`, where gdb looks for it.
 */
bool debug_search(const struct debug_wish *wish, int root, const char *path,
		  const struct debug_taker *taker);

/* The same of what a file of debug symbols shares with others: .gnu_debugaltlink has the name. */
bool debug_search_alt(const char *name, int root, const char *path,
		      const struct debug_taker *taker);

#endif
