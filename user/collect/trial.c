// SPDX-License-Identifier: GPL-2.0
/* Does this kernel take the programs that walk stacks?  See trial.h. */
#include "user/collect/trial.h"

#include "bpf/stack.h"
#include "user/collect/kernel.h"

struct probe trial_stacks(void)
{
	const struct kernel_options options = {
		.targets = 1,
		.calls = true,
		.stacks = MT_STACKS_NATIVE,
		.sample = 1,
	};
	struct kernel kernel = {};
	struct error *error = kernel_load(&kernel, &options, NULL, NULL);
	struct probe stacks = {
		.name = "stacks (--stacks)",
		.there = !error && kernel.stacks != MT_STACKS_NONE,
		.lost = "whose code touched memory is not known",
		.remedy = "an x86-64 kernel of 6.2 or newer",
		.unknown = error != NULL,
	};

	error_free(error);
	kernel_free(&kernel);
	return stacks;
}
