// SPDX-License-Identifier: GPL-2.0
/* What is address space reserved for that nobody touches: stacks of threads, room to grow? */
#include "user/explain/rule.h"

#include <string.h>

#define STACKS_LEAST (24 * MIB) /* of addresses: they cost nothing */
#define STACKS_TIMES 4		/* as much as it holds elsewhere, for that to be worth a word */
#define ARENA_BYTES (64 * MIB)
#define ARENAS_MOST 4096

/* Reserved below pthread_create(), whatever began the thread. */
static bool is_of_thread(const struct stack_model *stack)
{
	for (size_t i = 0; i < stack->count; i++) {
		const char *name = stack->frames[i]->function;

		if (name && strstr(name, "pthread_create"))
			return true;
	}
	return false;
}

struct stacks {
	int64_t bytes, untouched_bytes, resident_bytes, count;
};

static bool read_mappings(const struct process_model *process, struct stacks *stacks)
{
	for (size_t i = 0; i < process->mapping_count; i++) {
		const Mt__Mapping *mapping = process->mappings[i];

		if (strcmp(mapping->kind, "thread-stack") != 0)
			continue;
		stacks->bytes = plus(stacks->bytes, (int64_t)mapping->virtual_bytes);
		stacks->untouched_bytes = plus(stacks->untouched_bytes,
					       (int64_t)mapping->empty_bytes);
		stacks->resident_bytes = plus(stacks->resident_bytes,
					      (int64_t)mapping->resident_bytes);
		stacks->count = plus(stacks->count, (int64_t)mapping->count);
	}
	return process->mapping_count != 0;
}

static void read_sites(const struct process_model *process, struct stacks *stacks)
{
	for (size_t i = 0; i < process->site_count; i++) {
		const struct site_model *site = &process->sites[i];

		if (site->reserved_bytes <= 0 || !is_of_thread(site->stack))
			continue;
		stacks->bytes = plus(stacks->bytes,
				     minus(site->reserved_bytes, site->unreserved_bytes));
		stacks->untouched_bytes = plus(stacks->untouched_bytes, site->never_touched_bytes);
	}
}

/* What mappings do not tell, of a process that has ended, the sites do. */
bool find_thread_stacks(struct facts *facts, struct finding *finding)
{
	struct stacks stacks = { 0 };

	if (read_mappings(facts->process, &stacks)) {
		finding_number(finding, "thread_stack_count", stacks.count);
		finding_number(finding, "resident_bytes", stacks.resident_bytes);
	} else {
		read_sites(facts->process, &stacks);
	}
	finding->bytes = stacks.bytes;
	finding_number(finding, "stack_bytes", stacks.bytes);
	finding_number(finding, "never_touched_bytes", stacks.untouched_bytes);
	rule_add_end(facts, finding);
	facts->claimed_virtual_bytes = stacks.untouched_bytes;
	return stacks.bytes >= STACKS_LEAST &&
	       minus(facts->end->bytes[BALANCE_ANON], stacks.resident_bytes) <
		       stacks.bytes / STACKS_TIMES;
}

static bool is_called(const Mt__Mapping *mapping, const char *name)
{
	return mapping->name.len == strlen(name) &&
	       !memcmp(mapping->name.data, name, mapping->name.len);
}

/* What malloc has free in its heap and gave back by advice. */
static int64_t trimmed_bytes(const struct facts *facts)
{
	const Mt__Allocator *heap = allocator_find(facts->process, "glibc");
	uint64_t all = allocator_figure(heap, "main_free_bytes");
	uint64_t resident = allocator_figure(heap, "main_free_resident_bytes");

	return all > resident && all < INT64_MAX ? (int64_t)(all - resident) : 0;
}

/*
 * The C library reserves the rest of an arena, nobody can touch "no access", and a "shadow" is
 * larger than any memory: sanitizers have a place in it for each address.
 */
static bool is_for_use(const Mt__Mapping *mapping)
{
	static const char *const names[] = { "no access", "glibc arena", "shadow" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_called(mapping, names[i]))
			return false;
	}
	return !strcmp(mapping->kind, "anon") || !strcmp(mapping->kind, "heap");
}

int64_t rule_set_aside(const struct facts *facts)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < facts->process->mapping_count; i++) {
		const Mt__Mapping *mapping = facts->process->mappings[i];

		if (!strcmp(mapping->kind, "anon") && is_called(mapping, "no access"))
			bytes = plus(bytes, (int64_t)mapping->virtual_bytes);
	}
	return bytes;
}

int64_t rule_arena_rest(const struct facts *facts)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < facts->process->mapping_count; i++) {
		const Mt__Mapping *mapping = facts->process->mappings[i];

		if (is_called(mapping, "glibc arena"))
			bytes = plus(bytes, (int64_t)mapping->empty_bytes);
	}
	return bytes;
}

int64_t rule_mapped_untouched(const struct facts *facts)
{
	int64_t bytes = minus(0, trimmed_bytes(facts));

	for (size_t i = 0; i < facts->process->mapping_count; i++) {
		const Mt__Mapping *mapping = facts->process->mappings[i];

		if (is_for_use(mapping))
			bytes = plus(bytes, (int64_t)mapping->empty_bytes);
	}
	return bytes;
}

int64_t rule_cut_from_arenas(const struct facts *facts)
{
	uint64_t arenas = allocator_figure(allocator_find(facts->process, "glibc"),
					   "thread_arenas");

	return arenas < ARENAS_MOST ? (int64_t)arenas * ARENA_BYTES : 0;
}
