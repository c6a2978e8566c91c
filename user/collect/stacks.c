// SPDX-License-Identifier: GPL-2.0
/* Which stacks were seen, and what is the code in them?  See stacks.h. */
#include "user/collect/stacks.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/symbol/code.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct code_file {
	dev_t device;
	ino_t inode;
	struct timespec changed;
	char *path; /* as the process has it */
	struct code *code;
};

struct stack {
	uint32_t count, end;
	uint64_t *frames;
};

/* What of a process is known to the kernel side. */
struct known {
	uint32_t serial;
	uint32_t missed;
};

struct stacks {
	struct kernel *kernel;
	struct code_file *files;
	size_t file_count;
	struct stack *stacks; /* by number */
	size_t stack_room;
	struct known *known; /* by slot */
};

struct stacks *stacks_new(struct kernel *kernel)
{
	struct stacks *stacks = memory_new(1, sizeof(*stacks));

	stacks->kernel = kernel;
	stacks->known = memory_new(kernel->slots, sizeof(*stacks->known));
	stacks->stack_room = MT_STACKS;
	stacks->stacks = memory_new(stacks->stack_room, sizeof(*stacks->stacks));
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	for (size_t i = 0; i < stacks->file_count; i++) {
		code_close(stacks->files[i].code);
		free(stacks->files[i].path);
	}
	for (size_t i = 0; i < stacks->stack_room; i++)
		free(stacks->stacks[i].frames);
	free(stacks->files);
	free(stacks->stacks);
	free(stacks->known);
	free(stacks);
}

void stacks_add(struct stacks *stacks, const struct mt_event *event, size_t bytes)
{
	const struct mt_event_stack *from = (const struct mt_event_stack *)event;
	uint32_t number = (uint32_t)event->value;
	struct stack *stack;

	if (bytes < sizeof(*from) || number >= stacks->stack_room || from->count > MT_FRAMES)
		return;
	stack = &stacks->stacks[number];
	free(stack->frames);
	stack->count = from->count;
	stack->end = from->end;
	stack->frames = memory_copy(from->frame, from->count * sizeof(from->frame[0]));
}

/* ---- tables ---- */

static int make_table(const struct cfi_table *table, uint32_t leaves)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	cleanup_free struct mt_leaf *leaf = memory_new(1, sizeof(*leaf));
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mt_table", sizeof(uint32_t), sizeof(*leaf),
				leaves + 1, &options);

	if (fd < 0)
		return fd;
	memset(leaf, 0xff, sizeof(*leaf));
	for (uint32_t i = 0; i < leaves; i++)
		leaf->pc[i] = table->rows[(size_t)i * MT_LEAF_ROWS].pc;
	bpf_map_update_elem(fd, &(uint32_t){ 0 }, leaf, BPF_ANY);
	for (uint32_t i = 0; i < leaves; i++) {
		size_t first = (size_t)i * MT_LEAF_ROWS, count = table->count - first;

		memset(leaf, 0xff, sizeof(*leaf));
		if (count > MT_LEAF_ROWS)
			count = MT_LEAF_ROWS;
		memcpy(leaf->row, &table->rows[first], count * sizeof(leaf->row[0]));
		bpf_map_update_elem(fd, &(uint32_t){ i + 1 }, leaf, BPF_ANY);
	}
	return fd;
}

static void give_table(struct stacks *stacks, uint32_t number, const struct cfi_table *table)
{
	const struct memtrace_bpf *skeleton = stacks->kernel->skeleton;
	size_t leaves = (table->count + MT_LEAF_ROWS - 1) / MT_LEAF_ROWS;
	struct mt_file file = { .base = table->base };
	cleanup_close int fd = -1;

	if (!leaves || leaves > MT_LEAVES)
		return;
	fd = make_table(table, (uint32_t)leaves);
	if (fd < 0)
		return;
	file.leaves = (uint32_t)leaves;
	for (size_t i = 0; i < table->far_count && i < MT_FAR; i++)
		file.far[i] = table->far[i];
	bpf_map_update_elem(bpf_map__fd(skeleton->maps.tables), &number, &fd, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(skeleton->maps.files), &number, &file, BPF_ANY);
}

/* ---- files ---- */

/* What is mapped there, whatever has become of its path. */
static int open_mapped(uint32_t pid, const char *range)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%u/map_files/%s", pid, range);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t add_file(struct stacks *stacks, int descriptor, const struct stat *status,
		       const char *path)
{
	struct code_file file = { .device = status->st_dev, .inode = status->st_ino,
				  .changed = status->st_mtim, .code = code_open(descriptor) };
	size_t number = stacks->file_count;
	struct cfi_table table = { 0 };
	struct error *error;

	if (!file.code)
		return MT_NO_FILE;
	file.path = memory_copy(path, strlen(path));
	stacks->files = memory_grow(stacks->files, stacks->file_count, sizeof(file));
	stacks->files[stacks->file_count++] = file;
	error = code_rows(file.code, &table);
	if (!error)
		give_table(stacks, (uint32_t)number, &table);
	error_free(error); /* its frames are where stacks end */
	cfi_free(&table);
	return number;
}

/* The number of a mapped file, MT_NO_FILE: none. */
static size_t file_of(struct stacks *stacks, uint32_t pid, const char *range, const char *path)
{
	int descriptor = open_mapped(pid, range);
	struct stat status;

	if (descriptor < 0)
		return MT_NO_FILE;
	if (fstat(descriptor, &status) || !S_ISREG(status.st_mode)) {
		close(descriptor);
		return MT_NO_FILE;
	}
	for (size_t i = 0; i < stacks->file_count; i++) {
		const struct code_file *file = &stacks->files[i];

		if (file->device == status.st_dev && file->inode == status.st_ino &&
		    !memcmp(&file->changed, &status.st_mtim, sizeof(file->changed))) {
			close(descriptor);
			return i;
		}
	}
	if (stacks->file_count == MT_FILES) {
		close(descriptor);
		return MT_NO_FILE;
	}
	return add_file(stacks, descriptor, &status, path);
}

/* ---- processes ---- */

static void add_mapping(struct stacks *stacks, uint32_t pid, const char *line,
			struct mt_execs *execs)
{
	unsigned long long start, end, offset;
	uint64_t address;
	char mode[8], range[48];
	int at = 0;
	size_t file;

	if (sscanf(line, "%llx-%llx %7s %llx %*s %*u %n", &start, &end, mode, &offset, &at) < 4 ||
	    !at || mode[2] != 'x' || line[at] != '/' || execs->count == MT_EXECS)
		return;
	snprintf(range, sizeof(range), "%llx-%llx", start, end);
	file = file_of(stacks, pid, range, line + at);
	if (file == MT_NO_FILE || !code_address(stacks->files[file].code, offset, &address))
		return;
	execs->at[execs->count++] = (struct mt_exec){ .start = start, .end = end,
						      .bias = start - address,
						      .file = (uint32_t)file };
}

static void read_mappings(struct stacks *stacks, uint32_t slot, uint32_t pid)
{
	const struct memtrace_bpf *skeleton = stacks->kernel->skeleton;
	cleanup_free struct mt_execs *execs = memory_new(1, sizeof(*execs));
	cleanup_free char *line = NULL;
	cleanup_fclose FILE *maps = NULL;
	char path[64];
	size_t room = 0;

	memset(execs->at, 0x7f, sizeof(execs->at)); /* behind all that are in use */
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	while (maps && getline(&line, &room, maps) > 0) {
		line[strcspn(line, "\n")] = 0;
		add_mapping(stacks, pid, line, execs);
	}
	bpf_map_update_elem(bpf_map__fd(skeleton->maps.execs), &slot, execs, BPF_ANY);
}

static uint32_t missed(const struct stacks *stacks, uint32_t slot, struct mt_execs *execs)
{
	const struct memtrace_bpf *skeleton = stacks->kernel->skeleton;

	if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.execs), &slot, execs))
		return UINT32_MAX;
	return execs->missed;
}

void stacks_tick(struct stacks *stacks)
{
	cleanup_free struct mt_execs *execs = memory_new(1, sizeof(*execs));
	const struct kernel *kernel = stacks->kernel;

	for (uint32_t slot = 1; slot < kernel_used_slots(kernel); slot++) {
		const struct mt_space *space = &kernel->spaces[slot];
		struct known *known = &stacks->known[slot];

		if (space->state != MT_SPACE_OPEN)
			continue;
		if (known->serial == space->serial + 1 && !missed(stacks, slot, execs))
			continue;
		known->serial = space->serial + 1; /* 0: none */
		read_mappings(stacks, slot, space->pid);
	}
}

/* ---- the capture ---- */

static ProtobufCBinaryData binary(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return (ProtobufCBinaryData){ length, memory_copy(text ? text : "", length) };
}

static Mt__Frame *record_frame(struct stacks *stacks, uint64_t frame, bool innermost)
{
	uint64_t number = frame >> 48, address = frame & 0xffffffffffff;
	Mt__Frame *made = memory_new(1, sizeof(*made));
	struct code_file *file;
	const char *function, *source;
	uint64_t look = address - !innermost;
	int line;

	mt__frame__init(made);
	made->address = address;
	if (number >= stacks->file_count)
		return made;
	file = &stacks->files[number];
	made->has_module = made->has_build_id = 1;
	made->module = binary(file->path);
	made->build_id = binary(code_build_id(file->code));
	function = code_function(file->code, look, &made->offset);
	made->has_function = function != NULL;
	if (function)
		made->function = binary(function);
	source = code_line(file->code, look, &line);
	if (source) {
		made->has_file = made->has_line = 1;
		made->file = binary(source);
		made->line = (uint32_t)line;
	}
	return made;
}

struct frame_key {
	uint64_t frame;
	bool innermost;
};

static int compare_keys(const void *a, const void *b)
{
	const struct frame_key *left = a, *right = b;

	if (left->frame != right->frame)
		return left->frame < right->frame ? -1 : 1;
	return left->innermost - right->innermost;
}

/* Each frame once. */
static struct frame_key *list_frames(const struct stacks *stacks, size_t *count)
{
	struct frame_key *keys = NULL;
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < stacks->stack_room; i++) {
		for (size_t at = 0; at < stacks->stacks[i].count; at++) {
			keys = memory_grow(keys, all, sizeof(*keys));
			keys[all++] = (struct frame_key){ stacks->stacks[i].frames[at], !at };
		}
	}
	if (all)
		qsort(keys, all, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < all; i++) {
		if (!kept || compare_keys(&keys[kept - 1], &keys[i]))
			keys[kept++] = keys[i];
	}
	*count = kept;
	return keys;
}

static void record_stack(Mt__Capture *capture, const struct stack *stack,
			 const struct frame_key *keys, size_t key_count)
{
	Mt__Stack *made = memory_new(1, sizeof(*made));

	mt__stack__init(made);
	made->end = stack->end;
	made->n_frame = stack->count;
	made->frame = memory_new(stack->count, sizeof(*made->frame));
	for (size_t i = 0; i < stack->count; i++) {
		struct frame_key key = { stack->frames[i], i == 0 };
		const struct frame_key *found = bsearch(&key, keys, key_count, sizeof(key),
							compare_keys);

		made->frame[i] = (uint32_t)(found - keys);
	}
	capture->stacks[capture->n_stacks++] = made;
}

void stacks_record(struct stacks *stacks, Mt__Capture *capture)
{
	size_t count;
	cleanup_free struct frame_key *keys = list_frames(stacks, &count);

	capture->frames = memory_new(count, sizeof(*capture->frames));
	capture->n_frames = count;
	for (size_t i = 0; i < count; i++)
		capture->frames[i] = record_frame(stacks, keys[i].frame, keys[i].innermost);
	capture->stacks = memory_new(stacks->stack_room, sizeof(*capture->stacks));
	for (size_t i = 0; i < stacks->stack_room; i++)
		record_stack(capture, &stacks->stacks[i], keys, count);
	while (capture->n_stacks && !capture->stacks[capture->n_stacks - 1]->n_frame)
		mt__stack__free_unpacked(capture->stacks[--capture->n_stacks], NULL);
}

static Mt__Site *record_site(const struct mt_site_key *key, const struct mt_site *site,
			     uint32_t page_bytes)
{
	Mt__Site *made = memory_new(1, sizeof(*made));

	mt__site__init(made);
	made->stack = key->stack;
	made->touched_bytes = site->touched_pages * page_bytes;
	made->resident_bytes = site->resident_pages * page_bytes;
	made->n_released_bytes = MT_OPERATIONS;
	made->released_bytes = memory_new(MT_OPERATIONS, sizeof(*made->released_bytes));
	for (size_t i = 0; i < MT_OPERATIONS; i++)
		made->released_bytes[i] = site->released_pages[i] * page_bytes;
	return made;
}

void stacks_record_sites(struct stacks *stacks, uint32_t serial, Mt__Process *process)
{
	int fd = bpf_map__fd(stacks->kernel->skeleton->maps.sites);
	struct mt_site_key key, *before = NULL;
	struct mt_site site;

	while (!bpf_map_get_next_key(fd, before, &key)) {
		before = &key;
		if (key.serial != serial || bpf_map_lookup_elem(fd, &key, &site))
			continue;
		process->sites = memory_grow(process->sites, process->n_sites,
					     sizeof(*process->sites));
		process->sites[process->n_sites++] =
			record_site(&key, &site, stacks->kernel->page_bytes);
	}
}
