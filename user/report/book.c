// SPDX-License-Identifier: GPL-2.0
/* A process in the text report: what it had and has, and what moved it.  See book.h. */
#include "user/report/book.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/model/ledger.h"
#include "user/report/balance.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- who ---- */

char *book_title(const struct process_model *process)
{
	size_t bytes = strlen(process->command) + 1;
	char *line, *at, *clean;

	for (size_t i = 0; i < process->argument_count; i++)
		bytes += strlen(process->arguments[i]) + 1;
	line = memory_new(bytes + 1, 1);
	at = line;
	for (size_t i = 0; i < process->argument_count; i++)
		at += sprintf(at, "%s%s", i ? " " : "", process->arguments[i]);
	if (!*line)
		strcpy(line, process->command);
	clean = text_printable(line, strlen(line));
	free(line);
	return clean;
}

const char *book_program(const char *title)
{
	size_t word = strcspn(title, " ");
	const char *slash = memrchr(title, '/', word);

	return slash && slash + 1 < title + word ? slash + 1 : title;
}

void book_state(const struct process_model *process, char *text, size_t size)
{
	if (process->folded)
		snprintf(text, size, "%" PRIu64 " processes that ended", process->folded);
	else if (process->shares_with_pid)
		snprintf(text, size, "lives in the memory of process %u", process->shares_with_pid);
	else if (process->has_exit && process->exit_signal)
		snprintf(text, size, "killed by signal %u", process->exit_signal);
	else if (process->has_exit)
		snprintf(text, size, "ended with status %u", process->exit_code);
	else
		snprintf(text, size, process->ended ? "ended" : "running");
}

/* ---- balances ---- */

static bool is_empty(const struct process_model *process, const struct balance_line *line)
{
	if (balance_take(&process->opening, line) || balance_take(&process->closing, line) ||
	    balance_take(&process->unexplained, line) || balance_take(&process->at_exit, line))
		return false;
	for (size_t i = 0; i < process->row_count; i++) {
		if (balance_take(&process->rows[i].moved, line))
			return false;
	}
	return true;
}

static void put_unexplained(const struct process_model *process, const struct balance_line *line,
			    const struct report_options *options, FILE *out)
{
	int64_t bytes = balance_take(&process->unexplained, line);
	char text[24];

	if (!process->has_kernel)
		snprintf(text, sizeof(text), "not read");
	else
		text_bytes(text, sizeof(text), bytes, 1);
	fprintf(out, "%s%13s%s", style_on(options, bytes ? STYLE_BAD : STYLE_PLAIN), text,
		style_off(options));
}

static void write_balances(const struct process_model *process,
			   const struct report_options *options, FILE *out)
{
	fprintf(out, "%s  %-20s %11s %12s %12s %13s%s\n", style_on(options, STYLE_DIM), "",
		"opening", "change", process->has_at_exit ? "at exit" : "closing", "unexplained",
		style_off(options));
	for (size_t i = 0; i < balance_line_count; i++) {
		const struct balance_line *line = &balance_lines[i];
		int64_t start = balance_take(&process->opening, line);
		int64_t end = balance_take(balances_end(process), line);

		if (!line->always && is_empty(process, line))
			continue;
		fprintf(out, "  %s%-20s%s ", style_on(options, i ? STYLE_PLAIN : STYLE_BOLD),
			line->name, style_off(options));
		style_bytes(out, start, 11, false);
		style_bytes(out, minus(end, start), 13, true);
		style_bytes(out, end, 13, false);
		fputc(' ', out);
		put_unexplained(process, line, options, out);
		fputc('\n', out);
	}
}

static void write_verdict(const struct process_model *process,
			  const struct report_options *options, FILE *out)
{
	bool good = process->has_kernel && balances_are_zero(&process->unexplained);
	char peak[24], at[24];

	fprintf(out, "\n  Highest RSS %s, ",
		text_bytes(peak, sizeof(peak), process->peak_bytes, 0));
	if (process->peak_at_ns)
		fprintf(out, "%s after", text_duration(at, sizeof(at), process->peak_at_ns));
	else
		fputs("at", out);
	fprintf(out, " the start.\n  %s", style_on(options, good ? STYLE_GOOD : STYLE_BAD));
	if (!process->has_kernel)
		fprintf(out, "The kernel's own figures could not be read.");
	else
		fputs(good ? "The books balance to the byte." :
			     "The books do NOT balance: see `unexplained`.", out);
	fprintf(out, "%s\n", style_off(options));
}

/* ---- the ledger ---- */

#define LEDGER_WIDTH 56 /* of what stands before the words */

/* What a row moved beside RSS and VSZ, and what failed; NULL: nothing. */
static char *rest_of(const struct ledger_row *row)
{
	static const struct {
		enum balance balance;
		const char *name;
	} rest[] = {
		{ BALANCE_SWAP, "swap" },
		{ BALANCE_LOCKED, "locked" },
		{ BALANCE_HUGETLB, "huge pages" },
	};
	char *text = NULL, bytes[24];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (row->has_calls && row->failed)
		fprintf(out, "%" PRIu64 " failed, ", row->failed);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		int64_t moved = row->moved.bytes[rest[i].balance];

		if (moved)
			fprintf(out, "%s %s, ", rest[i].name,
				text_bytes(bytes, sizeof(bytes), moved, 1));
	}
	fclose(out);
	if (size)
		text[size - 2] = 0;
	return text;
}

/* An operation in words, and the call that explains it. */
static char *meaning_of(const struct ledger_row *row)
{
	const char *before = operation_before_call(row->operation);
	const char *meaning = operation_meaning(row->operation);
	cleanup_free char *call = row->call ? text_printable(row->call, strlen(row->call)) : NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!call)
		fputs(meaning, out);
	else if (before)
		fprintf(out, "%s %s", before, call);
	else
		fprintf(out, "%s: %s", call, meaning);
	fclose(out);
	return text;
}

static void put_moved(FILE *out, int64_t bytes)
{
	if (bytes)
		style_bytes(out, bytes, 12, true);
	else
		fprintf(out, "%12s", "");
}

static void write_row(const struct ledger_row *row, const struct report_options *options,
		      FILE *out)
{
	cleanup_free char *meaning = meaning_of(row);
	cleanup_free char *rest = rest_of(row);
	bool foreign = operation_is_foreign(row->operation);
	char count[32];

	fprintf(out, "  %s%-17s%s%11s", style_on(options, foreign ? STYLE_BAD : STYLE_PLAIN),
		row->operation, style_off(options), text_count(count, sizeof(count), row->count));
	put_moved(out, balances_resident(&row->moved));
	put_moved(out, row->moved.bytes[BALANCE_VIRTUAL]);
	fputs("  ", out);
	style_text(options, out, meaning, style_room(options, LEDGER_WIDTH), false);
	fputc('\n', out);
	if (*rest)
		fprintf(out, "  %-17s%11s  %s\n", "", "", rest);
}

/* Page tables are no column: a row may have moved nothing else, and nothing of it be seen. */
static bool is_seen(const struct ledger_row *row)
{
	for (enum balance i = 0; i < BALANCE_COUNT; i++) {
		if (i != BALANCE_PAGE_TABLE && row->moved.bytes[i])
			return true;
	}
	return row->count || (row->has_calls && row->failed);
}

/* The rows that are seen.  What ending gave back comes last: "at exit" is before it. */
static size_t order_rows(const struct process_model *process, const struct ledger_row **order)
{
	size_t count = 0;

	for (int last = 0; last < 2; last++) {
		for (size_t i = 0; i < process->row_count; i++) {
			const struct ledger_row *row = &process->rows[i];
			bool ends = !strcmp(row->operation, "exit");

			if (ends == last && is_seen(row))
				order[count++] = row;
		}
	}
	return count;
}

static void write_ledger(const struct process_model *process,
			 const struct report_options *options, FILE *out)
{
	cleanup_free const struct ledger_row **order =
		memory_new(process->row_count, sizeof(const struct ledger_row *));
	size_t count = order_rows(process, order);
	size_t shown = count < options->limit ? count : options->limit;

	if (!count) {
		fputs("\n  Nothing moved.\n", out);
		return;
	}
	fprintf(out, "\n%s  %-17s%11s%12s%12s%s\n", style_on(options, STYLE_DIM),
		"what moved it", "how often", "resident", "VSZ", style_off(options));
	for (size_t i = 0; i < shown; i++)
		write_row(order[i], options, out);
	if (shown < count)
		fprintf(out, "  ... and %zu more (--limit)\n", count - shown);
}

static void write_lazy_free(const struct process_model *process,
			    const struct report_options *options, FILE *out)
{
	const struct lazy_free *lazy = &process->lazy_free;
	char marked[24] = "unknown", resident[24] = "unknown", taken[24], text[256];

	if (!process->has_lazy_free)
		return;
	if (lazy->has_marked)
		text_bytes(marked, sizeof(marked), lazy->marked_bytes, 0);
	if (lazy->has_resident)
		text_bytes(resident, sizeof(resident), lazy->resident_bytes, 0);
	snprintf(text, sizeof(text),
		 "Lazily freed (MADV_FREE): %s marked, of which %s is still resident; "
		 "the kernel took %s so far.", marked, resident,
		 text_bytes(taken, sizeof(taken), lazy->taken_bytes, 0));
	fputc('\n', out);
	style_fill(options, out, text, 2);
}

void book_write(const struct model *model, const struct process_model *process,
		const struct report_options *options, FILE *out)
{
	cleanup_free char *title = book_title(process);
	char state[64], line[256];

	book_state(process, state, sizeof(state));
	if (process->folded)
		snprintf(line, sizeof(line), "%s", state);
	else
		snprintf(line, sizeof(line), "process %u, %s", process->pid, state);
	style_rule(options, out, line);
	fputs("  ", out);
	style_text(options, out, title, style_room(options, 2), false);
	fputs("\n\n", out);
	if (process->shares_with_pid)
		return;
	findings_write(model, process, options, out);
	write_balances(process, options, out);
	write_verdict(process, options, out);
	write_ledger(process, options, out);
	write_lazy_free(process, options, out);
	holders_write(process, options, out);
	fputc('\n', out);
}
