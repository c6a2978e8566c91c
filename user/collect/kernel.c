// SPDX-License-Identifier: GPL-2.0
/* What of memtrace runs in the kernel, and how is it reached?  See kernel.h. */
#include "user/collect/kernel.h"

#include "bpf/stack.h"
#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/collect/old.h"
#include "user/collect/probe.h"
#include "user/collect/proc.h"
#include "user/collect/self.h"
#include "user/collect/sizes.h"
#include "user/collect/trial.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_TRIES 50
#define FOLLOW_PAUSE_NS 1000000

/* libbpf hands its words to a function without a context. */
static void (*say_libbpf)(const char *text);

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	cleanup_free char *text = NULL;

	if (level == LIBBPF_DEBUG || !say_libbpf || vasprintf(&text, format, arguments) < 0)
		return 0;
	say_libbpf(text);
	return 0;
}

/* ---- sizes ---- */

static struct error *count_cpus(struct kernel *kernel)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 1) {
		TRY(probe_missing());
		return error_new(-cpus, "cannot find out how many CPUs this machine has");
	}
	if (cpus > MT_CPUS)
		return error_new(0, "this machine has %d CPUs, memtrace counts on %d at the most",
				 cpus, MT_CPUS);
	kernel->cpus = cpus;
	return NULL;
}

static void set_sizes(struct kernel *kernel, const struct sizes *sizes)
{
	bool with_python = kernel->stacks == MT_STACKS_PYTHON;
	struct memtrace_bpf *skeleton = kernel->skeleton;
	const struct {
		struct bpf_map *map;
		__u32 entries;
	} entries[] = {
		{ skeleton->maps.slot_of_mm, sizes->slots },
		{ skeleton->maps.spaces, sizes->slots },
		{ skeleton->maps.books, sizes->books },
		{ skeleton->maps.lanes, sizes->slots * kernel->cpus },
		{ skeleton->maps.hists, sizes->blocks },
		{ skeleton->maps.free_slots, sizes->slots },
		{ skeleton->maps.free_books, sizes->books },
		{ skeleton->maps.free_blocks, sizes->blocks },
		{ skeleton->maps.mappings, sizes->mappings },
		{ skeleton->maps.events, sizes->ring_bytes },
		{ skeleton->maps.tables, kernel->stacks ? MT_FILES : 1 },
		{ skeleton->maps.files, kernel->stacks ? MT_FILES : 1 },
		{ skeleton->maps.numbers, kernel->stacks ? MT_FILES : 1 },
		{ skeleton->maps.execs, kernel->stacks ? kernel->slots : 1 },
		{ skeleton->maps.stacks, kernel->stacks ? MT_STACKS : 1 },
		{ skeleton->maps.sites, kernel->stacks ? MT_SITES : 1 },
		{ skeleton->maps.shadow, kernel->stacks ? MT_SHADOWS : 1 },
		{ skeleton->maps.groups, kernel->stacks ? MT_GROUPS : 1 },
		{ skeleton->maps.kept, kernel->stacks ? MT_KEPT : 1 },
		{ skeleton->maps.pythons, with_python ? MT_FILES : 1 },
		{ skeleton->maps.codes, with_python ? MT_PYTHON_CODES : 1 },
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		bpf_map__set_max_entries(entries[i].map, entries[i].entries);
}

static struct error *choose_sizes(struct kernel *kernel, const struct kernel_options *options)
{
	struct sizes sizes;

	TRY(sizes_choose(&sizes, options->targets, options->follow_all || options->cgroup_id,
			 options->calls));
	kernel->slots = sizes.slots;
	kernel->book_count = sizes.books;
	kernel->blocks = sizes.blocks;
	kernel->calls = options->calls;
	kernel->page_bytes = sysconf(_SC_PAGESIZE);
	kernel->stacks = trial_allowed(kernel, options->stacks);
	kernel->sample = options->sample;
	if (kernel->stacks && sizes.ring_bytes == MT_RING)
		sizes.ring_bytes = MT_RING_STACKS;
	set_sizes(kernel, &sizes);
	return NULL;
}

/* ---- loading ---- */

static void configure(struct kernel *kernel, const struct kernel_options *options)
{
	struct mt_config config = {
		.cpus = kernel->cpus,
		.slots = kernel->slots,
		.books = kernel->book_count,
		.blocks = kernel->blocks,
		.batch = kernel->cpus * 2 > 32 ? kernel->cpus * 2 : 32,
		.follow_all = options->follow_all,
		.follow_children = options->follow_children,
		.calls = options->calls,
		.stacks = kernel->stacks,
		.page_bytes = kernel->page_bytes,
		.sampled = kernel->sample > 1 ? (1ULL << 32) / kernel->sample : 0,
		.preemptible_locks = probe_preempt_rt(),
		.preemptible_events = !kernel->old && probe_preemptible_events(),
		.cgroup_v1 = self_memory_cgroup_v1(),
		.own_pid = getpid(),
		.timer_pid = options->timer_pid,
		.reader_pid = options->reader_pid,
		.cgroup_id = options->cgroup_id,
		.known_at = (uintptr_t)kernel->known,
	};

	/* Two words that are nowhere else in memory. */
	if (getrandom(kernel->known, sizeof(kernel->known), 0) == sizeof(kernel->known))
		memcpy(config.known, kernel->known, sizeof(config.known));
	memcpy((void *)&kernel->skeleton->rodata->config, &config, sizeof(config));
}

static void choose_programs(struct kernel *kernel, const struct kernel_options *options)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;

	bpf_program__set_autoload(skeleton->progs.mt_sys_enter, options->calls);
	bpf_program__set_autoload(skeleton->progs.mt_sys_exit, options->calls);
	bpf_program__set_autoload(skeleton->progs.mt_enter_cgroup, options->cgroup_id != 0);
	bpf_program__set_autoload(skeleton->progs.mt_fault_user, !kernel->faults_by_perf);
	bpf_program__set_autoload(skeleton->progs.mt_fault_kernel, !kernel->faults_by_perf);
	bpf_program__set_autoload(skeleton->progs.mt_fault_perf, kernel->faults_by_perf);
	if (kernel->old)
		old_choose(kernel);
}

static struct error *map_array(struct bpf_map *map, void *out)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	size_t page = sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		return error_new(errno, "cannot map the kernel side's %s", bpf_map__name(map));
	*(void **)out = at;
	return NULL;
}

static struct error *map_arrays(struct kernel *kernel)
{
	TRY(map_array(kernel->skeleton->maps.spaces, &kernel->spaces));
	TRY(map_array(kernel->skeleton->maps.lanes, &kernel->lanes));
	return map_array(kernel->skeleton->maps.filter, &kernel->filter);
}

bool kernel_counters_lag(const struct kernel *kernel)
{
	return !kernel->skeleton->bss->cpu_counters;
}

/* Runs the program that looks for what the others rely on: see bpf/setup.c. */
static struct error *find_cpus(struct kernel *kernel)
{
	struct bpf_test_run_opts run = { .sz = sizeof(run) };

	if (bpf_prog_test_run_opts(bpf_program__fd(kernel->skeleton->progs.mt_setup), &run))
		return error_new(errno, "cannot find the kernel's per-CPU memory");
	if (!kernel_counters_lag(kernel) && !kernel->skeleton->bss->hot.cpu[0].offset)
		return error_new(0, "no counters: this kernel hides its per-CPU memory");
	return NULL;
}

static int take_event(void *context, void *data, size_t bytes)
{
	const struct kernel *kernel = context;

	if (bytes >= sizeof(struct mt_event))
		kernel->event(kernel->event_context, data, bytes);
	return 0;
}

static struct error *open_ring(struct kernel *kernel, kernel_event event, void *context)
{
	kernel->event = event;
	kernel->event_context = context;
	kernel->ring = ring_buffer__new(bpf_map__fd(kernel->skeleton->maps.events), take_event,
					kernel, NULL);
	return kernel->ring ? NULL : error_new(errno, "cannot open the ring buffer of events");
}

/*
 * A kernel function that this kernel does not have is looked for in the types of all modules,
 * which libbpf 1.1 takes for a failure where it may not: in a kernel before 6.10, without
 * CAP_SYS_ADMIN.  It tries but once, so here, where nothing comes of it.
 */
static void skip_modules(const struct kernel *kernel)
{
	if (!probe_modules())
		bpf_program__set_attach_target(kernel->skeleton->progs.mt_read, 0, "memtrace");
}

static struct error *open_programs(struct kernel *kernel)
{
	kernel->old = old_is_needed();
	kernel->has_lock_event = kernel->has_end_event = true;
	kernel->skeleton = kernel->old ? old_open() : memtrace_bpf__open();
	if (!kernel->skeleton)
		return error_new(errno, "cannot open the kernel side");
	skip_modules(kernel);
	return NULL;
}

static struct error *prepare(struct kernel *kernel, const struct kernel_options *options)
{
	TRY(open_programs(kernel));
	TRY(choose_sizes(kernel, options));
	kernel->faults_by_perf = !probe_fault_events();
	configure(kernel, options);
	choose_programs(kernel, options);
	return NULL;
}

/* Walking stacks may be more than a verifier can follow: then the books are kept without them. */
static struct error *load(struct kernel *kernel, const struct kernel_options *options)
{
	struct kernel_options fewer = *options;

	fewer.stacks = MT_STACKS_NONE;
	TRY(prepare(kernel, options));
	if (!memtrace_bpf__load(kernel->skeleton))
		return NULL;
	if (!kernel->stacks)
		return probe_why_not_loaded(errno);
	memtrace_bpf__destroy(kernel->skeleton);
	kernel->skeleton = NULL;
	TRY(prepare(kernel, &fewer));
	return memtrace_bpf__load(kernel->skeleton) ? probe_why_not_loaded(errno) : NULL;
}

struct error *kernel_load(struct kernel *kernel, const struct kernel_options *options,
			  kernel_event event, void *context)
{
	say_libbpf = options->say;
	libbpf_set_print(print_libbpf);
	TRY(count_cpus(kernel));
	TRY(load(kernel, options));
	if (kernel->old)
		TRY(old_fill_pools(kernel));
	TRY(map_arrays(kernel));
	TRY(find_cpus(kernel));
	return open_ring(kernel, event, context);
}

struct error *kernel_attach(struct kernel *kernel)
{
	if (memtrace_bpf__attach(kernel->skeleton))
		return error_new(errno, "cannot attach the programs (`memtrace check` tells more)");
	if (kernel->old)
		TRY(old_attach(kernel));
	kernel->reader = kernel->skeleton->links.mt_read;
	if (!kernel->faults_by_perf)
		return NULL;
	return fault_attach(kernel->skeleton->progs.mt_fault_perf, kernel->cpus, &kernel->faults);
}

bool kernel_is_reachable(const struct kernel *kernel)
{
	cleanup_close int walk = bpf_iter_create(bpf_link__fd(kernel->reader));
	__u32 first;

	return walk >= 0 &&
	       !bpf_map_get_next_key(bpf_map__fd(kernel->skeleton->maps.books), NULL, &first);
}

void kernel_detach(struct kernel *kernel)
{
	fault_detach(&kernel->faults);
	old_free(kernel);
	if (kernel->skeleton)
		memtrace_bpf__detach(kernel->skeleton);
	kernel->reader = NULL;
}

static void unmap_array(const struct bpf_map *map, void *at)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	size_t page = sysconf(_SC_PAGESIZE);

	if (at)
		munmap(at, (bytes + page - 1) / page * page);
}

void kernel_free(struct kernel *kernel)
{
	fault_detach(&kernel->faults);
	old_free(kernel);
	ring_buffer__free(kernel->ring);
	if (kernel->skeleton) {
		unmap_array(kernel->skeleton->maps.spaces, kernel->spaces);
		unmap_array(kernel->skeleton->maps.lanes, kernel->lanes);
		unmap_array(kernel->skeleton->maps.filter, kernel->filter);
	}
	memtrace_bpf__destroy(kernel->skeleton);
	memset(kernel, 0, sizeof(*kernel));
}

/* ---- use ---- */

/* An iterator over all tasks, or since 6.1 (f0d74c4da1f0) over the threads of one process. */
static int open_iterator(const struct kernel *kernel, __u32 pid)
{
	union bpf_iter_link_info which = { .task.pid = pid };
	struct bpf_iter_attach_opts options;
	struct bpf_link *link = NULL;
	int fd;

	memset(&options, 0, sizeof(options)); /* its padding, too */
	options.sz = sizeof(options);
	options.link_info = &which;
	options.link_info_len = sizeof(which);
	if (pid && !kernel->old)
		link = bpf_program__attach_iter(kernel->skeleton->progs.mt_read, &options);
	fd = bpf_iter_create(bpf_link__fd(link ? link : kernel->reader));
	bpf_link__destroy(link);
	return fd;
}

void kernel_stop_before_tidying(const struct kernel *kernel, __u32 pid)
{
	kernel->skeleton->bss->held_pid = pid;
}

static struct error *follow_once(struct kernel *kernel, __u32 pid, bool open)
{
	cleanup_close int fd = -1;
	char buffer[64];
	ssize_t got;

	kernel->skeleton->bss->request = open ? MT_REQUEST_OPEN : MT_REQUEST_FOLLOW;
	kernel->skeleton->bss->request_pid = pid;
	kernel->skeleton->bss->unmarked = 0;
	kernel->skeleton->bss->unplaced = 0;
	fd = open_iterator(kernel, pid);
	if (fd < 0)
		return error_new(errno, "cannot walk the tasks");
	do
		got = read(fd, buffer, sizeof(buffer));
	while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
	return got < 0 ? error_new(errno, "cannot walk the tasks") : NULL;
}

static struct error *follow_all(struct kernel *kernel, __u32 pid, bool open)
{
	const struct timespec pause = { 0, FOLLOW_PAUSE_NS };
	struct memtrace_bpf__bss *bss = kernel->skeleton->bss;

	for (int try = 0; try < FOLLOW_TRIES; try++) {
		TRY(follow_once(kernel, pid, open));
		if (!bss->unmarked)
			return NULL;
		nanosleep(&pause, NULL);
	}
	__sync_fetch_and_add(&bss->losses[MT_LOSS_STORAGE], bss->unmarked);
	return NULL;
}

/* All threads are marked before there is a book, in which each of them needs its mark. */
struct error *kernel_follow(struct kernel *kernel, __u32 pid, bool open)
{
	if (pid)
		TRY(follow_all(kernel, pid, false));
	if (open)
		TRY(follow_all(kernel, pid, true));
	kernel->unplaced += kernel->skeleton->bss->unplaced;
	return NULL;
}

void kernel_lose_unplaced(struct kernel *kernel)
{
	__sync_fetch_and_add(&kernel->skeleton->bss->losses[MT_LOSS_SPACES], kernel->unplaced);
}

int kernel_poll(struct kernel *kernel)
{
	return ring_buffer__consume(kernel->ring);
}

int kernel_poll_fd(const struct kernel *kernel)
{
	return ring_buffer__epoll_fd(kernel->ring);
}

static void give_back(struct bpf_map *map, __u32 number)
{
	bpf_map_update_elem(bpf_map__fd(map), NULL, &number, BPF_ANY);
}

static void read_entry(const struct bpf_map *map, __u32 number, void *out)
{
	if (bpf_map_lookup_elem(bpf_map__fd(map), &number, out))
		memset(out, 0, bpf_map__value_size(map));
}

static void write_entry(const struct bpf_map *map, __u32 number, const void *value)
{
	bpf_map_update_elem(bpf_map__fd(map), &number, value, BPF_ANY);
}

void kernel_read_book(const struct kernel *kernel, __u32 number, struct mt_book *book)
{
	read_entry(kernel->skeleton->maps.books, number, book);
}

void kernel_read_block(const struct kernel *kernel, __u32 number, struct mt_hist *block)
{
	read_entry(kernel->skeleton->maps.hists, number, block);
}

void kernel_recycle(struct kernel *kernel, __u32 slot)
{
	struct memtrace_bpf *skeleton = kernel->skeleton;
	struct mt_space *space = &kernel->spaces[slot];
	static const struct mt_book no_book;
	static const struct mt_hist no_block;

	for (size_t i = 0; i < MT_HISTOGRAMS; i++) {
		__u32 block = space->hist[i];

		if (block < MT_BLOCKS_SHARED || block >= kernel->blocks)
			continue;
		write_entry(skeleton->maps.hists, block, &no_block);
		give_back(skeleton->maps.free_blocks, block);
	}
	if (space->book && space->book < kernel->book_count) {
		write_entry(skeleton->maps.books, space->book, &no_book);
		give_back(skeleton->maps.free_books, space->book);
	}
	for (__u32 cpu = 0; cpu < kernel->cpus; cpu++)
		memset(&kernel->lanes[(size_t)cpu * kernel->slots + slot], 0,
		       sizeof(kernel->lanes[0]));
	memset(space, 0, sizeof(*space));
	give_back(skeleton->maps.free_slots, slot);
}

__u32 kernel_used_slots(const struct kernel *kernel)
{
	__u32 used = kernel->skeleton->data->fresh_slots;

	return used < kernel->slots ? used : kernel->slots;
}

uint64_t kernel_losses(const struct kernel *kernel, enum mt_loss cause)
{
	return kernel->skeleton->bss->losses[cause];
}

static uint64_t map_bytes(int fd)
{
	cleanup_fclose FILE *file = NULL;
	uint64_t bytes = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	proc_find_number(file, "memlock", &bytes);
	return bytes;
}

uint64_t kernel_bytes(const struct kernel *kernel)
{
	struct bpf_map *map;
	uint64_t bytes = 0;

	bpf_object__for_each_map(map, kernel->skeleton->obj)
		bytes += map_bytes(bpf_map__fd(map));
	return bytes;
}
