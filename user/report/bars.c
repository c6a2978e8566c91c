// SPDX-License-Identifier: GPL-2.0
/* Histograms as bars.  See book.h. */
#include "user/base/text.h"
#include "user/report/book.h"
#include "user/report/style.h"

#include <string.h>

#define BAR_COLUMNS 40
#define LINE_WIDTH 66 /* of what stands before the marks */

static const struct {
	const char *name;
	const char *title;
} titles[] = {
	{ "mmap_bytes", "mmap: asked for" },
	{ "munmap_bytes", "munmap: asked for" },
	{ "brk_bytes", "brk: asked for" },
	{ "mremap_bytes", "mremap: asked for" },
	{ "madvise_bytes", "madvise: asked for" },
	{ "released_bytes", "release: gave back" },
	{ "touch_delay_ns", "mapped to touched" },
	{ "mapping_lifetime_ns", "mapped to unmapped" },
};

static void put_title(char *text, size_t size, const struct histogram_model *histogram)
{
	const char *title = histogram->name;

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (!strcmp(titles[i].name, histogram->name))
			title = titles[i].title;
	}
	if (histogram->operation)
		snprintf(text, size, "in %s", histogram->operation);
	else
		snprintf(text, size, "%s", title);
}

static bool is_time(const struct histogram_model *histogram)
{
	return histogram->unit[0] == 'n';
}

static char *put_value(char *text, size_t size, const struct histogram_model *histogram,
		       uint64_t value)
{
	return is_time(histogram) ? text_duration(text, size, value) :
				    text_bytes(text, size, value, 0);
}

/* Nobody asks for one byte: what is in the first bucket of bytes is 0. */
static char *put_bound(char *text, size_t size, const struct histogram_model *histogram,
		       uint64_t le)
{
	if (le > 1 || is_time(histogram))
		return put_value(text, size, histogram, le);
	snprintf(text, size, "nothing");
	return text;
}

static uint64_t own_count(const struct histogram_model *histogram, size_t bucket)
{
	const struct histogram_bucket *buckets = histogram->buckets;

	return buckets[bucket].count - (bucket ? buckets[bucket - 1].count : 0);
}

static uint64_t largest(const struct histogram_model *histogram)
{
	uint64_t most = 1;

	for (size_t i = 0; i < histogram->bucket_count; i++) {
		if (own_count(histogram, i) > most)
			most = own_count(histogram, i);
	}
	return most;
}

/* ---- one line for each bucket ---- */

static void put_bar(FILE *out, double share, size_t columns, const struct report_options *options)
{
	static const char *const eighths[] = { "", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d",
					       "\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a",
					       "\xe2\x96\x89" };
	size_t parts = share * columns * 8 + 0.5;

	if (!parts && share > 0)
		parts = 1;
	for (size_t i = 0; i < parts / 8; i++)
		fputs(options->unicode ? "\xe2\x96\x88" : "#", out);
	if (options->unicode)
		fputs(eighths[parts % 8], out);
	else if (parts % 8 >= 4 || parts < 8)
		fputs(parts ? "#" : "", out);
}

static void write_bars(const struct histogram_model *histogram,
		       const struct report_options *options, FILE *out)
{
	uint64_t most = largest(histogram);
	char count[32], text[32];

	for (size_t i = 0; i < histogram->bucket_count; i++) {
		uint64_t own = own_count(histogram, i), le = histogram->buckets[i].le;

		if (!own)
			continue;
		fprintf(out, "    up to %10s %10s  ",
			put_bound(text, sizeof(text), histogram, le),
			text_count(count, sizeof(count), own));
		put_bar(out, (double)own / most, BAR_COLUMNS, options);
		fputc('\n', out);
	}
	fputc('\n', out);
}

/* ---- one line for a histogram ---- */

static void put_spark(FILE *out, double share, const struct report_options *options)
{
	static const char *const blocks[] = { " ", "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
					      "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
					      "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char marks[] = " .:-=+*#@";
	int level = share > 0 ? 1 + (int)(share * 7.49) : 0;

	if (options->unicode)
		fputs(blocks[level], out);
	else
		fputc(marks[level], out);
}

/* So many buckets in one mark that all fit into the line. */
static uint64_t group_count(const struct histogram_model *histogram, size_t first, size_t step)
{
	uint64_t count = 0;

	for (size_t i = first; i < first + step && i < histogram->bucket_count; i++)
		count += own_count(histogram, i);
	return count;
}

static void put_sparks(const struct histogram_model *histogram,
		       const struct report_options *options, FILE *out)
{
	size_t room = options->width > LINE_WIDTH ? options->width - LINE_WIDTH : 1;
	size_t step = (histogram->bucket_count + room - 1) / room;
	uint64_t most = 1;

	for (size_t i = 0; i < histogram->bucket_count; i += step) {
		uint64_t count = group_count(histogram, i, step);

		most = count > most ? count : most;
	}
	for (size_t i = 0; i < histogram->bucket_count; i += step)
		put_spark(out, (double)group_count(histogram, i, step) / most, options);
}

/* The bound under which so large a share of the values lies, where there is one. */
static char *put_quantile(char *text, size_t size, const struct histogram_model *histogram,
			  double share)
{
	for (size_t i = 0; i < histogram->bucket_count; i++) {
		if (histogram->buckets[i].count >= share * histogram->count)
			return put_bound(text, size, histogram, histogram->buckets[i].le);
	}
	snprintf(text, size, "no bound");
	return text;
}

static void write_line(const struct histogram_model *histogram,
		       const struct report_options *options, FILE *out)
{
	char title[32], count[32], sum[32], half[32], nearly[32];

	put_title(title, sizeof(title), histogram);
	fprintf(out, "  %-19s%10s%11s%11s%11s  ", title,
		text_count(count, sizeof(count), histogram->count),
		put_value(sum, sizeof(sum), histogram, histogram->sum),
		put_quantile(half, sizeof(half), histogram, 0.5),
		put_quantile(nearly, sizeof(nearly), histogram, 0.99));
	put_sparks(histogram, options, out);
	fputc('\n', out);
	if (options->details)
		write_bars(histogram, options, out);
}

void bars_write(const struct histogram_model *histograms, size_t count,
		const struct report_options *options, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (!histograms[i].count)
			continue;
		if (!any)
			fprintf(out, "%s  %-19s%10s%11s%11s%11s  %s%s\n",
				style_on(options, STYLE_DIM), "sizes and times", "how often",
				"in all", "half up to", "99% up to", "spread",
				style_off(options));
		any = true;
		write_line(&histograms[i], options, out);
	}
	if (any)
		fputc('\n', out);
}
