// SPDX-License-Identifier: GPL-2.0
/* The report for a person.  The numbers first, the words beside them. */
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/report/book.h"
#include "user/report/report.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOOKS_FULL 3 /* processes whose whole book is printed; a table has the others */

/* ---- head ---- */

static void write_head(const struct model *model, FILE *out)
{
	const Mt__Capture *capture = model->capture;
	time_t started = capture->started_unix_ns / 1000000000;
	struct tm when = { 0 };
	char date[64] = "?", duration[32];

	gmtime_r(&started, &when);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &when);
	fprintf(out, "memtrace %s on Linux %s (%s)\nfollowed for %s from %s\n\n",
		capture->memtrace_version, capture->host->kernel, capture->host->architecture,
		text_duration(duration, sizeof(duration), capture->duration_ns), date);
}

/* ---- the table of processes ---- */

#define TABLE_WIDTH 51 /* of what stands before the command */

static void put_bytes(FILE *out, int64_t bytes, int width, bool sign)
{
	char text[24];

	fprintf(out, "%*s", width, text_bytes(text, sizeof(text), bytes, sign));
}

static void write_process(const struct process_model *process,
			  const struct report_options *options, FILE *out)
{
	int64_t opening = balances_resident(&process->opening);
	int64_t closing = balances_resident(&process->closing);
	bool good = balances_are_zero(&process->unexplained);
	cleanup_free char *title = book_title(process);
	char state[64];

	if (process->folded)
		fprintf(out, "  %8s", "");
	else
		fprintf(out, "  %8u", process->pid);
	put_bytes(out, opening, 12, false);
	put_bytes(out, closing, 12, false);
	put_bytes(out, process->peak_bytes, 12, false);
	fprintf(out, " %s%-3s%s ", style_on(options, good ? STYLE_PLAIN : STYLE_BAD),
		!process->has_kernel ? "?" : good ? "yes" : "NO", style_off(options));
	book_state(process, state, sizeof(state));
	style_text(options, out, process->folded ? state : title,
		   options->width - TABLE_WIDTH, false);
	fputc('\n', out);
}

static void write_table(const struct model *model, const struct report_options *options, FILE *out)
{
	size_t shown = model->process_count < options->limit ? model->process_count :
							       options->limit;
	char title[64];

	if (model->process_count < 2)
		return;
	snprintf(title, sizeof(title), "%zu processes, by highest RSS", model->process_count);
	style_rule(options, out, title);
	fprintf(out, "%s  %8s%12s%12s%12s %-3s %s%s\n", style_on(options, STYLE_DIM), "pid",
		"RSS before", "RSS now", "highest", "ok?", "command", style_off(options));
	for (size_t i = 0; i < shown; i++)
		write_process(&model->processes[i], options, out);
	if (shown < model->process_count)
		fprintf(out, "  ... and %zu more (--limit)\n", model->process_count - shown);
	fputc('\n', out);
}

/* ---- foot ---- */

static void write_losses(const struct model *model, const struct report_options *options,
			 FILE *out)
{
	char count[32], *text = NULL;
	size_t size = 0;
	FILE *line;

	if (!model->has_losses) {
		fprintf(out, "Lost: nothing.\n");
		return;
	}
	line = open_memstream(&text, &size);
	fprintf(line, "Lost:");
	for (size_t i = 0; i < LOSSES; i++) {
		if (model->losses[i].count)
			fprintf(line, " %s %s;",
				text_count(count, sizeof(count), model->losses[i].count),
				model->losses[i].meaning);
	}
	fprintf(line, " the sums stay whole.");
	fclose(line);
	fputs(style_on(options, STYLE_BAD), out);
	style_fill(options, out, text, 0);
	fputs(style_off(options), out);
	free(text);
}

static void write_cost(const struct model *model, const struct report_options *options, FILE *out)
{
	const Mt__Overhead *overhead = model->capture->overhead;
	char runs[32], time[32], own[32], resident[32], kernel[32], text[512];
	size_t used;

	used = snprintf(text, sizeof(text), "memtrace itself: %s program runs in the kernel, ",
			text_count(runs, sizeof(runs), overhead->bpf_runs));
	if (overhead->has_bpf_ns)
		used += snprintf(text + used, sizeof(text) - used, "%s of CPU; ",
				 text_duration(time, sizeof(time), overhead->bpf_ns));
	else
		used += snprintf(text + used, sizeof(text) - used,
				 "whose time could not be measured; ");
	snprintf(text + used, sizeof(text) - used,
		 "%s of CPU beside it; %s resident, %s of kernel maps.",
		 text_duration(own, sizeof(own), overhead->user_cpu_ns),
		 text_bytes(resident, sizeof(resident), overhead->resident_bytes, 0),
		 text_bytes(kernel, sizeof(kernel), overhead->kernel_bytes, 0));
	style_fill(options, out, text, 0);
}

/* ---- intervals ---- */

static int64_t moved_by(const struct interval_process *process, bool up)
{
	int64_t sum = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		int64_t bytes = balances_resident(&process->rows[i].moved);

		if (up == (bytes > 0))
			sum = plus(sum, bytes);
	}
	return sum;
}

#define INTERVAL_WIDTH 74 /* of what stands before the reasons */
#define REASONS 3

/* What moved most: rows come in that order. */
static char *reasons_of(const struct interval_process *process)
{
	char bytes[24], *text = NULL;
	size_t size = 0, named = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < process->row_count && named < REASONS; i++) {
		int64_t moved = balances_resident(&process->rows[i].moved);

		if (moved)
			fprintf(out, "%s%s %s", named++ ? ", " : "", process->rows[i].operation,
				text_bytes(bytes, sizeof(bytes), moved, 1));
	}
	fclose(out);
	return text;
}

static void write_interval(const struct interval_process *process, const char *at,
			   const struct report_options *options, FILE *out)
{
	cleanup_free char *command = text_printable(process->command, strlen(process->command));
	char *reasons = reasons_of(process);

	fprintf(out, "%9s %7u ", at, process->pid);
	style_text(options, out, command, 15, true);
	fputs(" RSS", out);
	put_bytes(out, balances_resident(&process->closing), 11, false);
	put_bytes(out, moved_by(process, true), 12, true);
	put_bytes(out, moved_by(process, false), 12, true);
	fputs("  ", out);
	style_text(options, out, reasons, options->width - INTERVAL_WIDTH, false);
	fputc('\n', out);
	free(reasons);
}

void report_interval(const struct interval_model *interval, const struct report_options *options,
		     FILE *out)
{
	size_t shown = 0;
	char at[32];

	text_duration(at, sizeof(at), interval->at_ns);
	for (size_t i = 0; i < interval->process_count && shown < options->limit; i++) {
		const struct interval_process *process = &interval->processes[i];

		if (interval->process_count > 1 && !moved_by(process, true) &&
		    !moved_by(process, false))
			continue;
		shown++;
		write_interval(process, at, options, out);
	}
	if (!shown)
		fprintf(out, "%9s nothing moved\n", at);
}

/* ---- all of it ---- */

static void write_note(const char *note, const struct report_options *options, FILE *out)
{
	cleanup_free char *clean = text_printable(note, strlen(note));

	fputs("Note: ", out);
	text_fill(out, clean, 6, 0, options->width);
	fputc('\n', out);
}

static int by_volume(const void *left, const void *right)
{
	const struct process_model *a = *(const struct process_model *const *)left;
	const struct process_model *b = *(const struct process_model *const *)right;

	if (a->volume != b->volume)
		return a->volume > b->volume ? -1 : 1;
	return a < b ? -1 : a > b; /* as they are in the table */
}

/* The whole books of those where most moved: where nothing did, there is nothing to read. */
static void write_books(const struct model *model, const struct report_options *options, FILE *out)
{
	size_t count = model->process_count, full = 0;
	const struct process_model **order = memory_new(count, sizeof(*order));

	for (size_t i = 0; i < count; i++)
		order[i] = &model->processes[i];
	if (count)
		qsort(order, count, sizeof(*order), by_volume);
	while (full < count && full < BOOKS_FULL && full < options->limit &&
	       (order[full]->volume || count <= BOOKS_FULL))
		book_write(order[full++], options, out);
	if (full < count)
		fprintf(out, "The books of %s%zu are in the JSON report (-f json).\n\n",
			full ? "the other " : "all ", count - full);
	free(order);
}

struct error *report_text(const struct model *model, const struct report_options *options,
			  FILE *out)
{
	for (size_t i = 0; i < model->interval_count && !options->intervals_written; i++)
		report_interval(&model->intervals[i], options, out);
	if (model->interval_count)
		fputc('\n', out);
	write_head(model, out);
	for (size_t i = 0; i < model->capture->n_notes; i++)
		write_note(model->capture->notes[i], options, out);
	if (!model->process_count)
		fprintf(out, "No process was followed.\n\n");
	write_table(model, options, out);
	write_books(model, options, out);
	bars_write(model->histograms, model->histogram_count, options, out);
	write_losses(model, options, out);
	write_cost(model, options, out);
	return NULL;
}
