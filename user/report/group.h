/* SPDX-License-Identifier: GPL-2.0 */
/* Which processes are one series?  Those with the same command in the same cgroup. */
#ifndef MEMTRACE_REPORT_GROUP_H
#define MEMTRACE_REPORT_GROUP_H

#include "user/model/model.h"

struct group {
	char *command, *cgroup; /* without controls other than a newline */
	uint64_t processes;
	struct balances closing;
	int64_t unexplained_bytes; /* without regard to sign, so that none hides another */
	struct ledger_row *rows;   /* by operation, whatever the call */
	size_t row_count;
};

struct groups {
	struct group *at;
	size_t count;
};

void groups_build(struct groups *groups, const struct model *model);
void groups_free(struct groups *groups);

#endif
