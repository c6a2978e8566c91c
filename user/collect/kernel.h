/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of memtrace runs in the kernel, and how is it reached?  Loads the programs, attaches
 * them, and maps their arrays; nothing is pinned, so that it all goes when we do.
 */
#ifndef MEMTRACE_COLLECT_KERNEL_H
#define MEMTRACE_COLLECT_KERNEL_H

#include "bpf/abi.h"
#include "user/base/error.h"
#include "user/collect/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_WALKED_PAGE_BYTES 4096 /* pages whose stacks can be kept (bpf/site.bpf.h) */

/* Whether the kernel side can tell where a thread's own memory is (bpf/python.bpf.h). */
#ifdef __x86_64__
#define KERNEL_FINDS_THREADS true
#else
#define KERNEL_FINDS_THREADS false
#endif

struct kernel_options {
	size_t targets; /* processes to be followed that are there already, where they are known */
	bool follow_all;
	bool follow_children;
	bool calls;
	uint32_t stacks; /* enum mt_stacks */
	uint32_t sample; /* stacks are kept of one page of so many */
	void (*say)(const char *text); /* takes what libbpf has to say, NULL: nobody */
	uint64_t cgroup_id; /* 0: none */
	__u32 timer_pid, reader_pid; /* of memtrace's other processes, 0: none */
};

/* Called with each event of the kernel side, in order. */
typedef void (*kernel_event)(void *context, const struct mt_event *event, size_t bytes);

#define OLD_LINKS 2

struct kernel {
	/* By which the kernel side finds where memory is mapped: bpf/glance.bpf.h. */
	__u64 known[2] __attribute__((aligned(16)));
	struct memtrace_bpf *skeleton;
	struct ring_buffer *ring;
	struct bpf_link *reader;
	/* Maps of the kernel side, shared with it.  Each counts as resident memory of ours from
	 * the first to the last page, so the larger ones are read entry by entry. */
	struct mt_space *spaces;
	struct mt_lane *lanes;
	__u32 *filter;
	__u32 slots, book_count, blocks, cpus;
	__u32 page_bytes;
	__u32 stale; /* mappings that closed spaces left untouched */
	__u32 swept; /* mappings that were left by the last sweep */
	__u32 unplaced; /* processes that were asked for since this was 0, and found no slot */
	bool calls;
	uint32_t stacks; /* enum mt_stacks */
	uint32_t sample; /* they are kept of one page of so many */
	bool faults_by_perf; /* nothing tells what a fault is for: see fault.h */
	struct fault_links faults;
	bool old;	     /* the programs for old kernels are loaded: see old.h */
	bool has_lock_event; /* the size of address spaces is booked when it changes ... */
	bool has_end_event;  /* ... and their end when it is complete */
	struct bpf_link *old_links[OLD_LINKS];
	kernel_event event;
	void *event_context;
};

struct error *kernel_load(struct kernel *kernel, const struct kernel_options *options,
			  kernel_event event, void *context);
struct error *kernel_attach(struct kernel *kernel);

/* Whether maps and iterators can be used with the privileges that are in force now. */
bool kernel_is_reachable(const struct kernel *kernel);

/* Stops counting at once; the maps stay readable until kernel_free(). */
void kernel_detach(struct kernel *kernel);
void kernel_free(struct kernel *kernel);

/* Follows a process: its threads are marked, and with `open` a book is opened on what it has.
 * pid 0: all processes. */
struct error *kernel_follow(struct kernel *kernel, __u32 pid, bool open);

/* Counts those that were asked for and found no slot as lost. */
void kernel_lose_unplaced(struct kernel *kernel);

/* Hands over the events that wait.  Returns how many there were. */
int kernel_poll(struct kernel *kernel);

/* Becomes readable when events wait. */
int kernel_poll_fd(const struct kernel *kernel);

/* Copies a book, or a block of the histogram pool. */
void kernel_read_book(const struct kernel *kernel, __u32 number, struct mt_book *book);
void kernel_read_block(const struct kernel *kernel, __u32 number, struct mt_hist *block);

/* Gives back a closed slot with its book and blocks, zeroed. */
void kernel_recycle(struct kernel *kernel, __u32 slot);

/* The process with that pid is to be stopped when it is about to free what it has; 0: none is. */
void kernel_stop_before_tidying(const struct kernel *kernel, __u32 pid);

/* Slots below this number are or were in use. */
__u32 kernel_used_slots(const struct kernel *kernel);

/* What could not be counted so far, by cause. */
uint64_t kernel_losses(const struct kernel *kernel, enum mt_loss cause);

/* Memory that the maps take in the kernel, in bytes. */
uint64_t kernel_bytes(const struct kernel *kernel);

/* Whether each thread keeps up to 64 of its faults from the kernel's counters (6.1 and before). */
bool kernel_counters_lag(const struct kernel *kernel);

#endif
