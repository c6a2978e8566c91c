/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the live screen show, and what do its keys do?  Pure: it is told what was read and
 * which keys were pressed, and draws into a canvas.  screen.h has the terminal.
 */
#ifndef MEMTRACE_VIEW_VIEW_H
#define MEMTRACE_VIEW_VIEW_H

#include "user/explain/finding.h"
#include "user/model/holder.h"
#include "user/view/canvas.h"
#include "user/view/list.h"

/* Keys beside characters, which are their numbers in Unicode. */
enum view_key {
	VIEW_UP = 0x200000,
	VIEW_DOWN,
	VIEW_LEFT,
	VIEW_RIGHT,
	VIEW_PAGE_UP,
	VIEW_PAGE_DOWN,
	VIEW_HOME,
	VIEW_END,
	VIEW_ENTER,
	VIEW_ESCAPE,
	VIEW_BACKSPACE,
	VIEW_REDRAW,
	VIEW_F1,
	VIEW_F10 = VIEW_F1 + 9,
};

enum view_mode {
	MODE_LIST,
	MODE_SEARCH, /* words are being typed, as in the next one */
	MODE_FILTER,
	MODE_SORT,
	MODE_HELP,
	MODE_DETAILS,
};

#define VIEW_WORDS 64 /* bytes of what is searched for */

/* Lines of the page of details, as wide as it was. */
struct view_text {
	char **lines;
	size_t count, width;
};

/* What memtrace costs and loses, between two readings. */
struct view_cost {
	bool known; /* the rates: there were two readings */
	bool has_bpf;
	double events_per_second, user_percent, bpf_percent;
};

struct view {
	const char *whom; /* as it was asked for: "-p 123", "-a" */
	double interval;  /* seconds */
	bool quit, paused;
	const char *ended; /* a sentence, when there is nothing to be followed any more */

	enum view_mode mode;
	char filter[VIEW_WORDS], search[VIEW_WORDS], before[VIEW_WORDS];
	bool not_found;
	enum list_sort sort, sort_chosen;
	bool inverted, tree;

	const struct interval_model *interval_model; /* NULL: nothing was read so far */
	uint64_t interval_ns;
	char clock[16]; /* when that was */
	struct list list;
	struct view_cost cost;
	const struct model *self; /* losses and costs; NULL: not known */
	const struct model *model; /* of the process `model_pid`; NULL: none was read */
	uint32_t model_pid;
	const struct process_model *process; /* in the model, NULL: it is not there */
	struct findings findings;	     /* of it, as the next ones */
	struct holder *holders;
	size_t holder_count;

	bool moved; /* the cursor stays with a process; before that, with the first line */
	uint32_t chosen_pid;
	size_t cursor, top;   /* rows of the list */
	size_t table_rows;    /* as the screen had them last, as the next one */
	size_t page_rows;
	size_t scroll;	      /* of the details */
	struct view_text text;
};

void view_init(struct view *view, const char *whom, double interval);
void view_free(struct view *view);

/* Takes in a reading: it and the model stay until the next one was taken in. */
void view_take(struct view *view, const struct interval_model *interval,
	       const struct model *self);

/* Takes in what was read of one process, for as long; NULL: nothing could be. */
void view_take_process(struct view *view, const struct model *model, uint32_t pid);

/* The process that the cursor is on; 0: none. */
uint32_t view_chosen(const struct view *view);

/* A key; quit is set where it asks for that. */
void view_press(struct view *view, uint32_t key);

void view_draw(struct view *view, struct canvas *canvas);

/* ---- its parts ---- */

#define VIEW_COLUMNS_LEAST 40
#define VIEW_ROWS_LEAST 10

/* "1.25G" in up to 5 columns and a sign; `sign`: also of what grew. */
char *view_bytes(char *out, size_t size, int64_t bytes, bool sign);

/* What the ledger's row says in the table: "fault +1.2M". */
void view_mover(const struct ledger_row *row, char *out, size_t size);

/* list of processes: title and rows from one row to before another (table.c) */
void table_draw(struct view *view, struct canvas *canvas, size_t from, size_t end);

/* the process that the cursor is on (pane.c) */
void pane_draw(const struct view *view, struct canvas *canvas, size_t from, size_t end);

/* all of it (details.c) */
void details_draw(struct view *view, struct canvas *canvas);
void details_forget(struct view *view);
void help_draw(struct canvas *canvas);

#endif
