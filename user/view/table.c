// SPDX-License-Identifier: GPL-2.0
/* What does the table of processes look like?  Columns as there is room; the names come last. */
#include "user/view/view.h"

#include "user/base/text.h"

#include <inttypes.h>
#include <string.h>

#define NAME_LEAST 12 /* columns of the command */
#define TREE_DEPTH 12 /* levels that are shown as such */

/* ---- figures ---- */

char *view_bytes(char *out, size_t size, int64_t bytes, bool sign)
{
	double value = bytes < 0 ? -(double)bytes : (double)bytes;
	const char *mark = bytes < 0 ? "-" : sign && bytes ? "+" : "";
	static const char units[] = "BKMGTPE";
	size_t unit = 0;

	/* 1023.6 would print as 1024. */
	for (; value >= 1023.5 && unit + 2 < sizeof(units); unit++)
		value /= 1024;
	if (!unit)
		snprintf(out, size, bytes ? "%s%.0fB" : "%s%.0f", mark, value);
	else
		snprintf(out, size, "%s%.*f%c", mark,
			 unit < 2 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value,
			 units[unit]);
	return out;
}

void view_mover(const struct ledger_row *row, char *out, size_t size)
{
	int64_t bytes = row ? balances_resident(&row->moved) : 0;
	const char *what = "";
	char text[16];

	*out = 0;
	if (!row)
		return;
	if (!bytes && (bytes = row->moved.bytes[BALANCE_VIRTUAL]))
		what = " VSZ";
	snprintf(out, size, "%s %s%s", row->operation,
		 bytes ? view_bytes(text, sizeof(text), bytes, true) : "", what);
}

/* ---- columns ---- */

/* In the order in which they stand; `least` is how wide the screen has to be. */
static const struct column {
	const char *name;
	size_t width, least;
	enum list_sort sort; /* SORTS: none */
	enum balance balance;
} columns[] = {
	{ "PID", 7, 0, SORT_PID, BALANCE_COUNT },
	{ "RSS", 7, 0, SORT_RESIDENT, BALANCE_COUNT },
	{ "CHANGE/s", 9, 0, SORT_CHANGE, BALANCE_COUNT },
	{ "VSZ", 7, 23 + 17 + 21 + NAME_LEAST, SORT_VIRTUAL, BALANCE_VIRTUAL },
	{ "ANON", 7, 23 + 17 + 7 + NAME_LEAST, SORT_ANON, BALANCE_ANON },
	{ "FILE", 7, 23 + 17 + 14 + NAME_LEAST, SORT_FILE, BALANCE_FILE },
	{ "SHMEM", 7, 23 + 17 + 35 + NAME_LEAST, SORT_SHMEM, BALANCE_SHMEM },
	{ "SWAP", 7, 23 + 17 + 28 + NAME_LEAST, SORT_SWAP, BALANCE_SWAP },
	{ "MOVED BY", 23, 23 + 23 + 35 + NAME_LEAST, SORTS, BALANCE_COUNT },
	{ "MOVED BY", 17, 23 + 17 + NAME_LEAST, SORTS, BALANCE_COUNT },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool is_shown(const struct column *column, const struct canvas *canvas)
{
	/* The wider one of the two, where there is room. */
	if (column == &columns[COLUMNS - 1] && canvas->columns >= column[-1].least)
		return false;
	return canvas->columns >= column->least;
}

static void put_value(const struct list_row *row, const struct column *column, char *out,
		      size_t size)
{
	if (column->balance < BALANCE_COUNT)
		view_bytes(out, size, row->process->closing.bytes[column->balance], false);
	else if (column->sort == SORT_PID)
		snprintf(out, size, "%" PRIu32, row->process->pid);
	else if (column->sort == SORT_RESIDENT)
		view_bytes(out, size, row->resident_bytes, false);
	else if (column->sort == SORT_CHANGE && row->change_bytes)
		view_bytes(out, size, row->change_bytes, true);
	else if (column->sort == SORTS)
		view_mover(row->mover, out, size);
}

/* ---- lines ---- */

static const char *mark_of(const struct view *view, const struct canvas *canvas,
			   enum list_sort sort)
{
	if (sort != view->sort)
		return "";
	if (!canvas->unicode)
		return view->inverted ? "^" : "v";
	return view->inverted ? "\xe2\x96\xb2" : "\xe2\x96\xbc";
}

static void put_titles(const struct view *view, struct canvas *canvas, size_t row)
{
	size_t at = 0;
	char text[32];

	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *column = &columns[i];

		if (!is_shown(column, canvas))
			continue;
		snprintf(text, sizeof(text), "%s%s", column->name,
			 mark_of(view, canvas, column->sort));
		if (column->sort == SORTS)
			canvas_put(canvas, row, at + 1, at + column->width, LOOK_TITLE, text);
		else
			canvas_put_right(canvas, row, at, at + column->width, LOOK_TITLE, text);
		at += column->width;
	}
	snprintf(text, sizeof(text), "COMMAND%s", mark_of(view, canvas, SORT_COMMAND));
	canvas_put(canvas, row, at + 1, canvas->columns, LOOK_TITLE, text);
	canvas_look(canvas, row, 0, LOOK_TITLE);
}

/* "/usr/lib/postgresql/15/bin/postgres -D x" from its last folder on, as room is short. */
static const char *short_name(const char *name, const struct canvas *canvas)
{
	size_t length = strcspn(name, " ");
	const char *slash = memrchr(name, '/', length);

	return slash && slash[1] && slash[1] != ' ' && canvas->columns < 120 && *name == '/' ?
		       slash + 1 : name;
}

static void put_name(const struct list_row *row, struct canvas *canvas, size_t line, size_t at)
{
	unsigned int depth = row->depth < TREE_DEPTH ? row->depth : TREE_DEPTH;

	for (unsigned int i = 0; i < depth; i++)
		at = canvas_put(canvas, line, at, canvas->columns, LOOK_DIM,
				i + 1 < depth ? "  " : canvas->unicode ? "\xe2\x94\x94 " : "`-");
	canvas_put(canvas, line, at, canvas->columns, LOOK_PLAIN,
		   short_name(list_name(row->process), canvas));
}

/* What grows stands out; what takes memory away from a program stands out more. */
static enum look look_of(const struct list_row *row, const struct column *column)
{
	if (column->sort == SORT_CHANGE && row->change_bytes)
		return row->change_bytes > 0 ? LOOK_BOLD : LOOK_GOOD;
	if (column->sort == SORTS && row->mover && !strcmp(row->mover->operation, "reclaim"))
		return LOOK_BAD;
	return LOOK_PLAIN;
}

static void put_row(const struct list_row *row, struct canvas *canvas, size_t line, bool chosen)
{
	size_t at = 0;

	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *column = &columns[i];
		char text[64] = "";

		if (!is_shown(column, canvas))
			continue;
		put_value(row, column, text, sizeof(text));
		if (column->sort == SORTS)
			canvas_put(canvas, line, at + 1, at + column->width,
				   look_of(row, column), text);
		else
			canvas_put_right(canvas, line, at, at + column->width,
					 look_of(row, column), text);
		at += column->width;
	}
	put_name(row, canvas, line, at + 1);
	if (chosen)
		canvas_look(canvas, line, 0, LOOK_CHOSEN);
}

void table_draw(struct view *view, struct canvas *canvas, size_t from, size_t end)
{
	size_t rows = end - from - 1;

	view->table_rows = rows;
	put_titles(view, canvas, from);
	if (view->cursor < view->top)
		view->top = view->cursor;
	if (view->cursor >= view->top + rows)
		view->top = view->cursor - rows + 1;
	if (view->top + rows > view->list.count)
		view->top = view->list.count > rows ? view->list.count - rows : 0;
	for (size_t i = 0; i < rows && view->top + i < view->list.count; i++)
		put_row(&view->list.rows[view->top + i], canvas, from + 1 + i,
			view->top + i == view->cursor);
	if (!view->list.count)
		canvas_put(canvas, from + 1, 1, canvas->columns, LOOK_DIM,
			   *view->filter ? "No process has that in its name (F4, Esc: all)." :
					   "No process so far.");
}
