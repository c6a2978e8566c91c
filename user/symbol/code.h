/* SPDX-License-Identifier: GPL-2.0 */
/* What does an ELF file say of the code in it?  Kept open, whatever becomes of its path. */
#ifndef MEMTRACE_CODE_H
#define MEMTRACE_CODE_H

#include "user/symbol/cfi.h"

#include <stdbool.h>
#include <stdint.h>

struct code;

/* Takes over the descriptor, NULL: it is no ELF file. */
struct code *code_open(int descriptor);
void code_close(struct code *code);

/* The rows to unwind it by; freed by the caller. */
struct error *code_rows(struct code *code, struct cfi_table *table);

/* The address in the file of the code at an offset in it; false: there is none. */
bool code_address(struct code *code, uint64_t offset, uint64_t *address);

/* The symbol over an address, NULL: none.  `offset` from its beginning.  A function is named only
 * if its symbol covers the address: the nearest symbol of a stripped file is a lie. */
const char *code_function(struct code *code, uint64_t address, uint64_t *offset);

/* The source line of an address, NULL where nothing says so. */
const char *code_line(struct code *code, uint64_t address, int *line);

/* The build-id in hexadecimal digits, "" if there is none. */
const char *code_build_id(struct code *code);

#endif
