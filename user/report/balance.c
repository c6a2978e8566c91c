// SPDX-License-Identifier: GPL-2.0
/* See balance.h. */
#include "user/report/balance.h"

const struct balance_line balance_lines[] = {
	{ "resident (RSS)", -1, true },
	{ "  anonymous", BALANCE_ANON, true },
	{ "  of files", BALANCE_FILE, true },
	{ "  shared memory", BALANCE_SHMEM, false },
	{ "swapped out", BALANCE_SWAP, false },
	{ "address space (VSZ)", BALANCE_VIRTUAL, true },
	{ "page tables", BALANCE_PAGE_TABLE, true },
	{ "locked", BALANCE_LOCKED, false },
	{ "huge pages (hugetlb)", BALANCE_HUGETLB, false },
};
const size_t balance_line_count = sizeof(balance_lines) / sizeof(balance_lines[0]);

int64_t balance_take(const struct balances *balances, const struct balance_line *line)
{
	return line->balance < 0 ? balances_resident(balances) : balances->bytes[line->balance];
}
