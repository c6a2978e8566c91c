// SPDX-License-Identifier: GPL-2.0
/* How much did processes hold together that have ended?  By what each had at points of time. */
#include "user/explain/rule.h"

/* What it had of its own at a time, 0 before it was seen and after its end. */
static int64_t had_at(const struct member *member, uint64_t at_ns)
{
	const Mt__Growth *growth = member->process->growth;
	uint64_t point;
	int64_t bytes;

	if (!growth || !growth->step_ns || at_ns < growth->first_ns)
		return 0;
	point = (at_ns - growth->first_ns) / growth->step_ns;
	if (point >= growth->n_resident_bytes || growth->resident_bytes[point] > INT64_MAX)
		return 0;
	bytes = minus((int64_t)growth->resident_bytes[point], member->foreign_bytes);
	return bytes > 0 ? bytes : 0;
}

static int64_t all_had_at(const struct member *members, size_t count, uint64_t at_ns)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes = plus(bytes, had_at(&members[i], at_ns));
	return bytes;
}

int64_t rule_held_together(const struct member *members, size_t count)
{
	int64_t most = 0;

	for (size_t i = 0; i < count; i++) {
		const Mt__Growth *growth = members[i].process->growth;

		for (size_t point = 0; growth && point < growth->n_resident_bytes; point++) {
			int64_t bytes = all_had_at(members, count,
						   growth->first_ns + point * growth->step_ns);

			most = bytes > most ? bytes : most;
		}
	}
	return most;
}
