// SPDX-License-Identifier: GPL-2.0
/* The report for a person.  The numbers first, the words beside them. */
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/explain/finding.h"
#include "user/report/book.h"
#include "user/report/ranking.h"
#include "user/report/report.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_AT_LEAST 5 /* of the table, and small is what has less than ... */
#define SMALL_SHARE 64	/* ... such a part of what the largest had */
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

#define WORTH_BYTES (1 << 20) /* less is nowhere in particular */
#define TABLE_WIDTH 49 /* of what stands before the command */

/* What it has now; where it has ended, that, and how: it has nothing any more. */
static void put_now(const struct process_model *process, FILE *out)
{
	char text[24];

	if (process->has_exit && process->exit_signal)
		snprintf(text, sizeof(text), "signal %" PRIu32, process->exit_signal);
	else if (process->has_exit && process->exit_code)
		snprintf(text, sizeof(text), "status %" PRIu32, process->exit_code);
	else if (process->has_exit || process->ended)
		snprintf(text, sizeof(text), "ended");
	else
		text_bytes(text, sizeof(text), balances_resident(&process->closing), 0);
	fprintf(out, "%12s", text);
}

enum verdict { VERDICT_GOOD, VERDICT_BAD, VERDICT_UNKNOWN, VERDICTS };

static enum verdict verdict_of(const struct process_model *process)
{
	if (process->shares_with_pid) /* has no book of its own */
		return VERDICT_GOOD;
	if (!process->has_kernel)
		return VERDICT_UNKNOWN;
	return balances_are_zero(&process->unexplained) ? VERDICT_GOOD : VERDICT_BAD;
}

static void write_process(const struct process_model *process,
			  const struct report_options *options, FILE *out)
{
	static const char marks[] = " !?";
	enum verdict verdict = verdict_of(process);
	cleanup_free char *title = book_title(process);
	char state[64];

	book_state(process, state, sizeof(state));
	if (process->folded)
		fprintf(out, "  %8s", "");
	else
		fprintf(out, "  %8" PRIu32, process->pid);
	if (process->shares_with_pid) {
		snprintf(state, sizeof(state), "in the memory of process %" PRIu32,
			 process->shares_with_pid);
		fprintf(out, "  %-34s", state);
	} else {
		style_bytes(out, balances_resident(&process->opening), 12, false);
		put_now(process, out);
		style_bytes(out, process->peak_bytes, 12, false);
	}
	fprintf(out, " %s%c%s ", style_on(options, verdict ? STYLE_BAD : STYLE_PLAIN),
		marks[verdict], style_off(options));
	style_text(options, out, process->folded ? state : book_program(title),
		   style_room(options, TABLE_WIDTH), false);
	fputc('\n', out);
}

/* Of all processes, whether they are in the table or not. */
static void write_verdict(const struct model *model, const struct report_options *options,
			  FILE *out)
{
	size_t count[VERDICTS] = { 0 };
	char text[160];
	int used;

	for (size_t i = 0; i < model->process_count; i++)
		count[verdict_of(&model->processes[i])]++;
	if (count[VERDICT_GOOD] == model->process_count) {
		fprintf(out, "%sAll books balance to the byte.%s\n\n",
			style_on(options, STYLE_GOOD), style_off(options));
		return;
	}
	used = snprintf(text, sizeof(text), "Of %zu books, ", model->process_count);
	if (count[VERDICT_BAD])
		used += snprintf(text + used, sizeof(text) - used, "%zu do%s NOT balance (!)%s",
				 count[VERDICT_BAD], count[VERDICT_BAD] == 1 ? "es" : "",
				 count[VERDICT_UNKNOWN] ? ", " : "");
	if (count[VERDICT_UNKNOWN])
		used += snprintf(text + used, sizeof(text) - used, "%zu could not be compared "
				 "with the kernel (?)", count[VERDICT_UNKNOWN]);
	snprintf(text + used, sizeof(text) - used, ".");
	fputs(style_on(options, STYLE_BAD), out);
	style_fill(options, out, text, 0);
	fprintf(out, "%s\n", style_off(options));
}

/* The sentence before the table: where should one look first? */
static void write_whereabouts(const struct model *model, const struct report_options *options,
			      FILE *out)
{
	struct whereabouts where;
	char all[24], most[24], text[160];

	findings_where(&where, model);
	if (!where.largest || where.largest->folded || where.largest_bytes < WORTH_BYTES)
		return;
	text_bytes(all, sizeof(all), where.own_bytes, 0);
	text_bytes(most, sizeof(most), where.largest_bytes, 0);
	if (where.living)
		snprintf(text, sizeof(text),
			 "%zu process%s %s of their own now (without files), %s of that process %"
			 PRIu32 ".", where.living, where.living == 1 ? " holds" : "es hold", all,
			 most, where.largest->pid);
	else
		snprintf(text, sizeof(text), "All have ended; the largest was process %" PRIu32
			 " with %s at its highest.", where.largest->pid, most);
	style_fill(options, out, text, 0);
	fputc('\n', out);
}

static bool is_small(const struct process_model *process, const struct process_model *largest)
{
	return process->peak_bytes < largest->peak_bytes / SMALL_SHARE &&
	       verdict_of(process) == VERDICT_GOOD;
}

/* Shells and such would fill the first screen, where a command starts many. */
static size_t rows_of_table(const struct model *model, const struct report_options *options)
{
	size_t most = model->process_count < options->limit ? model->process_count :
							      options->limit;
	size_t shown = most;

	while (!options->details && shown > ROWS_AT_LEAST &&
	       is_small(&model->processes[shown - 1], &model->processes[0]))
		shown--;
	return most - shown > 1 ? shown : most; /* a line says that there are more */
}

static void write_more(const struct model *model, size_t shown,
		       const struct report_options *options, FILE *out)
{
	size_t more = model->process_count - shown;
	char bytes[24];

	if (!more)
		return;
	text_bytes(bytes, sizeof(bytes), model->processes[shown].peak_bytes, 0);
	if (shown < options->limit)
		fprintf(out, "  ... and %zu more, none above %s (-v)\n", more, bytes);
	else
		fprintf(out, "  ... and %zu more (--limit)\n", more);
}

static void write_table(const struct model *model, const struct report_options *options, FILE *out)
{
	size_t shown = rows_of_table(model, options);
	char title[64];

	if (model->process_count < 2)
		return;
	write_whereabouts(model, options, out);
	snprintf(title, sizeof(title), "%zu processes, by highest RSS", model->process_count);
	style_rule(options, out, title);
	fprintf(out, "%s  %8s%12s%12s%12s   %s%s\n", style_on(options, STYLE_DIM), "pid",
		"RSS before", "RSS now", "highest", "command", style_off(options));
	for (size_t i = 0; i < shown; i++)
		write_process(&model->processes[i], options, out);
	write_more(model, shown, options, out);
	write_verdict(model, options, out);
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

	if (overhead->has_bpf_ns)
		text_duration(time, sizeof(time), overhead->bpf_ns);
	snprintf(text, sizeof(text),
		 "memtrace itself: %s CPU time in the kernel (%s runs), %s outside; %s resident, "
		 "%s of kernel maps.", overhead->has_bpf_ns ? time : "unmeasured",
		 text_count(runs, sizeof(runs), overhead->bpf_runs),
		 text_duration(own, sizeof(own), overhead->user_cpu_ns),
		 text_bytes(resident, sizeof(resident), overhead->resident_bytes, 0),
		 text_bytes(kernel, sizeof(kernel), overhead->kernel_bytes, 0));
	style_fill(options, out, text, 0);
	if (!overhead->has_allocators_ns || !overhead->has_allocators_cpu_ns)
		return;
	snprintf(text, sizeof(text),
		 "Of that, looking inside allocators: %s CPU time, %s by the clock "
		 "(--allocators off: none).",
		 text_duration(own, sizeof(own), overhead->allocators_cpu_ns),
		 text_duration(time, sizeof(time), overhead->allocators_ns));
	style_fill(options, out, text, 0);
}

/* ---- all of it ---- */

static void write_note(const char *note, const struct report_options *options, FILE *out)
{
	cleanup_free char *clean = text_printable(note, strlen(note));

	fputs("Note: ", out);
	text_fill(out, clean, 6, 0, options->width);
	fputc('\n', out);
}

/* Where nothing moved and all is well, there is nothing to read. */
static size_t books_shown(const struct model *model, const struct ranked *ranked,
			  const struct report_options *options)
{
	size_t count = model->process_count, full = 0;

	while (full < count && full < BOOKS_FULL && full < options->limit &&
	       (ranked[full].alarm_bytes || ranked[full].process->volume || count <= BOOKS_FULL))
		full++;
	return full;
}

static void write_books(const struct model *model, const struct ranked *ranked, size_t full,
			const struct report_options *options, FILE *out)
{
	size_t count = model->process_count;

	for (size_t i = 0; i < full; i++)
		book_write(model, ranked[i].process, options, out);
	if (full < count)
		fprintf(out, "%sThe books of %s%zu are in the JSON report (-f json).\n\n",
			!full ? "" : ranked[0].alarm_bytes ?
			"In these most can be done, or most moved.  " :
			"These moved most.  ", full ? "the other " : "all ", count - full);
}

struct error *report_text(const struct model *model, const struct report_options *options,
			  FILE *out)
{
	struct ranked *ranked = ranking_build(model);
	size_t full = books_shown(model, ranked, options);

	for (size_t i = 0; i < model->interval_count && !options->intervals_written; i++)
		report_interval(&model->intervals[i], options, out);
	if (model->interval_count)
		fputc('\n', out);
	write_head(model, out);
	for (size_t i = 0; i < model->capture->n_notes; i++)
		write_note(model->capture->notes[i], options, out);
	if (!model->process_count)
		fprintf(out, "No process was followed.\n\n");
	if (full < model->process_count)
		ranking_write(ranked, model->process_count, options, out);
	write_table(model, options, out);
	write_books(model, ranked, full, options, out);
	ranking_free(ranked, model->process_count);
	bars_write(model->histograms, model->histogram_count, options, out);
	write_losses(model, options, out);
	write_cost(model, options, out);
	return NULL;
}
