// SPDX-License-Identifier: GPL-2.0
/* What did the programmer call it?  See demangle.h. */
#include "user/symbol/demangle.h"

#include "user/base/memory.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

struct output {
	char text[DEMANGLE_MOST];
	size_t used;
	jmp_buf full;
};

/*
 * A short name may stand for a text longer than all memory: the demanglers, which have no bound of
 * their own, are left as soon as there is enough.  They hold nothing but the stack, but for a few
 * bytes of a Rust name in punycode.
 */
static void take(const char *text, size_t count, void *context)
{
	struct output *output = context;
	size_t room = sizeof(output->text) - output->used;

	if (!count)
		return; /* of no text: NULL */
	memcpy(output->text + output->used, text, count < room ? count : room);
	output->used += count < room ? count : room;
	if (count > room)
		longjmp(output->full, 1);
}

static int write_source_name(const char *name, struct output *output)
{
	if (setjmp(output->full))
		return 1;
	if (rust_demangle_callback(name, DMGL_NO_OPTS, take, output))
		return 1;
	output->used = 0;
	return cplus_demangle_v3_callback(name, DMGL_NO_OPTS, take, output);
}

/* The version of a symbol (name@@VERSION) is none of its name. */
static size_t plain_length(const char *name)
{
	size_t length = strnlen(name, DEMANGLE_MOST), plain = strcspn(name, "@");

	return plain && plain < length ? plain : length;
}

char *demangle(const char *name)
{
	struct output output = { .used = 0 };

	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R') &&
	    strnlen(name, 4ul * DEMANGLE_MOST) < 4ul * DEMANGLE_MOST &&
	    write_source_name(name, &output) && output.used)
		return memory_copy(output.text, output.used);
	return memory_copy(name, plain_length(name));
}
