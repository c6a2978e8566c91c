/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What code is there in the processes that are followed?  Numbers its files, and gives the
 * kernel side the tables that it unwinds stacks by.
 */
#ifndef MEMTRACE_COLLECT_CODE_H
#define MEMTRACE_COLLECT_CODE_H

#include "bpf/stack.h"
#include "user/collect/kernel.h"
#include "user/collect/python.h"
#include "user/collect/remote.h"

struct code_files;

/* The remote and Python stay the caller's. */
struct code_files *code_files_new(struct kernel *kernel, struct remote *remote,
				  struct python *python);
void code_files_free(struct code_files *all);

/* A file that the kernel side has seen in a process for the first time: it is opened. */
void code_add(struct code_files *all, const struct mt_event_code *event);

/* Gives the kernel side what it needs of those that were opened. */
void code_settle(struct code_files *all);

/* Makes the tables of a command that is about to begin, and of its libraries. */
void code_expect(struct code_files *all, const char *command);

/* Tells the kernel side of the code in a process that was there before it. */
void code_read(struct code_files *all, uint32_t slot, uint32_t pid);

/* The rows of a file, to walk a stack by that the kernel side had no table for: NULL where there is
 * no such file.  They stay until code_tidy(). */
const struct cfi_table *code_table(struct code_files *all, uint32_t number);

/* Drops the tables that this side has, where no stack was walked by them for a while. */
void code_tidy(struct code_files *all);

struct code_file {
	char *path; /* as a process has it; NULL: it was not opened */
	bool learned; /* the reader was asked ... */
	bool known;   /* ... and says that it is code */
	int descriptor; /* until then */
	char build_id[DEBUG_ID_TEXT];
	struct code_segment segments[MT_SEGMENTS];
	size_t segment_count;
	struct debug_wish *wish; /* NULL: its debug symbols were looked for */
	struct cfi_table *table; /* NULL: not needed on this side, or not any more */
	uint32_t pid;		 /* of a process that has it, 0: none does */
};

/* The file with that number, NULL: none that could be read. */
const struct code_file *code_file(const struct code_files *all, uint64_t number);

#endif
