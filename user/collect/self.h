/* SPDX-License-Identifier: GPL-2.0 */
/* What does memtrace itself cost and need, and what clock and cgroup hierarchy does it live by? */
#ifndef MEMTRACE_COLLECT_SELF_H
#define MEMTRACE_COLLECT_SELF_H

#include <stdbool.h>
#include <stdint.h>

/* CPU time that this process has used, in ns. */
uint64_t self_cpu_ns(void);

/* What this process has resident, in bytes. */
uint64_t self_resident_bytes(void);

/* By the clock that the kernel side reads, whatever time namespace this is. */
uint64_t self_monotonic_ns(void);
uint64_t self_boot_ns(void);
int64_t self_unix_ns(void);

/* What /proc makes of a time of the kernel's boot clock, for us. */
uint64_t self_shown_boot_ns(uint64_t boot_ns);

/* Add it to a time of the boot clock to get one of the Unix epoch, in ns. */
int64_t self_boot_to_unix_ns(void);

/* The memory controller is on a version 1 hierarchy of its own. */
bool self_memory_cgroup_v1(void);

/* Lets this process, and those that it makes from now on, open as many files as it may. */
void self_raise_files(void);

#endif
