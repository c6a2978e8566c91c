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
	bool foreign;
} operations[] = {
	{ "fault", "touched by the program", false },
	{ "fault.kernel", "touched by the kernel", false },
	{ "fault.cow", "shared page copied", false },
	{ "mmap", "mapped", false },
	{ "munmap", "unmapped", false },
	{ "brk.grow", "heap end moved up", false },
	{ "brk.shrink", "heap end moved down", false },
	{ "mremap", "resized or moved", false },
	{ "madvise.dontneed", "given back", false },
	{ "madvise.free", "may be taken any time", false },
	{ "madvise.remove", "hole punched", false },
	{ "madvise.pageout", "paged out on request", false },
	{ "madvise.populate", "touched ahead", false },
	{ "madvise.collapse", "made huge on request", false },
	{ "madvise.other", "other advice", false },
	{ "mlock", "locked or unlocked", false },
	{ "shm", "SysV segment", false },
	{ "stack", "stack grew", false },
	{ "fork", "copied from its parent", false },
	{ "exec", "program replaced", false },
	{ "exit", "given back by ending", false },
	{ "reclaim", "taken by the kernel", true },
	{ "khugepaged", "made huge by the kernel", true },
	{ "ksm", "merged by the kernel", true },
	{ "truncate", "mapped file was cut", false },
	{ "gup", "taken without a fault", false },
	{ "remote", "by another process", true },
	{ "other", "not attributed", false },
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
