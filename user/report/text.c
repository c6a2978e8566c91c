// SPDX-License-Identifier: GPL-2.0
/* The report for a person.  The numbers first, the words beside them. */
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/report/book.h"
#include "user/report/report.h"
#include "user/report/style.h"

#include <inttypes.h>
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
	fprintf(out, "memtrace %s: followed for %s from %s; Linux %s, %s\n\n",
		capture->memtrace_version,
		text_duration(duration, sizeof(duration), capture->duration_ns), date,
		capture->host->kernel, capture->host->architecture);
}

/* ---- the table of processes ---- */

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
	style_text(out, process->folded ? state : title,
		   options->width > 62 ? options->width - 52 : 20, false);
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
	char count[32];

	if (!model->has_losses) {
		fprintf(out, "Lost: nothing.\n");
		return;
	}
	fprintf(out, "%sLost:%s", style_on(options, STYLE_BAD), style_off(options));
	for (size_t i = 0; i < LOSSES; i++) {
		if (model->losses[i].count)
			fprintf(out, " %s %s;",
				text_count(count, sizeof(count), model->losses[i].count),
				model->losses[i].meaning);
	}
	fprintf(out, " the sums stay whole.\n");
}

static void write_cost(const struct model *model, FILE *out)
{
	const Mt__Overhead *overhead = model->capture->overhead;
	char runs[32], time[32], own[32], resident[32], kernel[32];

	fprintf(out, "memtrace itself: ");
	if (overhead->has_bpf_ns)
		fprintf(out, "%s of CPU in the kernel (%s program runs), ",
			text_duration(time, sizeof(time), overhead->bpf_ns),
			text_count(runs, sizeof(runs), overhead->bpf_runs));
	else
		fprintf(out, "%s program runs in the kernel (their time could not be measured), ",
			text_count(runs, sizeof(runs), overhead->bpf_runs));
	fprintf(out, "%s beside it;\n  %s resident, %s of kernel maps.\n",
		text_duration(own, sizeof(own), overhead->user_cpu_ns),
		text_bytes(resident, sizeof(resident), overhead->resident_bytes, 0),
		text_bytes(kernel, sizeof(kernel), overhead->kernel_bytes, 0));
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

/* What moved most: rows come in that order. */
static void put_reasons(const struct interval_process *process, FILE *out)
{
	char text[24];

	for (size_t i = 0; i < process->row_count && i < 3; i++) {
		int64_t bytes = balances_resident(&process->rows[i].moved);

		if (bytes)
			fprintf(out, "%s%s %s", i ? ", " : "", process->rows[i].operation,
				text_bytes(text, sizeof(text), bytes, 1));
	}
}

void report_interval(const struct interval_model *interval, const struct report_options *options,
		     FILE *out)
{
	size_t shown = 0;
	char at[32];

	text_duration(at, sizeof(at), interval->at_ns);
	for (size_t i = 0; i < interval->process_count && shown < options->limit; i++) {
		const struct interval_process *process = &interval->processes[i];
		cleanup_free char *command = text_printable(process->command,
							    strlen(process->command));
		int64_t up = moved_by(process, true), down = moved_by(process, false);

		if (!up && !down && interval->process_count > 1)
			continue;
		shown++;
		fprintf(out, "%10s %8u %-16s RSS", at, process->pid, command);
		put_bytes(out, balances_resident(&process->closing), 11, false);
		put_bytes(out, up, 12, true);
		put_bytes(out, down, 12, true);
		fputs("  ", out);
		put_reasons(process, out);
		fputc('\n', out);
	}
	if (!shown)
		fprintf(out, "%10s nothing moved\n", at);
}

/* ---- all of it ---- */

struct error *report_text(const struct model *model, const struct report_options *options,
			  FILE *out)
{
	size_t full = model->process_count < BOOKS_FULL ? model->process_count : BOOKS_FULL;

	if (full > options->limit)
		full = options->limit;
	for (size_t i = 0; i < model->interval_count && !options->intervals_written; i++)
		report_interval(&model->intervals[i], options, out);
	if (model->interval_count)
		fputc('\n', out);
	write_head(model, out);
	for (size_t i = 0; i < model->capture->n_notes; i++)
		fprintf(out, "Note: %s\n", model->capture->notes[i]);
	if (!model->process_count)
		fprintf(out, "No process was followed.\n\n");
	write_table(model, options, out);
	for (size_t i = 0; i < full; i++)
		book_write(&model->processes[i], options, out);
	if (full < model->process_count)
		fprintf(out, "The books of the other %zu are in the JSON report (-f json).\n\n",
			model->process_count - full);
	bars_write(model->histograms, model->histogram_count, options, out);
	write_losses(model, options, out);
	write_cost(model, out);
	return NULL;
}
