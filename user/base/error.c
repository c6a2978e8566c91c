// SPDX-License-Identifier: GPL-2.0
/* How does a function say that it failed?  See error.h. */
#include "user/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is left to say when there is no memory to say it in. */
static struct {
	struct error error;
	char text[16];
} no_memory = { .text = "out of memory" };

static struct error *error_make(int status, int number, const char *format, va_list arguments)
{
	char text[1024];
	size_t bytes;
	struct error *error;

	vsnprintf(text, sizeof(text), format, arguments);
	bytes = strlen(text) + (number ? 2 + strlen(strerror(number)) : 0) + 1;
	error = malloc(sizeof(*error) + bytes);
	if (!error)
		return &no_memory.error;
	error->number = number;
	error->status = status;
	snprintf(error->text, bytes, "%s%s%s", text, number ? ": " : "",
		 number ? strerror(number) : "");
	return error;
}

struct error *error_new(int number, const char *format, ...)
{
	struct error *error;
	va_list arguments;

	va_start(arguments, format);
	error = error_make(0, number, format, arguments);
	va_end(arguments);
	return error;
}

struct error *error_status(int status, int number, const char *format, ...)
{
	struct error *error;
	va_list arguments;

	va_start(arguments, format);
	error = error_make(status, number, format, arguments);
	va_end(arguments);
	return error;
}

struct error *error_first(struct error *error, struct error *later)
{
	if (!error)
		return later;
	error_free(later);
	return error;
}

void error_free(struct error *error)
{
	if (error != &no_memory.error)
		free(error);
}
