/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does a workload do, and what must the ledger say of it?  A workload does a known thing
 * and prints its own expected ledger.
 *
 * It runs its case once to warm up, so that its code and stack are there, says "ready" and
 * waits for a line; then it runs the case again, says "done" and waits for a second line,
 * during which the process does nothing at all; then it prints the ledger that the second run
 * must have caused, as JSON, and ends.  Counts are prime numbers, so that no two of them, and
 * no sum, can be mistaken for each other.
 *
 * What a case does not name must not be in the ledger at all, but for page tables: those are
 * noticed at the next event, and are compared in the balance alone.
 */
#ifndef MEMTRACE_WORKLOAD_H
#define MEMTRACE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096UL
#define KIB 1024UL
#define MIB (1024 * KIB)
#define HUGE_PAGE (2 * MIB)

/* A case.  `counted` is false while it warms up. */
struct workload {
	const char *name;
	void (*run)(bool counted);
	void (*end)(void); /* how it dies, where it does not just end with status 0 */
	const char *needs; /* what machine.py sets up first: names, with blanks between */
	int exit_code, exit_signal;
	bool huge_pages; /* leaves transparent huge pages as the system has them */
	bool cold;	 /* is not run to warm up */
	bool hidden;	 /* not a case: what another process does, started by one */
};

extern const struct workload workloads[];
extern const size_t workload_count;

/* What follows the name of a hidden case on its command line, up to NULL. */
extern char **workload_words;

/* ---- the expected ledger: sums over all calls in the counted run ---- */

/*
 * An operation is named as in the ledger; "fault.kernel read" is its row for one system call
 * alone.  `operation` moved this balance by so many bytes ("anon_bytes", ...).
 */
void expect(const char *operation, const char *balance, int64_t bytes);

/* So many faults, or calls without a size; so many of the calls failed. */
void expect_count(const char *operation, int64_t count);
void expect_failed(const char *operation, int64_t count);

/* So many calls, which asked for so many bytes together, and of which none asked for much more
 * than the others. */
void expect_calls(const char *operation, int64_t count, int64_t requested_bytes);

/* So many faults on anonymous memory, each of which brought a page. */
void expect_faults(const char *operation, int64_t count);

/* So many values of that size in a histogram, and no others than those that are named. */
void expect_sizes(const char *histogram, int64_t count, uint64_t bytes);

/* So many times in a histogram, none of which is less than that. */
void expect_times(const char *histogram, int64_t count, uint64_t least_ns);

/* Figures that may be anything, because the kernel or the C library decides: all of an
 * operation, or one of them. */
void expect_anything(const char *operation);
void expect_any(const char *operation, const char *figure);

/* What follows is expected of another process, which is in the document, too; 0: itself. */
void expect_of(pid_t pid);

/* That process ends, by exit(code) or by a signal. */
void expect_exit(int code, int signal);

/* All its figures are those of this sibling and what is expected besides. */
void expect_beyond(pid_t sibling);

/* All faults of that process, of whatever kind: the kernel's own count of them. */
void expect_all_faults(int64_t count);

/* What the kernel counts as faults of this process is something else: some fail, or are counted
 * for a guest, or are of pages that it brings into another process. */
void expect_other_faults(void);

/* That process lives in the address space of this one, and has no ledger of its own. */
void expect_guest(pid_t host);

/* ---- doing things ---- */

/* Anonymous memory, private, without huge pages. */
char *map_anonymous(size_t bytes);

/* The same, beginning at a multiple of `alignment`. */
char *map_aligned(size_t bytes, size_t alignment);

/* A file with that many bytes of data, open for reading and writing, and already without a
 * name: in a directory that machine.py gave, else where temporary files lie. */
int open_file(size_t bytes);

/* Writes one byte into each page, or reads one. */
void touch(void *at, size_t bytes);
void look(const void *at, size_t bytes);

/* A figure of /proc/self/status ("RssAnon"), in bytes. */
int64_t status_of_self(const char *name);

/* Bytes of anonymous pages, counted page by page: other figures of old kernels come late. */
int64_t anon_of_self(void);

/* Writes to all that the frame of the workloads writes to later: after a fork each page is copied
 * then, and some may be in swap.  So that faults can be counted before. */
void touch_frame(void);

/* Faults of this thread until now, as the kernel counts them. */
int64_t faults_of_self(void);

/* Enters the cgroup that machine.py made, once; returns how many bytes it may have. */
size_t enter_cgroup(void);

/* From here on this thread runs on one CPU: pages that wait in the lists of another cannot be
 * reclaimed. */
void stay_on_one_cpu(void);

/* Ends the program with a message if a call failed. */
void must(bool good, const char *what);

/* Says a line and waits for one, so that the test can look at the process meanwhile.
 * Does not touch memory that was not touched before. */
void pause_here(const char *word);

/* ---- another process, of this program, that runs a hidden case ---- */

struct order {
	uint64_t what;
	uint64_t address;
	uint64_t bytes;
	int64_t argument;
};

/* Starts it, while warming up: it is not followed then. */
void other_start(const char *hidden);

/* Has it do something, and waits until it has. */
void other_do(uint64_t what, const void *address, size_t bytes, int64_t argument);

/* In it: the next thing to do; does not return if there is none. */
struct order other_next(void);

/* In it: that was done. */
void other_done(void);

#endif
