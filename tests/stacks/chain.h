/* SPDX-License-Identifier: GPL-2.0 */
/* Which calls is a function within?  As libgcc unwinds them: the truth of these tests. */
#ifndef MEMTRACE_TESTS_CHAIN_H
#define MEMTRACE_TESTS_CHAIN_H

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <unwind.h>

#define PAGE 4096UL
#define MOST_FRAMES 200
#define NOINLINE __attribute__((noinline, noclone))
/* Behind a call: else it is made a jump, and the caller is gone from the chain. */
#define stay() __asm__ volatile("" ::: "memory")

struct chain {
	uintptr_t frame[MOST_FRAMES];
	int count;
};

static struct chain chain;

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *unused)
{
	(void)unused;
	if (chain.count < MOST_FRAMES && _Unwind_GetIP(context))
		chain.frame[chain.count++] = _Unwind_GetIP(context);
	return _URC_NO_REASON;
}

struct module {
	uintptr_t address, base;
	const char *name;
};

static int find_module(struct dl_phdr_info *info, size_t bytes, void *context)
{
	struct module *module = context;

	(void)bytes;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type != PT_LOAD || module->address < start ||
		    module->address >= start + header->p_memsz)
			continue;
		module->base = info->dlpi_addr;
		module->name = info->dlpi_name;
		return 1;
	}
	return 0;
}

static void print_chain(void)
{
	for (int i = 0; i < chain.count; i++) {
		struct module module = { chain.frame[i], 0, "?" };

		dl_iterate_phdr(find_module, &module);
		printf(" %s+0x%" PRIxPTR,
		       *module.name ? module.name : program_invocation_short_name,
		       chain.frame[i] - module.base);
	}
}

/* It is itself the first frame of the chain. */
static NOINLINE void remember_chain(void)
{
	chain.count = 0;
	_Unwind_Backtrace(add_frame, NULL); /* NOLINT(bugprone-signal-handler): raised */
}

#endif
