/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does the reader (reader.h) say of files?  Nothing of it is believed: sizes and numbers are
 * checked, and a reader that says what cannot be, dies, or takes too long is asked no more.  Then
 * names are missing, and nothing else is.
 */
#ifndef MEMTRACE_COLLECT_REMOTE_H
#define MEMTRACE_COLLECT_REMOTE_H

#include "user/collect/wire.h"

#include <sys/types.h>
#include <time.h>

struct remote {
	pid_t pid;  /* of the reader, 0: there is none */
	int socket; /* it ends with its end, and with ours; -1: closed */
	bool failed;
	uint64_t deadline_ns; /* of the answer that is waited for */
	clockid_t clock;
};

/* Makes the process.  Call it before memtrace has anything that it should not have, too. */
void remote_open(struct remote *remote);
void remote_close(struct remote *remote);

/* A file of code, or the vdso, where the descriptor is -1.  False: it is none, or not known.  Names
 * of libraries, freed by the caller, have a NUL behind each. */
bool remote_file(struct remote *remote, uint32_t number, int descriptor, struct wire_file *file,
		 char **needs);

/* The rows to unwind it by, to be cfi_free()d in any case; none where that is not known. */
void remote_table(struct remote *remote, uint32_t number, struct cfi_table *table);

/* The interpreter of Python in it.  False: it is not known. */
bool remote_python(struct remote *remote, uint32_t number, const char *path,
		   struct python_file *python);

/* Is this the file of its debug symbols, or (`what` is WIRE_ALT) what those share? */
bool remote_debug(struct remote *remote, enum wire_what what, uint32_t number, int descriptor,
		  struct wire_debug *debug);

/*
 * Of each address what code_places() says, to be freed by places_free() by who takes it: in order,
 * until all are told of or the reader fails.  Lines are looked for until `deadline_ns`.
 */
typedef void (*remote_take)(void *context, size_t index, struct places *places);

void remote_places(struct remote *remote, uint32_t number, const uint64_t *addresses, size_t count,
		   uint64_t deadline_ns, remote_take take, void *context);

/* The same of a perf map. */
void remote_names(struct remote *remote, int descriptor, const uint64_t *addresses, size_t count,
		  remote_take take, void *context);

/* What it costs, besides memtrace itself. */
uint64_t remote_cpu_ns(const struct remote *remote);
uint64_t remote_resident_bytes(const struct remote *remote);

#endif
