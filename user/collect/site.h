/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What have stacks reserved, touched and given back?  Taken out of the kernel side when a process
 * ends.
 */
#ifndef MEMTRACE_COLLECT_SITE_H
#define MEMTRACE_COLLECT_SITE_H

#include "bpf/stack.h"
#include "user/collect/kernel.h"
#include "user/snapshot/file.h"

struct site_store;

struct site_store *site_store_new(struct kernel *kernel);
void site_store_free(struct site_store *sites);

/* Takes in what a call did to an address space, in the order in which it happened. */
void site_store_add(struct site_store *sites, const struct mt_event_range *event);

/* How many of those found no room. */
uint64_t site_store_lost(const struct site_store *sites);

/* Makes room in the kernel side: what it holds of address spaces that are gone is kept here. */
void site_store_sweep(struct site_store *sites);

/* An operation took pages of a process that lives, not by a call of its own: which they are will
 * be looked up in its page tables. */
void site_store_expect_absent(struct site_store *sites, uint32_t serial, uint32_t pid,
			      uint32_t operation);

/* Reads all, for the calls of the next one. */
void site_store_read(struct site_store *sites);

/* The stack that touched an address of a live process first, 0 where it is not known. */
uint32_t site_store_toucher(const struct site_store *sites, uint32_t pid, uint64_t address);

/* While the capture goes on: what one address space has of pages.  What was reserved is found out
 * at the end alone, as that uses it up. */
void site_store_look(const struct site_store *sites, uint32_t serial, Mt__Process *process);

/* Those of one address space. */
void site_store_record(const struct site_store *sites, uint32_t serial, Mt__Process *process);

#endif
