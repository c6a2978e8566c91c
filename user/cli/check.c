// SPDX-License-Identifier: GPL-2.0
/* memtrace check: what this kernel and these privileges allow, and how to get what is missing. */
#include "user/base/text.h"
#include "user/cli/command.h"
#include "user/cli/output.h"
#include "user/collect/trial.h"

#include <sys/utsname.h>

#define INDENT 11
#define COLUMN 23 /* of what is said */

static void write_probe(const struct probe *probe, const struct output *output)
{
	const char *absent = probe->required ? "MISSING" : "no";

	fprintf(output->file, "  %-8s %s\n",
		probe->unknown ? "unknown" : probe->there ? "yes" : absent, probe->name);
	if (probe->there || probe->unknown)
		return;
	fprintf(output->file, "%*swithout it: ", INDENT, "");
	text_fill(output->file, probe->lost, COLUMN, COLUMN, output->report.width);
	fprintf(output->file, "%*sto get it:  ", INDENT, "");
	text_fill(output->file, probe->remedy, COLUMN, COLUMN, output->report.width);
}

struct error *command_check(const struct options *options, int *status)
{
	size_t count, missing = 0;
	const struct probe *all = probe_all(&count), stacks = trial_stacks();
	const struct probe python = trial_python(&stacks);
	struct utsname names;
	struct output output;

	TRY(output_open(&output, options));
	uname(&names);
	fprintf(output.file, "Linux %s, %s\n\n", names.release, names.machine);
	for (size_t i = 0; i < count; i++) {
		write_probe(&all[i], &output);
		missing += all[i].required && !all[i].there && !all[i].unknown;
	}
	write_probe(&stacks, &output);
	write_probe(&python, &output);
	fprintf(output.file, missing ? "\nmemtrace cannot follow memory here.\n" :
				       "\nmemtrace works here.\n");
	*status = missing ? 1 : 0;
	return output_close(&output);
}
