/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where does an interpreter of Python keep its frames?  By its version; believed only where what
 * the interpreter says to programs of its code objects is the same.
 */
#ifndef MEMTRACE_PYTHON_H
#define MEMTRACE_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYTHON_LOOPS 4
#define PYTHON_NOTHING 0xffff

/* Offsets in the structures of one version. */
struct python_layout {
	uint16_t minor;
	uint16_t thread_key; /* in _PyRuntime: is there one, and which (each an int) */
	uint16_t frame;	     /* in the state of a thread: the frame, or what has it at ... */
	uint16_t current;    /* ... PYTHON_NOTHING: the frame */
	uint16_t frame_bytes, code, previous, instruction, owner, entry;
	uint16_t file_name, name, first_line, lines, instructions; /* of a code object */
	uint16_t text; /* bytes before an ASCII text */
	uint16_t object; /* bytes that each object begins with */
	uint16_t copies, copy_index; /* of instructions: of code, and which; 0: none */
	uint16_t state_shift; /* of a text, in bits */
};

/* What a file with an interpreter in it has where; addresses in the file. */
struct python_file {
	bool found; /* an interpreter */
	struct python_layout layout; /* minor 0: of an unknown version, or built otherwise */
	uint64_t code_type;  /* of code objects */
	uint64_t thread_key; /* which leads to the state of a thread */
	struct {
		uint64_t start, end;
	} loops[PYTHON_LOOPS]; /* parts of the evaluation loop */
	size_t loop_count;
};

/* Looks for an interpreter; the name of the file only tells a version where nothing else does. */
struct python_file python_look(int descriptor, const char *name);

/* Does it keep to what the kernel side reads of a frame and of a code object? */
bool python_is_sane(const struct python_layout *layout);

/* The line of an instruction (counted from 1 in units of 2 bytes, 0: none has run), by the line
 * table of its code object (NULL: not known); 0: it has none. */
int python_line(unsigned int minor, int first_line, const uint8_t *table, size_t bytes,
		uint32_t instruction);

/* A text of Python in UTF-8; `width` bytes for each character.  Freed by the caller. */
char *python_text(const uint8_t *bytes, size_t count, unsigned int width);

#endif
