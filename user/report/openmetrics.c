// SPDX-License-Identifier: GPL-2.0
/*
 * The model as OpenMetrics text.  Series are by command and cgroup, never by pid: pids come
 * and go, and each would be a series for ever.  Counters are declared under the name with
 * _total, as Prometheus' own text format and promtool want it.
 */
#include "user/report/group.h"
#include "user/report/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

static void head(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(out, "# HELP memtrace_%s %s\n# TYPE memtrace_%s %s\n", name, help, name, type);
	if (unit && strcmp(type, "counter"))
		fprintf(out, "# UNIT memtrace_%s %s\n", name, unit);
}

/* A label's value: backslash, quote and newline escaped. */
static void put_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
}

static void put_group(FILE *out, const struct group *group)
{
	fputs("{command=\"", out);
	put_value(out, group->command);
	fputs("\",cgroup=\"", out);
	put_value(out, group->cgroup);
	fputc('"', out);
}

/* ---- gauges of each group ---- */

static const struct {
	const char *name;
	const char *help;
	enum balance balance;
} gauges[] = {
	{ "virtual_bytes", "Address space (VSZ).", BALANCE_VIRTUAL },
	{ "anon_bytes", "Resident anonymous memory.", BALANCE_ANON },
	{ "file_bytes", "Resident pages of mapped files.", BALANCE_FILE },
	{ "shmem_bytes", "Resident shared memory.", BALANCE_SHMEM },
	{ "swap_bytes", "Memory swapped out.", BALANCE_SWAP },
	{ "page_table_bytes", "Page tables.", BALANCE_PAGE_TABLE },
	{ "locked_bytes", "Locked memory.", BALANCE_LOCKED },
	{ "hugetlb_bytes", "Huge pages of hugetlbfs.", BALANCE_HUGETLB },
};

static void put_gauges(const struct groups *groups, FILE *out)
{
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		head(out, gauges[i].name, "gauge", "bytes", gauges[i].help);
		for (size_t at = 0; at < groups->count; at++) {
			fprintf(out, "memtrace_%s", gauges[i].name);
			put_group(out, &groups->at[at]);
			fprintf(out, "} %lld\n",
				(long long)groups->at[at].closing.bytes[gauges[i].balance]);
		}
	}
}

static void put_unexplained(const struct groups *groups, FILE *out)
{
	head(out, "unexplained_bytes", "gauge", "bytes",
	     "What the kernel counts and the ledger does not, of all balances.");
	for (size_t at = 0; at < groups->count; at++) {
		fputs("memtrace_unexplained_bytes", out);
		put_group(out, &groups->at[at]);
		fprintf(out, "} %lld\n", (long long)groups->at[at].unexplained_bytes);
	}
	head(out, "processes", "gauge", NULL, "Processes followed.");
	for (size_t at = 0; at < groups->count; at++) {
		fputs("memtrace_processes", out);
		put_group(out, &groups->at[at]);
		fprintf(out, "} %llu\n", (unsigned long long)groups->at[at].processes);
	}
}

/* ---- the ledger of each group ---- */

static void put_counter(const struct groups *groups, FILE *out, const char *name,
			uint64_t (*value)(const struct ledger_row *row), bool calls)
{
	for (size_t at = 0; at < groups->count; at++) {
		const struct group *group = &groups->at[at];

		for (size_t i = 0; i < group->row_count; i++) {
			if (calls && !group->rows[i].has_calls)
				continue;
			fprintf(out, "memtrace_%s", name);
			put_group(out, group);
			fprintf(out, ",operation=\"%s\"} %llu\n", group->rows[i].operation,
				(unsigned long long)value(&group->rows[i]));
		}
	}
}

static uint64_t count_of(const struct ledger_row *row)
{
	return row->count;
}

static uint64_t failed_of(const struct ledger_row *row)
{
	return row->failed;
}

static uint64_t requested_of(const struct ledger_row *row)
{
	return row->requested_bytes;
}

static void put_moved(const struct groups *groups, FILE *out)
{
	head(out, "moved_bytes", "gauge", "bytes",
	     "What an operation changed a balance by since memtrace came, up or down.");
	for (size_t at = 0; at < groups->count; at++) {
		const struct group *group = &groups->at[at];

		for (size_t i = 0; i < group->row_count; i++) {
			for (enum balance balance = 0; balance < BALANCE_COUNT; balance++) {
				int64_t bytes = group->rows[i].moved.bytes[balance];
				const char *name = balance_name(balance);

				if (!bytes)
					continue;
				fputs("memtrace_moved_bytes", out);
				put_group(out, group);
				fprintf(out, ",operation=\"%s\",balance=\"%.*s\"} %lld\n",
					group->rows[i].operation, (int)strlen(name) - 6, name,
					(long long)bytes);
			}
		}
	}
}

static void put_ledger(const struct groups *groups, FILE *out)
{
	put_moved(groups, out);
	head(out, "operations_total", "counter", NULL, "Calls or faults of an operation.");
	put_counter(groups, out, "operations_total", count_of, false);
	head(out, "failed_calls_total", "counter", NULL, "Calls that failed.");
	put_counter(groups, out, "failed_calls_total", failed_of, true);
	head(out, "requested_bytes_total", "counter", NULL, "What calls asked for.");
	put_counter(groups, out, "requested_bytes_total", requested_of, true);
}

/* ---- histograms, over all processes ---- */

static const struct {
	const char *name;
	const char *metric;
	const char *help;
} metrics[] = {
	{ "mmap_bytes", "mmap_bytes", "Sizes asked of mmap." },
	{ "munmap_bytes", "munmap_bytes", "Sizes given to munmap." },
	{ "brk_bytes", "brk_bytes", "Sizes by which brk was asked to move." },
	{ "mremap_bytes", "mremap_bytes", "Sizes asked of mremap." },
	{ "madvise_bytes", "madvise_bytes", "Sizes given to madvise." },
	{ "released_bytes", "released_bytes", "Resident memory that a release call gave back." },
	{ "touch_delay_ns", "touch_delay_seconds", "From making a mapping to its first touch." },
	{ "mapping_lifetime_ns", "mapping_lifetime_seconds",
	  "From making a mapping to unmapping its first page." },
	{ "syscall_ns", "syscall_seconds", "Time inside a call." },
};

static void put_labels(FILE *out, const struct histogram_model *histogram, const char *le)
{
	fputc('{', out);
	if (histogram->operation)
		fprintf(out, "operation=\"%s\"%s", histogram->operation, le ? "," : "");
	if (le)
		fprintf(out, "le=\"%s\"", le);
	fputs("} ", out);
}

/* To the nanosecond: a bound that is rounded is another bound. */
static void put_seconds(char *text, size_t size, uint64_t ns)
{
	char *end = text + snprintf(text, size, "%llu.%09llu", (unsigned long long)ns / 1000000000,
				    (unsigned long long)ns % 1000000000);

	while (end[-1] == '0' && end[-2] != '.')
		*--end = 0;
}

static void put_number(char *text, size_t size, uint64_t value, bool nanoseconds)
{
	if (nanoseconds)
		put_seconds(text, size, value);
	else
		snprintf(text, size, "%llu.0", (unsigned long long)value);
}

static void put_series(FILE *out, const char *metric, const struct histogram_model *histogram)
{
	bool nanoseconds = !strcmp(histogram->unit, "nanoseconds");
	char text[32];

	for (size_t i = 0; i < histogram->bucket_count; i++) {
		put_number(text, sizeof(text), histogram->buckets[i].le, nanoseconds);
		fprintf(out, "memtrace_%s_bucket", metric);
		put_labels(out, histogram, text);
		fprintf(out, "%llu\n", (unsigned long long)histogram->buckets[i].count);
	}
	fprintf(out, "memtrace_%s_bucket", metric);
	put_labels(out, histogram, "+Inf");
	fprintf(out, "%llu\nmemtrace_%s_count", (unsigned long long)histogram->count, metric);
	put_labels(out, histogram, NULL);
	put_number(text, sizeof(text), histogram->sum, nanoseconds);
	fprintf(out, "%llu\nmemtrace_%s_sum", (unsigned long long)histogram->count, metric);
	put_labels(out, histogram, NULL);
	fprintf(out, "%s\n", text);
}

static void put_histograms(const struct model *model, FILE *out)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		bool first = true;

		for (size_t at = 0; at < model->histogram_count; at++) {
			const struct histogram_model *histogram = &model->histograms[at];

			if (strcmp(histogram->name, metrics[i].name))
				continue;
			if (first)
				head(out, metrics[i].metric, "histogram",
				     strstr(metrics[i].metric, "seconds") ? "seconds" : "bytes",
				     metrics[i].help);
			first = false;
			put_series(out, metrics[i].metric, histogram);
		}
	}
}

/* ---- memtrace itself ---- */

static void put_own(const struct model *model, FILE *out)
{
	const Mt__Overhead *overhead = model->capture->overhead;
	char text[32];

	head(out, "losses_total", "counter", NULL, "What could not be counted, by cause.");
	for (size_t i = 0; i < LOSSES; i++)
		fprintf(out, "memtrace_losses_total{cause=\"%s\"} %llu\n", model->losses[i].name,
			(unsigned long long)model->losses[i].count);
	head(out, "sample_pages", "gauge", NULL,
	     "Stacks are kept of one page of so many, which stands for as many.");
	fprintf(out, "memtrace_sample_pages %u\n", model->capture->sample);
	head(out, "bpf_runs_total", "counter", NULL, "Times that a program of memtrace ran.");
	fprintf(out, "memtrace_bpf_runs_total %llu\n", (unsigned long long)overhead->bpf_runs);
	if (overhead->has_bpf_ns) {
		head(out, "bpf_seconds_total", "counter", "seconds", "CPU time that they took.");
		put_seconds(text, sizeof(text), overhead->bpf_ns);
		fprintf(out, "memtrace_bpf_seconds_total %s\n", text);
	}
	head(out, "own_cpu_seconds_total", "counter", "seconds", "CPU time of memtrace itself.");
	put_seconds(text, sizeof(text), overhead->user_cpu_ns);
	fprintf(out, "memtrace_own_cpu_seconds_total %s\n", text);
	head(out, "own_resident_bytes", "gauge", "bytes", "Resident memory of memtrace itself.");
	fprintf(out, "memtrace_own_resident_bytes %llu\n",
		(unsigned long long)overhead->resident_bytes);
	head(out, "own_kernel_bytes", "gauge", "bytes", "Kernel memory of memtrace's maps.");
	fprintf(out, "memtrace_own_kernel_bytes %llu\n",
		(unsigned long long)overhead->kernel_bytes);
}

struct error *report_openmetrics(const struct model *model, const struct report_options *options,
				 FILE *out)
{
	struct groups groups;

	(void)options;
	groups_build(&groups, model);
	put_gauges(&groups, out);
	put_unexplained(&groups, out);
	put_ledger(&groups, out);
	put_histograms(model, out);
	put_own(model, out);
	fputs("# EOF\n", out);
	groups_free(&groups);
	return NULL;
}
