// SPDX-License-Identifier: GPL-2.0
/* What does the kernel side cost?  See cost.h. */
#include "user/collect/cost.h"

#include "build/memtrace.skel.h"
#include "user/base/memory.h"
#include "user/collect/self.h"

#include <bpf/bpf.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMED_NS 5000000
#define UNTIMED_NS 195000000

static void change(struct cost *cost, bool on)
{
	struct itimerspec timer = { .it_value.tv_nsec = on ? TIMED_NS : UNTIMED_NS };

	if (cost->timing >= 0)
		close(cost->timing);
	cost->timing = on ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;
	cost->measured |= cost->timing >= 0;
	timerfd_settime(cost->timer, 0, &timer, NULL);
}

void cost_start(struct cost *cost)
{
	cost->timing = -1;
	cost->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	change(cost, true);
}

void cost_tick(struct cost *cost)
{
	uint64_t expired;

	if (read(cost->timer, &expired, sizeof(expired)) == sizeof(expired))
		change(cost, cost->timing < 0);
}

void cost_stop(struct cost *cost)
{
	if (cost->timing >= 0)
		close(cost->timing);
	if (cost->timer >= 0)
		close(cost->timer);
	cost->timing = cost->timer = -1;
}

uint64_t cost_runs(const struct kernel *kernel)
{
	uint64_t runs = 0;

	for (__u32 cpu = 0; cpu < kernel->cpus; cpu++)
		runs += kernel->skeleton->bss->hot.cpu[cpu].runs;
	return runs;
}

/* Timed runs and their time, over all programs. */
static void sum_timed(const struct kernel *kernel, uint64_t *runs, uint64_t *ns)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		struct bpf_prog_info info = { 0 };
		__u32 bytes = sizeof(info);

		if (bpf_program__fd(program) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes))
			continue;
		*runs += info.run_cnt;
		*ns += info.run_time_ns;
	}
}

Mt__Overhead *cost_record(const struct cost *cost, const struct kernel *kernel)
{
	Mt__Overhead *made = memory_new(1, sizeof(*made));
	uint64_t runs = 0, ns = 0;

	mt__overhead__init(made);
	sum_timed(kernel, &runs, &ns);
	made->bpf_runs = cost_runs(kernel);
	made->has_bpf_ns = cost->measured;
	made->bpf_ns = runs ? (double)ns / runs * made->bpf_runs : 0;
	made->user_cpu_ns = self_cpu_ns();
	made->resident_bytes = self_resident_bytes();
	made->kernel_bytes = kernel_bytes(kernel);
	return made;
}
