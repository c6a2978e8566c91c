// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a memory that breaks those who read heaps in it?  libFuzzer's bytes are changes of one
 * that is well: each is a byte that says where, as a region and a word in it, and a word.
 */
#include "tests/fuzz/check.h"
#include "tests/unit/image.h"
#include "user/heap/glibc.h"
#include "user/heap/mimalloc.h"
#include "user/heap/pymalloc.h"

#include <stdlib.h>

struct change {
	uint16_t word;
	uint8_t region, kind;
	uint64_t value;
};

/* A value of its own, or one that is near what is there. */
static void apply(struct fake *fake, const struct change *change)
{
	const struct fake_region *region = &fake_regions[change->region % FAKE_REGIONS];
	uint64_t address = region->start + change->word * 8UL % (region->pages * PAGE), word;

	memcpy(&word, fake->bytes + fake_offset(address), sizeof(word));
	if (change->kind & 1)
		fake->absent[fake_offset(address) / PAGE] ^= true;
	else if (change->kind & 2)
		fake_put(fake, address, word + change->value);
	else
		fake_put(fake, address, change->value);
}

static void expect(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct fake well, fake;
	struct glibc_heap heap;
	struct pymalloc pymalloc;
	struct mimalloc mimalloc;
	struct change change;

	if (!well.image.read)
		fake_init(&well);
	memcpy(fake.bytes, well.bytes, sizeof(fake.bytes));
	memcpy(fake.mappings, well.mappings, sizeof(fake.mappings));
	memset(fake.absent, 0, sizeof(fake.absent));
	fake.asked = 0;
	fake.image = well.image;
	fake.image.context = &fake;
	fake.image.mappings = fake.mappings;
	for (; count >= sizeof(change); count -= sizeof(change), bytes += sizeof(change)) {
		memcpy(&change, bytes, sizeof(change));
		apply(&fake, &change);
	}
	/* No more than memory has, however it is linked. */
	if (glibc_heap_read(&fake.image, &heap))
		expect(heap.main.chunks.used_count <= sizeof(fake.bytes) / CHUNK_LEAST);
	if (pymalloc_read(&fake.image, &pymalloc))
		expect(pymalloc.used_bytes <= pymalloc.arena_bytes);
	if (mimalloc_read(&fake.image, &mimalloc))
		expect(mimalloc.used_bytes <= mimalloc.page_bytes);
	return 0;
}
