// SPDX-License-Identifier: GPL-2.0
/*
 * Whose calls touched these pages?  Each case touches a prime number of fresh pages at the end of
 * a chain of calls of its kind, and prints what that chain is as libgcc unwinds it, and what
 * became of the pages as /proc/self/pagemap has it.
 *
 * Built with -O2 -fomit-frame-pointer: nothing but .eh_frame tells the frames.
 */
#include "tests/stacks/chain.h"

#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE /* of Linux 6.1 */
#define MADV_COLLAPSE 25
#endif
#define HUGE (512 * PAGE)

#define DEEP 29
#define FAR_BYTES 70000

/* ---- the truth ---- */

static char *pages;
static size_t page_count;

static size_t present_pages(const char *from, size_t count)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t present = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t entry = 0;

		if (pread(fd, &entry, 8, (off_t)(((uintptr_t)from / PAGE + i) * 8)) == 8)
			present += entry >> 63;
	}
	close(fd);
	return present;
}

/* name touched present released-by, frames of memtrace's to leave out, chain... */
static void tell(const char *name, size_t present, const char *released_by, int theirs)
{
	printf("case %s %zu %zu %s %d", name, page_count, present, released_by, theirs);
	print_chain();
	puts("");
	fflush(stdout);
}

/* ---- touching ---- */

static char *map_pages(size_t count)
{
	char *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED)
		exit(1);
	madvise(at, count * PAGE, MADV_NOHUGEPAGE);
	return at;
}

static NOINLINE void touch(void)
{
	for (size_t i = 0; i < page_count; i++)
		((volatile char *)pages)[i * PAGE] = 1;
	remember_chain();
	stay();
}

static NOINLINE void recurse(int depth)
{
	if (depth)
		recurse(depth - 1);
	else
		touch();
	stay();
}

static NOINLINE void with_alloca(size_t bytes)
{
	char *room = alloca(bytes); /* cppcheck-suppress allocaCalled */

	room[0] = 1;
	__asm__ volatile("" ::"r"(room) : "memory");
	touch();
	__asm__ volatile("" ::"r"(room) : "memory");
}

static NOINLINE void with_far_frame(void)
{
	char room[FAR_BYTES];

	room[0] = 1;
	__asm__ volatile("" ::"r"(room) : "memory");
	touch();
	__asm__ volatile("" ::"r"(room) : "memory");
}

/* The stack is aligned anew: the frame's address cannot be told from rsp or rbp alone. */
static NOINLINE void realigned(size_t bytes)
{
	char room[64] __attribute__((aligned(64)));
	char *more = alloca(bytes); /* cppcheck-suppress allocaCalled */

	more[0] = room[0] = 1;
	__asm__ volatile("" ::"r"(room), "r"(more) : "memory");
	touch();
	__asm__ volatile("" ::"r"(room), "r"(more) : "memory");
}

static int compare(const void *a, const void *b)
{
	static bool done;

	if (!done)
		touch();
	done = true;
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void in_callback(void)
{
	int numbers[] = { 5, 3, 2 };

	qsort(numbers, 3, sizeof(numbers[0]), compare);
	stay();
}

static void handle(int number)
{
	(void)number;
	touch();
	stay();
}

static NOINLINE void in_handler(void)
{
	signal(SIGUSR1, handle);
	raise(SIGUSR1);
	stay();
}

static void *start(void *unused)
{
	touch();
	stay();
	return unused;
}

static NOINLINE void in_thread(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, start, NULL))
		pthread_join(thread, NULL);
}

/* The kernel touches the pages, called from here. */
static NOINLINE void by_read(void)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (read(fd, pages, page_count * PAGE) != (ssize_t)(page_count * PAGE))
		exit(1);
	close(fd);
	remember_chain();
	stay();
}

/* The call touches the pages itself. */
static NOINLINE void by_populating(void)
{
	pages = mmap(NULL, page_count * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	remember_chain();
	stay();
}

static NOINLINE void by_locking(void)
{
	mlock(pages, 2 * page_count * PAGE);
	remember_chain();
	stay();
}

/* As many as it lacks; where no huge page is to be had, they come one by one. */
static NOINLINE void by_collapsing(void)
{
	if (madvise(pages, HUGE, MADV_COLLAPSE))
		madvise(pages + PAGE, HUGE - PAGE, MADV_POPULATE_WRITE);
	remember_chain();
	stay();
}

/* ---- the cases ---- */

static void begin(size_t count)
{
	page_count = count;
	pages = map_pages(count);
}

static void kept(const char *name)
{
	tell(name, present_pages(pages, page_count), "-", 1);
}

static NOINLINE void touch_and_unmap(void)
{
	touch();
	munmap(pages, 53 * PAGE);
	tell("unmapped", present_pages(pages + 53 * PAGE, page_count - 53), "munmap", 1);
}

static NOINLINE void touch_and_drop(void)
{
	touch();
	madvise(pages + 7 * PAGE, 61 * PAGE, MADV_DONTNEED);
	tell("dropped", present_pages(pages, page_count), "madvise.dontneed", 1);
}

static NOINLINE void touch_and_move(void)
{
	char *to = map_pages(4 * page_count);

	touch();
	pages = mremap(pages, page_count * PAGE, 2 * page_count * PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	madvise(pages, 31 * PAGE, MADV_DONTNEED);
	tell("moved", present_pages(pages, page_count), "madvise.dontneed", 1);
}

static NOINLINE void touch_and_cut(void)
{
	touch();
	pages = mremap(pages, page_count * PAGE, 19 * PAGE, 0);
	tell("cut", present_pages(pages, 19), "mremap", 1);
}

static NOINLINE void touch_and_cover(void)
{
	touch();
	pages = mmap(pages, 29 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	tell("covered", present_pages(pages, page_count), "mmap", 1);
}

static NOINLINE void collapse(void)
{
	pages = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pages = (char *)(((uintptr_t)pages + HUGE - 1) & -HUGE);
	madvise(pages, HUGE, MADV_NOHUGEPAGE);
	*(volatile char *)pages = 1;
	madvise(pages, HUGE, MADV_HUGEPAGE);
	by_collapsing();
	page_count = HUGE / PAGE - 1;
	tell("collapsed", present_pages(pages + PAGE, page_count), "-", 2);
}

static NOINLINE void touch_the_heap(void)
{
	page_count = 103;
	pages = (char *)(((uintptr_t)sbrk(104 * PAGE) + PAGE - 1) & -PAGE);
	touch();
	sbrk(-71 * (intptr_t)PAGE);
	tell("heap", present_pages(pages, page_count), "brk.shrink", 1);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	begin(101);
	touch();
	kept("plain");
	begin(107);
	recurse(DEEP);
	kept("recursion");
	begin(109);
	with_alloca(page_count * 3);
	kept("alloca");
	begin(113);
	with_far_frame();
	kept("far-frame");
	begin(127);
	realigned(page_count);
	kept("realigned");
	begin(131);
	in_callback();
	kept("callback");
	begin(137);
	in_handler();
	kept("handler");
	begin(139);
	in_thread();
	kept("thread");
	begin(149);
	by_read();
	tell("read", present_pages(pages, page_count), "-", 2);
	page_count = 179;
	by_populating();
	tell("populated", present_pages(pages, page_count), "-", 2);
	begin(2 * 181);
	page_count = 181;
	touch();
	by_locking();
	tell("locked", present_pages(pages + page_count * PAGE, page_count), "-", 2);
	begin(151);
	touch_and_unmap();
	begin(157);
	touch_and_drop();
	begin(163);
	touch_and_move();
	begin(167);
	touch_and_cut();
	begin(173);
	touch_and_cover();
	collapse();
	touch_the_heap();
	return 0;
}
