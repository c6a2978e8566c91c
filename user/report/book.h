/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the text report: what a process had and has, what moved it, and bars. */
#ifndef MEMTRACE_REPORT_BOOK_H
#define MEMTRACE_REPORT_BOOK_H

#include "user/report/report.h"

/* Who it is, how it stands, what is to be said of it, its balances, its ledger. */
void book_write(const struct model *model, const struct process_model *process,
		const struct report_options *options, FILE *out);

/* Why its memory is where it is, and what to try; nothing where it has too little for that. */
void findings_write(const struct model *model, const struct process_model *process,
		    const struct report_options *options, FILE *out);

/* "/usr/bin/python3 list.py", harmless to a terminal; to be freed. */
char *book_title(const struct process_model *process);

/* The same from the program's name on: its folders would take the place of what it does. */
const char *book_program(const char *title);

/* "running", "ended with status 1", "killed by signal 9". */
void book_state(const struct process_model *process, char *text, size_t size);

/* Whose code holds the memory of a process; nothing without --stacks. */
void holders_write(const struct process_model *process, const struct report_options *options,
		   FILE *out);

/* Histograms as bars: each a line, and with details one for each bucket. */
void bars_write(const struct histogram_model *histograms, size_t count,
		const struct report_options *options, FILE *out);

#endif
