// SPDX-License-Identifier: GPL-2.0
/* Which functions made by a runtime are in the stacks of a process?  See runtime.h. */
#include "user/collect/runtime.h"

#include "bpf/stack.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_MAPS 256 /* held open for processes that may be gone at the end */

/* ---- the file ---- */

/* What the process calls itself: the last number of NSpid. */
static uint32_t own_pid(uint32_t pid)
{
	cleanup_free char *line = NULL;
	cleanup_fclose FILE *file = NULL;
	char path[64];
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0) {
		const char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			return (uint32_t)strtoul(last, NULL, 10);
	}
	return 0;
}

/* Others may write to /tmp: the file has to be of the process's user, or of root. */
static bool is_its_own(int found, uint32_t pid)
{
	struct stat file, process;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return !fstat(found, &file) && S_ISREG(file.st_mode) && !stat(path, &process) &&
	       (file.st_uid == process.st_uid || !file.st_uid);
}

/* Nothing of it is read by then: the descriptor, or -1. */
static int open_map(uint32_t pid)
{
	cleanup_close int found = -1;
	char path[96];

	snprintf(path, sizeof(path), "/proc/%u/root/tmp/perf-%u.map", pid, own_pid(pid));
	found = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0 || !is_its_own(found, pid))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Of the process as it is now, or what was opened while it lived; from its beginning. */
static int open_again(uint32_t pid, int held)
{
	cleanup_close int opened = open_map(pid);
	char path[32];

	if (opened < 0 && held < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", opened >= 0 ? opened : held);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- while it lives ---- */

struct runtime {
	uint32_t pid;
	uint64_t start_boot_ns;
	int map;
};

static struct runtime *find(const struct runtimes *runtimes, uint32_t pid, uint64_t start_boot_ns)
{
	for (size_t i = 0; i < runtimes->count; i++)
		if (runtimes->all[i].pid == pid &&
		    runtimes->all[i].start_boot_ns == start_boot_ns)
			return &runtimes->all[i];
	return NULL;
}

static bool has_code_of_no_file(const struct mt_event_stack *stack)
{
	for (size_t i = 0; i < stack->count && i < MT_FRAMES; i++)
		if (stack->frame[i] >> 48 == MT_NO_FILE)
			return true;
	return false;
}

void runtimes_add(struct runtimes *runtimes, const struct mt_event *event, size_t bytes)
{
	const struct mt_event_stack *stack = (const struct mt_event_stack *)event;
	int map;

	if (event->kind != MT_EVENT_STACK || bytes < sizeof(*stack) ||
	    !has_code_of_no_file(stack) || runtimes->count >= MOST_MAPS ||
	    find(runtimes, event->pid, event->start_boot_ns))
		return;
	map = open_map(event->pid);
	if (map < 0)
		return;
	runtimes->all = memory_grow(runtimes->all, runtimes->count, sizeof(*runtimes->all));
	runtimes->all[runtimes->count++] =
		(struct runtime){ event->pid, event->start_boot_ns, map };
}

void runtimes_free(struct runtimes *runtimes)
{
	for (size_t i = 0; i < runtimes->count; i++)
		close(runtimes->all[i].map);
	free(runtimes->all);
	*runtimes = (struct runtimes){ 0 };
}

/* ---- the stacks ---- */

static bool is_of_no_file(const Mt__Frame *frame)
{
	return !frame->has_module && !frame->has_function && !frame->kind;
}

static bool has_such(const Mt__Capture *capture, const Mt__Stack *stack)
{
	for (size_t i = 0; i < stack->n_frame; i++)
		if (is_of_no_file(capture->frames[stack->frame[i]]))
			return true;
	return false;
}

/* What the map says of an address. */
struct name {
	uint64_t address, offset;
	char *text; /* NULL: nothing */
};

struct names {
	struct name *all; /* by address */
	size_t count;
};

/* A return address is behind the call. */
static uint64_t address_of(const Mt__Frame *frame, bool innermost)
{
	return frame->address - !innermost;
}

static int compare_names(const void *a, const void *b)
{
	const struct name *left = a, *right = b;

	return left->address < right->address ? -1 : left->address > right->address;
}

static void add_names(struct names *names, const Mt__Capture *capture, const Mt__Stack *stack)
{
	for (size_t i = 0; i < stack->n_frame; i++) {
		const Mt__Frame *frame = capture->frames[stack->frame[i]];

		if (!is_of_no_file(frame))
			continue;
		names->all = memory_grow(names->all, names->count, sizeof(*names->all));
		names->all[names->count++] = (struct name){ .address = address_of(frame, !i) };
	}
}

static const Mt__Stack *stack_of(const Mt__Capture *capture, const Mt__Site *site)
{
	return site->stack < capture->n_stacks ? capture->stacks[site->stack] : NULL;
}

/* Each address in code of no file once. */
static struct names list_names(const Mt__Capture *capture, const Mt__Process *process)
{
	struct names names = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < process->n_sites; i++) {
		const Mt__Stack *stack = stack_of(capture, process->sites[i]);

		if (stack)
			add_names(&names, capture, stack);
	}
	if (names.count)
		qsort(names.all, names.count, sizeof(*names.all), compare_names);
	for (size_t i = 0; i < names.count; i++)
		if (!kept || names.all[kept - 1].address != names.all[i].address)
			names.all[kept++] = names.all[i];
	names.count = kept;
	return names;
}

static void take_name(void *context, size_t index, struct places *places)
{
	struct names *names = context;

	names->all[index].offset = places->offset;
	names->all[index].text = places->at[0].function;
	places->at[0].function = NULL;
	places_free(places);
}

static void ask_names(struct names *names, struct remote *remote, int map)
{
	cleanup_free uint64_t *addresses = memory_new(names->count, sizeof(*addresses));

	for (size_t i = 0; i < names->count; i++)
		addresses[i] = names->all[i].address;
	remote_names(remote, map, addresses, names->count, take_name, names);
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->all[i].text);
	free(names->all);
}

/* The frame, or a new one with its name. */
static uint32_t name_frame(Mt__Capture *capture, const struct names *names, uint32_t number,
			   bool innermost)
{
	const Mt__Frame *frame = capture->frames[number];
	const struct name key = { .address = address_of(frame, innermost) }, *name;
	Mt__Frame *made;

	name = is_of_no_file(frame) ? bsearch(&key, names->all, names->count, sizeof(key),
					      compare_names) : NULL;
	if (!name || !name->text)
		return number;
	made = memory_new(1, sizeof(*made));
	mt__frame__init(made);
	made->address = frame->address;
	made->offset = name->offset + !innermost;
	made->has_function = 1;
	made->function.len = strlen(name->text);
	made->function.data = memory_copy(name->text, made->function.len);
	capture->frames = memory_grow(capture->frames, capture->n_frames, sizeof(made));
	capture->frames[capture->n_frames] = made;
	return (uint32_t)capture->n_frames++;
}

static void name_stack(Mt__Capture *capture, const struct names *names, Mt__Site *site)
{
	const Mt__Stack *stack = capture->stacks[site->stack];
	Mt__Stack *made = memory_new(1, sizeof(*made));

	mt__stack__init(made);
	made->end = stack->end;
	made->n_frame = stack->n_frame;
	made->frame = memory_new(stack->n_frame, sizeof(made->frame[0]));
	for (size_t i = 0; i < stack->n_frame; i++)
		made->frame[i] = name_frame(capture, names, stack->frame[i], !i);
	site->stack = (uint32_t)capture->n_stacks;
	capture->stacks = memory_trim(capture->stacks, capture->n_stacks + 1, sizeof(made));
	capture->stacks[capture->n_stacks++] = made;
}

void runtimes_name(const struct runtimes *runtimes, struct remote *remote, uint64_t start_boot_ns,
		   Mt__Capture *capture, Mt__Process *process)
{
	const struct runtime *held = find(runtimes, process->pid, start_boot_ns);
	struct names names = list_names(capture, process);
	cleanup_close int map = -1;

	if (names.count)
		map = open_again(process->pid, held ? held->map : -1);
	if (map >= 0)
		ask_names(&names, remote, map);
	for (size_t i = 0; i < process->n_sites && map >= 0; i++) {
		const Mt__Stack *stack = stack_of(capture, process->sites[i]);

		if (stack && has_such(capture, stack))
			name_stack(capture, &names, process->sites[i]);
	}
	free_names(&names);
}
