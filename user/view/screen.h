/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How does a canvas get onto the terminal, and what was pressed?  Alone knows curses.  However it
 * ends, the terminal is put back.
 */
#ifndef MEMTRACE_VIEW_SCREEN_H
#define MEMTRACE_VIEW_SCREEN_H

#include "user/base/error.h"
#include "user/view/canvas.h"

#include <stdio.h>

/* Can there be a screen?  A sentence where not; nothing is changed. */
struct error *screen_check(void);

/* Takes the terminal, which these two are open to. */
struct error *screen_open(FILE *out, FILE *in);

/* Puts it back; may be called again. */
void screen_close(void);

/* The same where no more than a few system calls can be made: in the handler of a signal. */
void screen_drop(void);

/* The size that it has now: also of one that was changed meanwhile. */
void screen_size(size_t *columns, size_t *rows);

/* Whether more than ASCII can be shown. */
bool screen_is_unicode(void);

/* Shows a canvas of that size; `again`: whatever the terminal may have had. */
void screen_show(const struct canvas *canvas, bool again);

/* A key (view.h); false: there is none more. */
bool screen_key(uint32_t *key);

#endif
