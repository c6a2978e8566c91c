// SPDX-License-Identifier: GPL-2.0
/* The JSON document of memtrace-diff/1: figures are {"old", "new", "change"}. */
#include "user/explain/change.h"
#include "user/report/change.h"
#include "user/report/json.h"

#include <errno.h>

static json_t *figure(int64_t old, int64_t now)
{
	return json_pack("{s:I, s:I, s:I}", "old", (json_int_t)old, "new", (json_int_t)now,
			 "change", (json_int_t)minus(now, old));
}

static void put_figure(json_t *object, const char *name, int64_t old, int64_t now)
{
	json_object_set_new(object, name, figure(old, now));
}

static json_t *capture(const Mt__Capture *from)
{
	return json_pack("{s:s, s:I, s:I, s:i}", "mode", from->mode, "started_unix_ns",
			 (json_int_t)from->started_unix_ns, "duration_ns",
			 (json_int_t)from->duration_ns, "sample", (int)from->sample);
}

static json_t *balances(const struct process_change *process)
{
	const struct balances *old = change_end(process->old), *now = change_end(process->now);
	json_t *object = json_object();

	put_figure(object, "resident_bytes", balances_resident(old), balances_resident(now));
	for (enum balance i = 0; i < BALANCE_COUNT; i++)
		put_figure(object, balance_name(i), old->bytes[i], now->bytes[i]);
	return object;
}

/* NULL where nothing of it changed. */
static json_t *row(const struct row_change *from)
{
	static const struct ledger_row none;
	const struct ledger_row *old = from->old ?: &none, *now = from->now ?: &none;
	const struct ledger_row *name = from->now ?: old;
	bool differs = old->count != now->count;
	json_t *object = json_object();

	json_object_set_new(object, "operation", json_string(name->operation));
	json_object_set_new(object, "call", name->call ? json_string(name->call) : json_null());
	put_figure(object, "count", (int64_t)old->count, (int64_t)now->count);
	for (enum balance i = 0; i < BALANCE_COUNT; i++) {
		put_figure(object, balance_name(i), old->moved.bytes[i], now->moved.bytes[i]);
		differs |= old->moved.bytes[i] != now->moved.bytes[i];
	}
	if (differs)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *ledger(const struct process_change *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->row_count; i++) {
		json_t *changed = row(&process->rows[i]);

		if (changed)
			json_array_append_new(array, changed);
	}
	return array;
}

static json_t *site(const struct site_change *from)
{
	json_t *object = json_object(), *stack = json_array();
	const struct site_figures *old = &from->old, *now = &from->now;

	for (size_t i = 0; i < from->stack->count; i++)
		json_array_append_new(stack, json_of_frame(from->stack->frames[i]));
	json_object_set_new(object, "stack", stack);
	json_object_set_new(object, "truncated", json_boolean(from->stack->truncated));
	put_figure(object, "resident_bytes", old->held_bytes, now->held_bytes);
	put_figure(object, "touched_bytes", old->touched_bytes, now->touched_bytes);
	put_figure(object, "released_bytes", old->released_bytes, now->released_bytes);
	put_figure(object, "reserved_bytes", old->reserved_bytes, now->reserved_bytes);
	put_figure(object, "never_touched_bytes", old->never_touched_bytes,
		   now->never_touched_bytes);
	return object;
}

static bool is_same(const struct site_figures *a, const struct site_figures *b)
{
	return a->held_bytes == b->held_bytes && a->touched_bytes == b->touched_bytes &&
	       a->released_bytes == b->released_bytes &&
	       a->reserved_bytes == b->reserved_bytes &&
	       a->never_touched_bytes == b->never_touched_bytes;
}

static json_t *sites(const struct process_change *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->site_count; i++) {
		if (!is_same(&process->sites[i].old, &process->sites[i].now))
			json_array_append_new(array, site(&process->sites[i]));
	}
	return array;
}

static json_t *findings(const struct change *change, const struct process_change *process)
{
	static const struct finding none;
	json_t *array = json_array();
	struct finding_changes found;

	finding_changes_build(&found, change, process);
	for (size_t i = 0; i < found.count; i++) {
		const struct finding_change *at = &found.at[i];
		const struct finding *old = at->old ?: &none, *now = at->now ?: &none;
		const struct finding *name = at->now ?: old;
		const char *state = !at->old ? "came" : !at->now ? "went" : "stayed";

		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:o}", "id", name->id,
						       "state", state, "title", name->title,
						       "bytes", figure(old->bytes, now->bytes)));
	}
	finding_changes_free(&found);
	return array;
}

static json_t *pid(const struct process_model *process)
{
	return process ? json_integer(process->pid) : json_null();
}

static json_t *one_process(const struct change *change, const struct process_change *process)
{
	const struct process_model *name = change_name(process);
	json_t *object = json_object(), *arguments = json_array();

	for (size_t i = 0; i < name->argument_count; i++)
		json_array_append_new(arguments, json_string(name->arguments[i]));
	json_object_set_new(object, "old_pid", pid(process->old));
	json_object_set_new(object, "new_pid", pid(process->now));
	json_object_set_new(object, "command", json_string(name->command));
	json_object_set_new(object, "executable", json_string(name->executable));
	json_object_set_new(object, "arguments", arguments);
	json_object_set_new(object, "balances", balances(process));
	put_figure(object, "peak_bytes", process->old ? (int64_t)process->old->peak_bytes : 0,
		   process->now ? (int64_t)process->now->peak_bytes : 0);
	json_object_set_new(object, "ledger", ledger(process));
	json_object_set_new(object, "sites", sites(process));
	json_object_set_new(object, "findings", findings(change, process));
	return object;
}

struct error *change_json(const struct change *change, FILE *out)
{
	json_t *document = json_object(), *processes = json_array();
	bool good;

	for (size_t i = 0; i < change->count; i++)
		json_array_append_new(processes, one_process(change, &change->processes[i]));
	json_object_set_new(document, "schema", json_string("memtrace-diff/1"));
	json_object_set_new(document, "old", capture(change->old->capture));
	json_object_set_new(document, "new", capture(change->now->capture));
	json_object_set_new(document, "processes", processes);
	good = json_dumpf(document, out, JSON_INDENT(2)) == 0;
	fputc('\n', out);
	json_decref(document);
	return good ? NULL :
		      error_new(ferror(out) ? errno : ENOMEM, "cannot write the JSON report");
}
