// SPDX-License-Identifier: GPL-2.0
/*
 * What is an address called?  `names FILE ROOT` reads addresses from standard input, looks for
 * debug symbols under ROOT, and says of each the offset in its function, then the functions and
 * lines, the innermost first; at the end, how long it took.
 */
#include "user/symbol/code.h"
#include "user/symbol/frame.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_places(struct code *code, uint64_t address, uint64_t deadline_ns)
{
	struct places places;

	code_places(code, address, deadline_ns, &places);
	printf("%" PRIx64 "\t%" PRIx64, address, places.offset);
	for (size_t i = 0; i < places.count; i++) {
		const struct place *place = &places.at[i];

		printf("\t%s\t%s:%u", place->function ? place->function : "?",
		       place->file ? place->file : "?", place->line);
	}
	putchar('\n');
	places_free(&places);
}

struct search {
	struct code *code;
	int root;
};

static bool take_alt(void *context, int descriptor, const char *path)
{
	const struct search *search = context;

	(void)path;
	return code_take_alt(search->code, descriptor);
}

static bool take_debug(void *context, int descriptor, const char *path)
{
	const struct search *search = context;
	char name[DEBUG_NAME];

	if (!code_take_debug(search->code, descriptor))
		return false;
	code_wish_alt(search->code, name);
	if (*name)
		debug_search_alt(name, search->root, path,
				 &(struct debug_taker){ take_alt, context });
	return true;
}

static void find_debug(struct code *code, int root, const char *path)
{
	struct search search = { code, root };
	struct debug_wish wish;

	code_wish(code, &wish);
	debug_search(&wish, root, path, &(struct debug_taker){ take_debug, &search });
}

int main(int count, char **words)
{
	int root = count > 2 ? open(words[2], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct code *code = count > 2 ? code_open(open(words[1], O_RDONLY | O_CLOEXEC)) : NULL;
	uint64_t address, start = frame_deadline(0);

	if (!code)
		return 1;
	find_debug(code, root, words[1]);
	while (scanf("%" SCNx64, &address) == 1)
		print_places(code, address, start + FRAME_LINES_NS);
	fprintf(stderr, "%" PRIu64 " us\n", (frame_deadline(0) - start) / 1000);
	code_close(code);
	if (root >= 0)
		close(root);
	return 0;
}
