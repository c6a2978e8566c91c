/* SPDX-License-Identifier: GPL-2.0 */
/* In which order does a ledger tell its story, and what does each operation mean? */
#ifndef MEMTRACE_MODEL_LEDGER_H
#define MEMTRACE_MODEL_LEDGER_H

#include "user/model/model.h"

/* Rows of a capture, those that moved most first. */
struct ledger_row *ledger_build(const Mt__Capture *capture, Mt__Row *const *rows, size_t count,
				size_t *made);
void ledger_free(struct ledger_row *rows, size_t count);

/* An operation in plain words, for somebody who does not know the calls: up to 24 columns. */
const char *operation_meaning(const char *operation);

/* Words that make a sentence with the call's name behind them ("taken by" kswapd), or NULL. */
const char *operation_before_call(const char *operation);

/* Another party did it: the kernel on its own account, or another process. */
bool operation_is_foreign(const char *operation);

#endif
