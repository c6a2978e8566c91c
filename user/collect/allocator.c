// SPDX-License-Identifier: GPL-2.0
/* Which allocators are in a process, and what do their books say?  See allocator.h. */
#include "user/collect/allocator.h"

#include "user/base/memory.h"
#include "user/heap/glibc.h"
#include "user/heap/mimalloc.h"
#include "user/heap/named.h"
#include "user/heap/pymalloc.h"

#include <string.h>

struct figure {
	const char *name;
	uint64_t value;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static Mt__Allocator *add_allocator(Mt__Allocator ***list, size_t *count, const char *name)
{
	Mt__Allocator *made = memory_new(1, sizeof(*made));

	mt__allocator__init(made);
	made->name = memory_copy(name, strlen(name));
	*list = memory_grow(*list, *count, sizeof(**list));
	(*list)[(*count)++] = made;
	return made;
}

static void add_figures(Mt__Allocator *made, const struct figure *figures, size_t count)
{
	made->figures = memory_new(count, sizeof(Mt__Figure *));
	made->n_figures = count;
	for (size_t i = 0; i < count; i++) {
		made->figures[i] = memory_new(1, sizeof(Mt__Figure));
		mt__figure__init(made->figures[i]);
		made->figures[i]->name = memory_copy(figures[i].name, strlen(figures[i].name));
		made->figures[i]->value = figures[i].value;
	}
}

/* ---- glibc ---- */

static void take_glibc(Mt__Allocator *made, const struct glibc_heap *heap)
{
	const struct glibc_arenas *main = &heap->main, *threads = &heap->threads;
	const struct figure figures[] = {
		{ "main_system_bytes", main->system_bytes },
		{ "main_used_bytes", main->chunks.used_bytes },
		{ "main_used_count", main->chunks.used_count },
		{ "main_free_bytes", main->chunks.free_bytes },
		{ "main_free_count", main->chunks.free_count },
		{ "main_free_resident_bytes", main->chunks.free_resident_bytes },
		{ "main_trim_bytes", main->chunks.trim_bytes },
		{ "main_top_bytes", main->top_bytes },
		{ "main_top_resident_bytes", main->top_resident_bytes },
		{ "largest_free_bytes", main->chunks.largest_bytes },
		{ "above_largest_bytes", main->chunks.above_bytes },
		{ "above_largest_count", main->chunks.above_count },
		{ "last_used_address", main->chunks.last_address },
		{ "last_used_bytes", main->chunks.last_bytes },
		{ "last_used_is_cached", heap->last_is_cached },
		{ "thread_arenas", threads->count },
		{ "thread_system_bytes", threads->system_bytes },
		{ "thread_used_bytes", threads->chunks.used_bytes },
		{ "thread_used_count", threads->chunks.used_count },
		{ "thread_free_bytes", threads->chunks.free_bytes },
		{ "thread_free_resident_bytes", threads->chunks.free_resident_bytes },
		{ "thread_trim_bytes", threads->chunks.trim_bytes },
		{ "thread_top_bytes", threads->top_bytes },
		{ "thread_top_resident_bytes", threads->top_resident_bytes },
		{ "mmap_threshold_bytes", heap->settings.mmap_threshold },
		{ "trim_threshold_bytes", heap->settings.trim_threshold },
		{ "top_pad_bytes", heap->settings.top_pad },
		{ "thresholds_are_dynamic", heap->settings.is_dynamic },
		{ "mmapped_bytes", heap->settings.mmapped_bytes },
		{ "mmapped_count", heap->settings.mmapped_count },
	};
	/* The settings come last: where they were not found, they are left out. */
	size_t count = COUNT(figures) - (heap->has_settings ? 0 : 6);

	made->read = true;
	made->complete = heap->complete;
	add_figures(made, figures, count);
}

/* ---- CPython ---- */

static void take_pymalloc(Mt__Allocator *made, const struct pymalloc *pymalloc)
{
	const struct figure figures[] = {
		{ "arena_count", pymalloc->arenas },
		{ "arena_bytes", pymalloc->arena_bytes },
		{ "pool_size_bytes", pymalloc->pool_bytes },
		{ "used_count", pymalloc->used_blocks },
		{ "used_bytes", pymalloc->used_bytes },
		{ "free_block_bytes", pymalloc->free_block_bytes },
		{ "free_pool_count", pymalloc->free_pools },
		{ "free_pool_resident_bytes", pymalloc->free_pool_resident_bytes },
		{ "unused_pool_count", pymalloc->unused_pools },
		{ "sparse_arena_count", pymalloc->sparse_arenas },
		{ "sparse_used_count", pymalloc->sparse_blocks },
		{ "sparse_used_bytes", pymalloc->sparse_bytes },
	};

	made->read = true;
	made->complete = pymalloc->complete;
	add_figures(made, figures, COUNT(figures));
}

/* ---- mimalloc ---- */

static void take_mimalloc(Mt__Allocator *made, const struct mimalloc *mimalloc)
{
	const struct figure figures[] = {
		{ "segment_count", mimalloc->segments },
		{ "segment_bytes", mimalloc->segment_bytes },
		{ "segment_resident_bytes", mimalloc->resident_bytes },
		{ "page_count", mimalloc->pages },
		{ "page_bytes", mimalloc->page_bytes },
		{ "used_count", mimalloc->used_blocks },
		{ "used_bytes", mimalloc->used_bytes },
		{ "free_block_bytes", mimalloc->free_block_bytes },
		{ "free_page_resident_bytes", mimalloc->free_page_resident_bytes },
	};

	made->read = true;
	made->complete = mimalloc->complete;
	add_figures(made, figures, COUNT(figures));
}

/* ---- all ---- */

static bool is_listed(Mt__Allocator **list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(list[i]->name, name))
			return true;
	}
	return false;
}

Mt__Allocator **allocators_read(const struct image *image, size_t *count)
{
	Mt__Allocator **list = NULL;
	struct pymalloc pymalloc;
	struct mimalloc mimalloc;
	struct glibc_heap heap;

	*count = 0;
	if (glibc_heap_read(image, &heap))
		take_glibc(add_allocator(&list, count, "glibc"), &heap);
	if (pymalloc_read(image, &pymalloc))
		take_pymalloc(add_allocator(&list, count, "pymalloc"), &pymalloc);
	if (mimalloc_read(image, &mimalloc))
		take_mimalloc(add_allocator(&list, count, "mimalloc"), &mimalloc);
	for (size_t i = 0; named_allocator(i); i++) {
		if (!is_listed(list, *count, named_allocator(i)) &&
		    named_is_there(image, i))
			add_allocator(&list, count, named_allocator(i));
	}
	return list;
}
