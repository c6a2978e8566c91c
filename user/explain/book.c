// SPDX-License-Identifier: GPL-2.0
/* What do the books alone say: what was reserved, touched, given back, and kept? */
#include "user/explain/rule.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"

#include <stdlib.h>
#include <string.h>

/* Programs and libraries map more of their files than they read. */
#define UNTOUCHED_LEAST (24 * MIB)
#define EXACT_LEAST (8 * MIB) /* where files are not counted */
/* Runtimes set address space aside (PROT_NONE) to be near what they have.  That is the answer only
 * for who holds less than this: others ask for what they hold. */
#define LITTLE_PEAK (24 * MIB)
#define SHADOW_LEAST (1LL << 40) /* no memory is so large: see rule_mapped_untouched() */
#define SITES_SHARE 4 /* of what the books say, at the most, that the sites do not know */
#define TOLD_SHARE 20 /* of the fall, at the most, that its own calls did not do */
#define PIECE_SHARE 16	      /* of the highest RSS is a large piece */
#define FAST_BYTES (500 * MIB) /* a second: a tenth of a CPU */
#define UNLOOKED_LEAST (16 * MIB) /* an allocator may have so much free that it is of interest */
#define FALL_SHARE 4 /* of the highest RSS, at the least, for a fall to be one */

static int64_t positive(int64_t bytes)
{
	return bytes > 0 ? bytes : 0;
}

int64_t rule_moved(const struct facts *facts, const char *operation)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < facts->process->row_count; i++) {
		const struct ledger_row *row = &facts->process->rows[i];

		if (!strcmp(row->operation, operation))
			bytes = plus(bytes, balances_resident(&row->moved));
	}
	return bytes;
}

uint64_t rule_count_of(const struct facts *facts, const char *operation)
{
	uint64_t count = 0;

	for (size_t i = 0; i < facts->process->row_count; i++) {
		if (!strcmp(facts->process->rows[i].operation, operation))
			count += facts->process->rows[i].count;
	}
	return count;
}

void rule_add_end(const struct facts *facts, struct finding *finding)
{
	bool ended = facts->process->has_at_exit;

	finding_number(finding, "end_bytes", facts->end_bytes);
	finding_number(finding, "peak_bytes", (int64_t)facts->process->peak_bytes);
	if (facts->tidied_bytes)
		finding_number(finding, "freed_at_end_bytes", facts->tidied_bytes);
	finding_text(finding, "moment",
		     facts->tidied_bytes ? "when it came to its end" :
		     ended ? "when it ended" : "now");
	finding_text(finding, "verb", ended ? "held" : "holds");
}

/* Calls in the order of the ledger, and names of evidence that stay. */
static const struct {
	const char *operation, *name;
} givers[] = {
	{ "munmap", "munmap_bytes" },
	{ "brk.shrink", "brk_shrink_bytes" },
	{ "madvise.dontneed", "madvise_dontneed_bytes" },
	{ "mremap", "mremap_bytes" },
	{ "madvise.remove", "madvise_remove_bytes" },
	{ "shm", "shmdt_bytes" },
	{ "truncate", "truncate_bytes" },
	{ "mmap", "mmap_over_bytes" },
};

bool rule_add_returned(const struct facts *facts, struct finding *finding)
{
	cleanup_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char bytes[24];
	bool any = false;

	for (size_t i = 0; i < sizeof(givers) / sizeof(givers[0]); i++) {
		const char *operation = givers[i].operation;
		int64_t given = minus(0, plus(rule_moved(facts, operation),
					      rule_tidied(facts, operation)));

		if (given <= 0)
			continue;
		finding_number(finding, givers[i].name, given);
		fprintf(out, "%s%s (%s)", any ? ", " : "", operation,
			text_bytes(bytes, sizeof(bytes), given, 0));
		any = true;
	}
	fclose(out);
	if (any)
		finding_text(finding, "calls", text);
	return any;
}

/* ---- the rules ---- */

/*
 * Of what is mapped still: that cannot be more than what was reserved and not touched, as what
 * was given back by advice had been touched.
 */
static int64_t kept_untouched(const struct facts *facts)
{
	int64_t all = minus(facts->reserved_bytes, minus(facts->touched_bytes, facts->again_bytes));
	int64_t kept = minus(facts->end->bytes[BALANCE_VIRTUAL], facts->end_bytes);

	kept = minus(kept, facts->end->bytes[BALANCE_SWAP]);
	kept = minus(kept, facts->end->bytes[BALANCE_HUGETLB]);
	kept = minus(kept, facts->claimed_virtual_bytes);
	if (facts->process->mapping_count)
		kept = rule_mapped_untouched(facts);
	all = plus(all, facts->born_untouched_bytes);
	return positive(all < kept ? all : kept);
}

/* What is not there of the address space. */
static int64_t absent_bytes(const struct balances *balances)
{
	return minus(balances->bytes[BALANCE_VIRTUAL], balances_resident(balances));
}

/* What went after the mappings were read, because it ended. */
static int64_t gone_at_end(const struct facts *facts)
{
	const struct process_model *process = facts->process;

	if (!process->has_before_tidying || !process->mapping_count)
		return 0;
	return positive(minus(absent_bytes(&process->before_tidying),
			      absent_bytes(&process->at_exit)));
}

/*
 * What munmap() took and was not there, or not any more.  To make an arena for a thread malloc
 * reserves twice as much as it needs, and keeps a part that begins at an even address.
 */
static int64_t gone_untouched(const struct facts *facts)
{
	int64_t bytes = minus(0, rule_moved(facts, "madvise.dontneed"));

	bytes = minus(0, positive(bytes));
	for (size_t i = 0; i < facts->process->row_count; i++) {
		const struct ledger_row *row = &facts->process->rows[i];

		if (!strcmp(row->operation, "munmap"))
			bytes = plus(bytes, minus(balances_resident(&row->moved),
						  row->moved.bytes[BALANCE_VIRTUAL]));
	}
	bytes = minus(bytes, gone_at_end(facts));
	return positive(minus(bytes, rule_cut_from_arenas(facts)));
}

/* Where a process has ended, it has often tidied up before. */
static int64_t never_touched(const struct facts *facts)
{
	int64_t bytes = kept_untouched(facts);

	return facts->process->has_at_exit ? plus(bytes, gone_untouched(facts)) : bytes;
}

/* What the sites know page by page; of what is mapped no more, at the least. */
static int64_t never_touched_by_sites(const struct facts *facts)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < facts->process->site_count; i++) {
		const struct site_model *site = &facts->process->sites[i];

		bytes = plus(bytes, site->never_touched_bytes);
		if (facts->process->has_at_exit)
			bytes = plus(bytes, site->gone_untouched_bytes);
	}
	return bytes;
}

/* What nobody may touch. */
static void add_set_aside(const struct facts *facts, struct finding *finding)
{
	bool counts = (int64_t)facts->process->peak_bytes < LITTLE_PEAK;
	int64_t bytes = rule_set_aside(facts);
	int64_t beside = plus(bytes, rule_arena_rest(facts));

	if (counts && bytes >= UNTOUCHED_LEAST) {
		finding_number(finding, "set_aside_bytes", bytes);
		finding->bytes = plus(finding->bytes, bytes);
	} else if (!counts && beside >= UNTOUCHED_LEAST) {
		finding_number(finding, "beside_bytes", beside);
	}
}

bool find_never_touched(struct facts *facts, struct finding *finding)
{
	bool exact = facts->process->mapping_count != 0;
	int64_t sites = never_touched_by_sites(facts);

	finding->bytes = never_touched(facts);
	add_set_aside(facts, finding);
	finding->inferred = sites < finding->bytes - finding->bytes / SITES_SHARE;
	if (!finding->inferred && !exact)
		finding->bytes = minus(sites, facts->claimed_virtual_bytes);
	if (!exact && finding->bytes >= SHADOW_LEAST)
		return false;
	if (finding->bytes < (exact ? EXACT_LEAST : UNTOUCHED_LEAST) ||
	    finding->bytes < (int64_t)facts->process->peak_bytes / 2)
		return false;
	finding_number(finding, "never_touched_bytes", finding->bytes);
	finding_number(finding, "reserved_bytes",
		       plus(facts->process->opening.bytes[BALANCE_VIRTUAL], facts->reserved_bytes));
	rule_add_end(facts, finding);
	if (!finding->inferred)
		rule_add_reserver(facts, finding);
	return true;
}

static uint64_t time_in(const struct process_model *process, const char *operation)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < process->histogram_count; i++) {
		const struct histogram_model *histogram = &process->histograms[i];

		if (!strcmp(histogram->name, "syscall_ns") && histogram->operation &&
		    !strcmp(histogram->operation, operation))
			ns += histogram->sum;
	}
	return ns;
}

/* In large pieces, or so fast that small ones take time, too: all programs have some. */
static bool is_costly(const struct facts *facts, uint64_t call_count)
{
	double seconds = (double)facts->model->capture->duration_ns / 1e9;

	return (double)facts->returned_bytes * PIECE_SHARE >=
		       (double)facts->process->peak_bytes * (double)call_count ||
	       (double)facts->churned_bytes > seconds * FAST_BYTES;
}

bool find_churn(struct facts *facts, struct finding *finding)
{
	uint64_t ns = 0, calls = 0;

	finding->bytes = facts->churned_bytes;
	for (size_t i = 0; i < sizeof(givers) / sizeof(givers[0]); i++) {
		ns += time_in(facts->process, givers[i].operation);
		calls += rule_count_of(facts, givers[i].operation);
	}
	finding->alarm = is_costly(facts, calls);
	finding_number(finding, "again_bytes", facts->churned_bytes);
	finding_number(finding, "touched_bytes", facts->touched_bytes);
	finding_number(finding, "returned_bytes", facts->returned_bytes);
	finding_number(finding, "fault_count", (int64_t)rule_count_of(facts, "fault"));
	if (ns)
		finding_number(finding, "giving_back_ns", (int64_t)ns);
	rule_add_end(facts, finding);
	rule_add_giver(facts, finding);
	return rule_add_returned(facts, finding);
}

bool find_returned(struct facts *facts, struct finding *finding)
{
	finding->bytes = minus(facts->returned_bytes, facts->churned_bytes);
	finding_number(finding, "touched_bytes", facts->touched_bytes);
	finding_number(finding, "returned_bytes", facts->returned_bytes);
	if (facts->churned_bytes)
		finding_number(finding, "for_good_bytes", finding->bytes);
	rule_add_end(facts, finding);
	rule_add_giver(facts, finding);
	return rule_add_returned(facts, finding);
}

bool find_peak_then_fell(struct facts *facts, struct finding *finding)
{
	int64_t peak = (int64_t)facts->process->peak_bytes;

	finding->bytes = minus(peak, facts->end_bytes);
	finding_number(finding, "fell_bytes", finding->bytes);
	finding_number(finding, "peak_at_ns", (int64_t)facts->process->peak_at_ns);
	rule_add_end(facts, finding);
	finding->told = facts->returned_bytes >= finding->bytes - finding->bytes / TOLD_SHARE;
	return finding->bytes > peak / FALL_SHARE;
}

/* One that is not read may have part of it free. */
static void add_unread(const struct facts *facts, struct finding *finding)
{
	for (size_t i = 0; i < facts->process->allocator_count; i++) {
		if (!facts->process->allocators[i]->read) {
			finding_text(finding, "unread", facts->process->allocators[i]->name);
			return;
		}
	}
}

/* Nobody looked into it. */
static void add_unlooked(const struct facts *facts, struct finding *finding)
{
	if (!facts->model->capture->overhead->has_allocators_ns && !facts->process->ended &&
	    finding->bytes >= UNLOOKED_LEAST)
		finding_text(finding, "unlooked", "--allocators on");
}

bool find_still_in_use(struct facts *facts, struct finding *finding)
{
	finding->bytes = minus(facts->end->bytes[BALANCE_ANON], facts->claimed_bytes);
	finding_number(finding, "held_bytes", finding->bytes);
	rule_add_end(facts, finding);
	rule_add_holder(facts, finding);
	add_unread(facts, finding);
	add_unlooked(facts, finding);
	return true;
}
