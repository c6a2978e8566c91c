// SPDX-License-Identifier: GPL-2.0
/* Which lines of the source is an address, and which functions are inlined there?  See line.h. */
#include "user/symbol/line.h"

#include "user/base/memory.h"
#include "user/symbol/demangle.h"
#include "user/symbol/elf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_SPANS (4 << 20)
#define DEPTH 16 /* of namespaces and classes */
#define MOST_TEXT 1000

/* Code, and the offset of the unit or the function that it is of. */
struct span {
	uint64_t start, end;
	uint64_t reach; /* the furthest end of this one and those before it */
	Dwarf_Off die;
};

struct spans {
	struct span *at;
	size_t count;
};

struct lines {
	Dwarf *dwarf, *alt;
	uint64_t deadline_ns;
	struct spans units;
	struct spans functions; /* of the unit below: the last one that was asked for */
	Dwarf_Off unit;
};

static bool is_late(const struct lines *lines)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec > lines->deadline_ns;
}

/* ---- spans ---- */

static void add_spans(struct spans *spans, Dwarf_Die *die)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		if (start >= end || spans->count == MOST_SPANS)
			continue;
		spans->at = memory_grow(spans->at, spans->count, sizeof(spans->at[0]));
		spans->at[spans->count++] = (struct span){ .start = start, .end = end,
							   .die = dwarf_dieoffset(die) };
	}
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->end > right->end ? -1 : left->end < right->end;
}

static void sort_spans(struct spans *spans)
{
	uint64_t reach = 0;

	if (!spans->at)
		return;
	qsort(spans->at, spans->count, sizeof(spans->at[0]), compare_spans);
	for (size_t i = 0; i < spans->count; i++) {
		if (spans->at[i].end > reach)
			reach = spans->at[i].end;
		spans->at[i].reach = reach;
	}
}

/* The span over an address that begins last, NULL: none. */
static const struct span *find_span(const struct spans *spans, uint64_t address)
{
	size_t low = 0, high = spans->at ? spans->count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spans->at[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i-- > 0 && spans->at[i].reach > address;)
		if (spans->at[i].end > address)
			return &spans->at[i];
	return NULL;
}

/* ---- units and functions ---- */

/* By ourselves: .debug_aranges is not written by every compiler. */
static void read_units(struct lines *lines)
{
	Dwarf_Off at = 0, next;
	size_t header;
	Dwarf_Die die;

	while (!is_late(lines) && !dwarf_next_unit(lines->dwarf, at, &next, &header, NULL, NULL,
						   NULL, NULL, NULL, NULL)) {
		if (dwarf_offdie(lines->dwarf, at + header, &die) &&
		    dwarf_tag(&die) == DW_TAG_compile_unit)
			add_spans(&lines->units, &die);
		if (next <= at)
			break;
		at = next;
	}
	sort_spans(&lines->units);
}

static bool may_hold_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_module;
}

static void read_functions(struct lines *lines, Dwarf_Die *parent, unsigned int depth)
{
	Dwarf_Die die;

	if (depth == DEPTH || dwarf_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			add_spans(&lines->functions, &die);
		else if (may_hold_functions(tag))
			read_functions(lines, &die, depth + 1);
	} while (!dwarf_siblingof(&die, &die));
}

static void read_unit(struct lines *lines, Dwarf_Die *unit)
{
	Dwarf_Off offset = dwarf_dieoffset(unit);

	if (lines->unit == offset)
		return;
	lines->unit = offset;
	lines->functions.count = 0;
	free(lines->functions.at);
	lines->functions.at = NULL;
	read_functions(lines, unit, 0);
	sort_spans(&lines->functions);
}

/* ---- what they say ---- */

static char *copy_text(const char *text)
{
	return text ? memory_copy(text, strnlen(text, MOST_TEXT)) : NULL;
}

/* A class's or a namespace's functions have it in the linker's name alone. */
static char *name_of(Dwarf_Die *die)
{
	static const unsigned int names[] = { DW_AT_linkage_name, DW_AT_MIPS_linkage_name,
					      DW_AT_name };
	Dwarf_Attribute attribute;
	const char *name = NULL;

	for (size_t i = 0; i < 3 && !name; i++)
		name = dwarf_formstring(dwarf_attr_integrate(die, names[i], &attribute));
	return name ? demangle(name) : NULL;
}

static void add_place(struct places *places, char *function, const char *file, int line)
{
	if (places->count == PLACES) {
		free(function);
		return;
	}
	places->at[places->count++] = (struct place){ function, copy_text(file),
						      line > 0 ? (uint32_t)line : 0 };
}

/* The function inlined at an address in a function or in what is inlined there; false: none. */
static bool go_in(Dwarf_Die *die, uint64_t address)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return false;
	do {
		int tag = dwarf_tag(&child);

		if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&child, address) <= 0)
			continue;
		*die = child;
		return tag == DW_TAG_inlined_subroutine || go_in(die, address);
	} while (!dwarf_siblingof(&child, &child));
	return false;
}

static int number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) ||
	    value > INT32_MAX)
		return 0;
	return (int)value;
}

static const char *caller_file(Dwarf_Die *unit, Dwarf_Die *inlined)
{
	int number = number_of(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(unit, &files, &count) || (size_t)number >= count)
		return NULL;
	return dwarf_filesrc(files, (size_t)number, NULL, NULL);
}

/* From the function inwards: each calls the next where that one says, the last is at `file`. */
static void find_inlined(Dwarf_Die *unit, Dwarf_Die *function, uint64_t address, const char *file,
			 int line, struct places *places)
{
	Dwarf_Die die = *function;
	char *name = name_of(function);

	for (int depth = 1; depth < PLACES && go_in(&die, address); depth++) {
		add_place(places, name, caller_file(unit, &die),
			  number_of(&die, DW_AT_call_line));
		name = name_of(&die);
	}
	add_place(places, name, file, line);
}

static void reverse(struct places *places)
{
	for (size_t i = 0; i < places->count / 2; i++) {
		struct place *other = &places->at[places->count - 1 - i], place = *other;

		*other = places->at[i];
		places->at[i] = place;
	}
}

void lines_find(struct lines *lines, uint64_t address, struct places *places)
{
	const struct span *unit_span, *span;
	Dwarf_Die unit, function;
	const char *file = NULL;
	Dwarf_Line *found;
	int line = 0;

	if (is_late(lines))
		return;
	if (!lines->units.at)
		read_units(lines);
	unit_span = find_span(&lines->units, address);
	if (!unit_span || !dwarf_offdie(lines->dwarf, unit_span->die, &unit))
		return;
	found = dwarf_getsrc_die(&unit, address);
	if (found && !dwarf_lineno(found, &line))
		file = dwarf_linesrc(found, NULL, NULL);
	read_unit(lines, &unit);
	span = find_span(&lines->functions, address);
	if (span && dwarf_offdie(lines->dwarf, span->die, &function))
		find_inlined(&unit, &function, address, file, line, places);
	else if (file)
		add_place(places, NULL, file, line);
	reverse(places);
}

/* ---- opening ---- */

struct lines *lines_open(Elf *elf, Elf *alt)
{
	struct lines *lines;
	Dwarf *dwarf;

	/* libdw would look for what is shared where the file tells it to, whatever is there. */
	if (!elf_has_dwarf(elf) || (elf_section(elf, ".gnu_debugaltlink") &&
				    !(alt && elf_has_dwarf(alt))))
		return NULL;
	dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (!dwarf)
		return NULL;
	lines = memory_new(1, sizeof(*lines));
	lines->dwarf = dwarf;
	lines->alt = alt ? dwarf_begin_elf(alt, DWARF_C_READ, NULL) : NULL;
	if (lines->alt)
		dwarf_setalt(dwarf, lines->alt);
	return lines;
}

void lines_close(struct lines *lines)
{
	if (!lines)
		return;
	dwarf_end(lines->dwarf);
	if (lines->alt)
		dwarf_end(lines->alt);
	free(lines->units.at);
	free(lines->functions.at);
	free(lines);
}

void lines_limit(struct lines *lines, uint64_t deadline_ns)
{
	lines->deadline_ns = deadline_ns;
}
