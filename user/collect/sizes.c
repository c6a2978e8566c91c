// SPDX-License-Identifier: GPL-2.0
/* How large are the maps of the kernel side?  See sizes.h. */
#include "user/collect/sizes.h"

#include "bpf/abi.h"
#include "user/base/cleanup.h"

#include <string.h>

#define SLOTS_LEAST 1024
#define BLOCKS_A_BOOK 4	   /* histograms of a process; those that calls need included */
#define VARIABLE "MEMTRACE_SIZES"

static uint32_t processes_alive(void)
{
	cleanup_closedir DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint32_t count = 0;

	while (proc && (entry = readdir(proc)))
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	return count;
}

/* Takes a word such as slots=9 to its place; `first` is where the own numbers begin. */
static struct error *take_word(struct sizes *sizes, const char *word)
{
	const struct {
		const char *name;
		uint32_t *size;
		uint32_t first;
	} places[] = {
		{ "slots=", &sizes->slots, 1 },
		{ "books=", &sizes->books, 1 },
		{ "blocks=", &sizes->blocks, MT_BLOCKS_SHARED },
		{ "mappings=", &sizes->mappings, 0 },
		{ "ring=", &sizes->ring_bytes, 0 },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t length = strlen(places[i].name);
		unsigned int number;
		char after = ' ';

		if (strncmp(word, places[i].name, length) ||
		    sscanf(word + length, "%9u%c", &number, &after) < 1 || after != ' ')
			continue;
		*places[i].size = places[i].first + number;
		return NULL;
	}
	return error_new(0, VARIABLE " has no such size: %s", word);
}

/* Not where it could be used to get more of the kernel's memory than one may have. */
static struct error *take_variable(struct sizes *sizes)
{
	const char *word = secure_getenv(VARIABLE);

	while (word && *word) {
		TRY(take_word(sizes, word));
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	return NULL;
}

struct error *sizes_choose(struct sizes *sizes, size_t targets, bool all, bool calls)
{
	uint32_t alive = all ? processes_alive() : targets;

	sizes->slots = SLOTS_LEAST + alive + alive / 4;
	/* Most processes of a machine move nothing: they need no book. */
	sizes->books = SLOTS_LEAST + alive / 2;
	sizes->blocks = MT_BLOCKS_SHARED + sizes->books * (calls ? BLOCKS_A_BOOK : 1);
	sizes->mappings = calls ? MT_MAPPINGS : 1;
	sizes->ring_bytes = MT_RING;
	return take_variable(sizes);
}
