// SPDX-License-Identifier: GPL-2.0
/* Which pages that stacks have touched are not there any more?  See absent.h. */
#include "user/collect/absent.h"

#include "user/base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESENT (1ULL << 63) /* of an entry of /proc/PID/pagemap */
#define SWAPPED (1ULL << 62)

struct absent_space {
	uint32_t serial, operation;
	int pagemap;
	struct absent_pages *pages; /* by number of the stack */
};

static struct absent_space *find(const struct absent *absent, uint32_t serial)
{
	size_t low = 0, high = absent->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (absent->spaces[middle].serial < serial)
			low = middle + 1;
		else
			high = middle;
	}
	return low < absent->count ? &absent->spaces[low] : NULL;
}

static struct absent_space *find_exactly(const struct absent *absent, uint32_t serial)
{
	struct absent_space *found = find(absent, serial);

	return found && found->serial == serial ? found : NULL;
}

void absent_open(struct absent *absent, uint32_t serial, uint32_t pid, uint32_t operation)
{
	struct absent_space *behind = find(absent, serial);
	size_t at = behind ? (size_t)(behind - absent->spaces) : absent->count;
	char path[64];
	int pagemap;

	snprintf(path, sizeof(path), "/proc/%u/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return;
	absent->spaces = memory_grow(absent->spaces, absent->count, sizeof(*absent->spaces));
	memmove(&absent->spaces[at + 1], &absent->spaces[at],
		(absent->count++ - at) * sizeof(*absent->spaces));
	absent->spaces[at] = (struct absent_space){ serial, operation, pagemap, NULL };
}

static void count(struct absent_space *space, uint32_t stack, uint64_t entry)
{
	if (!stack || stack >= MT_STACKS || entry & PRESENT)
		return;
	if (!space->pages)
		space->pages = memory_new(MT_STACKS, sizeof(*space->pages));
	if (entry & SWAPPED)
		space->pages[stack].swapped++;
	else
		space->pages[stack].taken++;
}

void absent_look(struct absent *absent, const struct mt_shadow_key *key,
		 const struct mt_shadow *shadow)
{
	struct absent_space *space = find_exactly(absent, key->serial);
	uint64_t entries[MT_SHADOW_PAGES];

	/* Of a process that is gone by now there is nothing to be read. */
	if (!space || pread(space->pagemap, entries, sizeof(entries),
			    (off_t)(key->chunk * sizeof(entries))) != (ssize_t)sizeof(entries))
		return;
	for (size_t i = 0; i < MT_SHADOW_PAGES; i++)
		count(space, shadow->stack[i], entries[i]);
}

struct absent_pages absent_of(const struct absent *absent, const struct mt_site_key *key,
			      uint32_t *operation)
{
	const struct absent_space *space = find_exactly(absent, key->serial);

	if (!space || !space->pages || key->stack >= MT_STACKS)
		return (struct absent_pages){ 0 };
	*operation = space->operation;
	return space->pages[key->stack];
}

void absent_free(struct absent *absent)
{
	for (size_t i = 0; i < absent->count; i++) {
		close(absent->spaces[i].pagemap);
		free(absent->spaces[i].pages);
	}
	free(absent->spaces);
	*absent = (struct absent){ 0 };
}
