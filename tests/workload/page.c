// SPDX-License-Identifier: GPL-2.0
/* First touches that are special: of the zero page, of the stack below its end, by the kernel. */
#include "tests/workload/workload.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory that was never written reads as zeroes: faults, but nothing resident. */
static void zero_page(bool counted)
{
	char *at = map_anonymous(97 * PAGE);

	(void)counted;
	look(at, 89 * PAGE);
	touch(at, 53 * PAGE); /* over the zero page: a first touch, no copy */
	touch(at, 97 * PAGE);
	look(at, 97 * PAGE);
	must(munmap(at, 97 * PAGE) == 0, "munmap");
	expect_calls("mmap", 1, 97 * PAGE);
	expect("mmap", "virtual_bytes", 97 * PAGE);
	expect_count("fault", 89);
	expect_faults("fault", 97);
	expect_calls("munmap", 1, 97 * PAGE);
	expect("munmap", "virtual_bytes", -97 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -97 * (int64_t)PAGE);
}

/* The same after the pages went to swap: each fault says what it found. */
static void zero_page_and_swap(bool counted)
{
	char *at = map_anonymous(61 * PAGE);

	if (!counted)
		stay_on_one_cpu();
	touch(at, 31 * PAGE);
	look(at + 31 * PAGE, 30 * PAGE);
	must(madvise(at, 61 * PAGE, MADV_PAGEOUT) == 0, "madvise");
	touch(at, 61 * PAGE);
	must(munmap(at, 61 * PAGE) == 0, "munmap");
	expect_calls("mmap", 1, 61 * PAGE);
	expect("mmap", "virtual_bytes", 61 * PAGE);
	expect_count("fault", 31 + 30 + 61);
	expect("fault", "anon_bytes", (31 + 61) * PAGE);
	expect("fault", "swap_bytes", -31 * (int64_t)PAGE);
	expect_calls("madvise.pageout", 1, 61 * PAGE);
	expect("madvise.pageout", "anon_bytes", -31 * (int64_t)PAGE);
	expect("madvise.pageout", "swap_bytes", 31 * PAGE);
	expect_calls("munmap", 1, 61 * PAGE);
	expect("munmap", "virtual_bytes", -61 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -61 * (int64_t)PAGE);
}

/* Where the stack of the warmed-up process ends, far below what it uses. */
static uintptr_t stack_end;

static void go_deep(void)
{
	stack_end = ((uintptr_t)__builtin_frame_address(0) & -PAGE) - MIB;
	touch((void *)stack_end, 1);
}

/* Page by page 101 times, then 53 pages at once, of which one is touched. */
static void stack(bool counted)
{
	if (!counted)
		go_deep();
	for (int i = 0; i < 101; i++)
		touch((void *)(stack_end -= PAGE), 1);
	touch((void *)(stack_end -= 53 * PAGE), 1);
	expect_count("stack", 102);
	expect("stack", "virtual_bytes", (101 + 53) * PAGE);
	expect_faults("fault", 102);
}

/* The kernel writes below the end of the stack, in read(): it grows all the same. */
static void stack_by_kernel(bool counted)
{
	int pipes[2];

	if (!counted)
		go_deep();
	must(pipe(pipes) == 0 && write(pipes[1], "1234567", 7) == 7, "pipe");
	for (int i = 0; i < 7; i++)
		must(read(pipes[0], (void *)(stack_end -= 23 * PAGE), 1) == 1, "read");
	close(pipes[0]);
	close(pipes[1]);
	expect_count("stack", 7);
	expect("stack", "virtual_bytes", 7 * 23 * PAGE);
	expect_faults("fault.kernel read", 7);
}

const struct workload workloads[] = {
	{ .name = "zero", .run = zero_page },
	{ .name = "zero-and-swap", .run = zero_page_and_swap, .needs = "swap" },
	{ .name = "stack", .run = stack },
	{ .name = "stack-by-kernel", .run = stack_by_kernel },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
