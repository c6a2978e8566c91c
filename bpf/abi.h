/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do the kernel side and user/collect/ have to agree on?  The one page that
 * both read: numbers, sizes and the shape of every map value.  It is not the
 * file format, and it may change with every build.
 *
 * Units here are the kernel's own: pages, but bytes for page tables.
 */
#ifndef MEMTRACE_ABI_H
#define MEMTRACE_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* The first four are the kernel's own MM_FILEPAGES..MM_SHMEMPAGES, in its order. */
enum mt_balance {
	MT_FILE,
	MT_ANON,
	MT_SWAP,
	MT_SHMEM,
	MT_VIRTUAL,
	MT_PAGE_TABLE,
	MT_LOCKED,
	MT_HUGETLB,
	MT_BALANCES,
	MT_MEMBERS = MT_VIRTUAL, /* those that kmem:rss_stat reports */
};

/* Each operation of the ledger: its name here, and what the report calls it. */
#define MT_OPERATION_TABLE(X)                                                                      \
	X(FAULT, "fault")                                                                          \
	X(FAULT_KERNEL, "fault.kernel")                                                            \
	X(FAULT_COW, "fault.cow")                                                                  \
	X(MMAP, "mmap")                                                                            \
	X(MUNMAP, "munmap")                                                                        \
	X(BRK_GROW, "brk.grow")                                                                    \
	X(BRK_SHRINK, "brk.shrink")                                                                \
	X(MREMAP, "mremap")                                                                        \
	X(MADV_DONTNEED, "madvise.dontneed")                                                       \
	X(MADV_FREE, "madvise.free")                                                               \
	X(MADV_REMOVE, "madvise.remove")                                                           \
	X(MADV_PAGEOUT, "madvise.pageout")                                                         \
	X(MADV_POPULATE, "madvise.populate")                                                       \
	X(MADV_COLLAPSE, "madvise.collapse")                                                       \
	X(MADV_OTHER, "madvise.other")                                                             \
	X(MLOCK, "mlock")                                                                          \
	X(SHM, "shm")                                                                              \
	X(STACK, "stack")                                                                          \
	X(FORK, "fork")                                                                            \
	X(EXEC, "exec")                                                                            \
	X(EXIT, "exit")                                                                            \
	X(RECLAIM, "reclaim")                                                                      \
	X(KHUGEPAGED, "khugepaged")                                                                \
	X(KSM, "ksm")                                                                              \
	X(TRUNCATE, "truncate")                                                                    \
	X(GUP, "gup")                                                                              \
	X(REMOTE, "remote")                                                                        \
	X(OTHER, "other")

enum mt_operation {
#define X(id, name) MT_OP_##id,
	MT_OPERATION_TABLE(X)
#undef X
	MT_OPERATIONS,
	/* MMAP..SHM are system calls of their own: --calls counts and times them. */
	MT_OP_CALL_FIRST = MT_OP_MMAP,
	MT_OP_CALL_LAST = MT_OP_SHM,
	MT_OP_CALLS = MT_OP_CALL_LAST - MT_OP_CALL_FIRST + 1,
};

/* Histograms of one address space; syscall_ns has one for each call operation. */
enum mt_histogram {
	MT_HIST_MMAP_BYTES,
	MT_HIST_MUNMAP_BYTES,
	MT_HIST_BRK_BYTES,
	MT_HIST_MREMAP_BYTES,
	MT_HIST_MADVISE_BYTES,
	MT_HIST_RELEASED_BYTES,
	MT_HIST_TOUCH_DELAY_NS,
	MT_HIST_MAPPING_LIFETIME_NS,
	MT_HIST_SYSCALL_NS,
	MT_HISTOGRAMS = MT_HIST_SYSCALL_NS + MT_OP_CALLS,
};

#define MT_BUCKETS 62 /* bucket i holds values in (2^(i-1), 2^i]; the last also all above */

/* A block of the histogram pool.  Block 0 is nobody's; the next MT_HISTOGRAMS are shared, one
 * for each histogram, by those that found no block of their own. */
struct mt_hist {
	__u64 sum;
	__u64 bucket[MT_BUCKETS];
	__u64 unused;
};
_Static_assert(sizeof(struct mt_hist) == 512, "mt_hist");

/* What one operation did to one address space. */
struct mt_entry {
	__u64 count;
	__u64 failed;
	__u64 requested_bytes;
	__s64 moved[MT_BALANCES];
};
_Static_assert(sizeof(struct mt_entry) == 88, "mt_entry");

/* The share of an operation that one system call in flight had (fault.kernel in read). */
struct mt_detail {
	__u32 key; /* operation + 1, call + 1 << 16; 0 is free */
	__u32 count;
	__s64 moved[MT_MEMBERS];
};
_Static_assert(sizeof(struct mt_detail) == 40, "mt_detail");

/* Per address space, and how far one may stand from its place: what finds no room is
 * booked without the call. */
#define MT_DETAILS 32
#define MT_DETAIL_TRIES 12

/* The ledger of an address space, given to it when something first moves there.  One that
 * finds no book left has its changes booked in mt_space.unbooked: they are `other`. */
struct mt_book {
	struct mt_entry entry[MT_OPERATIONS];
	struct mt_detail detail[MT_DETAILS];
};
_Static_assert(sizeof(struct mt_book) == 88 * MT_OPERATIONS + 40 * MT_DETAILS, "mt_book");

/*
 * One address space on one CPU, a cache line: the kernel's per-CPU counters as they
 * were last seen there, and what user faults moved since.  Index: cpu * slots + slot.
 */
struct mt_lane {
	__s32 seen[MT_MEMBERS];
	__s64 fault[MT_MEMBERS];
	__u64 faults;
	__u64 cow_faults;
};
_Static_assert(sizeof(struct mt_lane) == 64, "mt_lane");

enum mt_state {
	MT_SPACE_FREE,
	MT_SPACE_OPEN,
	MT_SPACE_CLOSED, /* torn down, its book final: user/collect/ reads it, ... */
	MT_SPACE_TAKEN,	 /* ... and frees the slot when no program can be busy with it */
};

enum mt_birth {
	MT_BORN_BEFORE, /* it was there when memtrace came */
	MT_BORN_FORK,
	MT_BORN_EXEC,
};

#define MT_COMM 16

/* An address space that is followed (an mm_struct), and whose it is. */
struct mt_space {
	__u64 mm;
	__u32 state;
	__u32 birth;
	__u32 pid; /* in the pid namespace of memtrace, like every pid here */
	__u32 parent_pid;
	__u64 start_boot_ns; /* of the process, by the boot clock: tells recycled pids apart */
	__u64 cgroup_id;
	char comm[MT_COMM];
	__u64 opened_ns; /* monotonic clock, like every time below */
	__u64 closed_ns;
	__s64 count_seen[MT_MEMBERS];	     /* percpu_counter.count as last seen */
	/* total_vm, pgtables_bytes, locked_vm, hugetlb_usage */
	__s64 seen[MT_BALANCES - MT_MEMBERS];
	__s64 opening[MT_BALANCES];
	__s64 final[MT_BALANCES];  /* the kernel's counters, read when the space was closed */
	__s64 at_exit[MT_BALANCES]; /* and when its last thread began to exit */
	__u64 peak_pages;	   /* of file + anon + shmem */
	__u64 peak_ns;
	__u64 events;	  /* changes booked outside the lanes: tells a quiet copy from a torn one */
	__u32 exiting;	  /* at_exit is filled */
	__u32 read_run;	  /* the reader's last visit */
	__u32 ended_by; /* the operation that closed it */
	__u32 last_release; /* the operation that last gave page tables back */
	__u64 classes;	  /* size classes (bits) of the mappings that calls made */
	__u32 untouched;  /* of those, how many were never touched so far */
	__u32 serial;	  /* never used again, unlike the slot */
	__s64 unbooked[MT_BALANCES]; /* what moved while there was no book left */
	__u32 book;	  /* of the pool, 0: none yet */
	__u32 hist[MT_HISTOGRAMS]; /* block of the pool, 0: none yet */
	__u32 forked_by; /* whose copy it is, where it was born so */
	__u32 left;	 /* a guest has left it by exec since at_exit was filled */
	__u32 stack_pages; /* mm_struct.stack_vm as last seen, in the object for old kernels */
	__u64 kept_pages; /* written to when nobody shared them any more: no copies; with stacks */
};
_Static_assert(sizeof(struct mt_space) <= 576, "mt_space");

#define MT_CPUS 1024

/* Of one CPU; only programs that run there write it, but for what forgets a stack. */
struct mt_cpu {
	__u64 stack; /* the kernel stack of who faulted here last (its number, 0: none), ... */
	__u64 task;  /* ... who that is, ... */
	__u64 mm;    /* ... its address space ... */
	__u32 slot; /* ... and the slot of that, 0: not followed */
	__u32 generation; /* valid while it equals the one below */
	__u64 offset;	  /* of this CPU's part of the kernel's per-CPU memory */
	__u64 runs;	  /* programs run here, followed or not */
	__u64 scratch;
	__u32 mark;  /* where the mark of that task is */
	__u32 lanes; /* where this CPU's lanes begin */
};
_Static_assert(sizeof(struct mt_cpu) == 64, "mt_cpu");

/* What every fault needs, next to each other: a page more is nanoseconds more. */
struct mt_hot {
	__u32 generation; /* bumped when a slot opens or closes */
	__u32 preemptible_locks; /* as in the configuration */
	__u32 registers; /* how far up the kernel stack, where the kernel does not say */
	__u32 tables; /* bumped when something more is known of files with code */
	__u64 memory; /* where all memory is mapped, 0: not known (glance.bpf.h) */
	__u32 levels; /* of page tables */
	__u32 unused[9];
	struct mt_cpu cpu[MT_CPUS];
};
_Static_assert(sizeof(struct mt_hot) == 64 + MT_CPUS * sizeof(struct mt_cpu), "mt_hot");

/* The page fault that a task took last.  Found by the low bits of its pid: a collision
 * costs the address or the kind of a fault, never a page of the books. */
struct mt_mark {
	__u64 task;
	__u64 address;
	__u64 served; /* min_flt + maj_flt when it began: unchanged while it runs */
	/* Of a fault in user mode: where its registers say which call is in flight.  Of one in
	 * kernel mode, up to Linux 6.1: how many pages were not counted by then. */
	__u64 call_at;
	__u64 ip; /* user ip and call in flight, of a fault in kernel mode */
	__s32 call;
	__u32 caller; /* number of the stack in user mode, with stacks */
	__u32 mode;
	__u32 cow;
	__u64 stack; /* as in mt_cpu */
};
_Static_assert(sizeof(struct mt_mark) == 64, "mt_mark");

enum mt_fault_mode {
	MT_FAULT_NONE,
	MT_FAULT_IN_USER,
	MT_FAULT_IN_KERNEL,
};

enum mt_cow {
	MT_COW_NO,
	MT_COW_MAYBE, /* a write to a page that is there: a copy, unless the zero page was */
	MT_COW_FILE, /* it replaces a page of a file */
};

#define MT_MARKS 4096 /* powers of two */
#define MT_MAPPINGS 65536 /* entries of the mappings at the most, with --calls */
#define MT_BLOCKS_SHARED (1 + MT_HISTOGRAMS)

/* The memory call that a task is in, with --calls; found as marks are.  A collision costs the
 * time inside a call, and is counted. */
struct mt_call {
	__u64 task; /* 0: none */
	__u64 entered_ns;
	__u64 program_break; /* when it began */
	__u64 released_pages;
	__u64 released_anon; /* of those */
	__u64 brought_anon;  /* pages that came without a fault */
	__u64 serial; /* of the task's calls of all kinds */
	__u64 caller; /* number of the stack that it was made from, with stacks */
};
_Static_assert(sizeof(struct mt_call) == 64, "mt_call");

enum mt_follow {
	MT_FOLLOWED = 1,
	MT_FOLLOWED_AS_GUEST, /* in an address space that is another process's */
};

#define MT_LATE_CAUSES 4 /* of pages of a task that the kernel has not counted */

/* Goes with a task as long as it lives. */
struct mt_task {
	__u32 followed; /* enum mt_follow, or 0 */
	__u32 slot;	      /* whose book the last call that moved anything belongs to */
	__u64 identity;	      /* of that call */
	__u64 released_pages; /* by it, without --calls */
	__u32 released_by;    /* its operation + 1 */
	__u32 host; /* of a guest that user space knows of: the slot of the memory it lives in */
	/* Up to Linux 6.1 alone (bpf/late.bpf.h): who brought what the kernel has not counted. */
	__u64 faults; /* of the task, when it was last looked at, + 1; 0: never */
	__u32 late_why[MT_LATE_CAUSES];
	__u32 late_pages[MT_LATE_CAUSES];
};
_Static_assert(sizeof(struct mt_task) == 72, "mt_task");

/*
 * A mapping that one call made, filed under its size class c (2^(c-1) < bytes <= 2^c) and
 * start >> c: at most two of a class can start in one such chunk.
 */
struct mt_mapping_key {
	__u32 serial; /* of the address space */
	__u32 size_class;
	__u64 chunk;
};
_Static_assert(sizeof(struct mt_mapping_key) == 16, "mt_mapping_key");

struct mt_mapping {
	__u64 start; /* 0: free */
	__u64 end;
	__u64 made_ns;
	__u64 touched;
};
_Static_assert(sizeof(struct mt_mapping) == 32, "mt_mapping");

struct mt_mapping_pair {
	struct mt_mapping at[2];
};
_Static_assert(sizeof(struct mt_mapping_pair) == 64, "mt_mapping_pair");

/*
 * Counters of chunks with untouched mappings.  A mapping lies in two to five chunks of its
 * size class; both sides have to find the same counters for it.
 */
#define MT_FILTER 16384 /* a power of two */
#define MT_CLASS_FIRST 12 /* 4 KiB and less */
#define MT_CLASS_LAST 47
#define MT_CHUNKS_MOST 6

static inline __u32 mt_filter_shift(__u32 size_class)
{
	return size_class < MT_CLASS_FIRST + 2 ? MT_CLASS_FIRST : size_class - 2;
}

static inline __u32 mt_filter_index(__u32 serial, __u32 size_class, __u64 chunk)
{
	__u64 hash = (chunk << 6 | size_class) * 0x9e3779b97f4a7c15ULL;

	return ((hash ^ serial * 0xff51afd7ed558ccdULL) >> 40) & (MT_FILTER - 1);
}

/* Why something could not be counted. */
enum mt_loss {
	MT_LOSS_SPACES,	  /* no slot for an address space */
	MT_LOSS_CELLS,	  /* no book, no row for the call, no block for a histogram */
	MT_LOSS_MAPPINGS, /* no room for a mapping: touch delay, lifetime or its stack miss it */
	MT_LOSS_EVENTS,	  /* ring buffer full: a process lacks its arguments or exit status */
	MT_LOSS_STORAGE,  /* no task storage: a call or a child may be missed */
	MT_LOSS_READS,	  /* a read of kernel memory failed */
	MT_LOSS_STACKS,	  /* no room for a stack, or its walk was interrupted by another */
	MT_LOSS_PAGES,	  /* no room for the stack of pages */
	MT_LOSSES,
};

enum mt_event_kind {
	MT_EVENT_EXEC = 1,
	MT_EVENT_EXIT,
	MT_EVENT_SHARES, /* a process lives in another's address space, to stay there */
	MT_EVENT_STACK,	 /* struct mt_event_stack */
	MT_EVENT_PIECE,	 /* struct mt_event_piece */
	MT_EVENT_CODE,	 /* struct mt_event_code */
	MT_EVENT_PYTHON, /* struct mt_event_python */
	MT_EVENT_LINES,	 /* struct mt_event_lines */
	MT_EVENT_RANGE,	 /* struct mt_event_range */
};

struct mt_event {
	__u32 kind;
	__u32 pid;
	__u32 parent_pid;
	__s32 value; /* exit: as wait() has it; shares: the pid of that other */
	__u64 start_boot_ns;
	__u64 time_ns; /* exec: mt_space.opened_ns, where there was a slot; shares: its birth */
	__u64 cgroup_id;
	char comm[MT_COMM];
};
_Static_assert(sizeof(struct mt_event) == 56, "mt_event");

#define MT_RING (1 << 19) /* bytes of the ring buffer */
#define MT_PATH 256	  /* a name of a path begins before this, ... */
#define MT_PATH_ROOM 512  /* ... and ends before that */
#define MT_ARGUMENTS 1024

struct mt_event_exec {
	struct mt_event event;
	__u32 argument_count;
	__u32 argument_bytes; /* of arguments[], NUL after each, perhaps cut */
	__u32 path_bytes;     /* of path[] */
	__u32 path_whole;     /* up to the root */
	char path[MT_PATH_ROOM]; /* names of the executable's path, last first, NUL after each */
	char arguments[MT_ARGUMENTS];
};
_Static_assert(sizeof(struct mt_event_exec) == 56 + 16 + 512 + 1024, "mt_event_exec");

/* What the reader of live address spaces is asked to do, and for whom. */
enum mt_request {
	MT_REQUEST_FOLLOW, /* mark the threads of tgid, so that an exec opens a book */
	MT_REQUEST_OPEN,   /* the same, and open a book on what they have */
	MT_REQUEST_READ,   /* write a record for each open address space, tell of guests in it */
	MT_REQUEST_AGAIN,  /* the same for those that did not stand still, without guests */
};

/*
 * One live address space in the reader's output: mt_space, mt_book, and this.
 * Where it is not stable another record of the same slot follows, up to a few times.
 */
struct mt_record_end {
	__u32 slot;
	__u32 stable; /* nothing changed while it was copied */
	__s64 kernel[MT_BALANCES];
	struct mt_lane lanes; /* summed over the CPUs, but for seen[] */
};
_Static_assert(sizeof(struct mt_record_end) == 136, "mt_record_end");

/* Set before loading; constant afterwards, so that the verifier drops what is off. */
struct mt_config {
	__u32 cpus;
	__u32 slots;
	__u32 books;	/* of the pool */
	__u32 blocks;	/* of the histogram pool */
	__s32 batch;	/* of the kernel's per-CPU counters: max(32, 2 * CPUs) */
	__u32 follow_all;
	__u32 follow_children;
	__u32 calls;
	__u32 stacks; /* enum mt_stacks */
	__u32 own_pid; /* memtrace itself is never followed, ... */
	__u32 timer_pid; /* ... nor its other processes, 0: none */
	__u32 reader_pid;
	__u32 unused;
	__u32 cgroup_v1; /* the cgroup that counts is of a v1 hierarchy, the memory controller's */
	__u32 page_bytes;
	__u32 preemptible_locks; /* PREEMPT_RT */
	__u32 preemptible_events; /* see bpf/compat.bpf.h */
	__u32 sampled; /* pages of 2^32 that stacks are kept of, 0: of all */
	__u64 cgroup_id; /* tasks that enter it are followed, 0: none */
	__u64 known_at; /* in memtrace's own memory, 16 bytes that begin there: ... */
	__u64 known[2]; /* ... what they are */
};
_Static_assert(sizeof(struct mt_config) == 104, "mt_config");

#endif
