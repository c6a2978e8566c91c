// SPDX-License-Identifier: GPL-2.0
/* Why is the memory of a process where it is?  Every rule is tried.  See finding.h. */
#include "user/explain/finding.h"

#include "user/base/memory.h"
#include "user/explain/rule.h"

#include <stdlib.h>
#include <string.h>

#define CHURN_TIMES 2  /* as much as it grew, at the least, for that to be a habit */

/* What is less, also as a share of the highest RSS, is not worth a word, or not an alarm. */
#define FLOOR_LEAST MIB
#define FLOOR_SHARE 50
#define ALARM_LEAST (6 * MIB)
#define ALARM_SHARE 20

bool row_is_birth(const struct ledger_row *row)
{
	return !strcmp(row->operation, "fork") || !strcmp(row->operation, "exec");
}

/* Its own calls that give back; what the kernel or another process takes is not given. */
static bool gives_back(const char *operation)
{
	static const char *const names[] = {
		"munmap", "brk.shrink", "mremap", "madvise.dontneed", "madvise.remove", "shm",
		"truncate", "mmap",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(operation, names[i]))
			return true;
	}
	return false;
}

static int64_t positive(int64_t bytes)
{
	return bytes > 0 ? bytes : 0;
}

static void add_birth(struct facts *facts, const struct balances *with)
{
	int64_t bytes = balances_resident(with);

	facts->born_bytes = plus(facts->born_bytes, bytes);
	facts->born_untouched_bytes = plus(facts->born_untouched_bytes,
					   minus(with->bytes[BALANCE_VIRTUAL], bytes));
}

/* What came back from swap had been touched before. */
static void add_row(struct facts *facts, const struct ledger_row *row)
{
	int64_t bytes = balances_resident(&row->moved);
	int64_t from_swap = positive(minus(0, row->moved.bytes[BALANCE_SWAP]));

	if (row_is_birth(row)) {
		add_birth(facts, &row->moved);
		return;
	}
	if (!strcmp(row->operation, "exit"))
		return;
	facts->reserved_bytes =
		plus(facts->reserved_bytes, positive(row->moved.bytes[BALANCE_VIRTUAL]));
	if (row->moved.bytes[BALANCE_VIRTUAL] > 0)
		facts->asking_count = plus(facts->asking_count, (int64_t)row->count);
	facts->touched_bytes = plus(facts->touched_bytes, positive(minus(bytes, from_swap)));
	if (gives_back(row->operation))
		facts->returned_bytes = plus(facts->returned_bytes, positive(minus(0, bytes)));
}

/*
 * At the least: what was touched and did not make it larger than it had been took the place of
 * something else; the same memory, if its own calls gave that back.
 */
static void add_churn(struct facts *facts)
{
	int64_t growth = minus((int64_t)facts->process->peak_bytes, facts->born_bytes);
	int64_t again = minus(facts->touched_bytes, positive(growth));

	again = positive(again < facts->returned_bytes ? again : facts->returned_bytes);
	facts->again_bytes = again;
	facts->churned_bytes = again / CHURN_TIMES >= positive(growth) ? again : 0;
}

static void gather(struct facts *facts, const struct model *model,
		   const struct process_model *process)
{
	*facts = (struct facts){
		.model = model,
		.process = process,
		.end = balances_end(process),
	};
	add_birth(facts, &process->opening);
	facts->end_bytes = balances_resident(facts->end);
	for (size_t i = 0; i < process->row_count; i++)
		add_row(facts, &process->rows[i]);
	rule_look_before_end(facts);
	add_churn(facts);
}

static int64_t floor_of(const struct facts *facts, const struct rule *rule)
{
	int64_t least = rule->alarm ? ALARM_LEAST : FLOOR_LEAST;
	uint64_t part = facts->process->peak_bytes / (rule->alarm ? ALARM_SHARE : FLOOR_SHARE);

	return part > (uint64_t)least ? (int64_t)part : least;
}

static bool has_needs(const struct facts *facts, unsigned int needs)
{
	if ((needs & NEED_SITES) && !facts->process->has_sites)
		return false;
	return !(needs & NEED_CALLS) || facts->model->capture->calls;
}

static void free_finding(struct finding *finding)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		free(finding->evidence[i].text);
	free(finding->title);
	free(finding->why);
	free(finding->remedy);
}

static void try_rule(struct findings *findings, struct facts *facts, const struct rule *rule)
{
	struct finding finding = { .id = rule->id, .alarm = rule->alarm,
				   .drowned = rule->drowned };

	facts->floor_bytes = floor_of(facts, rule);
	if (!has_needs(facts, rule->needs))
		return;
	if (!rule->holds(facts, &finding) || finding.bytes < facts->floor_bytes) {
		free_finding(&finding);
		return;
	}
	finding.title = sentence_write(rule->title, &finding);
	finding.why = sentence_write(rule->why, &finding);
	finding.remedy = sentence_write(rule->remedy, &finding);
	findings->at = memory_grow(findings->at, findings->count, sizeof(finding));
	findings->at[findings->count++] = finding;
}

static int64_t largest_alarm(const struct findings *findings)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < findings->count; i++) {
		if (findings->at[i].alarm && findings->at[i].bytes > bytes)
			bytes = findings->at[i].bytes;
	}
	return bytes;
}

static void leave_out_drowned(struct findings *findings)
{
	int64_t alarm = largest_alarm(findings);
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		struct finding *finding = &findings->at[i];

		if (!finding->alarm && finding->bytes / (int64_t)(finding->drowned ?: 1) < alarm)
			free_finding(finding);
		else
			findings->at[kept++] = *finding;
	}
	findings->count = kept;
}

/* Few, and those that are equal stay as the table has them. */
static void sort(struct findings *findings)
{
	for (size_t i = 1; i < findings->count; i++) {
		struct finding moved = findings->at[i];
		size_t to = i;

		for (; to && findings->at[to - 1].bytes < moved.bytes; to--)
			findings->at[to] = findings->at[to - 1];
		findings->at[to] = moved;
	}
}

void findings_build(struct findings *findings, const struct model *model,
		    const struct process_model *process)
{
	struct facts facts;
	struct holder *holders;

	*findings = (struct findings){ 0 };
	if (process->shares_with_pid || process->folded)
		return;
	gather(&facts, model, process);
	holders = holders_merge(process, HOLDER_TOUCHED, &facts.holder_count);
	facts.holders = holders;
	for (size_t i = 0; i < rule_count; i++)
		try_rule(findings, &facts, &rules[i]);
	leave_out_drowned(findings);
	sort(findings);
	holders_free(holders, facts.holder_count);
}

void findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free_finding(&findings->at[i]);
	free(findings->at);
	*findings = (struct findings){ 0 };
}
