// SPDX-License-Identifier: GPL-2.0
/* Which findings are there, and how do they read?  See rule.h for the signs in the words. */
#include "user/explain/rule.h"

const struct rule rules[] = {
	{ "lazily-freed", NEED_NOTHING, true, 0, find_lazily_freed,
	  "freed, but the kernel has not taken it yet",
	  "The program told the kernel that it no longer needs this memory (MADV_FREE), and the "
	  "kernel takes it only when it runs short: until then RSS counts it. [{marked_bytes} "
	  "were marked in all; ]{resident_bytes} are still there, {taken_bytes} were taken so "
	  "far.",
	  "Nothing, if only the number worries you. To see it go at once, give memory back with "
	  "MADV_DONTNEED instead of MADV_FREE: RSS would be {resident_bytes} less. (Go: "
	  "GODEBUG=madvdontneed=1; jemalloc: muzzy_decay_ms:0.)" },
	{ "cow-after-fork", NEED_NOTHING, true, 0, find_cow_after_fork,
	  "copied, because it was written to after a fork",
	  "After a fork, parent and child share their memory until one of them writes to it: "
	  "then the page is copied. [It was born with {born_with_bytes} of its parent's memory. "
	  "][It is the parent: its {parent} share its memory. ][Since before memtrace began it "
	  "shares {earlier} with its parent, or with a child. ]It wrote to {copied_count} shared "
	  "pages, which made copies of {copied_bytes}.[ The code that did most of that: {site} "
	  "({site_bytes}).]",
	  "[{python} writes a reference count into each object that it looks at, which copies "
	  "it: keep large data in arrays (array, numpy) instead of many objects. Its garbage "
	  "collector looks at all of them: gc.freeze() before the fork spares those copies, but "
	  "not the others. ]Fork before the data is loaded (a fork server), or do not "
	  "write to it in the child: up to {copied_bytes} stay shared." },
	{ "thp-inflation", NEED_NOTHING, true, 0, find_thp_inflation,
	  "never touched, but filled up to make huge pages",
	  "[The kernel (khugepaged) made {collapse_count} huge pages out of small ones, and put "
	  "memory also where the program had never written: {filled_up_bytes} more than it "
	  "touched.][Of the memory in huge pages, {zero_bytes} hold nothing but zeros, as what "
	  "was never written to: the kernel gives all of a huge page when one byte of it is "
	  "touched. A program that wrote the zeros looks the same.]",
	  "Switch huge pages off for this program: prctl(PR_SET_THP_DISABLE), or "
	  "madvise(MADV_NOHUGEPAGE) for this range; or set "
	  "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none to 0. That is "
	  "{inflated_bytes} less." },
	{ "shared-not-yours", NEED_NOTHING, false, 3, find_shared,
	  "shared with other processes, counted in each of them",
	  "[{inherited_bytes} are its parent's memory as it was at the fork, which neither of "
	  "the two has written to since: it is there once. ][{shared_memory_bytes} are shared "
	  "memory, which is there once, however many processes use it. ]Adding up the RSS of "
	  "several processes counts it several times.",
	  "Nothing to do: ending this process alone would not free it. To add up processes, take "
	  "PSS (/proc/PID/smaps_rollup) instead of RSS." },
	{ "file-cache-not-heap", NEED_NOTHING, false, 3, find_file_cache,
	  "pages of files, not memory that the program asked for",
	  "Of the {end_bytes} that it {verb} {moment}, {file_bytes} are pages of programs, "
	  "libraries and other files that it has mapped[, {data_file_bytes} of other files "
	  "alone]. The kernel keeps them as a cache of the "
	  "disk and can drop them at any time; {anon_bytes} are the program's own.",
	  "Nothing to do: when memory is short, the kernel takes these first. munmap() or "
	  "madvise(MADV_DONTNEED) takes them out of RSS." },
	{ "swapped-out", NEED_NOTHING, true, 0, find_swapped_out,
	  "on the swap device instead of in memory",
	  "{swap_bytes} of its memory is swapped out, which RSS does not count[; it asked for "
	  "that itself, by {pageout}]. Touching it again means waiting for the disk.",
	  "More memory (or a higher memory.high or memory.max of its cgroup), or less in use at "
	  "once; mlock() what must not wait." },
	{ "limit-near", NEED_NOTHING, true, 0, find_limit_near,
	  "charged to the cgroup, which is near its limit",
	  "All processes of cgroup {cgroup} together may have {limit_bytes}, and have "
	  "{charged_bytes}: beyond the limit the kernel {beyond}. This process {verb} "
	  "{end_bytes}. Of what is charged, {anon_bytes} is the programs' own and can only be "
	  "swapped out[, and so can {shmem_bytes} of shared memory and of files that are in "
	  "memory alone (tmpfs)]; {file_bytes} is cache of files, which the kernel can drop "
	  "first[; {kernel_bytes} the kernel needs for them itself].",
	  "Raise the limit ({limit}), or find in the other findings what holds the "
	  "{anon_bytes}[; files in /dev/shm and other tmpfs that nobody needs can be deleted: "
	  "{shmem_bytes} are there]. If most of it is cache of files, nothing is wrong: the "
	  "cache fills what there is." },
	{ "reclaimed-by-kernel", NEED_NOTHING, true, 0, find_reclaimed,
	  "taken by the kernel, because memory was short",
	  "Memory ran short, in the machine or in the cgroup of the process, and the kernel took "
	  "{taken_bytes} from it[; {still_swapped_bytes} of that is in swap]. The rest was "
	  "dropped, or has been fetched again: that is time spent waiting.",
	  "More memory (or a higher memory.high or memory.max of its cgroup), or less in use at "
	  "once: a process that is short of memory is slow before it fails." },
	{ "child-processes", NEED_NOTHING, false, 2, find_child_processes,
	  "held by its children, not by the process itself",
	  "It {verb} {end_bytes} itself {moment}. [Its {child_count} children and their children "
	  "hold {children_bytes} of their own. ][Of its {child_count} children, one held "
	  "{largest_peak_bytes} at its highest. ][Those that lived at the same time held "
	  "{together_bytes}. ]The largest is process {largest_pid} "
	  "({largest}).",
	  "Look at the children: process {largest_pid} first." },
	{ "heap-top-pinned", NEED_NOTHING, true, 0, find_heap_top_pinned,
	  "free in malloc's heap, but kept: a block at its end holds it",
	  "The program freed {trim_bytes} that malloc keeps: it gives memory back by itself from "
	  "the end of its heap alone, and there [lies a block of {last_bytes} at "
	  "{last_address}{cached}][lie {listed}: it keeps those in lists by their sizes, and does "
	  "not join them to what is free beside them until something large is asked for or "
	  "freed][, in a page that {last_touched_by} touched first][; behind the "
	  "largest free piece there are {above_count} such blocks, with {above_bytes}]. Of "
	  "{heap_bytes} in the heap, {used_bytes} are in use[, as seen {looked_before_end_ns} "
	  "before the end].",
	  "Call malloc_trim(0) after a large free: that gives back {trim_bytes} now. For good: "
	  "take blocks that stay before those that go, or large ones by mmap "
	  "(MALLOC_MMAP_THRESHOLD_=65536 does that for blocks of 64 KiB and more)." },
	{ "heap-fragmented", NEED_NOTHING, true, 0, find_heap_fragmented,
	  "free in malloc's heap, but in holes between blocks in use",
	  "{free_resident_bytes} of the heap's {heap_bytes} are free, in holes between "
	  "{used_count} blocks that are in use ({used_bytes}): only the pages that lie in a hole "
	  "as a whole can be given back, and those are {trim_bytes}[, as seen "
	  "{looked_before_end_ns} before the end].",
	  "malloc_trim(0) gives back {trim_bytes} of it now. For the rest: keep blocks that live "
	  "long apart from those that come and go, or try an allocator that does "
	  "(LD_PRELOAD=libjemalloc.so.2)." },
	{ "thread-arenas", NEED_NOTHING, true, 0, find_thread_arenas,
	  "free, but kept in heaps of threads",
	  "malloc gives threads heaps of their own (arenas), here {thread_arenas}: of their "
	  "{thread_system_bytes}, {thread_used_bytes} are in use, and {thread_free_bytes} are "
	  "free and yet resident.[ So are {main_free_bytes} in the main heap, which they use, "
	  "too.] What one thread freed, only those of the same arena use "
	  "again[, as seen {looked_before_end_ns} before the end].",
	  "malloc_trim(0) gives back {trim_bytes} of it now. MALLOC_ARENA_MAX=2 in the "
	  "environment has threads share two arenas, which may cost them some waiting." },
	{ "mmap-threshold-grew", NEED_NOTHING, true, 0, find_mmap_threshold_grew,
	  "free at the end of malloc's heap: it raised its thresholds",
	  "A large block was freed, and malloc took that for a habit: blocks of up to "
	  "{mmap_threshold_bytes} come from the heap since then, not by mmap, and up to "
	  "{trim_threshold_bytes} that are free at its end stay. {top_resident_bytes} do[, as "
	  "seen {looked_before_end_ns} before the end].",
	  "MALLOC_TRIM_THRESHOLD_=131072 in the environment keeps both thresholds where they "
	  "began; malloc_trim(0) gives back {top_resident_bytes} now." },
	{ "heap-not-trimmed", NEED_NOTHING, true, 1, find_heap_not_trimmed,
	  "free at the end of malloc's heap, but not given back yet",
	  "The program freed {free_at_end_bytes} that lie at the end of malloc's heap, and nothing "
	  "that is in use lies behind them.[ malloc has been told to keep up to {set_bytes} "
	  "there.][ malloc means to keep {kept_bytes} there, but looks only when 64 KiB or more "
	  "become free in one piece: small blocks that are freed one by one do not make it "
	  "look.] Of {heap_bytes} in the heap, {used_bytes} are in use[, as seen "
	  "{looked_before_end_ns} before the end].",
	  "malloc_trim(0) gives back {free_at_end_bytes} now. Nothing, if the program asks for as "
	  "much again: it gets that memory first." },
	{ "pymalloc-arenas-pinned", NEED_NOTHING, true, 0, find_pymalloc_pinned,
	  "free in Python's allocator, but kept by what lies beside it",
	  "Python keeps small objects in arenas of {arena_size_bytes}, and gives one back when "
	  "nothing in it is in use. Of the {arena_bytes} in {arena_count} arenas, {used_bytes} "
	  "are in use; {free_bytes} are free and kept[: {sparse_arena_count} of the arenas for "
	  "{sparse_used_count} blocks with {sparse_used_bytes} in all][, as seen "
	  "{looked_before_end_ns} before the end].",
	  "Make what stays (caches, results) before what goes, or do the large work in a child "
	  "process that ends.[ PYTHONMALLOC=malloc in the environment takes small objects from "
	  "malloc, whose malloc_trim(0) gives back free pages one by one: up to "
	  "{free_pool_resident_bytes} here.]" },
	{ "mimalloc-kept", NEED_NOTHING, true, 0, find_mimalloc_kept,
	  "free in mimalloc, but not given back",
	  "Python has its objects in pages of mimalloc, each for blocks of one size. Of the "
	  "{segment_resident_bytes} that it has in memory, {used_bytes} are in use. "
	  "{free_page_resident_bytes} are where pages were that nothing is in any more: they go "
	  "back only a while later, when the program frees something else. {free_block_bytes} "
	  "are free in pages that are not given up yet, most often for a block that is in "
	  "use[, as seen {looked_before_end_ns} before the end].",
	  "MIMALLOC_PURGE_DELAY=0 in the environment gives back the "
	  "{free_page_resident_bytes} at once. Make what stays (caches, results) before what "
	  "goes, so that it does not keep pages of it." },
	{ "mapping-leak", NEED_NOTHING, true, 0, find_mapping_leak,
	  "more and more: it grew steadily to the end",
	  "It asked for memory {asking_count} times, and what it has grew steadily, by "
	  "{growth_bytes} until memtrace looked last: {per_second_bytes} each second.[ The "
	  "largest part of what is there, {site_bytes}, was first touched by {site}.] A program "
	  "that is still filling its caches looks the same: look again later.",
	  "Find what keeps it: [begin at {site}. ]Each mmap() or malloc() needs its munmap() or "
	  "free(), each list, dictionary or cache that only grows a limit. memtrace -i 10 shows "
	  "whether it goes on." },
	{ "thread-stacks", NEED_NOTHING, false, 32, find_thread_stacks,
	  "addresses for the stacks of its threads",
	  "Each thread has a stack, for which the C library reserves as much as it may ever "
	  "need: {stack_bytes} in all[ for {thread_stack_count} threads]. Only what they have "
	  "used of that is memory[, and that is {resident_bytes}]: {never_touched_bytes} were "
	  "never touched.",
	  "Nothing to do for RSS. Where addresses are scarce (ulimit -v), have fewer threads, or "
	  "smaller stacks: pthread_attr_setstacksize(), or ulimit -s 1024 before the start." },
	{ "never-touched", NEED_NOTHING, false, 8, find_never_touched,
	  "asked for, but never used",
	  "It reserved {reserved_bytes} of addresses, but wrote or read only part of that: a "
	  "page becomes memory when it is first touched, and {never_touched_bytes} never were[; "
	  "the largest part, {site_bytes}, was reserved by {site}].[ Of that, {set_aside_bytes} "
	  "are only set aside: nobody may touch them (PROT_NONE).][ Another {beside_bytes} are "
	  "only set aside (PROT_NONE), as runtimes and malloc do for later.] That "
	  "is address space (VSZ), not memory: RSS was {peak_bytes} at its highest.",
	  "Nothing to do: it costs next to nothing. Where a limit on address space (ulimit -v) "
	  "is hit, reserve less." },
	{ "churn", NEED_NOTHING, true, 0, find_churn,
	  "given back and then touched again, over and over",
	  "It touched {touched_bytes} in all, but never held more than {peak_bytes}: what it "
	  "gave back ({calls}) it soon asked for again, and the kernel had to find and clear "
	  "that memory anew, in {fault_count} faults.[ The calls that gave it back took "
	  "{giving_back_ns}.][ Most of it: {site}, which touched {site_touched_bytes}, of which "
	  "{site_released_bytes} went back.][ Most was given back at {giver}: {giver_bytes}.]",
	  "Keep the memory and use it again: one buffer instead of a new one each time. For "
	  "malloc: MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824 in the "
	  "environment keep up to {peak_bytes} and save the faults; where it is brk.shrink alone "
	  "that gave it back, MALLOC_TOP_PAD_=1073741824 does." },
	{ "returned", NEED_NOTHING, false, 4, find_returned,
	  "went back to the system while it ran",
	  "It touched {touched_bytes} and gave {returned_bytes} back, by {calls}[; "
	  "{for_good_bytes} of that for good]. At its highest it held {peak_bytes}; {moment} it "
	  "{verb} {end_bytes}.[ {site} touched {site_touched_bytes}, of which "
	  "{site_released_bytes} went back.][ Most was given back at {giver}: {giver_bytes}.]",
	  "Nothing to do: what went back is free for other programs." },
	{ "peak-then-fell", NEED_NOTHING, false, 4, find_peak_then_fell,
	  "less than at its highest",
	  "It held {peak_bytes} at its highest, {peak_at_ns} after the start, and {end_bytes} "
	  "{moment}.",
	  "If the highest is what hurts, as with a limit on memory, look for what needs all of "
	  "it at once, and work in smaller pieces." },
	{ "still-in-use", NEED_NOTHING, false, 3, find_still_in_use,
	  "in use",
	  "Of the {end_bytes} that it {verb} {moment}, {held_bytes} is memory that the program "
	  "asked for, wrote to and did not give back.[ The largest part, {site_bytes}, was "
	  "first touched by {site}.][ {freed_at_end_bytes} of it went back only because the "
	  "program ended.][ memtrace cannot look into {unread}: what that has free, or has "
	  "not collected yet, is part of this, too.][ What the program "
	  "freed, but its malloc keeps for later, is part of this, too: {unlooked} shows how "
	  "much.]",
	  "" },
};

const size_t rule_count = sizeof(rules) / sizeof(rules[0]);
