// SPDX-License-Identifier: GPL-2.0
/* Can the stations after this one rely on a capture's indexes and lengths?  See check.h. */
#include "user/snapshot/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MOST_BUCKETS 64
#define MOST_NAMES 256 /* of operations and of histograms: reports look through them */
/* What a report has in memory at once, far more of it than a capture: those of one process. */
#define MOST_ROWS 65536
#define MOST_HISTOGRAMS 1024
#define MOST_TEXT 65536 /* bytes; 8 KiB of arguments are kept at the most */
/* A stack is named once and may stand in many sites: reports write all of it for each. */
#define MOST_FRAMES 4096
#define MOST_SITES 65536
#define MOST_POINTS 64
#define MOST_MAPPINGS (1 << 20)
#define MOST_TOLD (1ULL << 34) /* bytes of all frames of all sites */
#define FRAME_BYTES 200 /* what one takes beside its texts */

/* Our own names: letters, digits and a few marks, whatever a damaged file makes of them. */
static bool is_plain(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '"' || *name == '\\')
			return false;
	}
	return true;
}

static bool are_plain(char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_plain(names[i]))
			return false;
	}
	return true;
}

/* A sentence of ours: printable ASCII. */
static bool is_sentence(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static bool are_names(const Mt__Capture *capture)
{
	for (size_t i = 0; i < capture->n_features; i++) {
		if (!is_plain(capture->features[i]->name))
			return false;
	}
	for (size_t i = 0; i < capture->n_notes; i++) {
		if (!is_sentence(capture->notes[i]))
			return false;
	}
	return capture->n_operations <= MOST_NAMES && capture->n_histogram_names <= MOST_NAMES &&
	       capture->n_features <= MOST_NAMES && capture->n_notes <= MOST_NAMES &&
	       is_plain(capture->memtrace_version) && is_plain(capture->mode) &&
	       is_plain(capture->host->kernel) && is_plain(capture->host->architecture) &&
	       are_plain(capture->operations, capture->n_operations) &&
	       are_plain(capture->histogram_names, capture->n_histogram_names);
}

static bool is_sheet(const Mt__Balances *balances)
{
	return !balances || balances->n_bytes == BALANCES;
}

static bool are_rows(const Mt__Capture *capture, Mt__Row *const *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i]->operation >= capture->n_operations ||
		    (rows[i]->n_moved && rows[i]->n_moved != BALANCES) ||
		    rows[i]->call.len > MOST_TEXT)
			return false;
	}
	return count <= MOST_ROWS;
}

static bool are_histograms(const Mt__Capture *capture, Mt__Histogram *const *histograms,
			   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const Mt__Histogram *histogram = histograms[i];

		if (histogram->name >= capture->n_histogram_names ||
		    (histogram->has_operation && histogram->operation >= capture->n_operations) ||
		    histogram->first >= MOST_BUCKETS || histogram->n_count > MOST_BUCKETS ||
		    histogram->first + histogram->n_count > MOST_BUCKETS)
			return false;
	}
	return count <= MOST_HISTOGRAMS;
}

static bool are_texts(const Mt__Process *process)
{
	size_t bytes = process->n_arguments;

	for (size_t i = 0; i < process->n_arguments; i++)
		bytes += process->arguments[i].len;
	return bytes <= MOST_TEXT && process->command.len <= MOST_TEXT &&
	       process->executable.len <= MOST_TEXT && process->cgroup.len <= MOST_TEXT;
}

static bool are_sites(const Mt__Capture *capture, const Mt__Process *process)
{
	if (process->n_sites > MOST_SITES)
		return false;
	for (size_t i = 0; i < process->n_sites; i++) {
		const Mt__Site *site = process->sites[i];

		if (site->stack >= capture->n_stacks ||
		    site->n_released_bytes > capture->n_operations ||
		    site->n_gave_back_bytes > capture->n_operations)
			return false;
	}
	return true;
}

static bool is_hexadecimal(ProtobufCBinaryData text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!strchr("0123456789abcdef", text.data[i]) || !text.data[i])
			return false;
	}
	return true;
}

static bool are_frames(const Mt__Capture *capture)
{
	for (size_t i = 0; i < capture->n_frames; i++) {
		const Mt__Frame *frame = capture->frames[i];

		if (frame->function.len > MOST_TEXT || frame->module.len > MOST_TEXT ||
		    frame->file.len > MOST_TEXT || frame->build_id.len > MOST_TEXT ||
		    !is_hexadecimal(frame->build_id))
			return false;
	}
	return true;
}

static bool are_stacks(const Mt__Capture *capture)
{
	for (size_t i = 0; i < capture->n_stacks; i++) {
		if (capture->stacks[i]->n_frame > MOST_FRAMES)
			return false;
		for (size_t at = 0; at < capture->stacks[i]->n_frame; at++) {
			if (capture->stacks[i]->frame[at] >= capture->n_frames)
				return false;
		}
	}
	return true;
}

static uint64_t told_of(const Mt__Capture *capture, const Mt__Stack *stack)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < stack->n_frame; i++) {
		const Mt__Frame *frame = capture->frames[stack->frame[i]];

		bytes += FRAME_BYTES + frame->function.len + frame->module.len + frame->file.len +
			 frame->build_id.len;
	}
	return bytes;
}

/* A small file is not to become a report that fills a disk. */
static bool is_told_soon(const Mt__Capture *capture)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < capture->n_processes; i++) {
		const Mt__Process *process = capture->processes[i];

		for (size_t at = 0; at < process->n_sites && bytes <= MOST_TOLD; at++)
			bytes += told_of(capture, capture->stacks[process->sites[at]->stack]);
	}
	return bytes <= MOST_TOLD;
}

static bool are_allocators(const Mt__Capture *capture, const Mt__Process *process)
{
	if (process->n_allocators > MOST_NAMES)
		return false;
	for (size_t i = 0; i < process->n_allocators; i++) {
		const Mt__Allocator *allocator = process->allocators[i];

		if (!is_plain(allocator->name) || allocator->n_figures > MOST_NAMES ||
		    (allocator->has_last_used_stack &&
		     allocator->last_used_stack >= capture->n_stacks))
			return false;
		for (size_t at = 0; at < allocator->n_figures; at++) {
			if (!is_plain(allocator->figures[at]->name))
				return false;
		}
	}
	return true;
}

static bool are_mappings(const Mt__Process *process)
{
	for (size_t i = 0; i < process->n_mappings; i++) {
		if (!is_plain(process->mappings[i]->kind) ||
		    process->mappings[i]->name.len > MOST_TEXT)
			return false;
	}
	return process->n_mappings <= MOST_MAPPINGS;
}

static bool is_growth(const Mt__Growth *growth)
{
	return !growth || (growth->n_virtual_bytes == growth->n_resident_bytes &&
			   growth->n_virtual_bytes <= MOST_POINTS);
}

static const char *process_wrong(const Mt__Capture *capture, const Mt__Process *process)
{
	if (!is_sheet(process->opening) || !is_sheet(process->kernel) ||
	    !is_sheet(process->kernel_at_exit) || !is_sheet(process->before_tidying))
		return "a balance sheet is incomplete";
	if (!are_texts(process))
		return "a text is longer than any process has";
	if (!are_rows(capture, process->rows, process->n_rows))
		return "a row of a ledger is invalid";
	if (!are_histograms(capture, process->histograms, process->n_histograms))
		return "a histogram is invalid";
	if (!are_mappings(process))
		return "a mapping is invalid";
	if (!is_growth(process->growth))
		return "how a process grew is invalid";
	if (!are_allocators(capture, process))
		return "an allocator is invalid";
	return are_sites(capture, process) ? NULL : "a site is invalid";
}

static const char *interval_wrong(const Mt__Capture *capture, const Mt__Interval *interval)
{
	for (size_t i = 0; i < interval->n_processes; i++) {
		const Mt__ProcessInterval *process = interval->processes[i];

		if (!is_sheet(process->closing) || process->command.len > MOST_TEXT ||
		    !are_rows(capture, process->rows, process->n_rows))
			return "an interval is invalid";
	}
	return NULL;
}

const char *capture_wrong(const Mt__Capture *capture)
{
	const char *wrong = NULL;

	if (!capture->host->page_bytes || !capture->sample)
		return "it lacks the machine's figures";
	if (!are_names(capture))
		return "a name is invalid";
	if (!are_frames(capture) || !are_stacks(capture))
		return "a stack is invalid";
	if (!are_histograms(capture, capture->histograms, capture->n_histograms))
		return "a histogram is invalid";
	for (size_t i = 0; i < capture->n_processes && !wrong; i++)
		wrong = process_wrong(capture, capture->processes[i]);
	for (size_t i = 0; i < capture->n_intervals && !wrong; i++)
		wrong = interval_wrong(capture, capture->intervals[i]);
	if (!wrong && !is_told_soon(capture))
		wrong = "its sites have too many frames";
	return wrong;
}
