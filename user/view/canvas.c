// SPDX-License-Identifier: GPL-2.0
/* What is to be on the screen?  See canvas.h. */
#include "user/view/canvas.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"

#include <string.h>

void canvas_init(struct canvas *canvas, size_t columns, size_t rows, bool unicode)
{
	*canvas = (struct canvas){ .columns = columns, .rows = rows, .unicode = unicode };
	canvas->cells = memory_new(columns * rows, sizeof(*canvas->cells));
	for (size_t i = 0; i < columns * rows; i++)
		canvas->cells[i].text[0] = ' ';
}

void canvas_free(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){ 0 };
}

struct cell *canvas_at(const struct canvas *canvas, size_t row, size_t column)
{
	return &canvas->cells[row * canvas->columns + column];
}

/* ---- characters ---- */

/* Copies one of valid UTF-8; returns its bytes. */
static size_t take(const char *text, char *character)
{
	size_t length = 1;

	while ((text[length] & 0xc0) == 0x80)
		length++;
	memcpy(character, text, length);
	character[length] = 0;
	return length;
}

static bool is_ascii(const char *character)
{
	return !(character[0] & 0x80);
}

static void set_cell(struct cell *cell, enum look look, const char *character)
{
	snprintf(cell->text, sizeof(cell->text), "%s", character);
	cell->look = look;
}

/* One without a column of its own goes with that before it, if there is room. */
static void add_mark(struct cell *cell, const char *mark)
{
	size_t used = strlen(cell->text), length = strlen(mark);

	if (used && used + length < sizeof(cell->text))
		memcpy(cell->text + used, mark, length + 1);
}

static size_t put_character(struct canvas *canvas, size_t row, size_t column, enum look look,
			    const char *character, size_t width)
{
	if (!width && column)
		add_mark(canvas_at(canvas, row, column - 1), character);
	for (size_t i = 0; i < width; i++) {
		const char *shown = canvas->unicode || is_ascii(character) ? character : "?";

		set_cell(canvas_at(canvas, row, column + i), look,
			 i && canvas->unicode ? "" : shown);
	}
	return column + width;
}

/* Text that is harmless already, or that a length ends. */
static size_t put_clean(struct canvas *canvas, size_t row, size_t column, size_t end,
			enum look look, const char *text, size_t length)
{
	char character[CELL_BYTES];
	const char *stop = text + length;

	if (end > canvas->columns)
		end = canvas->columns;
	if (row >= canvas->rows)
		return column;
	while (text < stop && *text) {
		size_t width;

		text += take(text, character);
		width = is_ascii(character) ? 1 : text_columns(character);
		if (!width && !canvas->unicode)
			continue;
		if (column + width > end)
			break;
		column = put_character(canvas, row, column, look, character, width);
	}
	return column;
}

/* ---- places ---- */

size_t canvas_put(struct canvas *canvas, size_t row, size_t column, size_t end, enum look look,
		  const char *text)
{
	cleanup_free char *clean = text_printable(text, strlen(text));

	return put_clean(canvas, row, column, end, look, clean, strlen(clean));
}

void canvas_put_right(struct canvas *canvas, size_t row, size_t column, size_t end, enum look look,
		      const char *text)
{
	cleanup_free char *clean = text_printable(text, strlen(text));
	size_t width = text_columns(clean);

	if (column + width < end)
		column = end - width;
	put_clean(canvas, row, column, end, look, clean, strlen(clean));
}

/* Those of user/report/style.c. */
static enum look look_of(const char *code, size_t length)
{
	static const struct {
		const char *code;
		enum look look;
	} styles[] = { { "1", LOOK_BOLD }, { "2", LOOK_DIM }, { "32", LOOK_GOOD },
		       { "1;31", LOOK_BAD } };

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		if (strlen(styles[i].code) == length && !memcmp(styles[i].code, code, length))
			return styles[i].look;
	}
	return LOOK_PLAIN;
}

void canvas_put_styled(struct canvas *canvas, size_t row, size_t column, size_t end,
		       const char *line)
{
	enum look look = LOOK_PLAIN;

	while (*line) {
		const char *escape = strstr(line, "\033[");
		size_t length = escape ? (size_t)(escape - line) : strlen(line);

		column = put_clean(canvas, row, column, end, look, line, length);
		if (!escape)
			break;
		length = strcspn(escape + 2, "m");
		look = look_of(escape + 2, length);
		line = escape + 2 + length;
		line += *line == 'm';
	}
}

void canvas_look(struct canvas *canvas, size_t row, size_t column, enum look look)
{
	for (; row < canvas->rows && column < canvas->columns; column++)
		canvas_at(canvas, row, column)->look = look;
}

char *canvas_row(const struct canvas *canvas, size_t row)
{
	char *text = memory_new(canvas->columns * CELL_BYTES + 1, 1), *to = text;

	for (size_t column = 0; column < canvas->columns; column++)
		to = stpcpy(to, canvas_at(canvas, row, column)->text);
	while (to > text && to[-1] == ' ')
		*--to = 0;
	return text;
}
