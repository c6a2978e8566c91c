// SPDX-License-Identifier: GPL-2.0
/* What do malloc and Python keep that the program has freed, and why do they not give it back? */
#include "user/explain/rule.h"

#include "user/base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>

#define MMAP_THRESHOLD_BYTES (128 << 10) /* where it begins */
#define ARENA_POOLS 64 /* of pymalloc */
#define ARENAS_MANY 4
#define FREE_SHARE 5 /* of a heap, below which holes are what any program has */

static int64_t figure(const Mt__Allocator *heap, const char *name)
{
	uint64_t value = allocator_figure(heap, name);

	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static const Mt__Allocator *books_of(const struct facts *facts, const char *name)
{
	const Mt__Allocator *heap = allocator_find(facts->process, name);

	return heap && heap->read ? heap : NULL;
}

static void add(struct finding *finding, const char *name, const Mt__Allocator *heap,
		const char *of)
{
	finding_number(finding, name, figure(heap, of));
}

/*
 * Worth a word, and not more than there was at the end: a command is seen some time before.
 * Then it is not what the program holds in use.
 */
static bool claim(struct facts *facts, struct finding *finding, const Mt__Allocator *heap)
{
	if (finding->bytes < facts->floor_bytes ||
	    finding->bytes > minus(facts->end->bytes[BALANCE_ANON], facts->claimed_bytes))
		return false;
	facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	finding->inferred = !heap->complete || (heap->has_before_end_ns && heap->before_end_ns);
	if (heap->has_before_end_ns && heap->before_end_ns)
		finding_number(finding, "looked_before_end_ns", (int64_t)heap->before_end_ns);
	return true;
}

/* Most of what could go lies in one piece. */
static bool is_pinned(const Mt__Allocator *heap)
{
	return figure(heap, "largest_free_bytes") > figure(heap, "main_trim_bytes") / 2;
}

/* Because a large block was freed it is no more than malloc keeps now. */
static bool threshold_grew(const Mt__Allocator *heap)
{
	return figure(heap, "thresholds_are_dynamic") &&
	       figure(heap, "mmap_threshold_bytes") > MMAP_THRESHOLD_BYTES &&
	       figure(heap, "main_top_resident_bytes") <= figure(heap, "trim_threshold_bytes");
}

/* So many that most heaps are theirs: then they use the main one, too, as one of them. */
static bool threads_have_main(const Mt__Allocator *heap)
{
	return figure(heap, "thread_arenas") >= ARENAS_MANY &&
	       figure(heap, "thread_free_resident_bytes") >
		       figure(heap, "main_free_resident_bytes") / ARENAS_MANY;
}

/* The user's own code, if there is any, among what touched the page of the last block. */
static void add_toucher(const struct facts *facts, struct finding *finding,
			const Mt__Allocator *heap)
{
	const struct stack_model *stack;

	if (!heap->has_last_used_stack || heap->last_used_stack >= facts->model->code.stack_count)
		return;
	stack = &facts->model->code.stacks[heap->last_used_stack];
	for (size_t i = 0; i < stack->count; i++) {
		cleanup_free char *place = NULL;

		if (holder_is_plumbing(facts->process, stack->frames[i]))
			continue;
		place = frame_place(stack->frames[i]);
		finding_text(finding, "last_touched_by", place);
		return;
	}
}

static void add_last(const struct facts *facts, struct finding *finding, const Mt__Allocator *heap)
{
	char address[24];

	add(finding, "last_bytes", heap, "last_used_bytes");
	snprintf(address, sizeof(address), "0x%" PRIx64,
		 allocator_figure(heap, "last_used_address"));
	finding_text(finding, "last_address", address);
	finding_text(finding, "cached", figure(heap, "last_used_is_cached") ?
						", freed too, but kept for its thread" : "");
	add_toucher(facts, finding, heap);
}

bool find_heap_top_pinned(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "glibc");

	if (!heap || !is_pinned(heap) || threads_have_main(heap))
		return false;
	finding->bytes = figure(heap, "main_trim_bytes");
	add(finding, "trim_bytes", heap, "main_trim_bytes");
	add(finding, "heap_bytes", heap, "main_system_bytes");
	add(finding, "used_bytes", heap, "main_used_bytes");
	if (figure(heap, "above_largest_count"))
		add_last(facts, finding, heap);
	else
		finding_text(finding, "listed", "small blocks that are free, too");
	if (figure(heap, "above_largest_count") > 1) {
		add(finding, "above_count", heap, "above_largest_count");
		add(finding, "above_bytes", heap, "above_largest_bytes");
	}
	return claim(facts, finding, heap);
}

bool find_heap_fragmented(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "glibc");

	if (!heap || is_pinned(heap) || threads_have_main(heap))
		return false;
	finding->bytes = figure(heap, "main_free_resident_bytes");
	add(finding, "free_resident_bytes", heap, "main_free_resident_bytes");
	add(finding, "trim_bytes", heap, "main_trim_bytes");
	add(finding, "heap_bytes", heap, "main_system_bytes");
	add(finding, "used_bytes", heap, "main_used_bytes");
	add(finding, "used_count", heap, "main_used_count");
	return finding->bytes > figure(heap, "main_used_bytes") / FREE_SHARE &&
	       claim(facts, finding, heap);
}

bool find_thread_arenas(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "glibc");

	if (!heap)
		return false;
	finding->bytes = plus(figure(heap, "thread_free_resident_bytes"),
			      figure(heap, "thread_top_resident_bytes"));
	finding_number(finding, "thread_free_bytes", finding->bytes);
	finding_number(finding, "trim_bytes",
		       plus(figure(heap, "thread_trim_bytes"), threads_have_main(heap) ?
			    figure(heap, "main_trim_bytes") : 0));
	if (threads_have_main(heap)) {
		add(finding, "main_free_bytes", heap, "main_free_resident_bytes");
		finding->bytes = plus(finding->bytes, figure(heap, "main_free_resident_bytes"));
	}
	add(finding, "thread_arenas", heap, "thread_arenas");
	add(finding, "thread_system_bytes", heap, "thread_system_bytes");
	add(finding, "thread_used_bytes", heap, "thread_used_bytes");
	return finding->bytes > figure(heap, "thread_used_bytes") / FREE_SHARE &&
	       claim(facts, finding, heap);
}

bool find_mmap_threshold_grew(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "glibc");

	if (!heap || !threshold_grew(heap))
		return false;
	finding->bytes = figure(heap, "main_top_resident_bytes");
	add(finding, "top_resident_bytes", heap, "main_top_resident_bytes");
	add(finding, "mmap_threshold_bytes", heap, "mmap_threshold_bytes");
	add(finding, "trim_threshold_bytes", heap, "trim_threshold_bytes");
	return claim(facts, finding, heap);
}

/* A program that frees what it has and ends has nothing to mend. */
bool find_heap_not_trimmed(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "glibc");
	int64_t kept;

	if (!heap || threshold_grew(heap) || threads_have_main(heap))
		return false;
	kept = plus(figure(heap, "trim_threshold_bytes"), figure(heap, "top_pad_bytes"));
	finding->alarm = !facts->process->has_at_exit;
	finding->bytes = figure(heap, "main_top_resident_bytes");
	finding_number(finding, "free_at_end_bytes", finding->bytes);
	add(finding, "heap_bytes", heap, "main_system_bytes");
	add(finding, "used_bytes", heap, "main_used_bytes");
	if (kept)
		finding_number(finding, kept < finding->bytes ? "kept_bytes" : "set_bytes", kept);
	return claim(facts, finding, heap);
}

bool find_pymalloc_pinned(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "pymalloc");

	if (!heap)
		return false;
	finding->bytes = plus(figure(heap, "free_pool_resident_bytes"),
			      figure(heap, "free_block_bytes"));
	finding_number(finding, "free_bytes", finding->bytes);
	if (figure(heap, "free_pool_resident_bytes"))
		add(finding, "free_pool_resident_bytes", heap, "free_pool_resident_bytes");
	add(finding, "used_bytes", heap, "used_bytes");
	add(finding, "arena_count", heap, "arena_count");
	add(finding, "arena_bytes", heap, "arena_bytes");
	finding_number(finding, "arena_size_bytes",
		       (int64_t)(ARENA_POOLS * allocator_figure(heap, "pool_size_bytes")));
	if (figure(heap, "sparse_arena_count")) {
		add(finding, "sparse_arena_count", heap, "sparse_arena_count");
		add(finding, "sparse_used_count", heap, "sparse_used_count");
		add(finding, "sparse_used_bytes", heap, "sparse_used_bytes");
	}
	return finding->bytes > figure(heap, "used_bytes") / FREE_SHARE &&
	       claim(facts, finding, heap);
}

bool find_mimalloc_kept(struct facts *facts, struct finding *finding)
{
	const Mt__Allocator *heap = books_of(facts, "mimalloc");

	if (!heap)
		return false;
	finding->bytes = plus(figure(heap, "free_page_resident_bytes"),
			      figure(heap, "free_block_bytes"));
	add(finding, "free_page_resident_bytes", heap, "free_page_resident_bytes");
	add(finding, "free_block_bytes", heap, "free_block_bytes");
	add(finding, "used_bytes", heap, "used_bytes");
	add(finding, "segment_resident_bytes", heap, "segment_resident_bytes");
	return finding->bytes > figure(heap, "used_bytes") / FREE_SHARE &&
	       claim(facts, finding, heap);
}
