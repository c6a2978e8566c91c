// SPDX-License-Identifier: GPL-2.0
/* Does it grow without end?  Many calls that reserve, hardly one that gives back, to the last. */
#include "user/explain/rule.h"

#define NS_PER_SECOND 1000000000ULL
#define LEAST_NS NS_PER_SECOND /* shorter, and a program that fills its tables looks the same */
#define LEAST_CALLS 16
#define GIVEN_SHARE 10 /* of what it reserved went back, at the most */
#define LATE_SHARE 10  /* of the time: that close to the end it still grew */

/* Address space that went back is not in the books: what was reserved, less what there is more. */
static int64_t kept_bytes(const struct facts *facts)
{
	int64_t born = facts->process->opening.bytes[BALANCE_VIRTUAL];

	for (size_t i = 0; i < facts->process->row_count; i++) {
		const struct ledger_row *row = &facts->process->rows[i];

		if (row_is_birth(row))
			born = plus(born, row->moved.bytes[BALANCE_VIRTUAL]);
	}
	return minus(facts->end->bytes[BALANCE_VIRTUAL], born);
}

static bool grows_to_the_end(const struct facts *facts)
{
	uint64_t all = facts->model->capture->duration_ns, at = facts->process->peak_at_ns;

	return all >= LEAST_NS && at >= all - all / LATE_SHARE;
}

bool find_mapping_leak(struct facts *facts, struct finding *finding)
{
	int64_t kept = kept_bytes(facts);
	int64_t growth = minus(facts->end_bytes, facts->born_bytes);
	uint64_t ns = facts->model->capture->duration_ns;

	if (!grows_to_the_end(facts) || facts->asking_count < LEAST_CALLS ||
	    minus(facts->reserved_bytes, kept) > facts->reserved_bytes / GIVEN_SHARE)
		return false;
	finding->bytes = growth > kept / 2 ? growth : kept;
	finding->inferred = true;
	finding_number(finding, "growth_bytes", finding->bytes);
	finding_number(finding, "per_second_bytes",
		       (int64_t)((double)finding->bytes * NS_PER_SECOND / (double)ns));
	finding_number(finding, "asking_count", facts->asking_count);
	rule_add_end(facts, finding);
	rule_add_holder(facts, finding);
	if (growth > kept / 2)
		facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	return true;
}
