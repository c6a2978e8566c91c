// SPDX-License-Identifier: GPL-2.0
/* A capture made by hand.  See sample.h. */
#include "tests/unit/sample.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/report/report.h"
#include "user/snapshot/file.h"

#include <dirent.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define PAGE 4096

/* Where there is no memory, malloc() says so under AddressSanitizer, too. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:detect_leaks=1:detect_stack_use_after_return=1";
}

ProtobufCBinaryData sample_text(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
}

int64_t *sample_row(struct sample_process *process, unsigned int operation, uint64_t count)
{
	size_t at = process->process.n_rows++;
	Mt__Row *row = &process->rows[at];

	assert_true(at < SAMPLE_ROWS);
	mt__row__init(row);
	row->operation = operation;
	row->count = count;
	row->n_moved = BALANCE_COUNT;
	row->moved = process->moved[at];
	process->row_list[at] = row;
	return row->moved;
}

static void balances(Mt__Balances *to, int64_t *bytes)
{
	mt__balances__init(to);
	to->n_bytes = BALANCE_COUNT;
	to->bytes = bytes;
}

/* Process `pid` has touched so many pages of twice as many that it has mapped. */
static void add_process(struct sample *sample, uint32_t pid, const char *command, int64_t pages)
{
	struct sample_process *made = &sample->processes[sample->capture.n_processes];
	Mt__Process *process = &made->process;

	mt__process__init(process);
	sample->process_list[sample->capture.n_processes++] = process;
	process->pid = pid;
	process->parent_pid = 1;
	process->command = sample_text(command);
	process->executable = sample_text("/usr/bin/sample");
	process->cgroup = sample_text("/");
	process->peak_bytes = pages * PAGE;
	process->rows = made->row_list;
	balances(&made->opening, made->opening_bytes);
	balances(&made->kernel, made->kernel_bytes);
	process->opening = &made->opening;
	process->kernel = &made->kernel;
	sample_row(made, OP_MMAP, 1)[BALANCE_VIRTUAL] = 2 * pages * PAGE;
	sample_row(made, OP_FAULT, pages)[BALANCE_ANON] = pages * PAGE;
	made->kernel_bytes[BALANCE_VIRTUAL] = 2 * pages * PAGE;
	made->kernel_bytes[BALANCE_ANON] = pages * PAGE;
	mt__exit__init(&made->exit);
	mt__lazy_free__init(&made->lazy_free);
}

static void add_histograms(struct sample *sample)
{
	for (size_t i = 0; i < SAMPLE_HISTOGRAMS; i++) {
		mt__histogram__init(&sample->histograms[i]);
		sample->histograms[i].count = sample->counts[i];
		sample->histogram_list[i] = &sample->histograms[i];
	}
	/* 5 values up to 4 KiB, 2 up to 8 KiB */
	sample->histograms[0].name = HIST_MMAP;
	sample->histograms[0].first = 12;
	sample->histograms[0].n_count = 2;
	sample->histograms[0].sum = 30000;
	sample->counts[0][0] = 5;
	sample->counts[0][1] = 2;
	sample->capture.histograms = sample->histogram_list;
	sample->capture.n_histograms = 1;
	sample->histogram_names[HIST_MMAP] = "mmap_bytes";
	sample->histogram_names[HIST_SYSCALL] = "syscall_ns";
	sample->capture.histogram_names = sample->histogram_names;
	sample->capture.n_histogram_names = HIST_COUNT;
}

static void add_interval(struct sample *sample)
{
	Mt__ProcessInterval *process = &sample->interval_process;

	mt__interval__init(&sample->interval);
	mt__process_interval__init(process);
	process->pid = 7;
	process->command = sample_text("seven");
	process->closing = &sample->processes[0].kernel;
	process->rows = sample->processes[0].row_list;
	process->n_rows = 2;
	sample->interval_process_list[0] = process;
	sample->interval.at_ns = 1000000000;
	sample->interval.processes = sample->interval_process_list;
	sample->interval.n_processes = 1;
	sample->interval_list[0] = &sample->interval;
	sample->capture.intervals = sample->interval_list;
	sample->capture.n_intervals = 1;
}

static void add_machine(struct sample *sample)
{
	mt__host__init(&sample->host);
	mt__losses__init(&sample->losses);
	mt__overhead__init(&sample->overhead);
	mt__feature__init(&sample->feature);
	sample->host.kernel = "6.1.0";
	sample->host.architecture = "x86_64";
	sample->host.page_bytes = PAGE;
	sample->host.cpus = 2;
	sample->feature.name = "rss_stat";
	sample->feature.there = true;
	sample->feature_list[0] = &sample->feature;
	sample->capture.host = &sample->host;
	sample->capture.losses = &sample->losses;
	sample->capture.overhead = &sample->overhead;
	sample->capture.features = sample->feature_list;
	sample->capture.n_features = 1;
}

void sample_init(struct sample *sample)
{
	static const char *const names[] = { "fault", "mmap", "exit", "reclaim" };

	memset(sample, 0, sizeof(*sample));
	mt__capture__init(&sample->capture);
	add_machine(sample);
	sample->capture.memtrace_version = "1.2.3";
	sample->capture.mode = "attach";
	sample->capture.started_unix_ns = 1700000000000000000;
	sample->capture.duration_ns = 2000000000;
	sample->capture.sample = 1;
	sample->capture.calls = true;
	for (size_t i = 0; i < OP_COUNT; i++)
		sample->operations[i] = (char *)names[i];
	sample->capture.operations = sample->operations;
	sample->capture.n_operations = OP_COUNT;
	sample->capture.notes = sample->notes;
	sample->capture.processes = sample->process_list;
	add_process(sample, 7, "seven", 3);
	add_process(sample, 8, "eight", 5);
	add_histograms(sample);
	add_interval(sample);
}

/* ---- as a file ---- */

uint8_t *sample_wrap(const void *message, size_t bytes, size_t *file_bytes)
{
	size_t room = ZSTD_compressBound(bytes), header = 24, made;
	uint8_t *file = memory_new(header + room, 1);
	uint64_t size = htole64(bytes);
	ZSTD_CCtx *context = ZSTD_createCCtx();

	memcpy(file, "MEMTRACE\1", 9);
	memcpy(file + 16, &size, sizeof(size));
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	made = ZSTD_compress2(context, file + header, room, message, bytes);
	ZSTD_freeCCtx(context);
	assert_false(ZSTD_isError(made));
	*file_bytes = header + made;
	return file;
}

struct error *sample_save(const Mt__Capture *capture, const char *path)
{
	struct file file;

	TRY(file_create(&file, path));
	return capture_save(capture, &file);
}

struct error *sample_load(const char *path, Mt__Capture **capture)
{
	cleanup_close int fd = -1;

	TRY(capture_open(path, &fd));
	return capture_load(fd, path, capture);
}

uint8_t *sample_file(const Mt__Capture *capture, size_t *file_bytes)
{
	static uint8_t bytes[1 << 16];
	FILE *file;

	assert_null(sample_save(capture, sample_path("sample")));
	file = fopen(sample_path("sample"), "r");
	assert_non_null(file);
	*file_bytes = fread(bytes, 1, sizeof(bytes), file);
	assert_true(*file_bytes < sizeof(bytes));
	fclose(file);
	sample_remove();
	return memory_copy(bytes, *file_bytes);
}

/* ---- as a report ---- */

char *sample_report(const Mt__Capture *capture, const char *format)
{
	const struct report_options options = { .width = 100, .limit = 20 };
	struct error *error;
	struct model model;
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	model_build(&model, capture);
	error = report_find(format)->write(&model, &options, out);
	model_free(&model);
	fclose(out);
	assert_null(error);
	return text;
}

/* ---- files ---- */

static char folder[] = "/tmp/memtrace-unit-XXXXXX";
static char path[128];

const char *sample_path(const char *name)
{
	if (!*path)
		assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

void sample_remove(void)
{
	DIR *directory = *path ? opendir(folder) : NULL;
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(folder);
	*path = 0;
	memset(strrchr(folder, '-') + 1, 'X', 6);
}
