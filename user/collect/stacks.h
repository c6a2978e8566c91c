/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which stacks were seen, and what is the code in them?  Gives the kernel side the tables that
 * it unwinds by, keeps the stacks that it tells of, and names their frames at the end.
 */
#ifndef MEMTRACE_COLLECT_STACKS_H
#define MEMTRACE_COLLECT_STACKS_H

#include "user/collect/kernel.h"
#include "user/collect/process.h"
#include "user/collect/remote.h"
#include "user/snapshot/file.h"

struct stacks;

/* Both stay the caller's. */
struct stacks *stacks_new(struct kernel *kernel, struct remote *remote);
void stacks_free(struct stacks *stacks);

/* Makes the tables of a command that is about to begin, and of its libraries. */
void stacks_expect(struct stacks *stacks, const char *command);

/* Takes in a stack, or code, that the kernel side has not seen before. */
void stacks_add(struct stacks *stacks, const struct mt_event *event, size_t bytes);

/* Looks for code of processes that the kernel side does not know yet. */
void stacks_tick(struct stacks *stacks);

/* See site_store_expect_absent(): before the next one. */
void stacks_expect_absent(struct stacks *stacks, uint32_t serial, uint32_t pid,
			  uint32_t operation);

/* Fills in the frames, the stacks and the sites of the processes. */
void stacks_record(struct stacks *stacks, Mt__Capture *capture);

/* The same while the capture goes on, of one address space: what its sites have of pages, and
 * the stacks of these alone. */
void stacks_look(struct stacks *stacks, uint32_t serial, Mt__Capture *capture,
		 Mt__Process *process);

/* The sites of one address space. */
void stacks_record_sites(const struct stacks *stacks, uint32_t serial, Mt__Process *process);

/* The stack that touched an address of a live process first, 0 where it is not known. */
uint32_t stacks_toucher(const struct stacks *stacks, uint32_t pid, uint64_t address);

/* Ranges of address space that found no room. */
uint64_t stacks_lost_ranges(const struct stacks *stacks);

/* How many interpreters of Python are of a version, or built in a way, that is not known. */
uint32_t stacks_unknown_python(const struct stacks *stacks);

#endif
