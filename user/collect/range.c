// SPDX-License-Identifier: GPL-2.0
/*
 * Which address space have stacks reserved?  See range.h.  The ranges of an address space are
 * kept in a treap: what a call does is to cut it at two addresses, and to join what is left.
 */
#include "user/collect/range.h"

#include "user/base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PAGE_SHIFT 12
#define MOST_RANGES (1 << 20)

struct range {
	uint64_t start, end;
	struct range *left, *right;
	uint32_t stack;
	uint32_t kind;	   /* enum mt_range, of the first three */
	uint32_t priority; /* the highest is on top; random, so that nobody can make it a line */
};

struct book {
	uint32_t serial;
	struct range *root;
	struct reserved *stacks; /* by number of the stack */
	size_t count;
};

struct range_list {
	struct book *books; /* by serial */
	size_t book_count;
	size_t range_count;
	uint64_t lost;
	uint64_t page_bytes; /* that a page stands for */
	uint32_t random;
};

struct range_list *range_list_new(uint32_t sample)
{
	struct range_list *list = memory_new(1, sizeof(*list));

	list->page_bytes = (uint64_t)sample << PAGE_SHIFT;
	if (getrandom(&list->random, sizeof(list->random), 0) < 0 || !list->random)
		list->random = 1;
	return list;
}

size_t range_list_count(const struct range_list *list)
{
	return list->range_count;
}

uint64_t range_list_lost(const struct range_list *list)
{
	return list->lost;
}

/* ---- ranges in the order of addresses ---- */

static uint32_t next_random(struct range_list *list)
{
	list->random ^= list->random << 13;
	list->random ^= list->random >> 17;
	list->random ^= list->random << 5;
	return list->random;
}

static struct range *new_range(struct range_list *list, uint64_t start, uint64_t end,
			       uint32_t stack, uint32_t kind)
{
	struct range *range = memory_new(1, sizeof(*range));

	*range = (struct range){ start, end, NULL, NULL, stack, kind, next_random(list) };
	list->range_count++;
	return range;
}

/* All of one are below all of the other. */
static struct range *join(struct range *below, struct range *above)
{
	if (!below || !above)
		return below ?: above;
	if (below->priority > above->priority) {
		below->right = join(below->right, above);
		return below;
	}
	above->left = join(below, above->left);
	return above;
}

/* Cuts at an address: a range that lies across it becomes two. */
static void cut(struct range_list *list, struct range *root, uint64_t at, struct range **below,
		struct range **above)
{
	struct range *rest;

	if (!root) {
		*below = *above = NULL;
	} else if (root->end <= at) {
		cut(list, root->right, at, &rest, above);
		root->right = rest;
		*below = root;
	} else if (root->start >= at) {
		cut(list, root->left, at, below, &rest);
		root->left = rest;
		*above = root;
	} else {
		rest = new_range(list, at, root->end, root->stack, root->kind);
		*above = join(rest, root->right);
		root->right = NULL;
		root->end = at;
		*below = root;
	}
}

static struct range *take_out(struct range_list *list, struct range **root, uint64_t start,
			      uint64_t end)
{
	struct range *below, *middle, *above;

	cut(list, *root, start, &below, &middle);
	cut(list, middle, end, &middle, &above);
	*root = join(below, above);
	return middle;
}

static struct range *find(struct range *range, uint64_t address)
{
	while (range && (address < range->start || address >= range->end))
		range = address < range->start ? range->left : range->right;
	return range;
}

/* ---- what stacks are answerable for ---- */

static struct book *book_of(struct range_list *list, uint32_t serial, bool make)
{
	size_t low = 0, high = list->book_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->books[middle].serial < serial)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < list->book_count && list->books[low].serial == serial)
		return &list->books[low];
	if (!make)
		return NULL;
	list->books = memory_grow(list->books, list->book_count, sizeof(*list->books));
	memmove(&list->books[low + 1], &list->books[low],
		(list->book_count++ - low) * sizeof(*list->books));
	list->books[low] = (struct book){ .serial = serial };
	return &list->books[low];
}

static struct reserved *stack_of(struct book *book, uint32_t stack)
{
	size_t low = 0, high = book->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (book->stacks[middle].key.stack < stack)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < book->count && book->stacks[low].key.stack == stack)
		return &book->stacks[low];
	book->stacks = memory_grow(book->stacks, book->count, sizeof(*book->stacks));
	memmove(&book->stacks[low + 1], &book->stacks[low],
		(book->count++ - low) * sizeof(*book->stacks));
	book->stacks[low] = (struct reserved){ .key = { book->serial, stack } };
	return &book->stacks[low];
}

static void drop(struct range_list *list, struct range *range)
{
	if (!range)
		return;
	drop(list, range->left);
	drop(list, range->right);
	free(range);
	list->range_count--;
}

static void unreserve(struct book *book, const struct range *range)
{
	if (!range)
		return;
	unreserve(book, range->left);
	unreserve(book, range->right);
	stack_of(book, range->stack)->unreserved += (int64_t)(range->end - range->start);
}

static void give_back(struct range_list *list, struct book *book, uint64_t start, uint64_t end)
{
	struct range *gone = take_out(list, &book->root, start, end);

	unreserve(book, gone);
	drop(list, gone);
}

/* So many bytes of it had been touched.  Of ranges of several stacks nothing tells whose. */
static void note_untouched(struct book *book, const struct range *gone, uint64_t touched)
{
	if (gone && !gone->left && !gone->right && gone->kind == MT_RANGE_ANON)
		stack_of(book, gone->stack)->gone_untouched +=
			(int64_t)(gone->end - gone->start - touched);
}

static void unmap(struct range_list *list, struct book *book, const struct mt_event_range *event)
{
	struct range *gone = take_out(list, &book->root, event->start, event->end);

	note_untouched(book, gone, event->from * list->page_bytes);
	unreserve(book, gone);
	drop(list, gone);
}

/* ---- events ---- */

static struct range *last_of(struct range *range)
{
	while (range && range->right)
		range = range->right;
	return range;
}

static struct range *first_of(struct range *range)
{
	while (range && range->left)
		range = range->left;
	return range;
}

/* One stack often asks again and again; what is of a file, or shared, goes as it came. */
static bool goes_on(const struct range *below, const struct range *above)
{
	return below && above && below->end == above->start && below->stack == above->stack &&
	       below->kind == MT_RANGE_ANON && above->kind == MT_RANGE_ANON;
}

static void reserve(struct range_list *list, struct book *book, const struct range *made)
{
	struct range *below, *above;

	stack_of(book, made->stack)->reserved += (int64_t)(made->end - made->start);
	cut(list, book->root, made->start, &below, &above);
	if (goes_on(last_of(below), made)) {
		last_of(below)->end = made->end;
	} else if (goes_on(made, first_of(above))) {
		first_of(above)->start = made->start;
	} else {
		below = join(below, new_range(list, made->start, made->end, made->stack,
					      made->kind));
	}
	book->root = join(below, above);
}

static void make(struct range_list *list, struct book *book, const struct mt_event_range *event)
{
	struct range made = { .start = event->start, .end = event->end, .stack = event->stack,
			      .kind = event->what };
	const struct range *model = NULL;

	if (event->what == MT_RANGE_COPIED)
		model = find(book->root, event->from);
	else if (event->what == MT_RANGE_GROWN)
		model = find(book->root, event->start - 1);
	if (event->what > MT_RANGE_SHARED)
		made.kind = model ? model->kind : MT_RANGE_ANON;
	/* What was there is gone: it was mapped over, or an event of it was lost. */
	give_back(list, book, event->start, event->end);
	if (list->range_count < MOST_RANGES)
		reserve(list, book, &made);
	else
		list->lost++;
}

static void shift(struct range *range, uint64_t by)
{
	if (!range)
		return;
	range->start += by;
	range->end += by;
	shift(range->left, by);
	shift(range->right, by);
}

static void move(struct range_list *list, struct book *book, const struct mt_event_range *event)
{
	uint64_t bytes = event->end - event->start;
	struct range *moved = take_out(list, &book->root, event->from, event->from + bytes);
	struct range *below, *above;

	give_back(list, book, event->start, event->end);
	shift(moved, event->start - event->from);
	cut(list, book->root, event->start, &below, &above);
	book->root = join(join(below, moved), above);
}

void range_list_add(struct range_list *list, const struct mt_event_range *event)
{
	struct book *book = book_of(list, event->serial, true);
	const struct range *attached;

	if (event->what == MT_RANGE_DETACHED) {
		attached = find(book->root, event->start);
		if (attached && attached->start == event->start)
			give_back(list, book, attached->start, attached->end);
	} else if (event->start < event->end) {
		if (event->what <= MT_RANGE_GROWN)
			make(list, book, event);
		else if (event->what == MT_RANGE_MOVED)
			move(list, book, event);
		else
			unmap(list, book, event);
	}
}

/* ---- what was never touched ---- */

void range_list_touch(struct range_list *list, const struct mt_shadow_key *key,
		      const struct mt_shadow *shadow)
{
	struct book *book = book_of(list, key->serial, false);
	const struct range *range = NULL;

	for (uint64_t i = 0; book && i < MT_SHADOW_PAGES; i++) {
		uint64_t address = (key->chunk * MT_SHADOW_PAGES + i) << PAGE_SHIFT;

		if (!shadow->stack[i])
			continue;
		if (!range || address >= range->end)
			range = find(book->root, address);
		if (range && range->kind == MT_RANGE_ANON)
			stack_of(book, range->stack)->never_touched -= (int64_t)list->page_bytes;
	}
}

static void add_untouched(struct book *book, const struct range *range)
{
	if (!range)
		return;
	add_untouched(book, range->left);
	add_untouched(book, range->right);
	if (range->kind == MT_RANGE_ANON)
		stack_of(book, range->stack)->never_touched +=
			(int64_t)(range->end - range->start);
}

struct reserved *range_list_take(struct range_list *list, uint32_t serial, size_t *count)
{
	struct book *book = book_of(list, serial, false);
	struct reserved *stacks;

	*count = 0;
	if (!book)
		return NULL;
	add_untouched(book, book->root);
	drop(list, book->root);
	*count = book->count;
	stacks = book->stacks;
	memmove(book, book + 1, (list->books + list->book_count - book - 1) * sizeof(*book));
	list->book_count--;
	return stacks;
}

uint32_t range_list_next(const struct range_list *list, uint32_t serial)
{
	for (size_t i = 0; i < list->book_count; i++) {
		if (list->books[i].serial >= serial)
			return list->books[i].serial;
	}
	return UINT32_MAX;
}

void range_list_free(struct range_list *list)
{
	size_t count;

	if (!list)
		return;
	while (list->book_count)
		free(range_list_take(list, list->books[list->book_count - 1].serial, &count));
	free(list->books);
	free(list);
}
