/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which function, file and line is an address of an ELF file?  A function is named only if its
 * symbol covers the address: the nearest symbol of a stripped file is a lie.
 */
#ifndef MEMTRACE_NAME_H
#define MEMTRACE_NAME_H

#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdint.h>

struct names;

/* The names of a file, which has to stay open. */
struct names *names_open(Elf *elf);
void names_close(struct names *names);

/* The symbol over an address in the file, NULL: none.  `offset` from its beginning. */
const char *names_function(const struct names *names, uint64_t address, uint64_t *offset);

/* The source line of an address, NULL where nothing says so. */
const char *names_line(struct names *names, uint64_t address, int *line);

/* The build-id in hexadecimal digits, "" if there is none. */
const char *names_build_id(const struct names *names);

#endif
