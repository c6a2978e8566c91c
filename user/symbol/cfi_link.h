/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where are the two registers that a frame on AArch64 is left by?  x30 has the return address of
 * who has called nobody so far, x29 what the caller found its frame by; who calls saves both.
 */
#ifndef MEMTRACE_CFI_LINK_H
#define MEMTRACE_CFI_LINK_H

#include "user/symbol/cfi.h"
#include "user/symbol/cfi_rule.h"

#include <stdbool.h>
#include <stdint.h>

/* How many words below the CFA each of the two is, 0: still in the register. */
struct cfi_link {
	uint32_t frame, link;
};

struct cfi_link cfi_link_of(struct cfi_row row);

/* Puts that into a row.  False: it cannot say where they are. */
bool cfi_link_place(const struct cfi_rules *rules, struct cfi_row *row);

/*
 * Where signal handlers return to, which the vdso describes to nobody.  Callers look one byte
 * before a return address, so what begins one instruction before it counts.  False: not in there.
 */
bool cfi_link_signal(Elf *elf, uint64_t *start, uint64_t *end);

#endif
