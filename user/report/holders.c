// SPDX-License-Identifier: GPL-2.0
/*
 * Whose code holds the memory of a process?  A table whose column adds up to its anonymous
 * memory: the user's own code first, what was not touched under our eyes in the end.
 */
#include "user/model/holder.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/report/book.h"
#include "user/report/style.h"

#include <stdlib.h>
#include <string.h>

#define NUMBERS_WIDTH 38 /* of what stands before the words */
#define WORTH_BYTES (1 << 20) /* a row, where the column does not have to add up */
#define BUSIEST 2     /* rows for those that touched most, ... */
#define BUSY_SHARE 16 /* ... if that is a part of so many of all */

static void put_bytes(FILE *out, int64_t bytes, bool sign)
{
	char text[24] = "";

	if (bytes)
		text_bytes(text, sizeof(text), bytes, sign);
	fprintf(out, "%12s", text);
}

static void put_name(FILE *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	fputs(slash && slash[1] ? slash + 1 : path, out);
}

static void put_frame(FILE *out, const struct frame_model *frame)
{
	cleanup_free char *place = frame_place(frame);

	fputs(place, out);
}

/* "malloc" and "memset", whatever libc calls them: __GI___libc_malloc, __memset_avx2_erms. */
static void put_plain(FILE *out, const char *name)
{
	static const char *const before[] = { "__GI_", "__libc_", "__" };
	static const char *const behind[] = { "_avx", "_evex", "_sse", "_unaligned", "_erms" };
	size_t length;

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		if (!strncmp(name, before[i], strlen(before[i])))
			name += strlen(before[i]);
	}
	length = strlen(name);
	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		const char *found = strstr(name, behind[i]);

		if (found && (size_t)(found - name) < length)
			length = found - name;
	}
	fprintf(out, "%.*s", (int)length, name);
}

static void put_called(FILE *out, const struct process_model *process,
		       const struct frame_model *frame)
{
	if (!frame->function && !frame->module)
		return;
	fputs(" calling ", out);
	if (!frame->function)
		put_name(out, frame->module);
	else if (holder_is_plumbing(process, frame))
		put_plain(out, frame->function);
	else
		fputs(frame->function, out);
}

/* "make_list (list.c:7) in list calling malloc" */
static void put_shown(FILE *out, const struct process_model *process,
		      const struct holder *holder)
{
	const struct frame_model *frame;

	if (holder->at == holder->stack->count) {
		fputs("unknown: these stacks could not be walked", out);
		return;
	}
	frame = holder->stack->frames[holder->at];
	put_frame(out, frame);
	if (frame->module && frame->function && strcmp(frame->kind, "python") != 0) {
		fputs(" in ", out);
		put_name(out, frame->module);
	}
	if (holder->at)
		put_called(out, process, holder->stack->frames[holder->at - 1]);
}

/* "from phase (list.c:10) < main (list.c:11)": what is cut off at the line's end must not be
 * that there is more. */
static void put_callers(FILE *out, const struct process_model *process,
			const struct holder *holder)
{
	const struct stack_model *stack = holder->stack;
	const char *before = stack->truncated ? "not whole: from " : "from ";

	for (size_t i = holder->at + 1; i < stack->count; i++) {
		if (holder_is_plumbing(process, stack->frames[i]))
			continue;
		fputs(before, out);
		put_frame(out, stack->frames[i]);
		before = " < ";
	}
	if (stack->truncated && holder->at < stack->count && before[1] != '<')
		fputs("from callers that are not known", out);
}

static void put_released(FILE *out, const struct holder *holder)
{
	char bytes[24];

	for (size_t i = 0; i < holder->released_count; i++) {
		fprintf(out, "%s%s %s", i ? ", " : "given back by ",
			holder->released_by[i].operation,
			text_bytes(bytes, sizeof(bytes), holder->released_by[i].bytes, 0));
	}
}

/* Closes what words were written to, and writes them as far as the line goes. */
static void write_words(FILE *words, char **text, enum style style, bool indent,
			const struct report_options *options, FILE *out)
{
	cleanup_free char *clean = NULL;

	fclose(words);
	clean = text_printable(*text, strlen(*text));
	free(*text);
	*text = NULL;
	if (indent && !*clean)
		return;
	fprintf(out, "%*s%s", indent ? NUMBERS_WIDTH : 2, "", style_on(options, style));
	style_text(options, out, clean, style_room(options, NUMBERS_WIDTH), false);
	fprintf(out, "%s\n", style_off(options));
}

/* Whose code it is, after the numbers; who called, and by which calls it was given back. */
static void write_whose(const struct process_model *process, const struct holder *holder,
			const struct report_options *options, FILE *out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *words = open_memstream(&text, &size);

	put_shown(words, process, holder);
	write_words(words, &text, STYLE_PLAIN, false, options, out);
	words = open_memstream(&text, &size);
	put_callers(words, process, holder);
	write_words(words, &text, STYLE_DIM, true, options, out);
	words = open_memstream(&text, &size);
	put_released(words, holder);
	write_words(words, &text, STYLE_DIM, true, options, out);
}

static void write_sum(int64_t held, int64_t touched, int64_t released, const char *words,
		      enum style style, const struct report_options *options, FILE *out)
{
	fputs(style_on(options, style), out);
	put_bytes(out, held, false);
	put_bytes(out, touched, false);
	put_bytes(out, -(uint64_t)released, false);
	fputs("  ", out);
	style_text(options, out, words, style_room(options, NUMBERS_WIDTH), false);
	fprintf(out, "%s\n", style_off(options));
}

/* The rows that --limit leaves out: the column is to add up. */
static void write_others(const struct holder *others, size_t count,
			 const struct report_options *options, FILE *out)
{
	int64_t held = 0, touched = 0, released = 0;
	char words[64];

	for (size_t i = 0; i < count; i++) {
		held = plus(held, others[i].held_bytes);
		touched = plus(touched, others[i].touched_bytes);
		released = plus(released, others[i].released_bytes);
	}
	snprintf(words, sizeof(words), "... and %zu more (--limit)", count);
	if (count)
		write_sum(held, touched, released, words, STYLE_DIM, options, out);
}

/* What was touched most belongs in the table, however little of it is left. */
static void move_up_busiest(struct holder *holders, size_t count, size_t shown)
{
	int64_t touched = 0;

	for (size_t i = 0; i < count; i++)
		touched = plus(touched, holders[i].touched_bytes);
	for (size_t place = shown; shown > 2ul * BUSIEST && place + BUSIEST > shown; place--) {
		struct holder *last = &holders[place - 1], *most = last, kept = *last;

		for (size_t i = shown; i < count; i++)
			if (holders[i].touched_bytes > most->touched_bytes)
				most = &holders[i];
		if (most == last || most->touched_bytes < touched / BUSY_SHARE)
			return;
		*last = *most;
		*most = kept;
	}
}

static void write_holders(const struct process_model *process, const struct report_options *options,
			  FILE *out)
{
	size_t count, shown;
	struct holder *holders;

	holders = holders_build(process, &count);
	shown = count < options->limit ? count : options->limit;
	move_up_busiest(holders, count, shown);
	fprintf(out, "\n%s%12s%12s%12s  %s%s\n", style_on(options, STYLE_DIM),
		process->has_at_exit ? "at exit" : "resident", "touched", "released",
		"whose code touched it first", style_off(options));
	for (size_t i = 0; i < shown; i++) {
		put_bytes(out, holders[i].held_bytes, false);
		put_bytes(out, holders[i].touched_bytes, false);
		put_bytes(out, -(uint64_t)holders[i].released_bytes, false);
		write_whose(process, &holders[i], options, out);
	}
	write_others(holders + shown, count - shown, options, out);
	if (process->unsited_bytes)
		write_sum(process->unsited_bytes, 0, 0, process->unsited_meaning,
			  process->unsited_bytes < 0 && process->sample == 1 ? STYLE_BAD :
									       STYLE_PLAIN,
			  options, out);
	write_sum(sites_total(process), 0, 0, "all anonymous memory", STYLE_BOLD, options, out);
	holders_free(holders, count);
}

/* What was asked for in vain. */
static void write_reservers(const struct process_model *process,
			    const struct report_options *options, FILE *out)
{
	size_t count;
	struct holder *holders = holders_build_part(process, HOLDER_RESERVED, &count);

	for (size_t i = 0; i < count && i < options->limit; i++) {
		if (holders[i].untouched_bytes < WORTH_BYTES)
			break;
		if (!i)
			fprintf(out, "\n%s%12s%12s%12s  %s%s\n", style_on(options, STYLE_DIM),
				"untouched", "reserved", "unmapped",
				"whose code reserved what it never used",
				style_off(options));
		put_bytes(out, holders[i].untouched_bytes, false);
		put_bytes(out, holders[i].reserved_bytes, false);
		put_bytes(out, -(uint64_t)holders[i].unreserved_bytes, false);
		write_whose(process, &holders[i], options, out);
	}
	holders_free(holders, count);
}

static void write_givers(const struct process_model *process, const struct report_options *options,
			 FILE *out)
{
	size_t count;
	struct holder *holders = holders_build_part(process, HOLDER_GAVE_BACK, &count);

	for (size_t i = 0; i < count && i < options->limit; i++) {
		if (holders[i].gave_back_bytes < WORTH_BYTES)
			break;
		if (!i)
			fprintf(out, "\n%s%12s%12s%12s  %s%s\n", style_on(options, STYLE_DIM), "",
				"", "gave back", "whose code gave memory back",
				style_off(options));
		fprintf(out, "%24s", "");
		put_bytes(out, -(uint64_t)holders[i].gave_back_bytes, false);
		write_whose(process, &holders[i], options, out);
	}
	holders_free(holders, count);
}

void holders_write(const struct process_model *process, const struct report_options *options,
		   FILE *out)
{
	if (!process->has_sites)
		return;
	write_holders(process, options, out);
	write_reservers(process, options, out);
	write_givers(process, options, out);
}
