// SPDX-License-Identifier: GPL-2.0
/* Who touched so many pages?  Page by page, a huge one at a time, and with one call. */
#include <stddef.h>
#include <sys/mman.h>

#define PAGE 4096UL
#define HUGE (512 * PAGE)

static char *reserve(size_t bytes, int advice)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(at, bytes, advice);
	return at;
}

__attribute__((noinline)) static void touch(volatile char *at, size_t step, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at[i * step] = 1;
}

__attribute__((noinline)) static void touch_small(void)
{
	char *at = reserve(50021 * PAGE, MADV_NOHUGEPAGE);

	touch(at, PAGE, 40009);
	madvise(at, 10007 * PAGE, MADV_DONTNEED);
	__asm__("");
}

__attribute__((noinline)) static void touch_and_unmap(void)
{
	for (int i = 0; i < 100; i++) {
		char *at = reserve(101 * PAGE, MADV_NOHUGEPAGE);

		touch(at, PAGE, 97);
		munmap(at, 101 * PAGE);
	}
	__asm__("");
}

__attribute__((noinline)) static void touch_huge(void)
{
	char *at = reserve(42 * HUGE, MADV_HUGEPAGE);

	touch((char *)(((size_t)at + HUGE - 1) & -HUGE), HUGE, 41);
	__asm__("");
}

__attribute__((noinline)) static void touch_at_once(void)
{
	char *at = reserve(20011 * PAGE, MADV_NOHUGEPAGE);

	madvise(at, 20011 * PAGE, MADV_POPULATE_WRITE);
	__asm__("");
}

int main(void)
{
	touch_small();
	touch_and_unmap();
	touch_huge();
	touch_at_once();
	return 0;
}
