// SPDX-License-Identifier: GPL-2.0
/* Of many processes, which are to be read of first?  See ranking.h. */
#include "user/report/ranking.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/explain/finding.h"
#include "user/report/book.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST 10
#define WORTH_BYTES (4 << 20) /* no finding of less asks for something */

static int compare(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->alarm_bytes != b->alarm_bytes)
		return a->alarm_bytes > b->alarm_bytes ? -1 : 1;
	if (a->process->volume != b->process->volume)
		return a->process->volume > b->process->volume ? -1 : 1;
	return a->process < b->process ? -1 : a->process > b->process; /* as in the table */
}

static bool is_small(const struct process_model *process)
{
	return process->peak_bytes < WORTH_BYTES && process->volume < WORTH_BYTES &&
	       balances_end(process)->bytes[BALANCE_SWAP] < WORTH_BYTES;
}

static void rank(struct ranked *ranked, const struct model *model)
{
	struct findings findings;

	if (is_small(ranked->process))
		return;
	findings_build(&findings, model, ranked->process);
	for (size_t i = 0; i < findings.count && !ranked->title; i++) {
		if (!findings.at[i].alarm)
			continue;
		ranked->alarm_bytes = findings.at[i].bytes;
		ranked->id = findings.at[i].id;
		ranked->title = text_printable(findings.at[i].title, strlen(findings.at[i].title));
	}
	findings_free(&findings);
}

struct ranked *ranking_build(const struct model *model)
{
	struct ranked *ranked = memory_new(model->process_count + 1, sizeof(*ranked));

	for (size_t i = 0; i < model->process_count; i++) {
		ranked[i].process = &model->processes[i];
		rank(&ranked[i], model);
	}
	if (model->process_count)
		qsort(ranked, model->process_count, sizeof(*ranked), compare);
	return ranked;
}

void ranking_free(struct ranked *ranked, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(ranked[i].title);
	free(ranked);
}

static void write_row(const struct ranked *ranked, const struct report_options *options, FILE *out)
{
	cleanup_free char *title = book_title(ranked->process);
	char text[256];

	fprintf(out, "  %8" PRIu32, ranked->process->pid);
	style_bytes(out, ranked->alarm_bytes, 12, false);
	snprintf(text, sizeof(text), "%s (%s)", ranked->title, ranked->id);
	fprintf(out, "  %s%s%s\n", style_on(options, STYLE_BAD), text, style_off(options));
	fprintf(out, "%24s", "");
	style_text(options, out, book_program(title), style_room(options, 24), false);
	fputc('\n', out);
}

/* What is said of a cgroup is the same of each process in it. */
static bool is_same(const struct ranked *a, const struct ranked *b)
{
	return a->alarm_bytes == b->alarm_bytes && a->id == b->id;
}

void ranking_write(const struct ranked *ranked, size_t count,
		   const struct report_options *options, FILE *out)
{
	size_t rows = 0, alarms = 0;

	while (alarms < count && ranked[alarms].alarm_bytes)
		alarms++;
	if (!alarms)
		return;
	style_rule(options, out, "Where something can be done, most first");
	for (size_t i = 0; i < alarms; i++) {
		if (i && is_same(&ranked[i - 1], &ranked[i]))
			continue;
		if (rows == ROWS_MOST || rows == options->limit) {
			fprintf(out, "  ... and %zu more are in the JSON report (-f json)\n",
				alarms - i);
			break;
		}
		write_row(&ranked[i], options, out);
		rows++;
	}
	fputc('\n', out);
}
