// SPDX-License-Identifier: GPL-2.0
/*
 * kernel event -> BPF program -> map -> snapshot -> model -> report: the second half of it.
 * The first half is collector_finish() or capture_load().
 */
#include "user/cli/road.h"

#include "user/base/text.h"
#include "user/cli/command.h"
#include "user/collect/confine.h"

#define LOST 3

struct collector_options road_options(const struct options *options)
{
	return (struct collector_options){
		.pids = options->pids,
		.pid_count = options->pid_count,
		.system = options->all || options->cgroup,
		.cgroup = options->cgroup,
		.children = options->children,
		.calls = options->calls,
		.stacks = options->stacks,
		.sample = options->sample,
		.allocators = options->allocators,
	};
}

void road_confine(const struct options *options, int command)
{
	text_columns("\u8a18"); /* the widths are in a file, too */
	command_note(options, confine_report(command));
}

struct error *road_walk(const Mt__Capture *capture, const struct options *options,
			struct output *output)
{
	struct model model;
	struct error *error;

	model_build(&model, capture);
	error = options->format->write(&model, &output->report, output->file);
	model_free(&model);
	return error; /* cppcheck-suppress returnDanglingLifetime ; it has its own words */
}

int road_status(const Mt__Capture *capture, const struct options *options)
{
	struct model model;
	bool lost;

	model_build(&model, capture);
	lost = model.has_losses;
	model_free(&model);
	return options->strict && lost ? LOST : 0;
}
