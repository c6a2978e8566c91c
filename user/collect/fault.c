// SPDX-License-Identifier: GPL-2.0
/* How are page faults seen where the kernel has no events for them?  See fault.h. */
#include "user/collect/fault.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_event(pid_t pid, int cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
	};

	return syscall(SYS_perf_event_open, &attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

bool fault_allowed(void)
{
	cleanup_close int fd = -1;

	/* CPU 0 may be the one that does not run. */
	for (int cpu = 0; fd < 0 && cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		fd = open_event(-1, cpu);
	return fd >= 0;
}

static struct error *attach_on(const struct bpf_program *program, int cpu,
			       struct fault_links *links)
{
	int fd = open_event(-1, cpu);
	struct bpf_link *link;

	if (fd < 0 && errno == ENODEV) /* it does not run */
		return NULL;
	if (fd < 0)
		return error_new(errno, "perf may not count page faults on CPU %d (`memtrace "
				 "check` tells more)", cpu);
	link = bpf_program__attach_perf_event(program, fd);
	if (!link) {
		int number = errno;

		close(fd);
		return error_new(number, "cannot attach to perf's page faults on CPU %d", cpu);
	}
	links->links[links->count++] = link;
	return NULL;
}

struct error *fault_attach(const struct bpf_program *program, size_t cpus,
			   struct fault_links *links)
{
	links->links = memory_new(cpus, sizeof(*links->links));
	for (size_t cpu = 0; cpu < cpus; cpu++)
		TRY(attach_on(program, cpu, links));
	return NULL;
}

void fault_detach(struct fault_links *links)
{
	while (links->count)
		bpf_link__destroy(links->links[--links->count]);
	free(links->links);
	links->links = NULL;
}
