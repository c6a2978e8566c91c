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
#include "user/symbol/code.h"

struct code_files;

struct code_files *code_files_new(struct kernel *kernel, struct python *python);
void code_files_free(struct code_files *all);

/* A file that the kernel side has seen in a process for the first time. */
void code_add(struct code_files *all, const struct mt_event_code *event);

/* Makes the tables of a command that is about to begin, and of its libraries. */
void code_expect(struct code_files *all, const char *command);

/* Tells the kernel side of the code in a process that was there before it. */
void code_read(struct code_files *all, uint32_t slot, uint32_t pid);

/* The file with that number, NULL: none that could be read. */
struct code *code_file(const struct code_files *all, uint64_t number, const char **path);

#endif
