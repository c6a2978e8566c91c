/* SPDX-License-Identifier: GPL-2.0 */
/* Which balances does a text show, in which order, and what does it call them? */
#ifndef MEMTRACE_REPORT_BALANCE_H
#define MEMTRACE_REPORT_BALANCE_H

#include "user/model/model.h"

struct balance_line {
	const char *name;
	int balance; /* -1: resident, the sum of three */
	bool always; /* also where there is none */
};

extern const struct balance_line balance_lines[];
extern const size_t balance_line_count;

/* Bytes. */
int64_t balance_take(const struct balances *balances, const struct balance_line *line);

#endif
