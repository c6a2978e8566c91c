// SPDX-License-Identifier: GPL-2.0
/* Whose calls touched pages in odd places?  `odd CASE` touches a known number of fresh pages. */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 211
#define DEEPER 300
#define FAR_PAGES 4
#define LOOK_US 500000
#define NOINLINE __attribute__((noinline, noclone))
#define stay() __asm__ volatile("" ::: "memory")

static char *area;

static NOINLINE void touch_shelf(void)
{
	for (size_t i = 0; i < PAGES; i++)
		((volatile char *)area)[i * PAGE] = 1;
	stay();
}

/* The code that the kernel gives to each process writes to the page. */
static NOINLINE void in_vdso(void)
{
	for (size_t i = 0; i < PAGES; i++)
		clock_gettime(CLOCK_MONOTONIC, (struct timespec *)(void *)(area + i * PAGE));
	stay();
}

static NOINLINE void descend(int depth)
{
	if (depth)
		descend(depth - 1);
	else
		touch_shelf();
	stay();
}

static NOINLINE void in_child(void)
{
	pid_t child = fork();

	if (!child) {
		touch_shelf();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* Says where the library lies, and waits until it has been looked at. */
static NOINLINE void with_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*fill)(char *, size_t) = library ? (void (*)(char *, size_t))dlsym(library, "fill") :
						 NULL;

	if (!fill)
		exit(1);
	printf("%p\n", (void *)(uintptr_t)fill);
	usleep(LOOK_US);
	fill(area, PAGES * PAGE);
	dlclose(library);
	madvise(area, PAGES * PAGE, MADV_DONTNEED);
}

/* The page with its caller's frame is gone: a walk has to end there, and must not bring it back. */
static NOINLINE void without_callers(char *gone)
{
	unsigned char present = 1;

	madvise(gone, PAGE, MADV_DONTNEED);
	touch_shelf();
	mincore(gone, PAGE, &present);
	_exit(present & 1 ? 3 : 0);
}

static NOINLINE void *far_below(void *stack)
{
	char *room = alloca(FAR_PAGES * PAGE); /* cppcheck-suppress allocaCalled */

	__asm__ volatile("" ::"r"(room) : "memory");
	/* The uppermost page of the stack has all that is above the room. */
	without_callers((char *)stack);
	stay();
	return room;
}

static NOINLINE void with_a_gap(void)
{
	size_t bytes = 64 * PAGE;
	char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pthread_attr_t attributes;
	pthread_t thread;

	madvise(stack, bytes, MADV_NOHUGEPAGE);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, bytes);
	pthread_create(&thread, &attributes, far_below, stack + bytes - 2 * PAGE);
	pthread_join(thread, NULL);
}

static void run(const char *name, char **more)
{
	if (!strcmp(name, "vdso"))
		in_vdso();
	else if (!strcmp(name, "deep"))
		descend(DEEPER);
	else if (!strcmp(name, "child"))
		in_child();
	else if (!strcmp(name, "gap"))
		with_a_gap();
	else
		for (; *more; more++)
			with_library(*more);
}

int main(int count, char **words)
{
	if (count < 2)
		return 2;
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE);
	run(words[1], words + 2);
	return 0;
}
