/* SPDX-License-Identifier: GPL-2.0 */
/* Which code belongs to a function, though it lies elsewhere and has no symbol there? */
#ifndef MEMTRACE_PYTHON_LOOP_H
#define MEMTRACE_PYTHON_LOOP_H

#include "user/symbol/python.h"

#include <libelf.h>

/*
 * Compilers put what they take for rare far off, and of the evaluation loop that may be nearly
 * all.  Adds to the parts of the loop what the code of the first one jumps into the midst of.
 */
void python_loop_find_parts(Elf *elf, const uint8_t *code, struct python_file *file);

#endif
