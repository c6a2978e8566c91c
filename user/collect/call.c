// SPDX-License-Identifier: GPL-2.0
/* What is a system call called?  See call.h. */
#include "user/collect/call.h"

#include "user/base/memory.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers above those of calls: bpf/cause.bpf.h. */
static const char *const agents[] = { "kswapd", "oom_reaper", "kernel thread" };

#define AGENT_FIRST 0xff00
#define CALL_OF_32_BITS 0xfffe

static char *copy(const char *name)
{
	return memory_copy(name, strlen(name));
}

char *call_name(unsigned int call)
{
	unsigned int number = call - 1;
	char *name, *own, text[32];

	if (!call)
		return NULL;
	if (number >= AGENT_FIRST && number - AGENT_FIRST < sizeof(agents) / sizeof(agents[0]))
		return copy(agents[number - AGENT_FIRST]);
	if (number == CALL_OF_32_BITS)
		return copy("a 32-bit call");
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	if (!name) {
		snprintf(text, sizeof(text), "syscall_%u", number);
		return copy(text);
	}
	own = copy(name);
	free(name);
	return own;
}
