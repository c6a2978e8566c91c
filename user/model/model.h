/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does a capture mean?  Balances that add up, ledgers in the order of what they moved,
 * histograms with cumulative buckets.  Pure: made from a capture alone.  All figures are
 * bytes and nanoseconds; texts are valid UTF-8.
 */
#ifndef MEMTRACE_MODEL_H
#define MEMTRACE_MODEL_H

#include "build/capture.pb-c.h"
#include "user/model/site.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The balances of an address space, in the order of capture.proto. */
enum balance {
	BALANCE_VIRTUAL,
	BALANCE_ANON,
	BALANCE_FILE,
	BALANCE_SHMEM,
	BALANCE_SWAP,
	BALANCE_PAGE_TABLE,
	BALANCE_LOCKED,
	BALANCE_HUGETLB,
	BALANCE_COUNT,
};

/* "virtual_bytes", ... */
const char *balance_name(enum balance balance);

struct balances {
	int64_t bytes[BALANCE_COUNT];
};

/* Figures of a capture may be anything: sums wrap around instead of being undefined. */
static inline int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t minus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* RSS: anonymous, file and shared memory. */
int64_t balances_resident(const struct balances *balances);
bool balances_are_zero(const struct balances *balances);

struct ledger_row {
	const char *operation;
	char *call; /* NULL: none */
	uint64_t count;
	bool has_calls; /* the next two are known */
	uint64_t failed;
	uint64_t requested_bytes;
	struct balances moved;
};

struct histogram_bucket {
	uint64_t le; /* inclusive */
	uint64_t count; /* of all values up to it */
};

/* The bucket of all values has no bound and is not among the buckets: its count is `count`. */
struct histogram_model {
	const char *name;
	const char *operation; /* NULL: none */
	const char *unit;
	uint64_t count;
	uint64_t sum;
	struct histogram_bucket *buckets;
	size_t bucket_count;
};

/* What came of memory given to madvise(MADV_FREE). */
struct lazy_free {
	bool has_marked, has_resident;
	uint64_t marked_bytes;	 /* in all calls */
	uint64_t resident_bytes; /* of that, not yet taken */
	uint64_t taken_bytes;	 /* what the kernel took without writing it to swap */
};

struct process_model {
	uint32_t pid;
	uint32_t parent_pid;
	int64_t started_unix_ns;
	char *command;
	char **arguments;
	size_t argument_count;
	char *executable;
	char *cgroup;
	bool has_exit;
	uint32_t exit_code;
	uint32_t exit_signal;
	bool ended; /* its address space is gone */
	struct balances opening;
	struct balances closing; /* opening plus every row of the ledger */
	bool has_kernel;
	struct balances kernel;
	struct balances unexplained; /* kernel - closing; 0 where the kernel was not read */
	bool has_at_exit;
	struct balances at_exit; /* opening plus the ledger but what ending gave back */
	bool has_kernel_at_exit;
	struct balances kernel_at_exit;
	bool has_before_tidying;
	struct balances before_tidying; /* before it freed what it had because it ended */
	uint64_t peak_bytes;
	uint64_t peak_at_ns;
	struct ledger_row *rows; /* by what they moved, most first */
	size_t row_count;
	struct histogram_model *histograms;
	size_t histogram_count;
	bool has_sites; /* stacks were asked for: the next ones mean something */
	uint32_t sample; /* one page of so many has a stack, and stands for as many */
	const struct code_model *code; /* what their stacks are of */
	struct site_model *sites; /* by what they hold, most first */
	size_t site_count;
	int64_t unsited_bytes; /* anonymous memory that no site holds */
	char unsited_meaning[96]; /* why, in a few words */
	int64_t unsited_virtual_bytes; /* address space that none has reserved */
	bool has_lazy_free;
	struct lazy_free lazy_free;
	Mt__Mapping *const *mappings; /* of the capture, as the next ones; of one that lived */
	size_t mapping_count;
	Mt__Allocator *const *allocators; /* of the capture: figures by name */
	size_t allocator_count;
	const Mt__Growth *growth; /* of the capture; NULL: not known */
	uint64_t busy_ns;	  /* 0: not known */
	uint64_t kept_count;	  /* of fault.cow, those that found a page shared no more */
	uint64_t huge_zero_bytes; /* of huge pages, what holds nothing but zeros */
	uint32_t shares_with_pid; /* 0: has an address space of its own */
	uint64_t folded;	  /* stands for so many that ended; 0: for itself */
	uint64_t volume;	  /* bytes of RSS that were moved, up or down */
};

struct interval_process {
	uint32_t pid;
	char *command;
	struct balances closing;
	struct ledger_row *rows;
	size_t row_count;
	uint32_t parent_pid; /* 0: not told, as the next one */
	char *line; /* its arguments, NULL: none */
};

struct interval_model {
	uint64_t at_ns;
	struct interval_process *processes;
	size_t process_count;
};

struct loss {
	const char *name;
	uint64_t count;
	const char *meaning;
};

#define LOSSES 9

struct model {
	const Mt__Capture *capture;    /* for what is passed on as it is */
	struct process_model *processes; /* by highest RSS, most first */
	size_t process_count;
	struct code_model code;
	struct histogram_model *histograms; /* over all processes */
	size_t histogram_count;
	struct interval_model *intervals;
	size_t interval_count;
	struct loss losses[LOSSES];
	bool has_losses;
};

/* What a process has of an allocator, and a figure of one; NULL and 0 where there is none. */
const Mt__Allocator *allocator_find(const struct process_model *process, const char *name);
uint64_t allocator_figure(const Mt__Allocator *allocator, const char *name);

/* What a process has at the end; where it ended, what it had before its memory went. */
const struct balances *balances_end(const struct process_model *process);

/* Builds a model of a capture, which has to stay.  The capture has passed capture_wrong(). */
void model_build(struct model *model, const Mt__Capture *capture);
void model_free(struct model *model);

/* One interval alone, whose rows name operations of the capture. */
void model_build_interval(struct interval_model *interval, const Mt__Capture *capture,
			  const Mt__Interval *from);
void model_free_interval(struct interval_model *interval);

#endif
