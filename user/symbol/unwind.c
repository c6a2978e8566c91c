// SPDX-License-Identifier: GPL-2.0
/* Which calls is a stack within, of which only some words are known?  See unwind.h. */
#include "user/symbol/unwind.h"

#include "user/symbol/cfi_link.h"

#define ADDRESS ((1ULL << UNWIND_SHIFT) - 1)
#define SIGNAL_REGISTERS 40 /* struct rt_sigframe: up to uc_mcontext, without the return address */
#define LINK_SIGNAL 544 /* the same of arm64: up to x29 */
#define GOES_ON UNWIND_LONG

struct unwinding {
	const struct unwind_stack *stack;
	uint64_t ip, sp, bp, bx;
	bool exact; /* ip is where it runs, not where it returns to */
	bool first;
};

/* 0 for what was not sent: it points nowhere that matters. */
static uint64_t word_at(const struct unwind_stack *stack, uint64_t address)
{
	uint64_t place = (address - stack->sp) / 8;
	size_t low = 0, high = stack->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stack->words[middle] >> UNWIND_SHIFT < place)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == stack->count || stack->words[low] >> UNWIND_SHIFT != place || address & 7)
		return 0;
	return stack->words[low] & ADDRESS;
}

static uint64_t far_offset(const struct cfi_table *table, struct cfi_row row)
{
	uint64_t number = cfi_offset_bytes(row) / 8;

	return number < table->far_count ? table->far[number] : 0;
}

/* The caller's stack pointer; 0: not to be had. */
static uint64_t frame_address(const struct unwinding *at, const struct cfi_table *table,
			      struct cfi_row row)
{
	uint64_t offset = cfi_offset_bytes(row);

	switch (cfi_kind(row)) {
	case CFI_RSP:
		return at->sp + offset;
	case CFI_RBP:
		return at->bp + offset;
	case CFI_RBX:
		return at->bx + offset;
	case CFI_PLT:
		return at->sp + 8 + ((at->ip & 15) >= offset / 8 ? 8 : 0);
	case CFI_AT_RBP:
		return word_at(at->stack, at->bp - offset);
	case CFI_FAR_RSP:
		return at->sp + far_offset(table, row);
	case CFI_FAR_RBP:
		return at->bp + far_offset(table, row);
	case CFI_R11:
		return at->first ? at->stack->r11 + offset : 0;
	case CFI_FAR_R11:
		return at->first ? at->stack->r11 + far_offset(table, row) : 0;
	default:
		return 0;
	}
}

static uint64_t restored(const struct unwinding *at, uint64_t before, int8_t where, uint64_t cfa)
{
	if (where == CFI_SAME || where == CFI_LOST)
		return before;
	return word_at(at->stack, where == CFI_THERE ? at->bp : cfa + 8 * (uint64_t)where);
}

static enum unwind_end leave_frame(struct unwinding *at, const struct cfi_table *table,
			    struct cfi_row row)
{
	uint64_t cfa = frame_address(at, table, row), bp;

	if (!cfa)
		return UNWIND_UNKNOWN;
	if (cfa <= at->sp && !at->first)
		return UNWIND_BACKWARDS;
	at->ip = word_at(at->stack, cfa - 8);
	bp = restored(at, at->bp, row.rbp, cfa);
	at->bx = restored(at, at->bx, row.rbx, cfa);
	at->bp = bp;
	at->sp = cfa;
	at->exact = false;
	return at->ip ? GOES_ON : UNWIND_UNREAD;
}

/* The same where a call keeps the return address in a register: bpf/link.bpf.h. */
static enum unwind_end leave_linked(struct unwinding *at, const struct cfi_table *table,
				    struct cfi_row row)
{
	uint64_t cfa = frame_address(at, table, row);
	struct cfi_link saved = cfi_link_of(row);

	if (!cfa || (!saved.link && !at->exact))
		return UNWIND_UNKNOWN;
	if (cfa < at->sp || (cfa == at->sp && !at->exact))
		return UNWIND_BACKWARDS;
	at->ip = at->bx & ADDRESS;
	if (saved.link)
		at->ip = word_at(at->stack, cfa - 8ul * saved.link);
	if (saved.frame)
		at->bp = word_at(at->stack, cfa - 8ul * saved.frame);
	at->sp = cfa;
	at->exact = false;
	return at->ip ? GOES_ON : UNWIND_UNREAD;
}

static enum unwind_end leave_linked_signal(struct unwinding *at)
{
	uint64_t saved = at->sp + LINK_SIGNAL;

	at->bp = word_at(at->stack, saved);
	at->bx = word_at(at->stack, saved + 8);
	at->sp = word_at(at->stack, saved + 16);
	at->ip = word_at(at->stack, saved + 24);
	at->exact = true;
	return at->ip && at->sp ? GOES_ON : UNWIND_UNREAD;
}

/* What the kernel saved for a signal handler: struct sigcontext. */
static enum unwind_end leave_signal(struct unwinding *at)
{
	uint64_t saved = at->sp + SIGNAL_REGISTERS;

	at->bp = word_at(at->stack, saved + 10ul * 8);
	at->bx = word_at(at->stack, saved + 11ul * 8);
	at->ip = word_at(at->stack, saved + 16ul * 8);
	at->sp = word_at(at->stack, saved + 15ul * 8);
	at->exact = true;
	return at->ip && at->sp ? GOES_ON : UNWIND_UNREAD;
}

static enum unwind_end take_step(struct unwinding *at, unwind_find *find, void *context,
				 uint64_t *frame)
{
	uint64_t look = at->ip - !at->exact;
	const struct cfi_row *row;
	struct unwind_code code;

	if (!find(context, look, &code)) {
		*frame = (uint64_t)UNWIND_NO_FILE << 48 | (at->ip & ADDRESS);
		return UNWIND_NO_CODE;
	}
	*frame = code.file << 48 | ((at->ip - code.bias) & ADDRESS);
	row = cfi_find(code.table, look - code.bias);
	if (!row || cfi_kind(*row) == CFI_NONE)
		return UNWIND_NO_ROW;
	if (cfi_kind(*row) == CFI_END)
		return UNWIND_WHOLE;
	if (cfi_kind(*row) == CFI_SIGNAL)
		return code.table->links ? leave_linked_signal(at) : leave_signal(at);
	return code.table->links ? leave_linked(at, code.table, *row) :
				   leave_frame(at, code.table, *row);
}

size_t unwind(const struct unwind_stack *stack, unwind_find *find, void *context,
	      uint64_t frames[static UNWIND_FRAMES], enum unwind_end *end)
{
	struct unwinding at = { .stack = stack, .ip = stack->ip, .sp = stack->sp,
				.bp = stack->bp, .bx = stack->bx, .exact = true, .first = true };
	size_t count = 0;

	*end = GOES_ON;
	while (count < UNWIND_FRAMES && *end == GOES_ON) {
		*end = take_step(&at, find, context, &frames[count++]);
		at.first = false;
	}
	return count;
}
