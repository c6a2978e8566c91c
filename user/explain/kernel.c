// SPDX-License-Identifier: GPL-2.0
/* What did the kernel do on its own account: took, swapped out, made huge, or might take yet? */
#include "user/explain/rule.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"

#include <string.h>

#define ZEROS_SHARE 4 /* of what it holds, at the least: other programs have zeros, too */
#define NEAR_SHARE 10 /* of the limit is left, at the most */

static int64_t positive(int64_t bytes)
{
	return bytes > 0 ? bytes : 0;
}

/* Where it could not be measured, as the process has ended: no more than was marked is there. */
bool find_lazily_freed(struct facts *facts, struct finding *finding)
{
	const struct lazy_free *lazy = &facts->process->lazy_free;

	if (!facts->process->has_lazy_free || !lazy->has_resident)
		return false;
	finding->bytes = (int64_t)lazy->resident_bytes;
	finding_number(finding, "resident_bytes", finding->bytes);
	if (lazy->has_marked)
		finding_number(finding, "marked_bytes", (int64_t)lazy->marked_bytes);
	finding_number(finding, "taken_bytes", (int64_t)lazy->taken_bytes);
	rule_add_end(facts, finding);
	facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	return true;
}

bool find_swapped_out(struct facts *facts, struct finding *finding)
{
	finding->bytes = facts->end->bytes[BALANCE_SWAP];
	finding_number(finding, "swap_bytes", finding->bytes);
	if (rule_count_of(facts, "madvise.pageout"))
		finding_text(finding, "pageout", "madvise(MADV_PAGEOUT)");
	rule_add_end(facts, finding);
	return true;
}

/* What is in swap has a finding of its own: here is what the kernel dropped, or fetched again. */
bool find_reclaimed(struct facts *facts, struct finding *finding)
{
	int64_t taken = minus(0, rule_moved(facts, "reclaim"));
	int64_t opening = facts->process->opening.bytes[BALANCE_SWAP];
	int64_t swapped = positive(minus(facts->end->bytes[BALANCE_SWAP], opening));

	finding->bytes = minus(taken, swapped);
	finding_number(finding, "taken_bytes", taken);
	if (swapped)
		finding_number(finding, "still_swapped_bytes", swapped);
	finding_number(finding, "again_bytes", finding->bytes);
	rule_add_end(facts, finding);
	return true;
}

/* Pages that the program had not touched when a huge one was made of it and its neighbours. */
static bool add_zeros(const struct facts *facts, struct finding *finding)
{
	uint64_t zeros = facts->process->huge_zero_bytes;

	if (zeros > INT64_MAX || (int64_t)zeros <= finding->bytes ||
	    (int64_t)zeros < facts->end->bytes[BALANCE_ANON] / ZEROS_SHARE ||
	    (int64_t)zeros > facts->end->bytes[BALANCE_ANON])
		return false;
	finding->bytes = (int64_t)zeros;
	finding->inferred = true;
	finding_number(finding, "zero_bytes", finding->bytes);
	return true;
}

/* Those that a fault made huge at once are told by what is in them. */
bool find_thp_inflation(struct facts *facts, struct finding *finding)
{
	finding->bytes = rule_moved(facts, "khugepaged");
	if (!add_zeros(facts, finding)) {
		finding_number(finding, "filled_up_bytes", finding->bytes);
		finding_number(finding, "collapse_count",
			       (int64_t)rule_count_of(facts, "khugepaged"));
	}
	finding_number(finding, "inflated_bytes", finding->bytes);
	rule_add_end(facts, finding);
	if (finding->bytes >= facts->floor_bytes)
		facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	return true;
}

static const Mt__Cgroup *limit_of(const struct facts *facts)
{
	const Mt__Capture *capture = facts->model->capture;

	for (size_t i = 0; i < capture->n_cgroups; i++) {
		const Mt__Cgroup *cgroup = capture->cgroups[i];
		cleanup_free char *name = text_utf8(cgroup->name.data, cgroup->name.len);

		if (!strcmp(name, facts->process->cgroup))
			return cgroup;
	}
	return NULL;
}

/* The limit is on all that is in the cgroup, and on files that nobody maps, too. */
bool find_limit_near(struct facts *facts, struct finding *finding)
{
	const Mt__Cgroup *cgroup = facts->process->ended ? NULL : limit_of(facts);
	cleanup_free char *of = cgroup ? text_utf8(cgroup->of.data, cgroup->of.len) : NULL;
	int64_t rest;

	if (!cgroup || cgroup->limit_bytes > INT64_MAX || cgroup->charged_bytes > INT64_MAX ||
	    cgroup->charged_bytes < cgroup->limit_bytes - cgroup->limit_bytes / NEAR_SHARE)
		return false;
	finding->bytes = (int64_t)cgroup->charged_bytes;
	rest = minus(minus(finding->bytes, (int64_t)cgroup->anon_bytes),
		     plus((int64_t)cgroup->file_bytes, (int64_t)cgroup->shmem_bytes));
	finding->alarm = minus(finding->bytes, (int64_t)cgroup->file_bytes) >
			 (int64_t)(cgroup->limit_bytes / 2);
	finding_number(finding, "charged_bytes", finding->bytes);
	finding_number(finding, "limit_bytes", (int64_t)cgroup->limit_bytes);
	finding_number(finding, "anon_bytes", (int64_t)cgroup->anon_bytes);
	finding_number(finding, "file_bytes", (int64_t)cgroup->file_bytes);
	if (cgroup->shmem_bytes >= MIB)
		finding_number(finding, "shmem_bytes", (int64_t)cgroup->shmem_bytes);
	if (rest >= MIB)
		finding_number(finding, "kernel_bytes", rest);
	finding_text(finding, "cgroup", of);
	finding_text(finding, "limit", cgroup->slow ?
		     "memory.high, MemoryHigh= of systemd" :
		     "memory.max, MemoryMax= of systemd, --memory of docker");
	finding_text(finding, "beyond", cgroup->slow ?
		     "takes memory away and makes them wait, but kills none" :
		     "takes memory away, and then kills");
	rule_add_end(facts, finding);
	return true;
}
