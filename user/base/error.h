/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How does a function say that it failed?  It returns a struct error: a finished sentence
 * and an errno.  NULL is success.  Return it or report it, never both; cli/ prints it.
 */
#ifndef MEMTRACE_ERROR_H
#define MEMTRACE_ERROR_H

struct error {
	int number; /* errno, 0 where there is none */
	int status; /* exit status to end with, 0: the command's usual one */
	char text[];
};

/* A new error: the sentence, and for a number other than 0 ": strerror(number)". */
struct error *error_new(int number, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, and the program is to end with that status. */
struct error *error_status(int status, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Of two errors the first that there is; NULL where both calls went well. */
struct error *error_first(struct error *error, struct error *later);

void error_free(struct error *error);

static inline void error_cleanup(struct error **error)
{
	error_free(*error);
}

#define cleanup_error __attribute__((cleanup(error_cleanup)))

/* Returns what a call returned if that is an error. */
#define TRY(call)                             \
	do {                                  \
		struct error *try_ = (call);  \
		if (try_)                     \
			return try_;          \
	} while (0)

#endif
