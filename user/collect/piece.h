/* SPDX-License-Identifier: GPL-2.0 */
/* Which frames has a stack that the kernel side could not walk, for want of tables? */
#ifndef MEMTRACE_COLLECT_PIECE_H
#define MEMTRACE_COLLECT_PIECE_H

#include "bpf/stack.h"
#include "user/collect/code.h"
#include "user/collect/kernel.h"

/* Returns how many; frames and end are as struct mt_event_stack has them.  The piece has as many
 * words as it says, and its process is not forgotten yet: else there is one frame of no file. */
size_t piece_walk(struct code_files *files, const struct kernel *kernel,
		  const struct mt_event_piece *piece, uint64_t frames[static MT_FRAMES],
		  uint32_t *end);

#endif
