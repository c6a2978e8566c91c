/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What has been counted for each process so far?  A process is what has one pid from birth to
 * death; the address spaces that it had one after the other (exec) add up in it.
 */
#ifndef MEMTRACE_COLLECT_PROCESS_H
#define MEMTRACE_COLLECT_PROCESS_H

#include "bpf/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line of a ledger, in the kernel's units (pages; bytes for page tables). */
struct row {
	uint16_t operation;
	uint16_t call; /* number + 1, 0: none */
	uint64_t count;
	uint64_t failed;
	uint64_t requested_bytes;
	int64_t moved[MT_BALANCES];
};

struct histogram {
	uint32_t which; /* enum mt_histogram */
	uint16_t first, end; /* the buckets kept: those from the first to the last in use */
	uint64_t sum;
	uint64_t *bucket;
};

/* A program and its arguments. */
struct words {
	char *arguments; /* NUL after each; NULL: not known */
	size_t argument_bytes;
	char *executable;  /* NULL: not known */
	uint64_t since_ns; /* the birth of the address space that it came in; 0: before all else */
};

struct process {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_boot_ns;
	char comm[MT_COMM];
	struct words words;  /* of now ... */
	struct words before; /* ... and of before its last exec, as children may have them */
	uint64_t cgroup_id;
	uint32_t forked_by;  /* its parent, when it was born with a copy of that one's memory ... */
	uint64_t forked_ns;  /* ... and when; 0: it was not */
	uint64_t asked_ns;   /* the birth of the address space that /proc was asked about last */
	bool has_space;	 /* it had an address space of its own */
	bool ended;	 /* its address space is gone */
	bool has_exit;
	int exit_code; /* as wait() has it */
	uint64_t exit_ns;
	uint32_t shares_with; /* it lives in that process's memory, 0: no ... */
	uint64_t shares_ns;   /* ... since then */
	uint64_t folded; /* stands for so many */
	uint64_t kept_pages; /* of the writes that may copy, those that did not */
	uint64_t first_opened_ns, last_opened_ns; /* of its address spaces */
	int64_t opening[MT_BALANCES];
	int64_t kernel[MT_BALANCES]; /* the kernel's figures when it was last read */
	bool has_kernel;
	bool stable;	 /* live: ledger and kernel figures are of one moment */
	bool adds_up;	 /* live: and no event is on its way between the two */
	uint32_t serial; /* live: of the address space */
	int64_t at_exit[MT_BALANCES];
	bool has_at_exit;
	uint64_t peak_pages;
	uint64_t peak_ns;
	struct row *rows;
	size_t row_count;
	struct histogram *histograms;
	size_t histogram_count;
	struct process *live;	 /* with what its live address spaces add, while a report is made */
	struct look *look;	 /* the last one at its allocators, NULL: there was none */
	struct growth *growth;	 /* NULL: none was seen */
	struct row *earlier;	 /* the rows as they were at the last interval */
	size_t earlier_count;
	bool told; /* the last interval of its life is */
	bool hidden;		 /* it never had anything of its own, and is gone */
	struct process *next;	 /* of all, by birth; live: what another space of its adds */
	struct process *chain;	 /* of those in one bucket, youngest first */
};

#define PROCESS_BUCKETS 4096

struct process_table {
	struct process *bucket[PROCESS_BUCKETS]; /* by pid */
	struct process *first, **last;
	size_t count;
	size_t ended;
	struct process folded; /* those that ended too long ago to keep each */
};

void process_table_init(struct process_table *table);
void process_table_free(struct process_table *table);

/* The process with that pid and start, made if it is new. */
struct process *process_get(struct process_table *table, uint32_t pid, uint64_t start_boot_ns);

/* The youngest process with that pid, NULL if there is none. */
struct process *process_find(struct process_table *table, uint32_t pid);

/* Notes that a process is over, with everything that was counted for it. */
void process_end(struct process_table *table, struct process *process);

/* Adds ended processes that are too many to keep into table->folded. */
void process_fold(struct process_table *table);

/* A copy of what was counted (not of names), and its end. */
struct process *process_copy(const struct process *process);
void process_free(struct process *process);
void words_free(struct words *words);

/* Forgets what its live address spaces add. */
void process_drop_live(struct process *process);

/* Forgets its rows of the last interval. */
void process_forget_rows(struct process *process);

/* Adds to a process what an address space of its has: space, book (NULL: none), and lanes
 * summed over the CPUs; and its histograms, one by one.  Spaces may come in any order: false
 * where this is known to be one that the process has left for another program. */
bool process_add(struct process *process, const struct mt_space *space,
		 const struct mt_book *book, const struct mt_lane *lanes);
void process_add_histogram(struct process *process, enum mt_histogram which,
			   const struct mt_hist *block);

/* Adds all that was counted for another one, and its histograms alone. */
void process_join(struct process *into, const struct process *process);
void process_merge_histograms(struct process *process, const struct process *from);

/* The line for an operation and call, made if it is new. */
struct row *process_row(struct process *process, uint16_t operation, uint16_t call);

#endif
