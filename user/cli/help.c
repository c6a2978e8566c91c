// SPDX-License-Identifier: GPL-2.0
/* What does --help say? */
#include "user/base/text.h"
#include "user/cli/options.h"

static const char *const synopses[][2] = {
	{ "memtrace [OPTIONS] -p PID[,PID...]", "follow running processes" },
	{ "memtrace [OPTIONS] -- COMMAND [ARG...]", "run a command and follow it" },
	{ "memtrace [OPTIONS] -a", "follow the whole system" },
	{ "memtrace report [OPTIONS] FILE", "any report again from a saved capture" },
	{ "memtrace diff [OPTIONS] OLD NEW", "what changed between two captures" },
	{ "memtrace top [-p PID | -a]", "a live screen" },
	{ "memtrace check", "what works here, and how to get the rest" },
};

void options_help(FILE *out)
{
	fputs("Where a process's memory really is: allocated, touched, given back, by whom.\n\n",
	      out);
	for (size_t i = 0; i < sizeof(synopses) / sizeof(synopses[0]); i++) {
		fprintf(out, "  %-38s ", synopses[i][0]);
		text_fill(out, synopses[i][1], 41, 41, 80);
	}
	fputc('\n', out);
	options_list(out);
	fputs("\nCtrl-C, SIGTERM, -d and the target's own end stop the capture and give the\n"
	      "report; a second Ctrl-C kills.  The manual: man memtrace\n", out);
}
