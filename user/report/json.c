// SPDX-License-Identifier: GPL-2.0
/*
 * The JSON document of memtrace/1.  Written process by process, so that a system of ten
 * thousand processes does not have to fit into memory as a tree.
 */
#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/explain/finding.h"
#include "user/report/json.h"
#include "user/report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define INDENT 2
#define FLAGS (JSON_INDENT(INDENT) | JSON_ENCODE_ANY)

/* Figures that no integer of JSON's can hold have no business here: they are cut. */
static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *balances(const struct balances *from)
{
	json_t *object = json_object();

	for (enum balance i = 0; i < BALANCE_COUNT; i++)
		json_object_set_new(object, balance_name(i), json_integer(from->bytes[i]));
	return object;
}

static json_t *balances_or_null(bool there, const struct balances *from)
{
	return there ? balances(from) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *row(const struct ledger_row *from)
{
	json_t *object = json_object();

	json_object_set_new(object, "operation", json_string(from->operation));
	json_object_set_new(object, "call", text_or_null(from->call));
	json_object_set_new(object, "count", number(from->count));
	json_object_set_new(object, "failed",
			    from->has_calls ? number(from->failed) : json_null());
	json_object_set_new(object, "requested_bytes",
			    from->has_calls ? number(from->requested_bytes) : json_null());
	for (enum balance i = 0; i < BALANCE_COUNT; i++)
		json_object_set_new(object, balance_name(i), json_integer(from->moved.bytes[i]));
	return object;
}

static json_t *rows(const struct ledger_row *from, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, row(&from[i]));
	return array;
}

static json_t *histogram(const struct histogram_model *from)
{
	json_t *object = json_object(), *buckets = json_array();

	json_object_set_new(object, "name", json_string(from->name));
	if (from->operation)
		json_object_set_new(object, "operation", json_string(from->operation));
	json_object_set_new(object, "unit", json_string(from->unit));
	json_object_set_new(object, "count", number(from->count));
	json_object_set_new(object, "sum", number(from->sum));
	for (size_t i = 0; i < from->bucket_count; i++)
		json_array_append_new(buckets,
				      json_pack("{s:o, s:o}", "le", number(from->buckets[i].le),
						"count", number(from->buckets[i].count)));
	json_array_append_new(buckets, json_pack("{s:n, s:o}", "le", "count",
						 number(from->count)));
	json_object_set_new(object, "buckets", buckets);
	return object;
}

static json_t *histograms(const struct histogram_model *from, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, histogram(&from[i]));
	return array;
}

static json_t *arguments(const struct process_model *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->argument_count; i++)
		json_array_append_new(array, json_string(process->arguments[i]));
	return array;
}

static json_t *lazy_free(const struct process_model *process)
{
	const struct lazy_free *from = &process->lazy_free;

	if (!process->has_lazy_free)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "marked_bytes",
			 from->has_marked ? number(from->marked_bytes) : json_null(),
			 "resident_bytes",
			 from->has_resident ? number(from->resident_bytes) : json_null(),
			 "taken_bytes", number(from->taken_bytes));
}

static json_t *names(const struct process_model *from)
{
	json_t *object = json_object();

	json_object_set_new(object, "pid", json_integer(from->pid));
	json_object_set_new(object, "parent_pid", json_integer(from->parent_pid));
	json_object_set_new(object, "started_unix_ns", json_integer(from->started_unix_ns));
	json_object_set_new(object, "command", json_string(from->command));
	json_object_set_new(object, "arguments", arguments(from));
	json_object_set_new(object, "executable", json_string(from->executable));
	json_object_set_new(object, "cgroup", json_string(from->cgroup));
	json_object_set_new(object, "exit",
			    from->has_exit ? json_pack("{s:o, s:o}", "code",
						       number(from->exit_code), "signal",
						       number(from->exit_signal)) :
					     json_null());
	json_object_set_new(object, "shares_memory_with",
			    from->shares_with_pid ? json_integer(from->shares_with_pid) :
						    json_null());
	if (from->folded)
		json_object_set_new(object, "stands_for", number(from->folded));
	return object;
}

json_t *json_of_frame(const struct frame_model *from)
{
	char address[24];
	json_t *object;

	snprintf(address, sizeof(address), "0x%" PRIx64, from->address);
	object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o}", "function",
			 from->function ?: "", "kind", from->kind, "module", from->module ?: "",
			 "file", from->file ?: "", "line", number(from->line), "address", address,
			 "build_id", from->build_id ?: "", "offset", number(from->offset));
	if (from->inlined)
		json_object_set_new(object, "inlined", json_true());
	return object;
}

static json_t *bytes_by(const struct released *by, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(object, by[i].operation, json_integer(by[i].bytes));
	return object;
}

static json_t *site(const struct site_model *from)
{
	json_t *stack = json_array();

	for (size_t i = 0; i < from->stack->count; i++)
		json_array_append_new(stack, json_of_frame(from->stack->frames[i]));
	return json_pack("{s:o, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
			 "stack", stack, "truncated", from->stack->truncated,
			 "truncated_because", from->stack->why,
			 "reserved_bytes", (json_int_t)from->reserved_bytes,
			 "unreserved_bytes", (json_int_t)from->unreserved_bytes,
			 "never_touched_bytes", (json_int_t)from->never_touched_bytes,
			 "unreserved_untouched_bytes", (json_int_t)from->gone_untouched_bytes,
			 "touched_bytes", (json_int_t)from->touched_bytes,
			 "released_bytes", (json_int_t)from->released_bytes,
			 "resident_bytes", (json_int_t)from->resident_bytes,
			 "swapped_bytes", (json_int_t)from->swapped_bytes,
			 "gave_back_bytes", (json_int_t)from->gave_back_bytes,
			 "released_by", bytes_by(from->released_by, from->released_count),
			 "gave_back_by", bytes_by(from->gave_back_by, from->gave_back_count));
}

static json_t *mapping(const Mt__Mapping *from)
{
	cleanup_free char *name = text_utf8(from->name.data, from->name.len);

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "kind", from->kind, "name", name,
			 "count", number(from->count), "virtual_bytes",
			 number(from->virtual_bytes), "resident_bytes",
			 number(from->resident_bytes), "never_touched_bytes",
			 from->has_empty_bytes ? number(from->empty_bytes) : json_null());
}

static json_t *mappings(const struct process_model *from)
{
	json_t *array = json_array();

	for (size_t i = 0; i < from->mapping_count; i++)
		json_array_append_new(array, mapping(from->mappings[i]));
	return array;
}

static json_t *allocator(const Mt__Allocator *from)
{
	json_t *object = json_object(), *figures = json_object();

	json_object_set_new(object, "name", json_string(from->name));
	json_object_set_new(object, "read", json_boolean(from->read));
	json_object_set_new(object, "complete", json_boolean(from->complete));
	json_object_set_new(object, "late", json_boolean(from->late));
	json_object_set_new(object, "before_end_ns",
			    from->has_before_end_ns ? number(from->before_end_ns) : json_null());
	for (size_t i = 0; i < from->n_figures; i++)
		json_object_set_new(figures, from->figures[i]->name,
				    number(from->figures[i]->value));
	json_object_set_new(object, "figures", figures);
	return object;
}

static json_t *allocators(const struct process_model *from)
{
	json_t *array = json_array();

	for (size_t i = 0; i < from->allocator_count; i++)
		json_array_append_new(array, allocator(from->allocators[i]));
	return array;
}

/* What stands before the sites of a process, and what behind them. */
static json_t *process_head(const struct process_model *from)
{
	json_t *object = names(from);

	json_object_set_new(object, "opening", balances(&from->opening));
	json_object_set_new(object, "closing", balances(&from->closing));
	json_object_set_new(object, "kernel", balances_or_null(from->has_kernel, &from->kernel));
	json_object_set_new(object, "unexplained", balances(&from->unexplained));
	json_object_set_new(object, "peak",
			    json_pack("{s:o, s:o}", "resident_bytes", number(from->peak_bytes),
				      "at_ns", number(from->peak_at_ns)));
	json_object_set_new(object, "at_exit",
			    balances_or_null(from->has_at_exit, &from->at_exit));
	json_object_set_new(object, "kernel_at_exit",
			    balances_or_null(from->has_kernel_at_exit, &from->kernel_at_exit));
	json_object_set_new(object, "lazy_free", lazy_free(from));
	json_object_set_new(object, "ledger", rows(from->rows, from->row_count));
	return object;
}

static json_t *evidence(const struct finding *from)
{
	json_t *object = json_object();

	for (size_t i = 0; i < from->evidence_count; i++) {
		const struct evidence *at = &from->evidence[i];

		json_object_set_new(object, at->name,
				    at->text ? json_string(at->text) : json_integer(at->value));
	}
	return object;
}

static json_t *findings(const struct model *model, const struct process_model *process)
{
	json_t *array = json_array();
	struct findings found;

	findings_build(&found, model, process);
	for (size_t i = 0; i < found.count; i++) {
		const struct finding *at = &found.at[i];

		json_array_append_new(
			array, json_pack("{s:s, s:I, s:s, s:b, s:s, s:s, s:s, s:o}", "id", at->id,
					 "bytes", (json_int_t)at->bytes, "confidence",
					 at->inferred ? "inferred" : "measured", "alarm", at->alarm,
					 "title", at->title, "why", at->why, "try", at->remedy,
					 "evidence", evidence(at)));
	}
	findings_free(&found);
	return array;
}

static json_t *process_tail(const struct model *model, const struct process_model *from)
{
	json_t *object = json_object();

	if (from->has_sites)
		json_object_set_new(object, "unsited",
				    json_pack("{s:I, s:I, s:s}", "resident_bytes",
					      (json_int_t)from->unsited_bytes, "virtual_bytes",
					      (json_int_t)from->unsited_virtual_bytes, "meaning",
					      from->unsited_meaning));
	json_object_set_new(object, "mappings", mappings(from));
	if (from->allocator_count)
		json_object_set_new(object, "allocators", allocators(from));
	json_object_set_new(object, "histograms",
			    histograms(from->histograms, from->histogram_count));
	json_object_set_new(object, "findings", findings(model, from));
	return object;
}

/* ---- the document ---- */

static json_t *host(const Mt__Host *from)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "kernel", from->kernel, "architecture",
			 from->architecture, "page_bytes", number(from->page_bytes), "cpus",
			 number(from->cpus));
}

static json_t *overhead(const Mt__Overhead *from)
{
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o}", "bpf_ns",
				   from->has_bpf_ns ? number(from->bpf_ns) : json_null(),
				   "bpf_runs", number(from->bpf_runs), "user_cpu_ns",
				   number(from->user_cpu_ns), "resident_bytes",
				   number(from->resident_bytes), "kernel_bytes",
				   number(from->kernel_bytes));

	if (from->has_allocators_ns)
		json_object_set_new(object, "allocators_ns", number(from->allocators_ns));
	if (from->has_allocators_cpu_ns)
		json_object_set_new(object, "allocators_cpu_ns", number(from->allocators_cpu_ns));
	return object;
}

static json_t *notes(const Mt__Capture *from)
{
	json_t *array = json_array();

	for (size_t i = 0; i < from->n_notes; i++)
		json_array_append_new(array, json_string(from->notes[i]));
	return array;
}

static json_t *capture(const struct model *model)
{
	const Mt__Capture *from = model->capture;
	json_t *object = json_object(), *losses = json_object(), *features = json_object();

	for (size_t i = 0; i < LOSSES; i++)
		json_object_set_new(losses, model->losses[i].name,
				    number(model->losses[i].count));
	for (size_t i = 0; i < from->n_features; i++)
		json_object_set_new(features, from->features[i]->name,
				    json_boolean(from->features[i]->there));
	json_object_set_new(object, "mode", json_string(from->mode));
	json_object_set_new(object, "started_unix_ns", json_integer(from->started_unix_ns));
	json_object_set_new(object, "duration_ns", number(from->duration_ns));
	json_object_set_new(object, "sample", json_integer(from->sample));
	json_object_set_new(object, "losses", losses);
	json_object_set_new(object, "features", features);
	json_object_set_new(object, "overhead", overhead(from->overhead));
	if (from->n_notes)
		json_object_set_new(object, "notes", notes(from));
	return object;
}

static json_t *interval_process(const struct interval_process *from)
{
	return json_pack("{s:o, s:s, s:o, s:o}", "pid", number(from->pid), "command",
			 from->command, "closing", balances(&from->closing), "ledger",
			 rows(from->rows, from->row_count));
}

/* Writes a value and drops it; false if it could not be written. */
static bool put(FILE *out, json_t *value)
{
	bool good = value && json_dumpf(value, out, FLAGS) == 0;

	json_decref(value);
	return good;
}

/* The members of an object, without its braces and the line's end before the second. */
static bool put_members(FILE *out, json_t *value)
{
	cleanup_free char *text = value ? json_dumps(value, FLAGS | JSON_EMBED) : NULL;

	json_decref(value);
	if (!text)
		return false;
	fwrite(text, 1, strlen(text) - 1, out);
	return true;
}

static bool put_member(FILE *out, const char *name, json_t *value)
{
	fprintf(out, ",\n\"%s\": ", name);
	return put(out, value);
}

static bool put_sites(const struct process_model *from, FILE *out)
{
	fputs(",\n  \"sites\": [", out);
	for (size_t i = 0; i < from->site_count; i++) {
		fputs(i ? ",\n" : "\n", out);
		if (!put(out, site(&from->sites[i])))
			return false;
	}
	fputs(from->site_count ? "\n  ]," : "],", out);
	return true;
}

/* Site by site: their stacks are many times what else there is. */
static bool put_process(const struct model *model, const struct process_model *from, FILE *out)
{
	fputs("{", out);
	if (!put_members(out, process_head(from)) || !put_sites(from, out) ||
	    !put_members(out, process_tail(model, from)))
		return false;
	fputs("\n}", out);
	return true;
}

static bool put_processes(const struct model *model, FILE *out)
{
	fputs(",\n\"processes\": [", out);
	for (size_t i = 0; i < model->process_count; i++) {
		fputs(i ? ",\n" : "\n", out);
		if (!put_process(model, &model->processes[i], out))
			return false;
	}
	fputs("]", out);
	return true;
}

static bool put_interval(const struct interval_model *interval, FILE *out)
{
	fputs("{\n\"at_ns\": ", out);
	if (!put(out, number(interval->at_ns)))
		return false;
	fputs(",\n\"processes\": [", out);
	for (size_t i = 0; i < interval->process_count; i++) {
		fputs(i ? ",\n" : "\n", out);
		if (!put(out, interval_process(&interval->processes[i])))
			return false;
	}
	fputs("]\n}", out);
	return true;
}

static bool put_intervals(const struct model *model, FILE *out)
{
	if (!model->interval_count)
		return true;
	fputs(",\n\"intervals\": [", out);
	for (size_t i = 0; i < model->interval_count; i++) {
		fputs(i ? ",\n" : "\n", out);
		if (!put_interval(&model->intervals[i], out))
			return false;
	}
	fputs("]", out);
	return true;
}

struct error *report_json(const struct model *model, const struct report_options *options,
			  FILE *out)
{
	(void)options;
	fputs("{\n\"schema\": \"memtrace/1\"", out);
	if (!put_member(out, "host", host(model->capture->host)) ||
	    !put_member(out, "capture", capture(model)) || !put_processes(model, out) ||
	    !put_member(out, "histograms",
			histograms(model->histograms, model->histogram_count)) ||
	    !put_intervals(model, out))
		return error_new(ferror(out) ? errno : ENOMEM, "cannot write the JSON report");
	fputs("\n}\n", out);
	return NULL;
}
