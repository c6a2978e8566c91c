// SPDX-License-Identifier: GPL-2.0
/* What does the kernel side cost?  See cost.h. */
#include "user/collect/cost.h"

#include "build/memtrace.skel.h"
#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/confine.h"
#include "user/collect/self.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMED_MS 5
#define UNTIMED_MS 195
#define SOCKET 0 /* in the process */

/* ---- the process ---- */

/* It holds on to nothing but the socket, which takes the standard streams' places, and is
 * disturbed by nothing: Ctrl-C is not for it. */
static void let_go(int socket)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(socket, fd);
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

/* Has memtrace closed its end, or is it gone? */
static bool is_over(int wait_ms)
{
	struct pollfd polled = { .fd = SOCKET, .events = POLLIN };

	return poll(&polled, 1, wait_ms);
}

static bool time_once(void)
{
	cleanup_close int timing = bpf_enable_stats(BPF_STATS_RUN_TIME);
	static bool told;

	if (!told && write(SOCKET, "b", 1) != 1)
		return false;
	told = true;
	return timing >= 0 && !is_over(TIMED_MS);
}

static void time_programs(void)
{
	char begin;

	if (read(SOCKET, &begin, 1) != 1)
		return;
	while (time_once() && !is_over(UNTIMED_MS))
		;
}

static bool is_allowed(void)
{
	cleanup_close int timing = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return timing >= 0;
}

void cost_open(struct cost *cost)
{
	int sockets[2];

	if (!is_allowed() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return;
	cost->timer = fork();
	if (cost->timer == 0) {
		let_go(sockets[1]);
		error_free(confine_timer());
		time_programs();
		_exit(0);
	}
	close(sockets[1]);
	cost->socket = sockets[0];
	if (cost->timer < 0)
		cost_stop(cost);
}

void cost_start(struct cost *cost)
{
	char began = 'b';

	if (cost->timer && write(cost->socket, &began, 1) == 1)
		cost->measured = read(cost->socket, &began, 1) == 1;
}

void cost_stop(struct cost *cost)
{
	cleanup_close_(&cost->socket);
	cost->socket = -1;
	while (cost->timer > 0 && waitpid(cost->timer, NULL, 0) < 0 && errno == EINTR)
		;
	cost->timer = 0;
}

/* ---- figures ---- */

uint64_t cost_runs(const struct kernel *kernel)
{
	uint64_t runs = 0;

	for (__u32 cpu = 0; cpu < kernel->cpus; cpu++)
		runs += kernel->skeleton->bss->hot.cpu[cpu].runs;
	return runs;
}

/* What the kernel says of a program; nothing, of one that is not loaded. */
static struct bpf_prog_info info_of(const struct bpf_program *program)
{
	static const struct bpf_prog_info nothing;
	struct bpf_prog_info info = { 0 };
	__u32 bytes = sizeof(info);

	if (bpf_program__fd(program) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes))
		return nothing;
	return info;
}

/* Timed runs and their time, over all programs. */
static void sum_timed(const struct kernel *kernel, uint64_t *runs, uint64_t *ns)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		struct bpf_prog_info info = info_of(program);

		*runs += info.run_cnt;
		*ns += info.run_time_ns;
	}
}

/*
 * The kernel runs no program within itself on a CPU.  That of faults in kernel mode is within
 * itself when a stack is read from a page that is not there: that is none of the process's, and
 * it cannot be preempted, so that nothing else is missed there.
 */
uint64_t cost_missed(const struct kernel *kernel)
{
	struct bpf_program *program;
	uint64_t missed = 0;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		if (program != kernel->skeleton->progs.mt_fault_kernel)
			missed += info_of(program).recursion_misses;
	}
	return missed;
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
