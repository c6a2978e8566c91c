// SPDX-License-Identifier: GPL-2.0
/* What do the books of an allocator say?  See model.h. */
#include "user/model/model.h"

#include <string.h>

const Mt__Allocator *allocator_find(const struct process_model *process, const char *name)
{
	for (size_t i = 0; i < process->allocator_count; i++) {
		if (!strcmp(process->allocators[i]->name, name))
			return process->allocators[i];
	}
	return NULL;
}

uint64_t allocator_figure(const Mt__Allocator *allocator, const char *name)
{
	for (size_t i = 0; allocator && i < allocator->n_figures; i++) {
		if (!strcmp(allocator->figures[i]->name, name))
			return allocator->figures[i]->value;
	}
	return 0;
}
