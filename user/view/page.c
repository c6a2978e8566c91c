// SPDX-License-Identifier: GPL-2.0
/* How is the screen divided?  Head, table, the chosen process, keys; or another page instead. */
#include "user/view/view.h"

#include "user/base/text.h"

#include <inttypes.h>
#include <string.h>

#define SORT_COLUMNS 14
#define SUMS_ROWS 12 /* the least for a line of sums */
#define PANE_MOST 14 /* rows: the list has the rest of a large screen */

/* ---- head ---- */

/* Most of what was lost, and what that means; false: nothing was. */
static bool losses_of(const struct model *self, char *out, size_t size)
{
	const struct loss *most = NULL;

	for (size_t i = 0; self && i < LOSSES; i++) {
		if (self->losses[i].count && (!most || self->losses[i].count > most->count))
			most = &self->losses[i];
	}
	if (most)
		snprintf(out, size, "  lost: %" PRIu64 " %s", most->count, most->meaning);
	else
		snprintf(out, size, "  lost: nothing");
	return most;
}

static void put_first_line(const struct view *view, struct canvas *canvas)
{
	char text[160], when[96];
	size_t at;

	snprintf(when, sizeof(when), "every %g s  %s", view->interval, view->clock);
	at = canvas_put(canvas, 0, 0, canvas->columns, LOOK_BOLD, "memtrace top ");
	at = canvas_put(canvas, 0, at, canvas->columns, LOOK_PLAIN, view->whom);
	if (*view->filter) {
		at = canvas_put(canvas, 0, at, canvas->columns, LOOK_BOLD, "  only: ");
		at = canvas_put(canvas, 0, at, canvas->columns, LOOK_BOLD, view->filter);
	}
	if (view->ended)
		canvas_put(canvas, 0, at + 2, canvas->columns, LOOK_BAD, view->ended);
	else if (canvas->rows < SUMS_ROWS && losses_of(view->self, text, sizeof(text)))
		canvas_put(canvas, 0, at, canvas->columns, LOOK_BAD, text);
	else if (view->paused)
		canvas_put(canvas, 0, at + 2, canvas->columns, LOOK_BOLD,
			   "PAUSED: Space goes on");
	else if (at + 2 + strlen(when) <= canvas->columns)
		canvas_put_right(canvas, 0, at + 2, canvas->columns, LOOK_PLAIN, when);
}

static void put_sums(const struct view *view, struct canvas *canvas)
{
	char resident[16], change[16], swap[16], events[32] = "", losses[160], text[200];
	bool lost = losses_of(view->self, losses, sizeof(losses));
	size_t at;

	if (view->cost.known)
		snprintf(events, sizeof(events), "  %.0f events/s", view->cost.events_per_second);
	snprintf(text, sizeof(text), "%zu process%s  RSS %s (%s/s)  swap %s", view->list.all,
		 view->list.all == 1 ? "" : "es",
		 view_bytes(resident, sizeof(resident), view->list.resident_bytes, false),
		 view_bytes(change, sizeof(change), view->list.change_bytes, true),
		 view_bytes(swap, sizeof(swap), view->list.swap_bytes, false));
	at = canvas_put(canvas, 1, 0, canvas->columns, LOOK_PLAIN, text);
	/* Where there is no room for both, what was lost matters more. */
	if (lost)
		at = canvas_put(canvas, 1, at, canvas->columns, LOOK_BAD, losses);
	at = canvas_put(canvas, 1, at, canvas->columns, LOOK_PLAIN, events);
	if (!lost)
		canvas_put(canvas, 1, at, canvas->columns, LOOK_PLAIN, losses);
}

static void put_cost(const struct view *view, struct canvas *canvas)
{
	const Mt__Overhead *overhead = view->self ? view->self->capture->overhead : NULL;
	char own[16], maps[16], bpf[48] = "in the kernel unmeasured", text[200];

	if (!overhead)
		return;
	if (view->cost.has_bpf)
		snprintf(bpf, sizeof(bpf), "in the kernel %.1f %%", view->cost.bpf_percent);
	view_bytes(own, sizeof(own), (int64_t)overhead->resident_bytes, false);
	view_bytes(maps, sizeof(maps), (int64_t)overhead->kernel_bytes, false);
	if (view->cost.known)
		snprintf(text, sizeof(text), "memtrace itself: CPU %.1f %%, %s; RSS %s, maps %s",
			 view->cost.user_percent, bpf, own, maps);
	else
		snprintf(text, sizeof(text), "memtrace itself: RSS %s, maps %s", own, maps);
	canvas_put(canvas, 2, 0, canvas->columns, LOOK_DIM, text);
}

/* ---- foot ---- */

static void put_keys(struct canvas *canvas, const char *const keys[][2], size_t count)
{
	size_t row = canvas->rows - 1, at = 0;

	for (size_t i = 0; i < count; i++) {
		size_t width = strlen(keys[i][0]) + strlen(keys[i][1]) + 1;

		if (at + width > canvas->columns)
			break;
		at = canvas_put(canvas, row, at, canvas->columns, LOOK_BOLD, keys[i][0]);
		at = canvas_put(canvas, row, at, canvas->columns, LOOK_TITLE, keys[i][1]) + 1;
	}
}

static void put_foot(const struct view *view, struct canvas *canvas)
{
	static const char *const list[][2] = {
		{ "F1", "Help" },  { "F3", "Search" },	 { "F4", "Filter" },  { "F5", "Tree" },
		{ "F6", "Sort" },  { "Enter", "Details" }, { "Space", "Pause" }, { "F10", "Quit" },
	};
	static const char *const words[][2] = { { "Enter", "Done" }, { "Esc", "Clear" } };
	static const char *const next[][2] = { { "F3", "Next" },  { "Enter", "Done" },
					       { "Esc", "Clear" } };
	static const char *const sort[][2] = { { "Enter", "Sort" }, { "Esc", "Cancel" } };
	static const char *const details[][2] = { { "Esc", "Back" }, { "Space", "Pause" },
						  { "Arrows", "Scroll" } };
	bool searches = view->mode == MODE_SEARCH;
	char text[VIEW_WORDS + 32];

	if (view->mode == MODE_LIST)
		put_keys(canvas, list, sizeof(list) / sizeof(list[0]));
	else if (view->mode == MODE_SORT)
		put_keys(canvas, sort, 2);
	else if (view->mode == MODE_DETAILS)
		put_keys(canvas, details, 3);
	else if (searches)
		put_keys(canvas, next, 3);
	else
		put_keys(canvas, words, 2);
	if (!searches && view->mode != MODE_FILTER)
		return;
	snprintf(text, sizeof(text), "%s: %s_%s", searches ? "Search" : "Filter",
		 searches ? view->search : view->filter,
		 searches && view->not_found ? "  (not found)" : "");
	canvas_put(canvas, canvas->rows - 1, searches ? 27 : 19, canvas->columns, LOOK_BOLD, text);
}

/* ---- in between ---- */

static void put_sort(const struct view *view, struct canvas *canvas, size_t from, size_t end)
{
	if (end > from + SORTS + 1)
		end = from + SORTS + 1;
	for (size_t row = from; row < end; row++)
		canvas_put(canvas, row, 0, SORT_COLUMNS, LOOK_PLAIN, "              ");
	canvas_put(canvas, from, 0, SORT_COLUMNS, LOOK_TITLE, " Sort by      ");
	for (size_t i = 0; i < SORTS && from + 1 + i < end; i++) {
		bool chosen = view->sort_chosen == i;
		char text[32];

		snprintf(text, sizeof(text), " %c%-12s", view->sort == i ? '*' : ' ',
			 list_sort_name((enum list_sort)i));
		canvas_put(canvas, from + 1 + i, 0, SORT_COLUMNS,
			   chosen ? LOOK_CHOSEN : LOOK_PLAIN, text);
	}
}

static size_t head_rows(const struct canvas *canvas)
{
	return canvas->rows >= 18 ? 3 : canvas->rows >= SUMS_ROWS ? 2 : 1;
}

static size_t pane_rows(const struct canvas *canvas)
{
	size_t part = canvas->rows / 3 + 1;

	if (canvas->rows >= 20)
		return part < PANE_MOST ? part : PANE_MOST;
	return canvas->rows >= 14 ? 4 : 2;
}

static void draw_list(struct view *view, struct canvas *canvas)
{
	size_t head = head_rows(canvas), pane = canvas->rows - 1 - pane_rows(canvas);

	put_first_line(view, canvas);
	if (head > 1)
		put_sums(view, canvas);
	if (head > 2)
		put_cost(view, canvas);
	table_draw(view, canvas, head, pane);
	pane_draw(view, canvas, pane, canvas->rows - 1);
	if (view->mode == MODE_SORT)
		put_sort(view, canvas, head, canvas->rows - 1);
}

static void draw_too_small(struct canvas *canvas)
{
	char text[64];

	snprintf(text, sizeof(text), "%d columns and %d rows", VIEW_COLUMNS_LEAST,
		 VIEW_ROWS_LEAST);
	canvas_put(canvas, 0, 0, canvas->columns, LOOK_PLAIN, "Too small:");
	canvas_put(canvas, 1, 0, canvas->columns, LOOK_PLAIN, text);
	canvas_put(canvas, 2, 0, canvas->columns, LOOK_PLAIN, "are needed.");
}

void view_draw(struct view *view, struct canvas *canvas)
{
	if (canvas->columns < VIEW_COLUMNS_LEAST || canvas->rows < VIEW_ROWS_LEAST) {
		draw_too_small(canvas);
		return;
	}
	if (view->mode == MODE_HELP) {
		help_draw(canvas);
		return;
	}
	if (view->mode == MODE_DETAILS)
		details_draw(view, canvas);
	else
		draw_list(view, canvas);
	put_foot(view, canvas);
}
