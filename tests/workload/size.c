// SPDX-License-Identifier: GPL-2.0
/* Sizes and times that fall into known buckets of the histograms: counts that are prime. */
#include "tests/workload/workload.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAPPINGS_MOST 31

static char *at[MAPPINGS_MOST];

/* Maps so many times, touches some pages of each, and unmaps them. */
static void map_sizes(int count, size_t bytes, size_t touched)
{
	int64_t pages = (bytes + PAGE - 1) / PAGE;

	for (int i = 0; i < count; i++) {
		at[i] = map_anonymous(bytes);
		touch(at[i], touched * PAGE);
	}
	for (int i = 0; i < count; i++)
		must(munmap(at[i], bytes) == 0, "munmap");
	expect_calls("mmap", count, count * (int64_t)bytes);
	expect("mmap", "virtual_bytes", count * pages * (int64_t)PAGE);
	expect_faults("fault", count * (int64_t)touched);
	expect_calls("munmap", count, count * (int64_t)bytes);
	expect("munmap", "virtual_bytes", -count * pages * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -count * (int64_t)(touched * PAGE));
	expect_sizes("mmap_bytes", count, bytes);
	expect_sizes("munmap_bytes", count, bytes);
	expect_sizes("released_bytes", count, touched * PAGE);
}

/* A power of two, one less and one more; released_bytes has what was there, not what was asked. */
static void around_powers(bool counted)
{
	(void)counted;
	map_sizes(7, 4096, 1);
	map_sizes(11, 8191, 2);
	map_sizes(13, 8192, 1);
	map_sizes(17, 8193, 0);
	map_sizes(19, 65536, 16);
	map_sizes(23, 65537, 17);
	map_sizes(5, 1, 1);
	map_sizes(3, 64 * MIB, 5);
	map_sizes(2, 64 * MIB + 1, 3);
}

/* Steps of brk by bytes: asking where it ends is no step. */
static void steps_of_brk(bool counted)
{
	char *bottom = (char *)syscall(SYS_brk, NULL);

	(void)counted;
	for (int i = 0; i < 13; i++)
		syscall(SYS_brk, bottom + (i + 1) * 3000);
	for (int i = 0; i < 13; i++)
		syscall(SYS_brk, NULL);
	touch(bottom, 39000);
	must(syscall(SYS_brk, bottom) == (long)bottom, "brk");
	expect_calls("brk.grow", 13 + 14, 13 * 3000);
	expect("brk.grow", "virtual_bytes", 10 * PAGE);
	expect_faults("fault", 10);
	expect_calls("brk.shrink", 1, 39000);
	expect("brk.shrink", "virtual_bytes", -10 * (int64_t)PAGE);
	expect("brk.shrink", "anon_bytes", -10 * (int64_t)PAGE);
	expect_sizes("brk_bytes", 13, 3000);
	expect_sizes("brk_bytes", 1, 39000);
	expect_sizes("released_bytes", 1, 10 * PAGE);
}

static void advise(char *from, size_t bytes, int advice)
{
	must(madvise(from, bytes, advice) == 0, "madvise");
}

/* All advice is in one histogram; only some of it gives back. */
static void sizes_of_advice(bool counted)
{
	char *from = map_anonymous(128 * PAGE);

	(void)counted;
	touch(from, 31 * PAGE);
	for (int i = 0; i < 7; i++)
		advise(from, 4096, MADV_COLD);
	for (int i = 0; i < 5; i++)
		advise(from, 65536, MADV_FREE);
	for (int i = 0; i < 3; i++)
		advise(from + i * 10 * PAGE, 10 * PAGE, MADV_DONTNEED);
	advise(from + 64 * PAGE, 11 * PAGE, MADV_POPULATE_WRITE);
	from = mremap(from, 128 * PAGE, 64 * PAGE, 0);
	from = mremap(from, 64 * PAGE, 512 * PAGE, MREMAP_MAYMOVE);
	must(from != MAP_FAILED && munmap(from, 512 * PAGE) == 0, "mremap");
	expect_calls("mmap", 1, 128 * PAGE);
	expect("mmap", "virtual_bytes", 128 * PAGE);
	expect_faults("fault", 31);
	expect_calls("madvise.other", 7, 7 * 4096);
	expect_calls("madvise.free", 5, 5 * 65536);
	expect_calls("madvise.dontneed", 3, 30 * PAGE);
	expect("madvise.dontneed", "anon_bytes", -30 * (int64_t)PAGE);
	expect_calls("madvise.populate", 1, 11 * PAGE);
	expect("madvise.populate", "anon_bytes", 11 * PAGE);
	expect_calls("mremap", 2, 576 * PAGE);
	expect("mremap", "virtual_bytes", 384 * PAGE);
	expect("mremap", "anon_bytes", -11 * (int64_t)PAGE);
	expect_calls("munmap", 1, 512 * PAGE);
	expect("munmap", "virtual_bytes", -512 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -(int64_t)PAGE);
	expect_sizes("madvise_bytes", 7, 4096);
	expect_sizes("madvise_bytes", 5, 65536);
	expect_sizes("madvise_bytes", 3, 10 * PAGE);
	expect_sizes("madvise_bytes", 1, 11 * PAGE);
	expect_sizes("mremap_bytes", 1, 64 * PAGE);
	expect_sizes("mremap_bytes", 1, 512 * PAGE);
	expect_sizes("released_bytes", 3, 10 * PAGE);
	expect_sizes("released_bytes", 5, 0);
	expect_sizes("released_bytes", 1, PAGE);
}

#define DELAY_NS 20000000

static void delay(void)
{
	const struct timespec time = { 0, DELAY_NS };

	nanosleep(&time, NULL);
}

/* 17 mappings are touched late, 7 never, 5 by the kernel in the call itself. */
static void touched_late(bool counted)
{
	(void)counted;
	for (int i = 0; i < 29; i++)
		at[i] = mmap(NULL, 13 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | (i < 5 ? MAP_POPULATE : 0), -1, 0);
	delay();
	for (int i = 12; i < 29; i++) {
		touch(at[i] + (i % 13) * PAGE, 1);
		touch(at[i], 3 * PAGE);
	}
	delay();
	for (int i = 0; i < 29; i++)
		must(munmap(at[i], 13 * PAGE) == 0, "munmap");
	expect_calls("mmap", 29, 29 * 13 * PAGE);
	expect("mmap", "virtual_bytes", 29 * 13 * PAGE);
	expect("mmap", "anon_bytes", 5 * 13 * PAGE);
	/* In six of them the first page touched is one of the three. */
	expect_faults("fault", 17 * 4 - 6);
	expect_calls("munmap", 29, 29 * 13 * PAGE);
	expect("munmap", "virtual_bytes", -29 * 13 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -(5 * 13 + 17 * 4 - 6) * (int64_t)PAGE);
	expect_times("touch_delay_ns", 17, DELAY_NS);
	expect_times("mapping_lifetime_ns", 29, 2 * DELAY_NS);
}

const struct workload workloads[] = {
	{ .name = "around-powers", .run = around_powers },
	{ .name = "steps-of-brk", .run = steps_of_brk },
	{ .name = "of-advice", .run = sizes_of_advice },
	{ .name = "touched-late", .run = touched_late },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
