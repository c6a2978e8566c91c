/* SPDX-License-Identifier: GPL-2.0 */
/* What may be shown of text that comes from a traced process? */
#ifndef MEMTRACE_TEXT_H
#define MEMTRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A copy that is valid UTF-8: each byte that is not becomes U+FFFD.  NUL ends it early. */
char *text_utf8(const void *bytes, size_t count);

/*
 * A copy that a terminal takes as it is: valid UTF-8, and what steers a terminal or hides
 * in it (controls, escapes, bidirectional marks) as \xNN or \u{N}.
 */
char *text_printable(const void *bytes, size_t count);

/* The columns that valid UTF-8 takes on a terminal. */
size_t text_columns(const char *text);

/*
 * Words, filled into lines of so many columns.  The first line goes on at column `at`, the
 * others begin with `indent` blanks.  A word that is longer than a line is broken.
 */
void text_fill(FILE *out, const char *text, size_t at, size_t indent, size_t width);

/* 12345678 as "11.8 MiB", with a sign where asked.  `out` holds 16 bytes or more. */
char *text_bytes(char *out, size_t size, int64_t bytes, int sign);

/* 12345678 as "12,345,678". */
char *text_count(char *out, size_t size, uint64_t count);

/* Nanoseconds as "1.24 s", "310 ms", "4.2 us", "17 ns". */
char *text_duration(char *out, size_t size, uint64_t ns);

#endif
