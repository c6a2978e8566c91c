// SPDX-License-Identifier: GPL-2.0
/* What is different with the programs for old kernels?  See old.h and bpf/compat.bpf.h. */
#include "user/collect/old.h"

#include "build/memtrace.skel.h"
#include "build/old.skel.h"
#include "user/collect/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#define TASKS_LEAST 16384
#define TASKS_A_SLOT 8

/* One skeleton serves both: the programs for old kernels have all that the usual ones have. */
#define SAME(section, field)                                                              \
	_Static_assert(offsetof(struct memtrace_bpf__##section, field) ==                 \
			       offsetof(struct old_bpf__##section, field),                \
		       #field)
SAME(bss, hot);
SAME(bss, losses);
SAME(bss, mapping_count);
SAME(bss, cpu_counters);
SAME(bss, unmarked);
SAME(bss, unplaced);
SAME(bss, request);
SAME(bss, request_pid);
SAME(bss, request_run);
SAME(data, fresh_slots);
SAME(data, fresh_books);
SAME(data, fresh_blocks);
SAME(rodata, config);

bool old_is_needed(void)
{
	return probe_helpers() == 0;
}

struct memtrace_bpf *old_open(void)
{
	struct memtrace_bpf *made = calloc(1, sizeof(*made));

	if (!made || memtrace_bpf__create_skeleton(made)) {
		free(made);
		errno = ENOMEM;
		return NULL;
	}
	made->skeleton->data = (void *)old_bpf__elf_bytes(&made->skeleton->data_sz);
	if (bpf_object__open_skeleton(made->skeleton, NULL)) {
		memtrace_bpf__destroy(made);
		return NULL;
	}
	return made;
}

/* ---- before loading ---- */

static struct bpf_program *program(const struct kernel *kernel, const char *name)
{
	return bpf_object__find_program_by_name(kernel->skeleton->obj, name);
}

static struct bpf_map *map(const struct kernel *kernel, const char *name)
{
	return bpf_object__find_map_by_name(kernel->skeleton->obj, name);
}

void old_choose(struct kernel *kernel)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;
	__u32 tasks = kernel->slots * TASKS_A_SLOT;

	kernel->has_lock_event = probe_event("mmap_lock_released");
	kernel->has_end_event = probe_event("exit_mmap");
	bpf_program__set_autoload(skeleton->progs.mt_lock_release, kernel->has_lock_event);
	bpf_program__set_autoload(skeleton->progs.mt_exit_mmap, kernel->has_end_event);
	bpf_program__set_autoload(program(kernel, "mt_call_end"), !kernel->has_lock_event);
	bpf_program__set_autoload(program(kernel, "mt_task_free"), true);
	bpf_map__set_max_entries(map(kernel, "tasks"), tasks > TASKS_LEAST ? tasks : TASKS_LEAST);
	/* Kernels before 6.1 (ee53cbfb1ebf) warn of programs that ask for memory. */
	bpf_map__set_map_flags(skeleton->maps.mappings, 0);
	skeleton->data->fresh_slots = kernel->slots;
	skeleton->data->fresh_books = kernel->book_count;
	skeleton->data->fresh_blocks = kernel->blocks;
}

/* ---- after ---- */

/* The lowest is on top. */
static struct error *fill(const struct bpf_map *pool, __u32 first, __u32 end)
{
	for (__u32 number = end; number-- > first;) {
		if (bpf_map_update_elem(bpf_map__fd(pool), NULL, &number, BPF_ANY))
			return error_new(errno, "cannot fill the kernel side's %s",
					 bpf_map__name(pool));
	}
	return NULL;
}

struct error *old_fill_pools(struct kernel *kernel)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;

	TRY(fill(skeleton->maps.free_slots, 1, kernel->slots));
	TRY(fill(skeleton->maps.free_books, 1, kernel->book_count));
	return fill(skeleton->maps.free_blocks, MT_BLOCKS_SHARED, kernel->blocks);
}

struct error *old_attach(struct kernel *kernel)
{
	static const char *const names[OLD_LINKS] = { "mt_task_free", "mt_call_end" };

	for (size_t i = 0; i < OLD_LINKS; i++) {
		struct bpf_program *one = program(kernel, names[i]);

		if (!bpf_program__autoload(one))
			continue;
		kernel->old_links[i] = bpf_program__attach(one);
		if (!kernel->old_links[i])
			return error_new(errno, "cannot attach %s", names[i]);
	}
	return NULL;
}

void old_free(struct kernel *kernel)
{
	for (size_t i = 0; i < OLD_LINKS; i++) {
		bpf_link__destroy(kernel->old_links[i]);
		kernel->old_links[i] = NULL;
	}
}
