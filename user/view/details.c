// SPDX-License-Identifier: GPL-2.0
/* What are the other pages?  All that the report says of a process, and what the keys do. */
#include "user/view/view.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/report/book.h"

#include <limits.h>
#include <string.h>

#define TEXT_LEAST 60 /* columns; the rest of it is cut off on narrower screens */

void details_forget(struct view *view)
{
	for (size_t i = 0; i < view->text.count; i++)
		free(view->text.lines[i]);
	free(view->text.lines);
	view->text = (struct view_text){ 0 };
}

static void add_line(struct view_text *text, const char *line, size_t length)
{
	text->lines = memory_grow(text->lines, text->count, sizeof(*text->lines));
	text->lines[text->count++] = memory_copy(line, length);
}

static void split(struct view_text *text, const char *at)
{
	while (*at) {
		size_t length = strcspn(at, "\n");

		add_line(text, at, length);
		at += length + (at[length] == '\n');
	}
}

/* As the text report has it; styles are told by its escapes, which the canvas knows. */
static void write_text(struct view *view, const struct canvas *canvas)
{
	const struct report_options options = {
		.color = true,
		.unicode = canvas->unicode,
		.width = canvas->columns < TEXT_LEAST ? TEXT_LEAST : canvas->columns,
		.limit = UINT_MAX,
	};
	cleanup_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (view->process)
		book_write(view->model, view->process, &options, out);
	for (size_t i = 0; view->process && i < view->model->capture->n_notes; i++) {
		cleanup_free char *note = text_printable(view->model->capture->notes[i],
							 strlen(view->model->capture->notes[i]));

		fputs("Note: ", out);
		text_fill(out, note, 6, 0, options.width);
	}
	fclose(out);
	split(&view->text, text);
	view->text.width = canvas->columns;
}

void details_draw(struct view *view, struct canvas *canvas)
{
	if (view->model_pid == view->chosen_pid && view->text.width != canvas->columns) {
		details_forget(view);
		write_text(view, canvas);
	}
	view->page_rows = canvas->rows - 1;
	if (view->scroll + view->page_rows > view->text.count)
		view->scroll = view->text.count > view->page_rows ?
				       view->text.count - view->page_rows : 0;
	for (size_t i = 0; i < view->page_rows && view->scroll + i < view->text.count; i++)
		canvas_put_styled(canvas, i, 0, canvas->columns,
				  view->text.lines[view->scroll + i]);
	if (!view->text.count)
		canvas_put(canvas, 0, 0, canvas->columns, LOOK_DIM, "...");
}

void help_draw(struct canvas *canvas)
{
	static const char *const lines[] = {
		"memtrace top: where memory is, and what moved it",
		"",
		"Up Down PgUp PgDn Home End   choose a process",
		"Enter    all that is known of it; Esc: back",
		"F3 /     search (F3, n: the next one)",
		"F4 \\     filter: show those alone",
		"F5 t     as a tree, children below parents",
		"F6 >     sort by ...      I  the other way round",
		"M RSS    P change    V VSZ    S swap    N pid",
		"Space    pause; what happens is counted still",
		"F1 h ?   this     Ctrl-L  draw again     F10 q  quit",
		"",
		"RSS      memory that it has: ANON + FILE + SHMEM",
		"CHANGE/s how fast that grows or shrinks",
		"VSZ      address space: costs nothing until touched",
		"ANON     its own: heap, stacks, private data",
		"FILE     programs and mapped files, maybe shared",
		"SHMEM    shared memory; SWAP  what is on disk",
		"MOVED BY what moved it most in the last interval:",
		"         fault: touched by the program; munmap, brk,",
		"         madvise: given back; reclaim: taken by the",
		"         kernel; the others: man memtrace, Operations",
		"",
		"Any key goes back.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		canvas_put(canvas, i, 0, canvas->columns, i ? LOOK_PLAIN : LOOK_BOLD, lines[i]);
}
