/* SPDX-License-Identifier: GPL-2.0 */
/* Which ELF files are read, and how?  Nobody vouches for any of them. */
#ifndef MEMTRACE_ELF_H
#define MEMTRACE_ELF_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A file, read piece by piece: a mapped one that somebody truncates would end memtrace.  NULL: no
 * ELF file, or one that no linker makes.  elf_end() it before the descriptor is closed.
 */
Elf *elf_read(int descriptor);

/* The same of bytes in memory, which have to stay there. */
Elf *elf_read_memory(const void *bytes, size_t count);

/* Is there a section of this name with something in it? */
Elf_Scn *elf_section(Elf *elf, const char *name);

/* Are there debug sections, and not more in them than memory should be spent on? */
bool elf_has_dwarf(Elf *elf);

#endif
