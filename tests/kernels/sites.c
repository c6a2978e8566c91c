// SPDX-License-Identifier: GPL-2.0
/*
 * Which code touches how many pages?  With --stacks the sites must say so.  `sites list` prints
 * it: pages, `whole` or `cut`, and functions, the innermost first; of others nothing is said.
 * Each of them calls touch_pages() in another way: what is below it is found in another way.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PLAIN 5
#define RECURSION 7
#define DEPTH 6
#define SMALL_FRAME 11
#define LARGE_FRAME 13
#define ANY_FRAME 17
#define CALLBACK 19
#define SIGNAL 23
#define SIGNAL_IN_LEAF 29
#define THREAD 31
#define BLIND 37
#define COPIED 41

#if __has_attribute(noclone)
#define KEPT __attribute__((noinline, noclone))
#else
#define KEPT __attribute__((noinline))
#endif

/* Nothing is called last, which would be a jump. */
#define STAY() asm volatile("" ::: "memory")

struct row {
	int pages;
	const char *end, *stack;
};

static const struct row rows[] = {
	{ PLAIN, "whole", "touch_pages plainly main" },
	{ RECURSION, "whole", "touch_pages deeply deeply deeply deeply deeply deeply deeply main" },
	{ SMALL_FRAME, "whole", "touch_pages with_small_frame main" },
	{ LARGE_FRAME, "whole", "touch_pages with_large_frame main" },
	{ ANY_FRAME, "whole", "touch_pages with_any_frame main" },
	{ CALLBACK, "whole", "touch_pages compare by_callback main" },
	{ SIGNAL, "whole", "touch_pages on_signal by_signal main" },
	{ SIGNAL_IN_LEAF, "whole", "touch_pages on_fault read_there in_leaf main" },
	{ THREAD, "whole", "touch_pages in_thread" },
	{ COPIED, "whole", "touch_pages by_child main" },
	{ COPIED, "whole", "touch_pages in_child by_child main" },
	{ BLIND, "cut", "touch_pages behind call_blindly" },
};

KEPT static void touch_pages(char *at, int pages)
{
	for (int i = 0; i < pages; i++)
		at[(size_t)i * PAGE] = 1;
	STAY();
}

static char *new_pages(int pages)
{
	char *at = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		exit(1);
	return at;
}

KEPT static void plainly(char *at)
{
	touch_pages(at, PLAIN);
	STAY();
}

KEPT static void deeply(char *at, int more)
{
	if (more)
		deeply(at, more - 1);
	else
		touch_pages(at, RECURSION);
	STAY();
}

KEPT static void fill(volatile char *at, size_t bytes)
{
	at[0] = at[bytes - 1] = 1;
	STAY();
}

KEPT static void with_small_frame(char *at)
{
	char frame[6000]; /* more than 127 words */

	fill(frame, sizeof(frame));
	touch_pages(at, SMALL_FRAME);
	fill(frame, sizeof(frame));
}

KEPT static void with_large_frame(char *at)
{
	char frame[70000]; /* more than a row has room for */

	fill(frame, sizeof(frame));
	touch_pages(at, LARGE_FRAME);
	fill(frame, sizeof(frame));
}

KEPT static void with_any_frame(char *at, size_t bytes)
{
	char frame[bytes];

	fill(frame, bytes);
	touch_pages(at, ANY_FRAME);
	fill(frame, bytes);
}

/* What the functions below touch, which nobody can be told. */
static char *here;

KEPT static int compare(const void *a, const void *b)
{
	if (here)
		touch_pages(here, CALLBACK);
	here = NULL;
	return *(const int *)a - *(const int *)b;
}

KEPT static void by_callback(void)
{
	int numbers[] = { 3, 1, 2 };

	here = new_pages(CALLBACK);
	qsort(numbers, sizeof(numbers) / sizeof(numbers[0]), sizeof(numbers[0]), compare);
	STAY();
}

static void on_signal(int number)
{
	(void)number;
	touch_pages(here, SIGNAL);
	STAY();
}

KEPT static void by_signal(void)
{
	here = new_pages(SIGNAL);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	STAY();
}

/* It makes what could not be read there to be read. */
static char *closed;

static void on_fault(int number)
{
	(void)number;
	touch_pages(here, SIGNAL_IN_LEAF);
	mprotect(closed, PAGE, PROT_READ); /* NOLINT(bugprone-signal-handler): a bare call */
}

/* It calls nobody, and is interrupted where it runs. */
KEPT static int read_there(const volatile char *at)
{
	asm volatile("nop"); /* the address of a caller is looked up one byte before */
	return *at + 1;
}

KEPT static void in_leaf(void)
{
	here = new_pages(SIGNAL_IN_LEAF);
	closed = new_pages(1);
	mprotect(closed, PAGE, PROT_NONE);
	signal(SIGSEGV, on_fault);
	if (!read_there(closed))
		exit(1);
	STAY();
}

static void *in_thread(void *at)
{
	touch_pages(at, THREAD);
	STAY();
	return NULL;
}

KEPT static void in_child(char *at)
{
	touch_pages(at, COPIED);
	STAY();
}

/* What it was born with it copies, which moves no counter. */
KEPT static void by_child(char *at)
{
	pid_t pid;

	touch_pages(at, COPIED);
	pid = fork();
	if (!pid) {
		in_child(at);
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		exit(1);
}

/* A call that no table tells of, as compilers that make code at run time write them. */
void call_blindly(void (*function)(void));

#if defined(__x86_64__)
asm(".text\n.type call_blindly, @function\ncall_blindly:\n"
	"sub $24, %rsp\ncall *%rdi\nadd $24, %rsp\nret\n"
	".size call_blindly, . - call_blindly\n");
#else
asm(".text\n.type call_blindly, %function\ncall_blindly:\n"
	"stp x29, x30, [sp, #-32]!\nblr x0\nldp x29, x30, [sp], #32\nret\n"
	".size call_blindly, . - call_blindly\n");
#endif

static void behind(void)
{
	touch_pages(here, BLIND);
	STAY();
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%d %s %s\n", rows[i].pages, rows[i].end, rows[i].stack);
}

int main(int count, char **words)
{
	pthread_t thread;

	if (count > 1 && !strcmp(words[1], "list")) {
		list();
		return 0;
	}
	sleep(1); /* code that is met for the first time is known a moment later */
	plainly(new_pages(PLAIN));
	deeply(new_pages(RECURSION), DEPTH);
	with_small_frame(new_pages(SMALL_FRAME));
	with_large_frame(new_pages(LARGE_FRAME));
	with_any_frame(new_pages(ANY_FRAME), (size_t)count * 1000);
	by_callback();
	by_signal();
	in_leaf();
	pthread_create(&thread, NULL, in_thread, new_pages(THREAD));
	pthread_join(thread, NULL);
	by_child(new_pages(COPIED));
	here = new_pages(BLIND);
	call_blindly(behind);
	return 0;
}
