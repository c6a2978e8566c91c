// SPDX-License-Identifier: GPL-2.0
/* What does the argument of an option say?  See value.h. */
#include "user/cli/value.h"

#include <errno.h>
#include <stdlib.h>

struct error *value_seconds(const char *text, const char *name, double *out)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (end == text || *end || errno || !(seconds > 0) || seconds > 1e9)
		return usage("%s takes seconds above 0, not '%s'", name, text);
	*out = seconds;
	return NULL;
}

bool value_count(const char *text, unsigned long most, unsigned int *out)
{
	char *end;
	unsigned long count;

	errno = 0;
	count = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || count > most)
		return false;
	*out = count;
	return true;
}
