// SPDX-License-Identifier: GPL-2.0
/* Memory that the kernel takes: to swap, by this process's hand or by others', and for nothing. */
#include "tests/workload/workload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLACK (8 * MIB) /* given back in the end, so that nothing is reclaimed any more */

static size_t limit;
static int64_t swapped_before;

static void enter(bool counted)
{
	if (!counted) {
		limit = enter_cgroup();
		stay_on_one_cpu();
	}
	swapped_before = status_of_self("VmSwap");
}

/* What it takes to read that may have been in swap, too, up to the first time. */
static int64_t swapped_since(void)
{
	status_of_self("VmSwap");
	return status_of_self("VmSwap") - swapped_before;
}

static void expect_mapped(int64_t bytes)
{
	expect_calls("mmap", 1, bytes);
	expect("mmap", "virtual_bytes", bytes);
}

/* Its own code and data may have been taken, too. */
static void expect_any_fault(void)
{
	expect_any("fault", "count");
	expect_any("fault", "anon_bytes");
	expect_any("fault", "swap_bytes");
	expect_any("fault", "file_bytes");
}

/* Whether it was resident or in swap. */
static void expect_unmapped(int64_t bytes)
{
	expect_calls("munmap", 1, bytes);
	expect("munmap", "virtual_bytes", -bytes);
	expect_any("munmap", "anon_bytes");
	expect_any("munmap", "swap_bytes");
	expect("munmap", "anon_bytes+swap_bytes", -bytes);
}

/* What reclaim takes from RSS is in swap, to the byte: how much, /proc says. */
static void expect_swapped(const char *reclaim, int64_t swapped)
{
	expect_any(reclaim, "count");
	expect_any(reclaim, "anon_bytes");
	expect_any(reclaim, "swap_bytes");
	expect_any(reclaim, "file_bytes"); /* its code */
	expect(reclaim, "anon_bytes+swap_bytes", 0);
	expect("reclaim+fault+munmap+madvise.free", "swap_bytes", swapped);
}

/* Half as much again as there may be; then what went first comes back, and others go. */
static void own(bool counted)
{
	size_t bytes, back = 0;
	int64_t before;
	char *at;

	enter(counted);
	bytes = limit * 3 / 2;
	before = faults_of_self();
	at = map_anonymous(bytes + SLACK);
	touch(at, bytes + SLACK);
	back = counted ? 1021 * PAGE : 0;
	look(at, back);
	must(munmap(at + bytes, SLACK) == 0, "munmap");
	touch_frame();
	expect_mapped(bytes + SLACK);
	expect_unmapped(SLACK);
	expect_any_fault();
	expect("fault", "anon_bytes+swap_bytes", bytes + SLACK);
	expect_all_faults(faults_of_self() - before);
	expect_swapped("reclaim", swapped_since());
	must(!counted || swapped_since() > (int64_t)(bytes - limit - MIB), "in swap");
	if (!counted)
		must(munmap(at, bytes) == 0, "munmap");
}

/* What was given up by MADV_FREE is taken without going to swap. */
static void lazily_freed(bool counted)
{
	int64_t marked, before;
	char *at, *more;

	enter(counted);
	marked = limit / 2;
	before = faults_of_self();
	at = map_anonymous(marked);
	touch(at, marked);
	must(madvise(at, marked, MADV_FREE) == 0, "madvise");
	must(madvise(at, PAGE, MADV_COLD) == 0, "madvise"); /* empties a list, see advice.c */
	more = map_anonymous(limit);
	touch(more, limit);
	must(munmap(more + limit - SLACK, SLACK) == 0, "munmap");
	touch_frame();
	expect_mapped(marked);
	expect_mapped(limit);
	expect_unmapped(SLACK);
	expect_any_fault();
	expect("fault", "anon_bytes+swap_bytes", marked + limit);
	expect_all_faults(faults_of_self() - before);
	expect_calls("madvise.free", 1, marked);
	expect_calls("madvise.other", 1, PAGE);
	expect_anything("reclaim");
	expect("reclaim+fault+munmap+madvise.free", "swap_bytes", swapped_since());
	expect("lazy_free", "marked_bytes", marked);
	expect("lazy_free", "taken_bytes+resident_bytes", marked);
	if (!counted) {
		must(munmap(at, marked) == 0, "munmap");
		must(munmap(more, limit - SLACK) == 0, "munmap");
	}
}

/* ---- by others ---- */

enum { TOUCH, RECLAIM };

/* Asks the kernel for the memory of the cgroup: to take what it can is no failure. */
static void reclaim_all(void)
{
	const char *file = getenv("WORKLOAD_RECLAIM");
	int fd = file ? open(file, O_WRONLY | O_CLOEXEC) : -1;

	must(fd >= 0, "a file to reclaim by");
	(void)!write(fd, "64M", 3);
	close(fd);
}

static void neighbour(bool counted)
{
	char *at = NULL;

	(void)counted;
	enter_cgroup();
	for (;;) {
		struct order order = other_next();

		if (order.what == RECLAIM) {
			reclaim_all();
		} else {
			at = map_anonymous(order.bytes);
			touch(at, order.bytes);
			must(munmap(at, order.bytes) == 0, "munmap");
		}
		other_done();
	}
}

static void taken(bool counted, uint64_t what, const char *reclaim)
{
	char *at;

	enter(counted);
	if (!counted)
		other_start("neighbour");
	at = map_anonymous(limit / 2);
	touch(at, limit / 2);
	other_do(what, NULL, limit * 7 / 8, 0);
	touch_frame();
	expect_mapped(limit / 2);
	expect_any_fault();
	expect("fault", "anon_bytes+swap_bytes", limit / 2);
	expect_swapped(reclaim, swapped_since());
	must(!counted || swapped_since() > (int64_t)(limit / 8), "in swap");
	if (!counted)
		must(munmap(at, limit / 2) == 0, "munmap");
}

/* A neighbour in the cgroup touches so much that this process's pages have to go. */
static void by_neighbour(bool counted)
{
	taken(counted, TOUCH, "reclaim");
}

/* Somebody asks the kernel to reclaim what the cgroup has. */
static void on_request(bool counted)
{
	taken(counted, RECLAIM, "reclaim write");
}

const struct workload workloads[] = {
	{ .name = "own", .run = own, .needs = "swap cgroup" },
	{ .name = "lazily-freed", .run = lazily_freed, .needs = "swap cgroup" },
	{ .name = "by-neighbour", .run = by_neighbour, .needs = "swap cgroup" },
	{ .name = "on-request", .run = on_request, .needs = "swap cgroup" },
	{ .name = "neighbour", .run = neighbour, .hidden = true },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
