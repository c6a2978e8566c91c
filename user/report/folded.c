// SPDX-License-Identifier: GPL-2.0
/*
 * The sites as folded stacks, for flamegraph.pl and speedscope: `comm;outer;...;inner BYTES`,
 * a line each.  A semicolon would be two frames, and a number behind a blank the value.
 */
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/report/report.h"

#include <inttypes.h>
#include <string.h>

static bool is_safe_blank(const char *text, const char *at)
{
	return at > text && at[1] && at[1] != ' ' && (at[1] < '0' || at[1] > '9');
}

static void put_text(FILE *out, const char *text)
{
	cleanup_free char *clean = text_printable(text, strlen(text));

	for (const char *at = clean; *at; at++) {
		if (*at == ' ' && !is_safe_blank(clean, at))
			fputc('_', out);
		else
			fputc(*at == ';' ? ':' : *at, out);
	}
	if (!*clean)
		fputs("[unknown]", out);
}

/* Python's lines are what tells one function's loops apart: nothing else knows of them. */
static void put_frame(FILE *out, const struct frame_model *frame)
{
	cleanup_free char *name = frame_name(frame);
	const char *slash = frame->file ? strrchr(frame->file, '/') : NULL;
	cleanup_free char *all = NULL;

	if (strcmp(frame->kind, "python") != 0 || !frame->file)
		put_text(out, name);
	else if (asprintf(&all, "%s (%s:%" PRIu32 ")", name, slash ? slash + 1 : frame->file,
			  frame->line) >= 0)
		put_text(out, all);
}

static void put_site(FILE *out, const char *command, const struct site_model *site,
		     enum site_value value)
{
	const struct stack_model *stack = site->stack;
	int64_t bytes = site_value(site, value);

	put_text(out, command);
	if (stack->truncated)
		fputs(";[truncated]", out);
	for (size_t i = stack->count; i--;) {
		fputc(';', out);
		put_frame(out, stack->frames[i]);
	}
	fprintf(out, " %" PRId64 "\n", bytes > 0 ? bytes : 0);
}

struct error *report_folded(const struct model *model, const struct report_options *options,
			    FILE *out)
{
	for (size_t i = 0; i < model->process_count; i++) {
		const struct process_model *process = &model->processes[i];

		for (size_t at = 0; at < process->site_count; at++)
			put_site(out, process->command, &process->sites[at], options->value);
	}
	return NULL;
}
