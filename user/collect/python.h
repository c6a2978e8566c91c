/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which code of Python is on the stacks?  Tells the kernel side how to read an interpreter's
 * frames, keeps the code objects that it tells of, and names them at the end.
 */
#ifndef MEMTRACE_COLLECT_PYTHON_H
#define MEMTRACE_COLLECT_PYTHON_H

#include "bpf/stack.h"
#include "build/capture.pb-c.h"
#include "user/collect/kernel.h"
#include "user/symbol/python.h"

struct python;

struct python *python_new(struct kernel *kernel);
void python_free(struct python *python);

/* Takes in what a file of code says of an interpreter in it; it has that number. */
void python_see_file(struct python *python, uint32_t number, const struct python_file *file);

/* Takes in a code object, or a piece of its line table. */
void python_add(struct python *python, const struct mt_event *event, size_t bytes);

/* Puts frames of Python, which come behind the native ones, in the place of those that evaluate
 * them; up to MT_FRAMES.  Returns how many there are then, no more than before. */
size_t python_merge(const struct python *python, uint64_t *frames, size_t count, bool is_whole);

/* Appends what is said of a frame of Python. */
void python_record(const struct python *python, uint64_t frame, Mt__Capture *capture);

/* How many interpreters are not understood. */
uint32_t python_unknown(const struct python *python);

#endif
