/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do the address spaces hold?  Those that are closed are taken from the shared maps and
 * their slots freed; those that live are read through the kernel side's iterator, which
 * brings the ledger and the kernel's own counters from one moment.
 */
#ifndef MEMTRACE_COLLECT_SPACE_H
#define MEMTRACE_COLLECT_SPACE_H

#include "user/collect/kernel.h"
#include "user/collect/process.h"

/* Adds what closed address spaces had to their processes and frees their slots.  Leaves those
 * that closed less than `grace_ns` ago: a program may still be busy with one. */
void space_drain(struct kernel *kernel, struct process_table *table, uint64_t grace_ns);

/*
 * Reads all live address spaces into process->live, of which each has then what it had at one
 * moment, and what the kernel said of that moment.  `unread` gets the number of those that
 * could not be caught standing still, or not be read at all (ending at this very moment):
 * their kernel figures are as near as could be had, or missing.
 */
struct error *space_read(struct kernel *kernel, struct process_table *table, uint32_t *unread);

/* Drops the results of space_read(). */
void space_forget(struct process_table *table);

#endif
