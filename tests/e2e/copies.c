// SPDX-License-Identifier: GPL-2.0
/*
 * Whose line is it, where each thread runs a copy of the instructions of its own?  No interpreter
 * of Python, but what one without its lock has in memory: as the headers of 3.14 lay it out.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define LINES 5
#define FIRST 10 /* line of a function */
#define PAGE 4096

struct object {
	uint64_t owner, state, shared;
	const void *type;
};

struct text {
	struct object head;
	int64_t count, hash;
	uint32_t state, unused;
	char bytes[16];
};

struct table {
	struct object head;
	int64_t count, hash;
	uint8_t bytes[3 * LINES];
};

struct code {
	struct object head;
	uint64_t units, constants, names, exceptions;
	uint32_t flags, counts[4], first_line, other[10];
	struct text *file, *name, *qualified;
	struct table *lines;
	uint64_t more[8];
	struct {
		int64_t count;
		uint16_t *at[THREADS];
	} *copies;
	uint16_t instructions[LINES];
};

struct frame {
	uint64_t code;
	struct frame *previous;
	uint64_t more[5];
	const uint16_t *instruction;
	uint64_t stack;
	int32_t copy;
	uint16_t back;
	int8_t owner;
};

struct state {
	uint64_t more[9];
	struct frame *frame;
};

_Static_assert(offsetof(struct text, bytes) == 56, "PyASCIIObject");
_Static_assert(offsetof(struct table, bytes) == 48, "PyBytesObject");
_Static_assert(offsetof(struct code, first_line) == 84, "co_firstlineno");
_Static_assert(offsetof(struct code, copies) == 224, "co_tlbc");
_Static_assert(offsetof(struct code, instructions) == 232, "co_code_adaptive");
_Static_assert(offsetof(struct frame, owner) == 78, "owner");

/* ---- what an interpreter tells of itself ---- */

const uint32_t Py_Version = 0x030e00f0;

static const struct member {
	const char *name;
	uint64_t type, offset, flags, text;
} members[] = {
	{ .name = "co_filename", .offset = 128 },
	{ .name = "co_qualname", .offset = 144 },
	{ .name = "co_firstlineno", .offset = 84 },
	{ .name = NULL },
};

struct type {
	uint64_t more[6];
	uint64_t bytes;
	uint64_t other[25];
	const struct member *members;
};
struct type PyCode_Type = { .bytes = 232, .members = members };
_Static_assert(offsetof(struct type, members) == 256, "tp_members");

struct runtime {
	uint64_t tale[292];
	int has_key;
	pthread_key_t key;
};
struct runtime _PyRuntime = { .tale = {
	0x7970677562656478, 0x030e00f0, 1, /* "xdebugpy" */
	[26] = 72, [32] = 8, [33] = 0, [34] = 56, [36] = 78, [38] = 72,
	[40] = 128, [42] = 144, [43] = 152, [44] = 84, [48] = 232, [49] = 224, [80] = 56 } };
_Static_assert(offsetof(struct runtime, has_key) == 2336, "autoTSSkey");

/* ---- programs ---- */

/* Kind 1, compact, ASCII, and a byte further up than with the lock. */
#define ASCII (0x19 << 8)

static struct text file = { .count = 9, .state = ASCII, .bytes = "copies.py" };
static struct text work = { .count = 4, .state = ASCII, .bytes = "work" };
static struct text top = { .count = 3, .state = ASCII, .bytes = "top" };
static struct table lines = { .count = 3 * LINES, .bytes = { /* each a line further */
	0xd0, 0, 0, 0xd8, 0, 0, 0xd8, 0, 0, 0xd8, 0, 0, 0xd8, 0, 0 } };
static struct code codes[] = {
	{ .head = { .type = &PyCode_Type }, .file = &file, .name = &work, .qualified = &work,
	  .lines = &lines, .first_line = FIRST },
	{ .head = { .type = &PyCode_Type }, .file = &file, .name = &top, .qualified = &top,
	  .lines = &lines, .first_line = 2 * FIRST },
};
static uint16_t instructions[2][THREADS][LINES];
static pthread_barrier_t start;

static void copy_instructions(int which)
{
	static __typeof__(*codes[0].copies) copies[2];

	/* What nobody has ever looked at is not in memory. */
	codes[which].file->hash = codes[which].name->hash = codes[which].lines->hash = 1;
	copies[which].count = THREADS;
	copies[which].at[0] = codes[which].instructions;
	for (int i = 1; i < THREADS; i++)
		copies[which].at[i] = instructions[which][i];
	codes[which].copies = &copies[which];
}

static void touch(int pages)
{
	char *area = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(area, (size_t)pages * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < pages; i++)
		area[(size_t)i * PAGE] = 1;
}

void _PyEval_EvalFrameDefault(struct state *state, int thread);

__attribute__((noinline)) void _PyEval_EvalFrameDefault(struct state *state, int thread)
{
	struct frame entry = { .owner = 3 };
	struct frame outer = { .code = (uint64_t)&codes[1], .previous = &entry, .copy = thread,
			       .instruction = codes[1].copies->at[thread] + thread };
	struct frame inner = { .code = (uint64_t)&codes[0] | 1, .previous = &outer,
			       .copy = thread };

	state->frame = &inner;
	for (int line = 0; line < LINES; line++) {
		inner.instruction = codes[0].copies->at[thread] + line;
		__asm__ volatile("" ::: "memory");
		touch(101 + thread * LINES + line);
	}
	state->frame = NULL;
}

static void *run(void *number)
{
	struct state state = { .frame = NULL };

	pthread_setspecific(_PyRuntime.key, &state);
	pthread_barrier_wait(&start);
	_PyEval_EvalFrameDefault(&state, (int)(intptr_t)number);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	copy_instructions(0);
	copy_instructions(1);
	_PyRuntime.has_key = !pthread_key_create(&_PyRuntime.key, NULL);
	pthread_barrier_init(&start, NULL, THREADS);
	sleep(1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS * LINES; i++)
		printf("%s\"%d\": [[\"work\", %d], [\"top\", %d]]", i ? ", " : "{", 101 + i,
		       FIRST + i % LINES, 2 * FIRST + i / LINES);
	puts("}");
	return 0;
}
