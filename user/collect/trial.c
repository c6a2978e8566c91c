// SPDX-License-Identifier: GPL-2.0
/* Does this kernel take the programs that walk stacks?  See trial.h. */
#include "user/collect/trial.h"

#include "bpf/stack.h"
#include "user/collect/kernel.h"

/* Where a page is counted late, it is not known which stack brought it. */
uint32_t trial_allowed(const struct kernel *kernel, uint32_t asked)
{
	if (!asked || kernel->old || kernel->page_bytes != KERNEL_WALKED_PAGE_BYTES ||
	    !probe_counters())
		return MT_STACKS_NONE;
	return asked == MT_STACKS_PYTHON && !KERNEL_FINDS_THREADS ? MT_STACKS_NATIVE : asked;
}

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
		.remedy = "a kernel of 6.2 or newer with pages of 4 KiB",
		.unknown = error != NULL,
	};

	error_free(error);
	kernel_free(&kernel);
	return stacks;
}

struct probe trial_python(const struct probe *stacks)
{
	return (struct probe){
		.name = "frames of Python (--stacks python)",
		.there = stacks->there && KERNEL_FINDS_THREADS,
		.lost = "stacks of a Python program have the interpreter's own functions only",
		.remedy = KERNEL_FINDS_THREADS ? stacks->remedy : "an x86-64 machine",
		.unknown = stacks->unknown,
	};
}
