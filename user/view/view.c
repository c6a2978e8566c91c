// SPDX-License-Identifier: GPL-2.0
/* What do the readings and the keys change of what is shown?  See view.h. */
#include "user/view/view.h"

#include "user/base/memory.h"

#include <string.h>


void view_init(struct view *view, const char *whom, double interval)
{
	*view = (struct view){ .whom = whom, .interval = interval };
}

static void forget_process(struct view *view)
{
	findings_free(&view->findings);
	holders_free(view->holders, view->holder_count);
	view->holders = NULL;
	view->holder_count = 0;
	view->process = NULL;
	details_forget(view);
}

void view_free(struct view *view)
{
	list_free(&view->list);
	forget_process(view);
}

/* ---- what was read ---- */

/* The cursor follows its process; where that is gone, it stays in its line. */
static void settle(struct view *view)
{
	size_t found = list_find(&view->list, view->chosen_pid);

	if (!view->moved)
		view->cursor = 0;
	else if (found < view->list.count)
		view->cursor = found;
	if (view->cursor >= view->list.count)
		view->cursor = view->list.count ? view->list.count - 1 : 0;
	/* Its details are read on when it has ended. */
	if (view->mode == MODE_DETAILS)
		return;
	view->chosen_pid = view->list.count ? view->list.rows[view->cursor].process->pid : 0;
}

static void arrange(struct view *view)
{
	const struct list_options options = {
		.sort = view->sort,
		.inverted = view->inverted,
		.tree = view->tree,
		.filter = view->filter,
	};

	list_free(&view->list);
	if (view->interval_model)
		list_build(&view->list, view->interval_model, view->interval_ns, &options);
	settle(view);
}

static double since(uint64_t now, uint64_t before, double ns)
{
	return now > before ? (double)(now - before) / ns : 0;
}

static void take_cost(struct view *view, const struct model *self)
{
	const Mt__Overhead *before, *now = self->capture->overhead;
	double ns;

	view->cost = (struct view_cost){ .has_bpf = now->has_bpf_ns };
	if (!view->self)
		return;
	before = view->self->capture->overhead;
	ns = since(self->capture->duration_ns, view->self->capture->duration_ns, 1);
	if (ns <= 0)
		return;
	view->cost.known = true;
	view->cost.events_per_second = since(now->bpf_runs, before->bpf_runs, ns / 1e9);
	view->cost.user_percent = since(now->user_cpu_ns, before->user_cpu_ns, ns / 100);
	view->cost.bpf_percent = since(now->bpf_ns, before->bpf_ns, ns / 100);
}

void view_take(struct view *view, const struct interval_model *interval, const struct model *self)
{
	uint64_t before = view->interval_model ? view->interval_model->at_ns : interval->at_ns;

	take_cost(view, self);
	view->self = self;
	view->interval_ns = interval->at_ns - before;
	view->interval_model = interval;
	arrange(view);
}

static const struct process_model *find_process(const struct model *model, uint32_t pid)
{
	for (size_t i = 0; model && i < model->process_count; i++) {
		if (model->processes[i].pid == pid && !model->processes[i].folded)
			return &model->processes[i];
	}
	return NULL;
}

void view_take_process(struct view *view, const struct model *model, uint32_t pid)
{
	if (pid != view->model_pid)
		view->scroll = 0;
	forget_process(view);
	view->model = model;
	view->model_pid = pid;
	view->process = find_process(model, pid);
	if (!view->process)
		return;
	findings_build(&view->findings, model, view->process);
	if (view->process->has_sites)
		view->holders = holders_build(view->process, &view->holder_count);
}

uint32_t view_chosen(const struct view *view)
{
	return view->chosen_pid;
}

/* ---- the cursor ---- */

static void go(struct view *view, size_t row)
{
	if (!view->list.count)
		return;
	view->cursor = row < view->list.count ? row : view->list.count - 1;
	view->chosen_pid = view->list.rows[view->cursor].process->pid;
	view->moved = true;
}

/* Where a key leads from a line of so many; false: it is no such key. */
static bool step(uint32_t key, size_t page, size_t count, size_t *at)
{
	size_t last = count ? count - 1 : 0;

	switch (key) {
	case VIEW_UP:
		*at -= *at > 0;
		return true;
	case VIEW_DOWN:
		*at += *at < last;
		return true;
	case VIEW_PAGE_UP:
		*at = *at > page ? *at - page : 0;
		return true;
	case VIEW_PAGE_DOWN:
		*at = *at + page < last ? *at + page : last;
		return true;
	case VIEW_HOME:
		*at = 0;
		return true;
	case VIEW_END:
		*at = last;
		return true;
	}
	return false;
}

/* From a row on, and around; false: there is none. */
static bool search(struct view *view, size_t from)
{
	for (size_t i = 0; i < view->list.count; i++) {
		size_t row = (from + i) % view->list.count;

		if (!list_matches(view->list.rows[row].process, view->search))
			continue;
		go(view, row);
		return true;
	}
	return false;
}

/* ---- words that are typed ---- */

static char *words_of(struct view *view)
{
	return view->mode == MODE_SEARCH ? view->search : view->filter;
}

static void begin_words(struct view *view, enum view_mode mode)
{
	view->mode = mode;
	view->not_found = false;
	memcpy(view->before, words_of(view), VIEW_WORDS);
	if (mode == MODE_SEARCH)
		view->search[0] = 0;
}

static void add_character(char *words, uint32_t c)
{
	char text[5] = { 0 };
	size_t used = strlen(words), length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = length; --i; c >>= 6)
		text[i] = (char)(0x80 | (c & 0x3f));
	text[0] = (char)(first[length] | c);
	if (used + length < VIEW_WORDS)
		memcpy(words + used, text, length + 1);
}

static void remove_character(char *words)
{
	size_t length = strlen(words);

	while (length && (words[length - 1] & 0xc0) == 0x80)
		length--;
	words[length ? length - 1 : 0] = 0;
}

static void use_words(struct view *view)
{
	if (view->mode == MODE_FILTER)
		arrange(view);
	else
		view->not_found = *view->search && !search(view, view->cursor);
}

/* As in htop: Enter keeps a filter, Escape is without one. */
static void press_words(struct view *view, uint32_t key)
{
	char *words = words_of(view);

	if (key == VIEW_ENTER || (key == VIEW_F1 + 2 && view->mode == MODE_SEARCH)) {
		if (key != VIEW_ENTER)
			view->not_found = !search(view, view->cursor + 1);
		else
			view->mode = MODE_LIST;
		return;
	}
	if (key == VIEW_ESCAPE) {
		words[0] = 0;
		use_words(view);
		view->mode = MODE_LIST;
		return;
	}
	if (step(key, view->table_rows, view->list.count, &view->cursor)) {
		go(view, view->cursor);
		return;
	}
	if (key == VIEW_BACKSPACE)
		remove_character(words);
	else if (key >= ' ' && key < 0x110000 && key != 0x7f)
		add_character(words, key);
	use_words(view);
}

/* ---- other pages ---- */

static void sort_by(struct view *view, enum list_sort sort)
{
	view->sort = sort;
	view->inverted = false;
	view->mode = MODE_LIST;
	arrange(view);
}

static void press_sort(struct view *view, uint32_t key)
{
	size_t at = view->sort_chosen;

	if (key == VIEW_ENTER)
		sort_by(view, view->sort_chosen);
	else if (key == VIEW_ESCAPE || key == 'q' || key == VIEW_F10)
		view->mode = MODE_LIST;
	else if (step(key, SORTS, SORTS, &at))
		view->sort_chosen = (enum list_sort)at;
}

static void press_details(struct view *view, uint32_t key)
{
	size_t last = view->text.count > view->page_rows ? view->text.count - view->page_rows : 0;

	if (key == VIEW_ESCAPE || key == 'q' || key == VIEW_F10 || key == VIEW_ENTER ||
	    key == VIEW_LEFT)
		view->mode = MODE_LIST;
	else if (key == ' ')
		view->paused = !view->paused;
	else
		step(key, view->page_rows, last + 1, &view->scroll);
}

static void press_words_key(struct view *view, uint32_t key)
{
	if (key == VIEW_F1 + 2 || key == '/')
		begin_words(view, MODE_SEARCH);
	else if (key == VIEW_F1 + 3 || key == '\\')
		begin_words(view, MODE_FILTER);
	else if (key == 'n')
		view->not_found = *view->search && !search(view, view->cursor + 1);
}

static void press_order(struct view *view, uint32_t key)
{
	static const struct {
		uint32_t key;
		enum list_sort sort;
	} sorts[] = { { 'M', SORT_RESIDENT }, { 'P', SORT_CHANGE }, { 'V', SORT_VIRTUAL },
		      { 'S', SORT_SWAP },     { 'N', SORT_PID } };

	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
		if (key == sorts[i].key)
			sort_by(view, sorts[i].sort);
	}
	view->inverted ^= key == 'I';
	view->tree ^= key == VIEW_F1 + 4 || key == 't';
	if (key == 'I' || key == VIEW_F1 + 4 || key == 't')
		arrange(view);
}

static void press_page(struct view *view, uint32_t key)
{
	switch (key) {
	case VIEW_F1:
	case 'h':
	case '?':
		view->mode = MODE_HELP;
		break;
	case VIEW_F1 + 5:
	case '>':
	case '<':
		view->sort_chosen = view->sort;
		view->mode = MODE_SORT;
		break;
	case VIEW_ENTER:
	case VIEW_RIGHT:
		view->scroll = 0;
		view->mode = MODE_DETAILS;
		break;
	}
}

static void press_list(struct view *view, uint32_t key)
{
	if (step(key, view->table_rows, view->list.count, &view->cursor)) {
		go(view, view->cursor);
		return;
	}
	view->quit = key == VIEW_F10 || key == 'q';
	view->paused ^= key == ' ';
	press_order(view, key);
	press_words_key(view, key);
	press_page(view, key);
}

void view_press(struct view *view, uint32_t key)
{
	switch (view->mode) {
	case MODE_LIST:
		press_list(view, key);
		break;
	case MODE_SEARCH:
	case MODE_FILTER:
		press_words(view, key);
		break;
	case MODE_SORT:
		press_sort(view, key);
		break;
	case MODE_HELP:
		view->mode = MODE_LIST;
		break;
	case MODE_DETAILS:
		press_details(view, key);
		break;
	}
}
