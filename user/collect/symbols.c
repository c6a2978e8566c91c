// SPDX-License-Identifier: GPL-2.0
/* Which files does the reader get to look for names in, besides the code itself?  See symbols.h. */
#include "user/collect/symbols.h"

#include "user/base/cleanup.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool symbols_is_code(int descriptor)
{
	struct stat status;
	Elf64_Ehdr head; /* its first fields are those of the other class */

	return !fstat(descriptor, &status) && S_ISREG(status.st_mode) &&
	       pread(descriptor, &head, sizeof(head), 0) == sizeof(head) &&
	       !memcmp(head.e_ident, ELFMAG, SELFMAG) && head.e_type != ET_CORE;
}

int symbols_open(const char *path)
{
	cleanup_close int found = open(path, O_PATH | O_CLOEXEC);
	struct stat status;
	char own[64];

	if (found < 0 || fstat(found, &status) || !S_ISREG(status.st_mode))
		return -1;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", found);
	return open(own, O_RDONLY | O_CLOEXEC);
}

struct search {
	struct remote *remote;
	uint32_t number;
	int root;
	enum wire_what what;
};

static bool give(void *context, int descriptor, const char *path)
{
	const struct search *search = context;
	struct search shared = *search;
	cleanup_close int file = descriptor;
	struct wire_debug debug;

	if (!symbols_is_code(file) ||
	    !remote_debug(search->remote, search->what, search->number, file, &debug))
		return false;
	shared.what = WIRE_ALT;
	if (search->what == WIRE_DEBUG && debug.alt[0])
		debug_search_alt(debug.alt, search->root, path,
				 &(struct debug_taker){ give, &shared });
	return true;
}

static bool find_below(struct search search, const char *path, const struct debug_wish *wish)
{
	return search.root >= 0 && debug_search(wish, search.root, path,
						&(struct debug_taker){ give, &search });
}

void symbols_find(struct remote *remote, uint32_t number, uint32_t pid, const char *path,
		  const struct debug_wish *wish)
{
	cleanup_close int own = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int root = -1;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%u/root", pid);
	root = pid ? open(name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (!find_below((struct search){ remote, number, root, WIRE_DEBUG }, path, wish))
		find_below((struct search){ remote, number, own, WIRE_DEBUG }, path, wish);
}
