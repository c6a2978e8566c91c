// SPDX-License-Identifier: GPL-2.0
/* In which order does a ledger tell its story?  See ledger.h. */
#include "user/model/ledger.h"

#include "user/base/memory.h"
#include "user/base/text.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	const char *meaning;
	const char *before_call; /* instead, where the name of the call that follows says more */
	bool foreign;
} operations[] = {
	{ "fault", "touched by the program", NULL, false },
	{ "fault.kernel", "touched by the kernel", "touched by", false },
	{ "fault.cow", "shared page copied", NULL, false },
	{ "mmap", "mapped", NULL, false },
	{ "munmap", "unmapped", NULL, false },
	{ "brk.grow", "heap end moved up", NULL, false },
	{ "brk.shrink", "heap end moved down", NULL, false },
	{ "mremap", "resized or moved", NULL, false },
	{ "madvise.dontneed", "given back", NULL, false },
	{ "madvise.free", "may be taken any time", NULL, false },
	{ "madvise.remove", "hole punched", NULL, false },
	{ "madvise.pageout", "paged out on request", NULL, false },
	{ "madvise.populate", "touched ahead", NULL, false },
	{ "madvise.collapse", "made huge on request", NULL, false },
	{ "madvise.other", "other advice", NULL, false },
	{ "mlock", "locked or unlocked", NULL, false },
	{ "shm", "SysV segment", NULL, false },
	{ "stack", "stack grew", NULL, false },
	{ "fork", "copied from its parent", NULL, false },
	{ "exec", "program replaced", NULL, false },
	{ "exit", "given back by ending", NULL, false },
	{ "reclaim", "taken by the kernel", "taken by", true },
	{ "khugepaged", "made huge by the kernel", NULL, true },
	{ "ksm", "merged by the kernel", NULL, true },
	{ "truncate", "mapped file was cut", "file cut by", false },
	{ "gup", "taken without a fault", "taken by", false },
	{ "remote", "by another process", "another's", true },
	{ "other", "not attributed", "in", false },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < OPERATIONS && strcmp(operations[i].name, name))
		i++;
	return i;
}

const char *operation_meaning(const char *operation)
{
	size_t i = find(operation);

	return i < OPERATIONS ? operations[i].meaning : "";
}

const char *operation_before_call(const char *operation)
{
	size_t i = find(operation);

	return i < OPERATIONS ? operations[i].before_call : NULL;
}

bool operation_is_foreign(const char *operation)
{
	size_t i = find(operation);

	return i < OPERATIONS && operations[i].foreign;
}

/* ---- order ---- */

static uint64_t size_of(int64_t bytes)
{
	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

/* The most that a row moved of any balance, RSS in one. */
static uint64_t largest(const struct ledger_row *row)
{
	static const enum balance others[] = { BALANCE_VIRTUAL, BALANCE_SWAP, BALANCE_PAGE_TABLE,
					       BALANCE_LOCKED, BALANCE_HUGETLB };
	uint64_t most = size_of(balances_resident(&row->moved));

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		uint64_t size = size_of(row->moved.bytes[others[i]]);

		most = size > most ? size : most;
	}
	return most;
}

static int compare_sizes(const struct ledger_row *a, const struct ledger_row *b)
{
	uint64_t left = largest(a), right = largest(b);

	if (left == right) {
		left = size_of(balances_resident(&a->moved));
		right = size_of(balances_resident(&b->moved));
	}
	if (left == right) {
		left = a->count;
		right = b->count;
	}
	return left == right ? 0 : left > right ? -1 : 1;
}

static int compare(const void *left, const void *right)
{
	const struct ledger_row *a = left, *b = right;
	int order = compare_sizes(a, b);

	if (order)
		return order;
	order = strcmp(a->operation, b->operation);
	return order ? order : strcmp(a->call ? a->call : "", b->call ? b->call : "");
}

struct ledger_row *ledger_build(const Mt__Capture *capture, Mt__Row *const *rows, size_t count,
				size_t *made)
{
	struct ledger_row *ledger = memory_new(count, sizeof(*ledger));

	for (size_t i = 0; i < count; i++) {
		const Mt__Row *from = rows[i];
		struct ledger_row *row = &ledger[i];

		row->operation = capture->operations[from->operation];
		row->call = from->has_call ? text_utf8(from->call.data, from->call.len) : NULL;
		row->count = from->count;
		row->has_calls = from->has_failed && from->has_requested_bytes;
		row->failed = from->failed;
		row->requested_bytes = from->requested_bytes;
		for (size_t balance = 0; balance < from->n_moved; balance++)
			row->moved.bytes[balance] = from->moved[balance];
	}
	if (count)
		qsort(ledger, count, sizeof(*ledger), compare);
	*made = count;
	return ledger;
}

void ledger_free(struct ledger_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rows[i].call);
	free(rows);
}
