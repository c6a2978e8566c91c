// SPDX-License-Identifier: GPL-2.0
/* What did a program free only because it ended?  Until then it was in use. */
#include "user/explain/rule.h"

#include <string.h>

#define OUTER_FRAMES 16 /* it is ended from near main() */

/* Of CPython, Perl, Ruby, and what exit() calls: atexit(), destructors. */
static bool is_ending(const struct stack_model *stack)
{
	static const char *const names[] = {
		"Py_FinalizeEx", "perl_destruct", "ruby_cleanup", "__run_exit_handlers",
	};
	size_t first = stack->count > OUTER_FRAMES ? stack->count - OUTER_FRAMES : 0;

	for (size_t i = first; i < stack->count; i++) {
		const char *function = stack->frames[i]->function;

		for (size_t at = 0; function && at < sizeof(names) / sizeof(names[0]); at++) {
			if (!strcmp(function, names[at]))
				return true;
		}
	}
	return false;
}

static void add(struct facts *facts, const struct released *gave)
{
	size_t i = 0;

	while (i < facts->tidied_count && strcmp(facts->tidied[i].operation, gave->operation) != 0)
		i++;
	if (i == sizeof(facts->tidied) / sizeof(facts->tidied[0]))
		return;
	if (i == facts->tidied_count)
		facts->tidied[facts->tidied_count++].operation = gave->operation;
	facts->tidied[i].bytes = plus(facts->tidied[i].bytes, gave->bytes);
	facts->tidied_bytes = plus(facts->tidied_bytes, gave->bytes);
}

int64_t rule_tidied(const struct facts *facts, const char *operation)
{
	for (size_t i = 0; i < facts->tidied_count; i++) {
		if (!strcmp(facts->tidied[i].operation, operation))
			return facts->tidied[i].bytes;
	}
	return 0;
}

static void read_sites(struct facts *facts)
{
	for (size_t i = 0; i < facts->process->site_count; i++) {
		const struct site_model *site = &facts->process->sites[i];

		if (!site->gave_back_count || !is_ending(site->stack))
			continue;
		for (size_t at = 0; at < site->gave_back_count; at++)
			add(facts, &site->gave_back_by[at]);
	}
}

/* What it had right before is known; what the sites do not tell of that, munmap() took. */
static void read_balances(struct facts *facts)
{
	const struct balances *before = &facts->process->before_tidying;
	struct released rest = {
		.operation = "munmap",
		.bytes = minus(minus(balances_resident(before), facts->end_bytes),
			       facts->tidied_bytes),
	};

	if (rest.bytes > 0)
		add(facts, &rest);
}

void rule_look_before_end(struct facts *facts)
{
	bool known = facts->process->has_at_exit && facts->process->has_before_tidying;

	if (facts->process->has_at_exit)
		read_sites(facts);
	if (known)
		read_balances(facts);
	if (facts->tidied_bytes <= 0 || facts->tidied_bytes > facts->returned_bytes) {
		facts->tidied_count = 0;
		facts->tidied_bytes = 0;
		return;
	}
	facts->before_end = *facts->end;
	for (int i = BALANCE_VIRTUAL; i <= BALANCE_ANON; i++)
		facts->before_end.bytes[i] = plus(facts->before_end.bytes[i], facts->tidied_bytes);
	if (known)
		facts->before_end = facts->process->before_tidying;
	facts->end = &facts->before_end;
	facts->end_bytes = known ? balances_resident(facts->end) :
				   plus(facts->end_bytes, facts->tidied_bytes);
	facts->returned_bytes = minus(facts->returned_bytes, facts->tidied_bytes);
}
