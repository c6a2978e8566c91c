// SPDX-License-Identifier: GPL-2.0
/* What is said of the process that the cursor is on?  Its verdict first, in plain words. */
#include "user/view/view.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/model/ledger.h"

#include <inttypes.h>
#include <string.h>

#define FINDINGS 3
#define BALANCES 2 /* lines: what it has, and what moved that */
#define MOVERS 3
#define SITES 3
#define INDENT 13 /* of words beside a number */

/* The lines that are left. */
struct pane {
	struct canvas *canvas;
	size_t row, end;
};

static void put_line(struct pane *pane, size_t column, enum look look, const char *text)
{
	if (pane->row < pane->end)
		canvas_put(pane->canvas, pane->row++, column, pane->canvas->columns, look, text);
}

/* As many lines of a text as may be; what is cut off ends so. */
static void put_words(struct pane *pane, enum look look, const char *words, size_t lines)
{
	cleanup_free char *text = NULL;
	char *rest = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	text_fill(out, words, 0, 0, pane->canvas->columns - INDENT - 4);
	fclose(out);
	for (char *line = strtok_r(text, "\n", &rest); line && lines--;
	     line = strtok_r(NULL, "\n", &rest)) {
		size_t at = strlen(line) + INDENT;
		bool cut = !lines && *rest && pane->row < pane->end;

		put_line(pane, INDENT, look, line + strspn(line, " "));
		if (cut)
			canvas_put(pane->canvas, pane->row - 1, at, pane->canvas->columns, look,
				   " ...");
	}
}

/* ---- findings ---- */

/* Why, and where there is room, what to try. */
static void put_reasons(struct pane *pane, const struct finding *finding, size_t lines)
{
	cleanup_free char *text = NULL;
	bool has_any = *finding->remedy && strncmp(finding->remedy, "Nothing", 7) != 0;

	if (asprintf(&text, "%s%s%s", finding->why, has_any ? " To try: " : " ",
		     finding->remedy) >= 0)
		put_words(pane, LOOK_PLAIN, text, lines);
}

static void put_finding(struct pane *pane, const struct finding *finding, size_t lines)
{
	char bytes[24], text[256];

	text_bytes(bytes, sizeof(bytes), finding->bytes, 0);
	snprintf(text, sizeof(text), "%11s  %s", bytes, finding->title);
	put_line(pane, 0, finding->alarm ? LOOK_BAD : LOOK_BOLD, text);
	if (!finding->told)
		put_reasons(pane, finding, lines);
}

/* Those that ask for something to be done come first.  `below` lines are for what follows; the
 * first one has what the others leave. */
static void put_findings(struct pane *pane, const struct findings *findings, size_t below)
{
	size_t count = findings->count < FINDINGS ? findings->count : FINDINGS;
	size_t needed = below + 2 * count, room = pane->end - pane->row, put = 0;

	for (int others = 0; others < 2; others++) {
		for (size_t i = 0; i < findings->count && put < count; i++) {
			if (findings->at[i].alarm == others)
				continue;
			put_finding(pane, &findings->at[i],
				    put++ || room < needed ? 1 : 1 + room - needed);
		}
	}
	if (!findings->count)
		put_line(pane, 0, LOOK_PLAIN, "  Nothing of note: it has little memory, or little "
			 "of it moved.");
}

/* ---- figures ---- */

static void put_figures(struct pane *pane, const struct process_model *process)
{
	const struct balances *now = balances_end(process);
	char rss[16], anon[16], file[16], shmem[16], swap[16], peak[16], text[200];

	snprintf(text, sizeof(text),
		 "%s %s: %s anonymous, %s of files, %s shared; swapped %s; highest %s",
		 process->ended ? "  At its end" : "  RSS",
		 view_bytes(rss, sizeof(rss), balances_resident(now), false),
		 view_bytes(anon, sizeof(anon), now->bytes[BALANCE_ANON], false),
		 view_bytes(file, sizeof(file), now->bytes[BALANCE_FILE], false),
		 view_bytes(shmem, sizeof(shmem), now->bytes[BALANCE_SHMEM], false),
		 view_bytes(swap, sizeof(swap), now->bytes[BALANCE_SWAP], false),
		 view_bytes(peak, sizeof(peak), (int64_t)process->peak_bytes, false));
	put_line(pane, 0, LOOK_PLAIN, text);
}

static uint64_t size_of(const struct ledger_row *row)
{
	int64_t bytes = balances_resident(&row->moved);

	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

/* Of those below `most`, which is one of them or NULL, the one that moved most RSS. */
static const struct ledger_row *next_mover(const struct process_model *process,
					   const struct ledger_row *before)
{
	const struct ledger_row *found = NULL;

	for (size_t i = 0; i < process->row_count; i++) {
		const struct ledger_row *row = &process->rows[i];
		bool later = !before || size_of(row) < size_of(before) ||
			     (size_of(row) == size_of(before) && row > before);

		if (size_of(row) && later && (!found || size_of(row) > size_of(found)))
			found = row;
	}
	return found;
}

/* "fault +500M (touched by the program), munmap -200M (unmapped)" */
static void put_movers(struct pane *pane, const struct process_model *process)
{
	cleanup_free char *text = NULL;
	const struct ledger_row *row = NULL;
	char bytes[16];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fputs("  Moved since the start:", out);
	for (int i = 0; i < MOVERS && (row = next_mover(process, row)); i++)
		fprintf(out, "%s %s %s (%s)", i ? "," : "", row->operation,
			view_bytes(bytes, sizeof(bytes), balances_resident(&row->moved), true),
			operation_meaning(row->operation));
	if (!next_mover(process, NULL))
		fputs(" nothing", out);
	fclose(out);
	put_line(pane, 0, LOOK_PLAIN, text);
}

static size_t sites_shown(const struct view *view)
{
	size_t count = 0;

	while (count < view->holder_count && count < SITES && view->holders[count].held_bytes > 0)
		count++;
	return count;
}

static void put_sites(struct pane *pane, const struct view *view)
{
	for (size_t i = 0; i < sites_shown(view); i++) {
		const struct holder *holder = &view->holders[i];
		cleanup_free char *place = holder_place(holder);
		char bytes[24], text[512];

		snprintf(text, sizeof(text), "%11s  touched by %s",
			 text_bytes(bytes, sizeof(bytes), holder->held_bytes, 0),
			 *place ? place : "code that is not known");
		put_line(pane, 0, LOOK_PLAIN, text);
	}
}

/* ---- all of it ---- */

static void put_rule(const struct view *view, struct pane *pane)
{
	char text[600] = "no process";
	const char *rule = pane->canvas->unicode ? "\xe2\x94\x80" : "-";
	size_t at, row = pane->row;

	if (view->cursor < view->list.count) {
		const struct list_row *chosen = &view->list.rows[view->cursor];

		snprintf(text, sizeof(text), "%" PRIu32 " %s", chosen->process->pid,
			 list_name(chosen->process));
	}
	at = canvas_put(pane->canvas, row, 0, pane->canvas->columns, LOOK_DIM, rule);
	at = canvas_put(pane->canvas, row, at + 1, pane->canvas->columns - 1, LOOK_BOLD, text);
	for (at++; at < pane->canvas->columns; at++)
		canvas_put(pane->canvas, row, at, at + 1, LOOK_DIM, rule);
	pane->row++;
}

void pane_draw(const struct view *view, struct canvas *canvas, size_t from, size_t end)
{
	struct pane pane = { canvas, from, end };

	put_rule(view, &pane);
	if (!view->list.count)
		return;
	if (!view->process || view->model_pid != view->chosen_pid) {
		put_line(&pane, 0, LOOK_DIM, "  ...");
		return;
	}
	put_findings(&pane, &view->findings, BALANCES + sites_shown(view));
	put_figures(&pane, view->process);
	put_movers(&pane, view->process);
	put_sites(&pane, view);
}
