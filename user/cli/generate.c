// SPDX-License-Identifier: GPL-2.0
/* A program of the build: the man page's list of options, or the completion, from the table. */
#include "user/cli/options.h"

#include <string.h>

int main(int count, char **words)
{
	if (count == 2 && !strcmp(words[1], "manual"))
		options_manual(stdout);
	else if (count == 2 && !strcmp(words[1], "completion"))
		options_completion(stdout);
	else
		return 2;
	return fflush(stdout) ? 1 : 0;
}
