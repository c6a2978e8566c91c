/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What do memtrace and its reader say to each other?  Both are the same program, so that numbers
 * and structs go as they lie in memory: one asks, the other answers, over one socket.
 */
#ifndef MEMTRACE_COLLECT_WIRE_H
#define MEMTRACE_COLLECT_WIRE_H

#include "bpf/stack.h"
#include "user/symbol/code.h"
#include "user/symbol/python.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_what {
	WIRE_FILE = 1, /* a file of code, or the vdso: struct wire_file, and what it needs */
	WIRE_TABLE,    /* struct wire_table, and rows */
	WIRE_PYTHON,   /* its name: struct python_file */
	WIRE_DEBUG,    /* a file that may have its debug symbols: struct wire_debug */
	WIRE_ALT,      /* a file that those may share with others: struct wire_debug */
	WIRE_PLACES,   /* addresses in a file: struct wire_chunk, until all are told of */
	WIRE_NAMES,    /* addresses in a perf map; it comes with the first of them: the same */
};

/* A descriptor may come with it. */
struct wire_ask {
	uint32_t what;
	uint32_t number; /* of the file */
	uint64_t deadline_ns; /* for lines */
	uint32_t bytes; /* that follow: a name, or addresses */
	uint32_t more;	/* addresses in the same map will be asked for */
};

#define WIRE_NAME 4096
#define WIRE_ADDRESSES 2048 /* asked for at once */
#define WIRE_ASK_MOST (WIRE_ADDRESSES * sizeof(uint64_t))

/* Names of libraries follow, each with a NUL behind it. */
struct wire_file {
	uint32_t is_code; /* 0: the rest is nothing */
	uint32_t segment_count;
	struct code_segment segments[MT_SEGMENTS];
	struct debug_wish wish;
	uint32_t needs_bytes;
	uint32_t unused;
};

#define WIRE_NEEDS (64 << 10)

struct wire_table {
	uint32_t row_count, far_count;
	uint32_t links; /* of AArch64 */
	uint32_t unused;
	uint64_t base;
	uint64_t far[CFI_FAR];
};

#define WIRE_ROWS ((size_t)MT_LEAVES * MT_LEAF_ROWS)

struct wire_debug {
	uint32_t taken;
	char alt[DEBUG_NAME]; /* what it shares, "" nothing */
};

/* So many addresses are told of in the bytes that follow: of each a struct wire_places, and of
 * each of its places a struct wire_place with the texts behind it. */
struct wire_chunk {
	uint32_t count, bytes;
};

struct wire_places {
	uint64_t offset;
	uint32_t count; /* of places, 1 at least */
	uint32_t unused;
};

struct wire_place {
	uint32_t line;
	uint16_t function, file; /* bytes of the text, and 1; 0: there is none */
};

#define WIRE_TEXT 1000
#define WIRE_ONE (sizeof(struct wire_places) + \
		  PLACES * (sizeof(struct wire_place) + 2ul * WIRE_TEXT)) /* at most */
#define WIRE_CHUNK (1 << 16) /* it is sent when there is so much of it, ... */
#define WIRE_CHUNK_MOST (WIRE_CHUNK + WIRE_ONE) /* ... and has no more than this */

/* All at once, with a descriptor if it is not -1. */
bool wire_ask(int socket, const struct wire_ask *ask, const void *bytes, int descriptor);

/* Takes an ask, and the descriptor that came with it (or -1).  False: there is none any more. */
bool wire_take(int socket, struct wire_ask *ask, int *descriptor);

/* Takes what follows it, and sends answers: as long as it takes. */
bool wire_read(int socket, void *bytes, size_t count);
bool wire_write(int socket, const void *bytes, size_t count);

/* Takes an answer until then (CLOCK_MONOTONIC), from a socket that does not block. */
bool wire_await(int socket, void *bytes, size_t count, uint64_t deadline_ns);

#endif
