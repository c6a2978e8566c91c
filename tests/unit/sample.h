/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do unit tests feed to the stations of the road?  A capture made by hand, of which a
 * test changes what it is about; and the ways to bring it into the form of a file.
 */
#ifndef MEMTRACE_SAMPLE_H
#define MEMTRACE_SAMPLE_H

#include "build/capture.pb-c.h"
#include "user/base/error.h"
#include "user/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* wants the four above */
#include <cmocka.h>

#define SAMPLE_PROCESSES 2
#define SAMPLE_ROWS 4
#define SAMPLE_HISTOGRAMS 2

/* Operations and histograms of the sample, by their index in its lists of names. */
enum { OP_FAULT, OP_MMAP, OP_EXIT, OP_RECLAIM, OP_COUNT };
enum { HIST_MMAP, HIST_SYSCALL, HIST_COUNT };

struct sample_process {
	Mt__Process process;
	Mt__Balances opening, kernel;
	int64_t opening_bytes[BALANCE_COUNT], kernel_bytes[BALANCE_COUNT];
	Mt__Row rows[SAMPLE_ROWS], *row_list[SAMPLE_ROWS];
	int64_t moved[SAMPLE_ROWS][BALANCE_COUNT];
	Mt__Exit exit;
	Mt__LazyFree lazy_free;
};

/*
 * Two processes, 7 and 8, with two rows each that open the books at 0 and move resident and
 * virtual memory; one histogram; one interval; nothing lost.  Everything lives in the struct.
 */
struct sample {
	Mt__Capture capture;
	Mt__Host host;
	Mt__Losses losses;
	Mt__Overhead overhead;
	Mt__Feature feature, *feature_list[1];
	char *operations[OP_COUNT], *histogram_names[HIST_COUNT], *notes[1];
	struct sample_process processes[SAMPLE_PROCESSES];
	Mt__Process *process_list[SAMPLE_PROCESSES];
	Mt__Histogram histograms[SAMPLE_HISTOGRAMS], *histogram_list[SAMPLE_HISTOGRAMS];
	uint64_t counts[SAMPLE_HISTOGRAMS][64];
	Mt__Interval interval, *interval_list[1];
	Mt__ProcessInterval interval_process, *interval_process_list[1];
};

void sample_init(struct sample *sample);

/* Adds a row to a process and returns what it moved, to be filled in. */
int64_t *sample_row(struct sample_process *process, unsigned int operation, uint64_t count);

/* Text as the bytes of a field.  The text has to stay. */
ProtobufCBinaryData sample_text(const char *text);

/* Saves a capture in a file of that name. */
struct error *sample_save(const Mt__Capture *capture, const char *path);

struct error *sample_load(const char *path, Mt__Capture **capture);

/* The bytes of the file that a capture is saved as; to be freed. */
uint8_t *sample_file(const Mt__Capture *capture, size_t *file_bytes);

/* Any message with a header and a frame that are right; to be freed. */
uint8_t *sample_wrap(const void *message, size_t bytes, size_t *file_bytes);

/* A report of it, by the name of the format; to be freed.  Width 100, 20 rows, no colour. */
char *sample_report(const Mt__Capture *capture, const char *format);

/* A path in a folder of the test's own, which sample_remove() removes with all that is in it. */
const char *sample_path(const char *name);
void sample_remove(void);

#endif
