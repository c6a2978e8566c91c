// SPDX-License-Identifier: GPL-2.0
/* How does a canvas get onto the terminal, and what was pressed?  See screen.h. */
#include "user/view/screen.h"

#include "user/view/view.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#undef columns /* of term.h, as many short words */

#define USAGE 2 /* the status of what was asked for and cannot be */
#define ESCAPE_MS 25 /* between an Escape and what makes it a key; ssh keeps them together */

static struct {
	SCREEN *curses; /* NULL: the terminal is as it was */
	struct termios before;
	char back[256]; /* what the terminal is sent at the end */
	volatile bool taken;
	bool color;
} screen;

/* ---- taking and putting back ---- */

struct error *screen_check(void)
{
	const char *name = getenv("TERM");
	bool able;
	int found;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return error_status(USAGE, 0, "memtrace top is for a terminal: a report without "
				    "one is made by memtrace -a or -p PID");
	if (!name || !*name)
		return error_new(0, "TERM does not say which terminal this is");
	if (setupterm(NULL, STDOUT_FILENO, &found) != OK)
		return error_new(0, "there is no description of the terminal '%s': set TERM", name);
	able = cursor_address && clear_screen;
	del_curterm(cur_term);
	if (!able)
		return error_new(0, "the terminal '%s' cannot place its cursor, which a screen "
				 "needs", name);
	return NULL;
}

static void keep_back(void)
{
	const char *const strings[] = { exit_attribute_mode, orig_pair, keypad_local,
					cursor_normal, exit_ca_mode };
	size_t used = 0;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		size_t length = strings[i] ? strlen(strings[i]) : 0;

		if (used + length >= sizeof(screen.back))
			continue;
		if (length)
			memcpy(screen.back + used, strings[i], length);
		used += length;
	}
	screen.back[used] = 0;
}

static void choose_colors(void)
{
	const char *no_color = getenv("NO_COLOR");

	screen.color = has_colors() && !(no_color && *no_color) && start_color() == OK &&
		       use_default_colors() == OK;
	if (!screen.color)
		return;
	init_pair(LOOK_GOOD, COLOR_GREEN, -1);
	init_pair(LOOK_BAD, COLOR_RED, -1);
	init_pair(LOOK_TITLE, COLOR_BLACK, COLOR_GREEN);
	init_pair(LOOK_CHOSEN, COLOR_BLACK, COLOR_CYAN);
}

struct error *screen_open(FILE *out, FILE *in)
{
	tcgetattr(STDIN_FILENO, &screen.before);
	screen.curses = newterm(NULL, out, in);
	if (!screen.curses)
		return error_new(0, "the terminal cannot be used");
	keep_back();
	screen.taken = true;
	set_term(screen.curses);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	choose_colors();
	return NULL;
}

void screen_close(void)
{
	if (!screen.curses)
		return;
	endwin();
	screen.taken = false;
	delscreen(screen.curses);
	screen.curses = NULL;
}

/* A terminal that takes nothing must not keep anybody from dying. */
void screen_drop(void)
{
	struct pollfd polled = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t length = 0;
	ssize_t written = 0;

	if (!screen.taken)
		return;
	while (screen.back[length])
		length++;
	if (poll(&polled, 1, 0) == 1)
		written = write(STDOUT_FILENO, screen.back, length);
	(void)written; /* there is nothing left to be done about it */
	tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

/* ---- drawing ---- */

void screen_size(size_t *columns, size_t *rows)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col && size.ws_row &&
	    (size.ws_col != COLS || size.ws_row != LINES))
		resizeterm(size.ws_row, size.ws_col);
	*columns = (size_t)COLS;
	*rows = (size_t)LINES;
}

bool screen_is_unicode(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static attr_t attribute_of(enum look look)
{
	static const attr_t attributes[] = {
		[LOOK_PLAIN] = A_NORMAL,   [LOOK_BOLD] = A_BOLD,  [LOOK_DIM] = A_DIM,
		[LOOK_TITLE] = A_REVERSE,  [LOOK_CHOSEN] = A_REVERSE, [LOOK_GOOD] = A_NORMAL,
		[LOOK_BAD] = A_BOLD,
	};

	if (!screen.color || look == LOOK_PLAIN || look == LOOK_BOLD || look == LOOK_DIM)
		return attributes[look];
	return (look == LOOK_BAD ? A_BOLD : A_NORMAL) | (attr_t)COLOR_PAIR(look);
}

static void show_row(const struct canvas *canvas, size_t row)
{
	for (size_t column = 0; column < canvas->columns; column++) {
		const struct cell *cell = canvas_at(canvas, row, column);

		/* It is blank already. */
		if (!cell->text[0] || (cell->look == LOOK_PLAIN && !strcmp(cell->text, " ")))
			continue;
		attrset((int)attribute_of(cell->look));
		mvaddstr((int)row, (int)column, cell->text);
	}
}

void screen_show(const struct canvas *canvas, bool again)
{
	erase();
	for (size_t row = 0; row < canvas->rows; row++)
		show_row(canvas, row);
	if (again)
		clearok(curscr, TRUE);
	refresh();
}

/* ---- keys ---- */

static uint32_t key_of(wint_t code)
{
	static const struct {
		int code;
		uint32_t key;
	} keys[] = {
		{ KEY_UP, VIEW_UP },	       { KEY_DOWN, VIEW_DOWN },
		{ KEY_LEFT, VIEW_LEFT },       { KEY_RIGHT, VIEW_RIGHT },
		{ KEY_PPAGE, VIEW_PAGE_UP },   { KEY_NPAGE, VIEW_PAGE_DOWN },
		{ KEY_HOME, VIEW_HOME },       { KEY_END, VIEW_END },
		{ KEY_A1, VIEW_HOME },	       { KEY_C1, VIEW_END },
		{ KEY_ENTER, VIEW_ENTER },     { KEY_BACKSPACE, VIEW_BACKSPACE },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((wint_t)keys[i].code == code)
			return keys[i].key;
	}
	if (code >= KEY_F(1) && code <= KEY_F(10))
		return VIEW_F1 + (code - KEY_F(1));
	return VIEW_REDRAW; /* means nothing, but for a new size */
}

static uint32_t character_of(wint_t code)
{
	switch (code) {
	case '\r':
	case '\n':
		return VIEW_ENTER;
	case 0x1b:
		return VIEW_ESCAPE;
	case 0x7f:
	case '\b':
		return VIEW_BACKSPACE;
	case 0x0c: /* Ctrl-L */
		return VIEW_REDRAW;
	default:
		return (uint32_t)code;
	}
}

bool screen_key(uint32_t *key)
{
	wint_t code;
	int kind = get_wch(&code);

	if (kind == ERR)
		return false;
	*key = kind == KEY_CODE_YES ? key_of(code) : character_of(code);
	return true;
}
