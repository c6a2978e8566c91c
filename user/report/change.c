// SPDX-License-Identifier: GPL-2.0
/* What changed between two captures, for a person: old, new, and the difference. */
#include "user/report/change.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/explain/change.h"
#include "user/model/holder.h"
#include "user/report/balance.h"
#include "user/report/book.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBERS_WIDTH 41 /* of what stands before whose code it is */
#define FINDING_WIDTH 25 /* of what stands around its title */
#define WORTH_BYTES (1 << 16) /* of code that holds so much more or less there is a row */

/* ---- figures ---- */

static void put_three(FILE *out, int64_t old, int64_t now)
{
	style_bytes(out, old, 13, false);
	style_bytes(out, now, 13, false);
	style_bytes(out, minus(now, old), 13, true);
}

static void put_head(const struct report_options *options, FILE *out, int width, const char *name)
{
	fprintf(out, "\n%s  %-*s%13s%13s%13s%s\n", style_on(options, STYLE_DIM), width, name, "old",
		"new", "change", style_off(options));
}

/* ---- balances ---- */

static void write_balance(const char *name, int64_t old, int64_t now, FILE *out)
{
	if (!old && !now)
		return;
	fprintf(out, "  %-20s", name);
	put_three(out, old, now);
	fputc('\n', out);
}

static void write_balances(const struct process_change *process,
			   const struct report_options *options, FILE *out)
{
	const struct balances *old = change_end(process->old), *now = change_end(process->now);

	put_head(options, out, 20, "");
	for (size_t i = 0; i < balance_line_count; i++)
		write_balance(balance_lines[i].name, balance_take(old, &balance_lines[i]),
			      balance_take(now, &balance_lines[i]), out);
	write_balance("highest RSS", process->old ? (int64_t)process->old->peak_bytes : 0,
		      process->now ? (int64_t)process->now->peak_bytes : 0, out);
}

/* ---- the ledger ---- */

static uint64_t count_of(const struct ledger_row *row)
{
	return row ? row->count : 0;
}

static int64_t moved_of(const struct ledger_row *row)
{
	return row ? balances_resident(&row->moved) : 0;
}

static bool row_differs(const struct row_change *row)
{
	return count_of(row->old) != count_of(row->now) || moved_of(row->old) != moved_of(row->now);
}

static void write_row(const struct row_change *row, FILE *out)
{
	const struct ledger_row *name = row->now ?: row->old;
	char title[64], old[32], now[32], counts[64];

	snprintf(title, sizeof(title), "%s%s%s", name->operation, name->call ? " in " : "",
		 name->call ?: "");
	snprintf(counts, sizeof(counts), "%s -> %s",
		 text_count(old, sizeof(old), count_of(row->old)),
		 text_count(now, sizeof(now), count_of(row->now)));
	fprintf(out, "  %-24.24s %22s", title, counts);
	style_bytes(out, moved_of(row->old), 13, true);
	style_bytes(out, moved_of(row->now), 13, true);
	fputc('\n', out);
}

static void write_ledger(const struct process_change *process,
			 const struct report_options *options, FILE *out)
{
	size_t count = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		if (!row_differs(&process->rows[i]))
			continue;
		if (!count)
			fprintf(out, "\n%s  %-24s %22s%13s%13s%s\n", style_on(options, STYLE_DIM),
				"moved RSS by", "count", "old", "new", style_off(options));
		if (count++ < options->limit)
			write_row(&process->rows[i], out);
	}
	if (count > options->limit)
		fprintf(out, "  ... and %zu more (--limit)\n", count - options->limit);
}

/* ---- whose code ---- */

/* "main (list.c:7)": which line it is changes with the program. */
struct place {
	char *name;
	int64_t old, now;
};

static bool is_same_place(const char *a, const char *b)
{
	const char *end_a = strrchr(a, ':'), *end_b = strrchr(b, ':');
	size_t length = end_a ? (size_t)(end_a - a) : strlen(a);

	return length == (end_b ? (size_t)(end_b - b) : strlen(b)) && !strncmp(a, b, length);
}

static struct place *find_place(struct place **places, size_t *count, char *name)
{
	for (size_t i = 0; i < *count; i++) {
		if (!is_same_place((*places)[i].name, name))
			continue;
		free((*places)[i].name);
		(*places)[i].name = name;
		return &(*places)[i];
	}
	*places = memory_grow(*places, *count, sizeof(**places));
	(*places)[*count] = (struct place){ .name = name };
	return &(*places)[(*count)++];
}

static void add_places(struct place **places, size_t *count, const struct process_model *process,
		       bool now)
{
	struct holder *holders;
	size_t holder_count;

	if (!process)
		return;
	holders = holders_build(process, &holder_count);
	for (size_t i = 0; i < holder_count; i++) {
		struct place *place;

		if (!holders[i].held_bytes)
			continue;
		place = find_place(places, count, holder_place(&holders[i]));
		*(now ? &place->now : &place->old) = plus(now ? place->now : place->old,
							  holders[i].held_bytes);
	}
	holders_free(holders, holder_count);
}

static uint64_t place_size(const struct place *place)
{
	int64_t change = minus(place->now, place->old);

	return change < 0 ? -(uint64_t)change : (uint64_t)change;
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = place_size(left), b = place_size(right);

	return a == b ? 0 : a > b ? -1 : 1;
}

static void write_place(const struct place *place, const struct report_options *options, FILE *out)
{
	cleanup_free char *clean = text_printable(place->name, strlen(place->name));

	put_three(out, place->old, place->now);
	fputs("  ", out);
	style_text(options, out, *clean ? clean : "unknown: these stacks could not be walked",
		   style_room(options, NUMBERS_WIDTH), false);
	fputc('\n', out);
}

static void write_places(const struct process_change *process,
			 const struct report_options *options, FILE *out)
{
	struct place *places = NULL;
	size_t count = 0, shown = 0;

	if (!process->site_count)
		return;
	add_places(&places, &count, process->old, false);
	add_places(&places, &count, process->now, true);
	if (count)
		qsort(places, count, sizeof(*places), by_size);
	while (shown < count && shown < options->limit &&
	       place_size(&places[shown]) >= WORTH_BYTES) {
		if (!shown)
			fprintf(out, "\n%s%13s%13s%13s  %s%s\n", style_on(options, STYLE_DIM),
				"old", "new", "change", "whose code holds it",
				style_off(options));
		write_place(&places[shown++], options, out);
	}
	for (size_t i = 0; i < count; i++)
		free(places[i].name);
	free(places);
}

/* ---- findings ---- */

static void write_finding(const struct finding_change *from, const struct report_options *options,
			  FILE *out)
{
	static const struct finding none = { .id = "", .title = "" };
	const struct finding *old = from->old ?: &none, *finding = from->now ?: old;
	const char *state = !from->old ? "new" : !from->now ? "gone" : "still";
	cleanup_free char *clean = text_printable(finding->title, strlen(finding->title));
	char bytes[24], was[40] = "";

	if (from->old && from->now)
		snprintf(was, sizeof(was), ", was %s",
			 text_bytes(bytes, sizeof(bytes), old->bytes, 0));
	fprintf(out, "  %-6s%12s  %s", state, text_bytes(bytes, sizeof(bytes), finding->bytes, 0),
		style_on(options, finding->alarm && from->now ? STYLE_BAD : STYLE_BOLD));
	style_text(options, out, clean,
		   style_room(options, FINDING_WIDTH + strlen(finding->id) + strlen(was)), false);
	fprintf(out, "%s%s (%s)%s%s\n", style_off(options), style_on(options, STYLE_DIM),
		finding->id, was, style_off(options));
}

static void write_findings(const struct change *change, const struct process_change *process,
			   const struct report_options *options, FILE *out)
{
	struct finding_changes found;
	bool first = true;

	finding_changes_build(&found, change, process);
	for (size_t i = 0; i < found.count; i++) {
		const struct finding_change *at = &found.at[i];

		if (at->old && at->now && at->old->bytes == at->now->bytes)
			continue;
		if (first)
			fputc('\n', out);
		first = false;
		write_finding(at, options, out);
	}
	finding_changes_free(&found);
}

/* ---- processes ---- */

static void write_title(const struct process_change *process, const struct report_options *options,
			FILE *out)
{
	cleanup_free char *line = book_title(change_name(process)), *title = NULL;
	const char *program = book_program(line);
	int made;

	if (!process->now)
		made = asprintf(&title, "%s (%u), in the old one alone", program,
				process->old->pid);
	else if (!process->old)
		made = asprintf(&title, "%s (%u), in the new one alone", program,
				process->now->pid);
	else if (process->old->pid == process->now->pid)
		made = asprintf(&title, "%s (%u)", program, process->now->pid);
	else
		made = asprintf(&title, "%s (%u, then %u)", program, process->old->pid,
				process->now->pid);
	if (made >= 0)
		style_rule(options, out, title);
}

static bool differs(const struct process_change *process)
{
	if (!process->old || !process->now ||
	    memcmp(change_end(process->old), change_end(process->now),
		   sizeof(struct balances)) != 0)
		return true;
	for (size_t i = 0; i < process->row_count; i++) {
		if (row_differs(&process->rows[i]))
			return true;
	}
	return false;
}

static void write_process(const struct change *change, const struct process_change *process,
			  const struct report_options *options, FILE *out)
{
	write_title(process, options, out);
	write_findings(change, process, options, out);
	write_balances(process, options, out);
	write_ledger(process, options, out);
	write_places(process, options, out);
	fputc('\n', out);
}

static void write_capture(const char *name, const Mt__Capture *capture, FILE *out)
{
	time_t started = capture->started_unix_ns / 1000000000;
	char date[64] = "?", duration[32];
	struct tm when = { 0 };

	gmtime_r(&started, &when);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &when);
	fprintf(out, "%s: followed for %s from %s", name,
		text_duration(duration, sizeof(duration), capture->duration_ns), date);
	if (capture->sample > 1)
		fprintf(out, "; sites are of one page of %" PRIu32, capture->sample);
	fputc('\n', out);
}

struct error *change_text(const struct change *change, const struct report_options *options,
			  FILE *out)
{
	size_t count = 0, same = 0;

	write_capture("old", change->old->capture, out);
	write_capture("new", change->now->capture, out);
	fputc('\n', out);
	for (size_t i = 0; i < change->count; i++) {
		if (!differs(&change->processes[i]))
			same++;
		else if (count++ < options->limit)
			write_process(change, &change->processes[i], options, out);
	}
	if (count > options->limit)
		fprintf(out, "... and %zu more that changed (--limit)\n", count - options->limit);
	if (same || !count)
		fprintf(out, "%zu process%s as before.\n", same, same == 1 ? " is" : "es are");
	return NULL;
}
