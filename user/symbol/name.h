/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which function is an address of an ELF file in?  One is named only if its symbol covers the
 * address: the nearest symbol of a stripped file is a lie.
 */
#ifndef MEMTRACE_NAME_H
#define MEMTRACE_NAME_H

#include <libelf.h>
#include <stdint.h>

struct names;

/* The names in a file, its debug symbols and its mini debuginfo (or NULL), which stay open. */
struct names *names_open(Elf *elf, Elf *debug, Elf *mini);
void names_close(struct names *names);

/* The linker's name of the symbol over an address, NULL: none.  `offset` is from its beginning,
 * else from that of what .eh_frame describes there, else 0. */
const char *names_find(const struct names *names, uint64_t address, uint64_t *offset);

#endif
