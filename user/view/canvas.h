/* SPDX-License-Identifier: GPL-2.0 */
/* What is to be on the screen?  A grid of characters; pure, whoever shows it. */
#ifndef MEMTRACE_VIEW_CANVAS_H
#define MEMTRACE_VIEW_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As terminals without colour have them, too. */
enum look {
	LOOK_PLAIN,
	LOOK_BOLD,
	LOOK_DIM,
	LOOK_TITLE,  /* reverse: the heads of columns, the names of keys */
	LOOK_CHOSEN, /* reverse: the line that the cursor is on */
	LOOK_GOOD,
	LOOK_BAD,
};

#define CELL_BYTES 16 /* a character and marks that go with it */

struct cell {
	char text[CELL_BYTES]; /* UTF-8; "": a wide one on the left goes on here */
	enum look look;
};

struct canvas {
	size_t columns, rows;
	bool unicode; /* else all but ASCII becomes '?' */
	struct cell *cells;
};

/* All blank. */
void canvas_init(struct canvas *canvas, size_t columns, size_t rows, bool unicode);
void canvas_free(struct canvas *canvas);

struct cell *canvas_at(const struct canvas *canvas, size_t row, size_t column);

/*
 * Writes text, made harmless, into a row from one column to before another; what does not fit is
 * left out.  Returns the column behind it.  Where there is no such place, nothing is written.
 */
size_t canvas_put(struct canvas *canvas, size_t row, size_t column, size_t end, enum look look,
		  const char *text);

/* The same, at the right end of the place. */
void canvas_put_right(struct canvas *canvas, size_t row, size_t column, size_t end, enum look look,
		      const char *text);

/* The same for a line of a report, with its styles as it would send them to a terminal. */
void canvas_put_styled(struct canvas *canvas, size_t row, size_t column, size_t end,
		       const char *line);

/* Gives a row that look from one column on. */
void canvas_look(struct canvas *canvas, size_t row, size_t column, enum look look);

/* A row as text, without blanks at its end; to be freed. */
char *canvas_row(const struct canvas *canvas, size_t row);

#endif
