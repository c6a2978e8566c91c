// SPDX-License-Identifier: GPL-2.0
/* Which frames has a stack that the kernel side could not walk?  See piece.h. */
#include "user/collect/piece.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/symbol/unwind.h"

#include <bpf/bpf.h>
#include <stdlib.h>

struct walk {
	struct code_files *files;
	struct mt_execs execs;
};

/* Where it is linked, less where it is in the file. */
static uint64_t shift_of(const struct code_file *file, uint64_t offset)
{
	uint64_t shift = 0;

	for (size_t i = 0; i < file->segment_count; i++)
		if (file->segments[i].offset <= offset)
			shift = file->segments[i].shift;
	return shift;
}

static bool find_code(void *context, uint64_t address, struct unwind_code *code)
{
	struct walk *walk = context;
	const struct mt_exec *exec = walk->execs.at;
	const struct mt_exec *end = exec + walk->execs.count;
	const struct cfi_table *table;

	while (exec < end && (address < exec->start || address >= exec->end))
		exec++;
	table = exec < end ? code_table(walk->files, exec->file) : NULL;
	if (!table)
		return false;
	code->file = exec->file;
	code->bias = exec->start - exec->offset -
		     shift_of(code_file(walk->files, exec->file), exec->offset);
	code->table = table;
	return true;
}

_Static_assert(UNWIND_FRAMES == MT_FRAMES && UNWIND_NO_FILE == MT_NO_FILE, "each side has its own");
_Static_assert((int)UNWIND_WHOLE == MT_STACK_WHOLE && (int)UNWIND_LONG == MT_STACK_LONG &&
	       (int)UNWIND_NO_CODE == MT_STACK_NO_FILE && (int)UNWIND_NO_ROW == MT_STACK_NO_ROW &&
	       (int)UNWIND_UNKNOWN == MT_STACK_UNKNOWN && (int)UNWIND_UNREAD == MT_STACK_UNREAD &&
	       (int)UNWIND_BACKWARDS == MT_STACK_BACKWARDS && UNWIND_SHIFT == MT_PIECE_SHIFT,
	       "each side has its own");

size_t piece_walk(struct code_files *files, const struct kernel *kernel,
		  const struct mt_event_piece *piece, uint64_t frames[static MT_FRAMES],
		  uint32_t *end)
{
	const struct unwind_stack stack = { piece->ip, piece->sp, piece->bp, piece->bx, piece->r11,
					    (const uint64_t *)piece->word, piece->count };
	cleanup_free struct walk *walk = memory_new(1, sizeof(*walk));
	enum unwind_end why;
	size_t count;

	walk->files = files;
	/* What has become of it meanwhile has other code. */
	if (bpf_map_lookup_elem(bpf_map__fd(kernel->skeleton->maps.execs), &piece->slot,
				&walk->execs) ||
	    piece->slot >= kernel->slots ||
	    kernel->spaces[piece->slot].serial != piece->serial || walk->execs.count > MT_EXECS)
		walk->execs.count = 0;
	count = unwind(&stack, find_code, walk, frames, &why);
	*end = why;
	return count;
}
