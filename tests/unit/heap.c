// SPDX-License-Identifier: GPL-2.0
/* Are the heaps of a known memory read as they are, and are hostile ones read to an end? */
#include "tests/unit/image.h"

#include "user/heap/glibc.h"
#include "user/heap/mimalloc.h"
#include "user/heap/named.h"
#include "user/heap/pymalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct fake fake;
static struct glibc_heap heap;

static int set_up(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static void test_main_arena(void **state)
{
	const struct chunk_sums *chunks = &heap.main.chunks;

	(void)state;
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_true(heap.complete);
	assert_int_equal(chunks->used_bytes, 0x290 + 0x400 + 0x1000 + 0x40);
	assert_int_equal(chunks->used_count, 4);
	assert_int_equal(chunks->free_bytes, 0x5000 + 0x40);
	assert_int_equal(chunks->free_resident_bytes, 0x5000 + 0x40);
	assert_int_equal(chunks->trim_bytes, 0x4000);
	assert_int_equal(chunks->above_count, 2);
	assert_int_equal(chunks->last_address, LAST);
	assert_int_equal(heap.main.top_bytes, HEAP + HEAP_PAGES * PAGE - TOP);
	assert_int_equal(heap.main.top_resident_bytes, 9 * PAGE);
}

static void test_settings(void **state)
{
	(void)state;
	glibc_heap_read(&fake.image, &heap);
	assert_true(heap.has_settings);
	assert_int_equal(heap.settings.mmap_threshold, 1 << 20);
	assert_int_equal(heap.settings.trim_threshold, 2 << 20);
	assert_true(heap.settings.is_dynamic);
}

static void test_arenas_of_threads(void **state)
{
	(void)state;
	glibc_heap_read(&fake.image, &heap);
	assert_int_equal(heap.threads.count, 1);
	assert_int_equal(heap.threads.chunks.used_bytes, 0x120);
	assert_int_equal(heap.threads.chunks.free_bytes, 0x2000);
	assert_int_equal(heap.threads.chunks.trim_bytes, 0x1000);
}

static void test_pages_given_back_are_not_resident(void **state)
{
	(void)state;
	fake.absent[2] = true; /* in the hole */
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_true(heap.complete);
	assert_int_equal(heap.main.chunks.free_bytes, 0x5000 + 0x40);
	assert_int_equal(heap.main.chunks.free_resident_bytes, 0x5000 + 0x40 - PAGE);
	assert_int_equal(heap.main.chunks.trim_bytes, 0x3000);
}

/* Those below it are empty: as if an arena ended there. */
static void test_a_bin_in_use(void **state)
{
	(void)state;
	fake_put(&fake, MAIN_STATE + 0x70 + 16 * 62, HOLE);
	fake_put(&fake, MAIN_STATE + 0x70 + 16 * 62 + 8, HOLE);
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_true(heap.complete);
	assert_int_equal(heap.main.chunks.used_count, 4);
}

/* A header that is swapped out is not fetched. */
static void test_what_is_swapped_out_ends_the_walk(void **state)
{
	(void)state;
	fake.absent[(PIN - HEAP) / PAGE] = true;
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_false(heap.complete);
	assert_int_equal(heap.main.chunks.used_bytes, 0x290 + 0x400);
}

static void test_sizes_that_lead_nowhere(void **state)
{
	static const uint64_t sizes[] = { 0, 8, 16, 24, 0x28, 1UL << 32, 1UL << 63, ~0UL, ~15UL };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fake_init(&fake);
		fake_put(&fake, HOLE + 8, sizes[i]);
		assert_true(glibc_heap_read(&fake.image, &heap));
		assert_false(heap.complete);
		assert_true(heap.main.chunks.used_count <= 2);
	}
}

/* A list of free chunks that comes back to itself, and a ring of arenas that does not. */
static void test_rings(void **state)
{
	(void)state;
	fake_put(&fake, FAST + 16, FAST ^ (FAST + 16) >> 12);
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_true(heap.complete);
	fake_put(&fake, THREAD_STATE + 0x870, THREAD_STATE);
	assert_true(glibc_heap_read(&fake.image, &heap));
	assert_true(heap.threads.count > 1);
	assert_true(heap.threads.count <= 4096);
}

static void test_pools(void **state)
{
	struct pymalloc pymalloc;

	(void)state;
	assert_true(pymalloc_read(&fake.image, &pymalloc));
	assert_true(pymalloc.complete);
	assert_int_equal(pymalloc.pool_bytes, 4096);
	assert_int_equal(pymalloc.arenas, 1);
	assert_int_equal(pymalloc.used_blocks, 11);
	assert_int_equal(pymalloc.used_bytes, 10 * 64 + 512);
	assert_int_equal(pymalloc.free_block_bytes, 53 * 64 + 6 * 512);
	assert_int_equal(pymalloc.free_pools, 1);
	assert_int_equal(pymalloc.free_pool_resident_bytes, PAGE);
	assert_int_equal(pymalloc.unused_pools, 61);
	assert_int_equal(pymalloc.sparse_arenas, 1);
}

static void test_pools_that_are_none(void **state)
{
	struct pymalloc pymalloc;

	(void)state;
	fake_put(&fake, ARENA + 2 * PAGE + 32, 1 | 0xffffffffUL << 32);
	assert_true(pymalloc_read(&fake.image, &pymalloc));
	assert_false(pymalloc.complete);
	fake_put(&fake, ARENA + 32, 7);
	assert_false(pymalloc_read(&fake.image, &pymalloc));
}

static void test_segments(void **state)
{
	struct mimalloc mimalloc;

	(void)state;
	assert_true(mimalloc_read(&fake.image, &mimalloc));
	assert_true(mimalloc.complete);
	assert_int_equal(mimalloc.segments, 1);
	assert_int_equal(mimalloc.segment_bytes, 32 << 20);
	assert_int_equal(mimalloc.resident_bytes, PAGE);
	assert_int_equal(mimalloc.pages, 1);
	assert_int_equal(mimalloc.page_bytes, 64 << 10);
	assert_int_equal(mimalloc.used_blocks, 90);
	assert_int_equal(mimalloc.used_bytes, 90 * 48);
	assert_int_equal(mimalloc.free_block_bytes, 10 * 48);
	assert_int_equal(mimalloc.free_page_resident_bytes, 0);
}

static void test_segments_that_are_none(void **state)
{
	struct mimalloc mimalloc;

	(void)state;
	fake_put(&fake, SEGMENT + 208, 2);
	assert_true(mimalloc_read(&fake.image, &mimalloc));
	assert_false(mimalloc.complete);
	fake_put(&fake, SEGMENT + 208, 0);
	assert_false(mimalloc_read(&fake.image, &mimalloc));
	assert_int_equal(mimalloc.free_page_resident_bytes, PAGE);
	fake_put(&fake, SEGMENT + 208, 1);
	fake_put(&fake, SEGMENT + 264 + 160, 511);
	assert_false(mimalloc_read(&fake.image, &mimalloc));
	fake_put(&fake, SEGMENT + 264 + 160, 0);
	assert_false(mimalloc_read(&fake.image, &mimalloc));
}

enum { NODE = 7, GO = 8 };

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(named_allocator(0), "jemalloc");
	assert_false(named_is_there(&fake.image, 0));
	fake.mappings[5].path = "/opt/libjemalloc.so.2";
	assert_true(named_is_there(&fake.image, 0));
	assert_string_equal(named_allocator(GO), "Go's heap");
	assert_false(named_is_there(&fake.image, GO));
	fake.mappings[5].path = NULL;
	fake.mappings[5].writable = true;
	fake.mappings[5].start = 0xc000000000;
	assert_true(named_is_there(&fake.image, GO));
	assert_string_equal(named_allocator(NODE), "JavaScript's heap (V8)");
	fake.mappings[5].path = "/usr/bin/node_exporter";
	assert_false(named_is_there(&fake.image, NODE));
	fake.mappings[5].path = "/usr/bin/node";
	assert_true(named_is_there(&fake.image, NODE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_main_arena, set_up),
		cmocka_unit_test_setup(test_settings, set_up),
		cmocka_unit_test_setup(test_arenas_of_threads, set_up),
		cmocka_unit_test_setup(test_pages_given_back_are_not_resident, set_up),
		cmocka_unit_test_setup(test_a_bin_in_use, set_up),
		cmocka_unit_test_setup(test_what_is_swapped_out_ends_the_walk, set_up),
		cmocka_unit_test_setup(test_sizes_that_lead_nowhere, set_up),
		cmocka_unit_test_setup(test_rings, set_up),
		cmocka_unit_test_setup(test_pools, set_up),
		cmocka_unit_test_setup(test_pools_that_are_none, set_up),
		cmocka_unit_test_setup(test_segments, set_up),
		cmocka_unit_test_setup(test_segments_that_are_none, set_up),
		cmocka_unit_test_setup(test_names, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
