// SPDX-License-Identifier: GPL-2.0
/* Which code belongs to a function, though it lies elsewhere?  See python_loop.h. */
#include "user/symbol/python_loop.h"

#include "user/base/memory.h"
#include "user/symbol/cfi_section.h"

#include <stdlib.h>
#include <string.h>

#define JUMP_BYTES 6 /* 0f 8x and how far, of x86-64: a conditional one, which is never a call */
#define MOST_JUMPS 2 /* by chance */

static bool is_jump(const uint8_t *code)
{
	return code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
}

static uint64_t target_of(const uint8_t *code, uint64_t address)
{
	int32_t distance;

	memcpy(&distance, code + 2, sizeof(distance));
	return address + JUMP_BYTES + (uint64_t)(int64_t)distance;
}

/* The function that an address is in the midst of; as many as there are: none. */
static size_t inside(const struct cfi_section *section, uint64_t address)
{
	size_t low = 0, high = section->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (section->functions[middle].start < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && section->functions[low - 1].end > address ? low - 1 : section->count;
}

static void count_jumps(const struct cfi_section *section, const uint8_t *code, uint64_t start,
			uint64_t end, uint32_t *jumps)
{
	for (uint64_t at = start; at + JUMP_BYTES <= end; at++) {
		if (is_jump(code + (at - start)))
			jumps[inside(section, target_of(code + (at - start), at))]++;
	}
}

static void add_part(struct python_file *file, const struct cfi_function *function)
{
	if (file->loop_count == PYTHON_LOOPS || function->start == file->loops[0].start)
		return;
	file->loops[file->loop_count].start = function->start;
	file->loops[file->loop_count++].end = function->end;
}

void python_loop_find_parts(Elf *elf, const uint8_t *code, struct python_file *file)
{
	struct cfi_section section;
	uint32_t *jumps;

	if (cfi_section_read(&section, elf)) {
		jumps = memory_new(section.count + 1, sizeof(*jumps));
		count_jumps(&section, code, file->loops[0].start, file->loops[0].end, jumps);
		for (size_t i = 0; i < section.count; i++) {
			if (jumps[i] > MOST_JUMPS)
				add_part(file, &section.functions[i]);
		}
		free(jumps);
	}
	cfi_section_free(&section);
}
