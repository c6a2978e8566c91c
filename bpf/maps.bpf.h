/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where does the kernel side keep what it counts?  Every map and global, once, with its
 * size and why.  A size of 1 stands for "set before loading": user/collect/ knows the
 * machine.
 */
#ifndef MEMTRACE_MAPS_BPF_H
#define MEMTRACE_MAPS_BPF_H

#include "vmlinux/vmlinux.h"
#define __VMLINUX_H__
#include "bpf/stack.h"
#include <bpf/bpf_helpers.h>

/* mm_struct to slot.  As many as slots; preallocated, since faults look here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} slot_of_mm SEC(".maps");

/* The address spaces, by slot.  Mapped into user/collect/, which frees the closed ones. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_space);
} spaces SEC(".maps");

/* Their ledgers: dense, so that an operation always finds room in one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_book);
} books SEC(".maps");

/* Their lanes, one for each CPU: CPU-major, so that CPUs do not share cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_lane);
} lanes SEC(".maps");

/* Histogram blocks, given to (space, histogram) at first use. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_hist);
} hists SEC(".maps");

/* Slots, books and blocks that user/collect/ has given back.  Fresh ones come from a counter,
 * but in the object for old kernels, where all of them are here from the start. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_books SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} free_blocks SEC(".maps");

/* Gives away where each CPU's part of per-CPU memory is: see setup.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probe SEC(".maps");

#ifdef MEMTRACE_OLD
/* By the address of the task, whose end takes it out: see compat.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct mt_task);
} tasks SEC(".maps");

/* The way from a file to the root, of the task on each CPU that is becoming another program. */
struct mt_climb {
	__u64 mount;
	__u64 dentry;
	__u32 bytes;
	__u32 arrived;
	char names[MT_PATH_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_climb);
} climbs SEC(".maps");

/* Who is about to claim what: an entry is there for as long as that takes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} claims SEC(".maps");
#else
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mt_task);
} tasks SEC(".maps");
#endif

/* Mappings made since memtrace came, with --calls.  Only calls make entries, never faults: there
 * memory may be asked for, and most programs need little. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct mt_mapping_key);
	__type(value, struct mt_mapping_pair);
} mappings SEC(".maps");

/* How many untouched mappings lie in a chunk: keeps the hash above off the fault path. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MT_FILTER);
	__type(key, __u32);
	__type(value, __u32);
} filter SEC(".maps");

/* ---- stacks; none of these takes memory to speak of without them ---- */

/* Tables to unwind by, a map for each file: struct mt_leaf. */
struct table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct mt_leaf)); /* clang keeps no type of it here */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_file);
} files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct mt_file_key);
	__type(value, __u32);
} numbers SEC(".maps");

/* By slot: the code of a process. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_execs);
} execs SEC(".maps");

/* What of it is being moved. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_moved);
} moved SEC(".maps");

/* Numbers of stacks, by their hashes.  The frames themselves are user space's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct mt_site_key);
	__type(value, struct mt_site);
} sites SEC(".maps");

/* Pages of one site that a CPU touched last: see struct mt_site. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} gathered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct mt_shadow_key);
	__type(value, struct mt_shadow);
} shadow SEC(".maps");

/* Which chunks of a group, or groups of one, there are: see struct mt_shadow_key. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct mt_shadow_key);
	__type(value, __u64);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_walk);
} walks SEC(".maps");

/* Of a stack that is to be walked later. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_event_piece);
} pieces SEC(".maps");

/* Stacks that were walked on this CPU, by a hash of where they begin. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_kept);
} kept SEC(".maps");

/* By number of a file: how to read the frames of the Python in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_python);
} pythons SEC(".maps");

/* Numbers of Python's code objects.  What they are called is user space's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct mt_python_key);
	__type(value, __u64); /* what tells its line table apart is above the number */
} codes SEC(".maps");

/* Births, execs and deaths of processes, stacks that are new; never faults. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MT_RING);
} events SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

const volatile struct mt_config config = {};

/* Globals, which cost less to reach than a map: what is hot; and, direct-mapped so that no
 * lookup can miss, the fault that each task took last and the call that it is in. */
struct mt_hot hot = {};
struct mt_mark marks[MT_MARKS] = {};
struct mt_call calls[MT_MARKS] = {};

__u32 fresh_slots = 1; /* slot 0 means "none" */
__u32 fresh_books = 1;
__u32 fresh_blocks = MT_BLOCKS_SHARED;
__u32 mapping_count = 0; /* entries of the mappings above */
__u32 next_serial = 0;
__u32 next_stack = 1; /* 0 means "not known" */
__u32 next_file = 1;  /* 0 is MT_VDSO */
__u32 next_python = 1; /* 0: not known */
__u64 losses[MT_LOSSES] = {};

/* The pid namespace whose pids are reported, memtrace's own: its inode, and its depth. */
__u32 pid_namespace = 0;
__u32 pid_level = 0;

/* Its root, which paths start from. */
__u64 root_dentry = 0;
__u64 root_mount = 0;

/* A process that is to be stopped when it begins to free what it has, 0: none. */
__u32 held_pid = 0;

/* Whether the kernel's RSS counters are per-CPU: see compat.bpf.h. */
__u32 cpu_counters = 0;

/* Tasks that the reader could not mark: storage is not made on a CPU where somebody else was
 * interrupted in it.  It is asked again. */
__u32 unmarked = 0;

/* Processes that the reader found no slot for.  They are counted once, and asked for again. */
__u32 unplaced = 0;

/* What the reader is asked for: see enum mt_request. */
__u32 request = 0;
__u32 request_pid = 0;
__u32 request_run = 0;

static __always_inline void lost(enum mt_loss cause)
{
	__sync_fetch_and_add(&losses[cause], 1);
}

/*
 * Functions that are not static are verified once, by themselves, instead of anew on each
 * path that leads to them.  Their arguments are plain numbers for that, addresses too.
 */

/* Keeps the check of an index and its use in one register, where the verifier sees both. */
#define settle(index) asm volatile("" : "+r"(index))

/*
 * Of a function that stays static, but whose result nobody looks at: else the compiler leaves out
 * what it returns, and the verifier of 6.1 may find the address of a local variable there.
 */
#define KEEPS_RESULT __attribute__((used))

/* Leaves the program right here.  What comes at its end costs a line of cache more, and nearly
 * all events of a machine are of processes that nobody follows. */
#define leave_unless(number) \
	asm volatile("if %0 != 0 goto +2; r0 = 0; exit" : : "r"((__u64)(number)) : "r0")

static __always_inline struct mt_space *space_at(__u32 slot)
{
	return bpf_map_lookup_elem(&spaces, &slot);
}

static __always_inline struct mt_cpu *cpu_at(__u32 cpu)
{
	settle(cpu);
	return &hot.cpu[cpu & (MT_CPUS - 1)];
}

static __always_inline struct mt_lane *lane_at(__u32 cpu, __u32 slot)
{
	__u32 index = cpu * config.slots + slot;

	return bpf_map_lookup_elem(&lanes, &index);
}

static __always_inline struct mt_mark *mark_at(__u32 pid)
{
	settle(pid);
	return &marks[pid & (MT_MARKS - 1)];
}

#endif
