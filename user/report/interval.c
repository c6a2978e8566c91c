// SPDX-License-Identifier: GPL-2.0
/* What moved in an interval?  A line for each process: what it has now, and why. */
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/report/report.h"
#include "user/report/style.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_WIDTH 63 /* of what stands before the reasons */
#define REASONS 3

static uint64_t size_of(const struct ledger_row *row)
{
	int64_t bytes = balances_resident(&row->moved);

	return bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
}

/* Up and down together: what came and went has moved, too. */
static uint64_t volume_of(const struct interval_process *process)
{
	uint64_t volume = 0;

	for (size_t i = 0; i < process->row_count; i++)
		volume += size_of(&process->rows[i]);
	return volume;
}

static int64_t change_of(const struct interval_process *process)
{
	int64_t change = 0;

	for (size_t i = 0; i < process->row_count; i++)
		change = plus(change, balances_resident(&process->rows[i].moved));
	return change;
}

/* ---- a line ---- */

static int by_size(const void *left, const void *right)
{
	const struct ledger_row *a = *(const struct ledger_row *const *)left;
	const struct ledger_row *b = *(const struct ledger_row *const *)right;

	if (size_of(a) != size_of(b))
		return size_of(a) > size_of(b) ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* What moved RSS most. */
static char *reasons_of(const struct interval_process *process)
{
	size_t count = process->row_count, size = 0;
	cleanup_free const struct ledger_row **order = memory_new(count, sizeof(*order));
	char bytes[24], *text = NULL;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < count; i++)
		order[i] = &process->rows[i];
	if (count)
		qsort(order, count, sizeof(*order), by_size);
	for (size_t i = 0; i < count && i < REASONS && size_of(order[i]); i++)
		fprintf(out, "%s%s %s", i ? ", " : "", order[i]->operation,
			text_bytes(bytes, sizeof(bytes), balances_resident(&order[i]->moved), 1));
	fclose(out);
	return text;
}

static void put_seconds(FILE *out, uint64_t ns)
{
	fprintf(out, "%8.2f s", ns / 1e9);
}

static void write_line(const struct interval_process *process, uint64_t at_ns,
		       const struct report_options *options, FILE *out)
{
	cleanup_free char *command = text_printable(process->command, strlen(process->command));
	cleanup_free char *reasons = reasons_of(process);
	char bytes[24];

	put_seconds(out, at_ns);
	fprintf(out, " %7" PRIu32 " ", process->pid);
	style_text(options, out, command, 15, true);
	fprintf(out, " RSS%11s", text_bytes(bytes, sizeof(bytes),
					    balances_resident(&process->closing), 0));
	fprintf(out, "%12s  ", text_bytes(bytes, sizeof(bytes), change_of(process), 1));
	style_text(options, out, reasons, style_room(options, INTERVAL_WIDTH), false);
	fputc('\n', out);
}

/* ---- all of them ---- */

static int by_volume(const void *left, const void *right)
{
	const struct interval_process *a = *(const struct interval_process *const *)left;
	const struct interval_process *b = *(const struct interval_process *const *)right;

	if (volume_of(a) != volume_of(b))
		return volume_of(a) > volume_of(b) ? -1 : 1;
	return a < b ? -1 : a > b;
}

void report_interval(const struct interval_model *interval, const struct report_options *options,
		     FILE *out)
{
	size_t count = interval->process_count, moved = 0;
	cleanup_free const struct interval_process **order = memory_new(count, sizeof(*order));

	for (size_t i = 0; i < count; i++) {
		if (count == 1 || volume_of(&interval->processes[i]))
			order[moved++] = &interval->processes[i];
	}
	if (moved)
		qsort(order, moved, sizeof(*order), by_volume);
	for (size_t i = 0; i < moved && i < options->limit; i++)
		write_line(order[i], interval->at_ns, options, out);
	if (moved > options->limit || !moved)
		put_seconds(out, interval->at_ns);
	if (moved > options->limit)
		fprintf(out, " ... and %zu more (--limit)\n", moved - options->limit);
	else if (!moved)
		fputs(" nothing moved\n", out);
}
