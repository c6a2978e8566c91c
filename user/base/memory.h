/* SPDX-License-Identifier: GPL-2.0 */
/* Where does memory of our own come from?  Small pieces; without it there is nothing to do. */
#ifndef MEMTRACE_MEMORY_H
#define MEMTRACE_MEMORY_H

#include <stddef.h>

/* Zeroed memory for count things of a size.  Ends the program with a message if there is none. */
void *memory_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Room for one more thing in an array that holds count of them; grows by doubling. */
void *memory_grow(void *array, size_t count, size_t size) __attribute__((returns_nonnull));

/* Gives back what an array has beyond count things.  It cannot grow any more. */
void *memory_trim(void *array, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of so many bytes, with a NUL behind them. */
void *memory_copy(const void *bytes, size_t count) __attribute__((malloc, returns_nonnull));

#endif
