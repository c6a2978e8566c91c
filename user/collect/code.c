// SPDX-License-Identifier: GPL-2.0
/* What code is there in the processes that are followed?  See code.h. */
#include "user/collect/code.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/mapped.h"
#include "user/collect/self.h"
#include "user/collect/symbols.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define KEPT_NS 1000000000 /* tables, for stacks that are walked on this side */
#define DEPTH 4 /* of libraries that need libraries */

#if defined(__x86_64__)
#define TRIPLET "x86_64-linux-gnu"
#else
#define TRIPLET "aarch64-linux-gnu"
#endif

struct code_files {
	struct kernel *kernel;
	struct remote *remote;
	struct python *python; /* NULL: not asked for */
	struct code_file files[MT_FILES]; /* by number */
	/* Files that were opened, and that the kernel side is to hear of. */
	uint32_t opened[MT_FILES];
	uint32_t opened_count;
	/* Tables that the kernel side does not have yet. */
	uint32_t made[MT_FILES];
	int made_fds[MT_FILES];
	uint32_t made_count;
	bool has_tables; /* on this side ... */
	uint64_t walked_ns; /* ... by which stacks were walked last at that time */
};

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

/*
 * Gives the kernel side the tables that were made, at once: it sees them at once, but says so only
 * when no program that might know the place as empty runs any more, 10 ms later.  Stacks that were
 * walked before are walked anew.
 */
static void give_tables(struct code_files *all)
{
	struct memtrace_bpf *skeleton = all->kernel->skeleton;
	int tables = bpf_map__fd(skeleton->maps.tables);
	uint32_t count = all->made_count;

	if (count && bpf_map_update_batch(tables, all->made, all->made_fds, &count, NULL))
		for (uint32_t i = 0; i < all->made_count; i++) /* up to 5.12 there is no batch */
			bpf_map_update_elem(tables, &all->made[i], &all->made_fds[i], BPF_ANY);
	for (uint32_t i = 0; i < all->made_count; i++)
		close(all->made_fds[i]);
	all->made_count = 0;
	__sync_fetch_and_add(&skeleton->bss->hot.tables, 1);
}

static void give_rows(struct code_files *all, uint32_t number, const struct cfi_table *table,
		      struct mt_file *file)
{
	size_t leaves = (table->count + MT_LEAF_ROWS - 1) / MT_LEAF_ROWS;
	int fd;

	if (!leaves || leaves > MT_LEAVES || all->made_count >= MT_FILES)
		return;
	fd = make_table(table, (uint32_t)leaves);
	if (fd < 0)
		return;
	file->leaves = (uint32_t)leaves;
	file->base = table->base;
	_Static_assert(CFI_FAR == MT_FAR, "each side has its own");
	for (size_t i = 0; i < table->far_count; i++)
		file->far[i] = table->far[i];
	all->made[all->made_count] = number;
	all->made_fds[all->made_count++] = fd;
}

/* Without rows where nothing describes the code. */
static const struct cfi_table *table_of(struct code_files *all, uint32_t number)
{
	struct code_file *file = &all->files[number];

	if (!file->table) {
		file->table = memory_new(1, sizeof(*file->table));
		remote_table(all->remote, number, file->table);
		all->has_tables = true;
	}
	return file->table;
}

static void drop_tables(struct code_files *all)
{
	for (size_t i = 0; i < MT_FILES && all->has_tables; i++) {
		if (all->files[i].table)
			cfi_free(all->files[i].table);
		free(all->files[i].table);
		all->files[i].table = NULL;
	}
	all->has_tables = false;
}

/* What the kernel side needs to know of a file: without rows it is where stacks end. */
static void give_file(struct code_files *all, uint32_t number)
{
	const struct code_file *from = &all->files[number];
	struct mt_file file = { .known = 1 };

	for (size_t i = 0; i < MT_SEGMENTS; i++)
		file.segment[i].offset = MT_NO_ADDRESS;
	for (size_t i = 0; i < from->segment_count; i++)
		file.segment[i] = (struct mt_segment){ from->segments[i].offset,
						       from->segments[i].shift };
	give_rows(all, number, table_of(all, number), &file);
	bpf_map_update_elem(bpf_map__fd(all->kernel->skeleton->maps.files), &number, &file,
			    BPF_ANY);
}

/* ---- files ---- */

/* Opened at once, since the process may end: what is in it can be read later.  `pid` of a process
 * that has it, 0: none does.  Takes over the descriptor. */
static void keep_file(struct code_files *all, uint32_t number, uint32_t pid, int descriptor,
		      const char *path)
{
	struct code_file *file = &all->files[number];

	if (!symbols_is_code(descriptor)) {
		close(descriptor);
		return;
	}
	file->path = memory_copy(path, strlen(path));
	file->descriptor = descriptor;
	file->pid = pid;
	all->opened[all->opened_count++] = number; /* each is opened once */
}

static void take_file(struct code_file *file, const struct wire_file *from)
{
	file->known = true;
	strcpy(file->build_id, from->wish.build_id);
	file->segment_count = from->segment_count;
	memcpy(file->segments, from->segments, sizeof(file->segments));
	file->wish = memory_copy(&from->wish, sizeof(from->wish));
}

/* The reader has it from now on.  Returns the names of the libraries that it needs, freed by the
 * caller, and how many bytes they are. */
static char *learn(struct code_files *all, uint32_t number, size_t *bytes)
{
	struct code_file *file = &all->files[number];
	struct wire_file from;
	char *needs = NULL;

	*bytes = 0;
	if (file->learned)
		return NULL;
	file->learned = true;
	if (remote_file(all->remote, number, file->descriptor, &from, &needs)) {
		*bytes = from.needs_bytes;
		take_file(file, &from);
	}
	cleanup_close_(&file->descriptor);
	return needs;
}

static void settle_file(struct code_files *all, uint32_t number)
{
	struct python_file python;
	size_t bytes;

	free(learn(all, number, &bytes));
	if (!all->files[number].known)
		return;
	give_file(all, number);
	if (all->python && remote_python(all->remote, number, all->files[number].path, &python))
		python_see_file(all->python, number, &python);
}

static void find_debug(struct code_files *all, uint32_t number)
{
	struct code_file *file = &all->files[number];

	if (file->wish)
		symbols_find(all->remote, number, file->pid, file->path, file->wish);
	free(file->wish);
	file->wish = NULL;
}

void code_settle(struct code_files *all)
{
	if (!all->opened_count)
		return;
	for (uint32_t i = 0; i < all->opened_count; i++)
		settle_file(all, all->opened[i]);
	give_tables(all);
	for (uint32_t i = 0; i < all->opened_count; i++)
		find_debug(all, all->opened[i]);
	all->opened_count = 0;
}

static void add_file(struct code_files *all, uint32_t number, uint32_t pid, uint64_t start,
		     uint64_t end)
{
	char path[PATH_MAX];
	int descriptor = mapped_open(pid, start, end, path, sizeof(path));

	if (descriptor >= 0)
		keep_file(all, number, pid, descriptor, path);
}

void code_add(struct code_files *all, const struct mt_event_code *event)
{
	uint32_t number = (uint32_t)event->event.value;

	if (number < MT_FILES && !all->files[number].path)
		add_file(all, number, event->event.pid, event->start, event->end);
	all->walked_ns = self_monotonic_ns(); /* what met it meanwhile is to come */
}

/* The number of a file, which this side or the other gives it at first sight. */
static uint32_t number_of(struct code_files *all, const struct mt_file_key *key)
{
	struct memtrace_bpf *skeleton = all->kernel->skeleton;
	int fd = bpf_map__fd(skeleton->maps.numbers);
	uint32_t number;

	if (!bpf_map_lookup_elem(fd, key, &number))
		return number;
	number = __sync_fetch_and_add(&skeleton->data->next_file, 1);
	if (number < MT_FILES && !bpf_map_update_elem(fd, key, &number, BPF_NOEXIST))
		return number;
	return bpf_map_lookup_elem(fd, key, &number) ? MT_NO_FILE : number;
}

/* ---- before a command begins ---- */

/* Where the dynamic linker looks for libraries, and the shell for commands.  One that is missed
 * is met when it is mapped. */
static const char *const folders[] = { "", "/lib/" TRIPLET "/", "/usr/lib/" TRIPLET "/", "/lib64/",
				       "/usr/lib/", "/usr/local/lib/" };

static void add_program(struct code_files *all, const char *path, unsigned int depth);

static void add_need(struct code_files *all, const char *name, unsigned int depth)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folders[i], name);
		if (path[0] != '/' || access(path, R_OK))
			continue;
		add_program(all, path, depth);
		return;
	}
}

static void add_needs(struct code_files *all, const char *needs, size_t bytes, unsigned int depth)
{
	for (size_t at = 0; at < bytes; at += strlen(&needs[at]) + 1)
		add_need(all, &needs[at], depth);
}

/* Of a file that is met for the first time. */
static void add_opened(struct code_files *all, int descriptor, const char *path,
		       unsigned int depth)
{
	struct mt_file_key key = { 0 };
	cleanup_free char *needs = NULL;
	struct stat status;
	uint32_t number;
	size_t bytes;

	if (fstat(descriptor, &status)) {
		close(descriptor);
		return;
	}
	key.inode = status.st_ino;
	key.device = major(status.st_dev) << 20 | minor(status.st_dev);
	number = number_of(all, &key);
	if (number == MT_NO_FILE || all->files[number].path) {
		close(descriptor);
		return;
	}
	keep_file(all, number, 0, descriptor, path);
	if (all->files[number].path)
		needs = learn(all, number, &bytes);
	if (needs && depth)
		add_needs(all, needs, bytes, depth - 1);
}

static void add_program(struct code_files *all, const char *path, unsigned int depth)
{
	cleanup_free char *whole = realpath(path, NULL);
	int descriptor = whole ? symbols_open(whole) : -1;

	if (descriptor >= 0)
		add_opened(all, descriptor, whole, depth);
}

static void expect(struct code_files *all, const char *command)
{
	const char *folder = getenv("PATH");
	char path[PATH_MAX];

	if (strchr(command, '/')) {
		add_program(all, command, DEPTH);
		return;
	}
	while (folder && *folder) {
		size_t bytes = strcspn(folder, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)bytes, folder, command);
		if (!access(path, X_OK)) {
			add_program(all, path, DEPTH);
			return;
		}
		folder += bytes + (folder[bytes] == ':');
	}
}

void code_expect(struct code_files *all, const char *command)
{
	expect(all, command);
	code_settle(all);
	drop_tables(all);
}

/* ---- processes that were there before ---- */

static void add_mapping(struct code_files *all, uint32_t pid, const char *line,
			struct mt_execs *execs)
{
	struct mt_exec exec = { .file = MT_VDSO };
	struct mt_file_key key = { 0 };
	unsigned int major, minor;
	char mode[8];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   (uint64_t *)&exec.start, (uint64_t *)&exec.end, mode, (uint64_t *)&exec.offset,
		   &major, &minor, (uint64_t *)&key.inode, &at) < 7 ||
	    !at || mode[2] != 'x' || execs->count == MT_EXECS - 1)
		return;
	if (strcmp(line + at, "[vdso]")) {
		key.device = major << 20 | minor;
		exec.file = key.inode ? number_of(all, &key) : MT_NO_FILE;
	}
	if (exec.file == MT_NO_FILE)
		return;
	if (exec.file != MT_VDSO && !all->files[exec.file].path)
		add_file(all, exec.file, pid, exec.start, exec.end);
	execs->at[execs->count++] = exec;
}

void code_read(struct code_files *all, uint32_t slot, uint32_t pid)
{
	const struct memtrace_bpf *skeleton = all->kernel->skeleton;
	cleanup_free struct mt_execs *execs = memory_new(1, sizeof(*execs));
	cleanup_free char *line = NULL;
	cleanup_fclose FILE *maps = NULL;
	char path[64];
	size_t room = 0;

	for (size_t i = 0; i < 2ul * MT_EXECS; i++)
		execs->at[i].start = MT_NO_ADDRESS;
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	while (maps && getline(&line, &room, maps) > 0) {
		line[strcspn(line, "\n")] = 0;
		add_mapping(all, pid, line, execs);
	}
	bpf_map_update_elem(bpf_map__fd(skeleton->maps.execs), &slot, execs, BPF_ANY);
	code_settle(all);
}

/* ---- stacks that had no tables ---- */

const struct cfi_table *code_table(struct code_files *all, uint32_t number)
{
	size_t bytes;

	if (number >= MT_FILES || !all->files[number].path)
		return NULL;
	free(learn(all, number, &bytes));
	all->walked_ns = self_monotonic_ns();
	return all->files[number].known ? table_of(all, number) : NULL;
}

void code_tidy(struct code_files *all)
{
	if (all->has_tables && self_monotonic_ns() - all->walked_ns > KEPT_NS)
		drop_tables(all);
}

/* ---- the whole ---- */

static void add_vdso(struct code_files *all)
{
	struct code_file *file = &all->files[MT_VDSO];
	size_t bytes;

	file->path = memory_copy("[vdso]", 6);
	file->descriptor = -1; /* which stands for it */
	free(learn(all, MT_VDSO, &bytes));
	if (file->known)
		give_file(all, MT_VDSO);
}

struct code_files *code_files_new(struct kernel *kernel, struct remote *remote,
				  struct python *python)
{
	struct code_files *all = memory_new(1, sizeof(*all));

	all->kernel = kernel;
	all->remote = remote;
	all->python = python;
	add_vdso(all);
	return all;
}

static void free_file(struct code_file *file)
{
	if (file->path && !file->learned)
		close(file->descriptor);
	free(file->path);
	free(file->wish);
}

void code_files_free(struct code_files *all)
{
	if (!all)
		return;
	drop_tables(all);
	for (size_t i = 0; i < MT_FILES; i++)
		free_file(&all->files[i]);
	free(all);
}

const struct code_file *code_file(const struct code_files *all, uint64_t number)
{
	return number < MT_FILES && all->files[number].known ? &all->files[number] : NULL;
}
