/* SPDX-License-Identifier: GPL-2.0 */
/* What is a rule?  A row of the table in table.c: what it needs, when it holds, what it says. */
#ifndef MEMTRACE_RULE_H
#define MEMTRACE_RULE_H

#include "user/explain/finding.h"
#include "user/model/holder.h"

#define MIB ((int64_t)1 << 20)

/* What rules would add up again and again.  All are bytes. */
struct facts {
	const struct model *model;
	const struct process_model *process;
	const struct balances *end;  /* now, or before it began to end */
	int64_t end_bytes;	     /* RSS of that */
	int64_t born_bytes;	     /* RSS that it began with: before memtrace, by fork, by exec */
	int64_t touched_bytes;	     /* that came to RSS since then */
	int64_t asking_count;	     /* calls that reserved */
	int64_t returned_bytes;	     /* that its own calls gave back, but for ending */
	int64_t again_bytes;	     /* of the touched: in the place of what had been given back */
	int64_t churned_bytes;	     /* the same, where it is so much that it is a habit */
	int64_t born_untouched_bytes; /* of address space that it began with */
	int64_t reserved_bytes;	     /* of address space, since then */
	int64_t floor_bytes;	     /* of this rule: less is not worth a word */
	int64_t claimed_virtual_bytes; /* of what was never touched: has a finding already */
	int64_t claimed_bytes;	     /* of the anonymous memory at the end: has a finding already */
	struct balances before_end;
	struct released tidied[8];   /* what it gave back only because it ended, by operation */
	size_t tidied_count;
	int64_t tidied_bytes;
	const struct holder *holders; /* in no order; none without sites */
	size_t holder_count;
};

enum need {
	NEED_NOTHING = 0,
	NEED_SITES = 1,
	NEED_CALLS = 2, /* sizes asked and failures (--calls) */
};

struct rule {
	const char *id;
	unsigned int needs;
	bool alarm;
	/* What only says how things are is left out beside an alarm, unless it is so many times
	 * as large: the first finding is to name what is to be done. */
	unsigned int drowned;
	/* Does it hold?  Then it fills in bytes and evidence, and says if it is inferred. */
	bool (*holds)(struct facts *facts, struct finding *finding);
	/*
	 * {name} is evidence of that name, in its unit; [what] is left out where it has a name of
	 * which there is no evidence.
	 */
	const char *title, *why, *remedy;
};

/* Tried from the first to the last: a later one may ask what is claimed. */
extern const struct rule rules[];
extern const size_t rule_count;

/* Evidence: the names stay, texts are copied.  Of too much, the last is left out. */
void finding_number(struct finding *finding, const char *name, int64_t value);
void finding_text(struct finding *finding, const char *name, const char *text);
const struct evidence *finding_evidence(const struct finding *finding, const char *name,
					size_t length);

/* The words of a rule with evidence in its place; to be freed. */
char *sentence_write(const char *words, const struct finding *finding);

/* What it began with: by fork, by exec. */
bool row_is_birth(const struct ledger_row *row);

/* Rows of an operation added up; 0 where there are none. */
int64_t rule_moved(const struct facts *facts, const char *operation);
uint64_t rule_count_of(const struct facts *facts, const char *operation);

/* "now" or "when it ended", as {moment}; and what it held then, as {end_bytes}. */
void rule_add_end(const struct facts *facts, struct finding *finding);

/* What its calls gave back, as {calls} and a number for each call; false: nothing. */
bool rule_add_returned(const struct facts *facts, struct finding *finding);

/* Takes what it freed only because it ended as in use until then. */
void rule_look_before_end(struct facts *facts);

/* What it gave back by an operation only because it ended. */
int64_t rule_tidied(const struct facts *facts, const char *operation);

/* One of several processes, and what of its RSS is not its own, or of files. */
struct member {
	const struct process_model *process;
	int64_t foreign_bytes;
};

/* The most that they held of their own at the same time, as far as that was seen. */
int64_t rule_held_together(const struct member *members, size_t count);

/* Who holds most, and how much of it, as {site} and {site_bytes}; silent without sites. */
void rule_add_holder(const struct facts *facts, struct finding *finding);

/* Of whose memory most went back, as {site}, and what it touched and lost; who gave back most, as
 * {giver} and {giver_bytes}. */
void rule_add_giver(const struct facts *facts, struct finding *finding);

/* Who reserved most that was never touched, as {site} and {site_bytes}. */
void rule_add_reserver(const struct facts *facts, struct finding *finding);

/* Of what is mapped: memory that it could have touched, and never has as far as is known. */
int64_t rule_mapped_untouched(const struct facts *facts);

/* Of what is mapped: that nobody may touch (PROT_NONE), set aside for later or as a guard. */
int64_t rule_set_aside(const struct facts *facts);

/* Of what is mapped: what malloc has set aside for each thread and never used. */
int64_t rule_arena_rest(const struct facts *facts);

/* Address space that malloc gave back when it made arenas for threads. */
int64_t rule_cut_from_arenas(const struct facts *facts);

/* ---- the rules, by file ---- */

/* book.c */
bool find_never_touched(struct facts *facts, struct finding *finding);
bool find_returned(struct facts *facts, struct finding *finding);
bool find_peak_then_fell(struct facts *facts, struct finding *finding);
bool find_churn(struct facts *facts, struct finding *finding);
bool find_still_in_use(struct facts *facts, struct finding *finding);

/* leak.c */
bool find_mapping_leak(struct facts *facts, struct finding *finding);

/* kernel.c */
bool find_lazily_freed(struct facts *facts, struct finding *finding);
bool find_swapped_out(struct facts *facts, struct finding *finding);
bool find_reclaimed(struct facts *facts, struct finding *finding);
bool find_limit_near(struct facts *facts, struct finding *finding);
bool find_thp_inflation(struct facts *facts, struct finding *finding);

/* mapping.c */
bool find_thread_stacks(struct facts *facts, struct finding *finding);

/* share.c */
bool find_cow_after_fork(struct facts *facts, struct finding *finding);
bool find_shared(struct facts *facts, struct finding *finding);
bool find_file_cache(struct facts *facts, struct finding *finding);
bool find_child_processes(struct facts *facts, struct finding *finding);

/* heap.c */
bool find_heap_top_pinned(struct facts *facts, struct finding *finding);
bool find_heap_fragmented(struct facts *facts, struct finding *finding);
bool find_thread_arenas(struct facts *facts, struct finding *finding);
bool find_mmap_threshold_grew(struct facts *facts, struct finding *finding);
bool find_heap_not_trimmed(struct facts *facts, struct finding *finding);
bool find_pymalloc_pinned(struct facts *facts, struct finding *finding);
bool find_mimalloc_kept(struct facts *facts, struct finding *finding);

#endif
