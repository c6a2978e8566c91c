// SPDX-License-Identifier: GPL-2.0
/* Attaches the empty programs (those of calls with `calls`) and stays until it is killed. */
#include "build/tests/bench/empty.skel.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words)
{
	struct empty_bpf *skeleton = empty_bpf__open();
	bool calls = count > 1 && !strcmp(words[1], "calls");

	if (!skeleton)
		return 1;
	bpf_program__set_autoload(skeleton->progs.empty_sys_enter, calls);
	bpf_program__set_autoload(skeleton->progs.empty_sys_exit, calls);
	if (empty_bpf__load(skeleton) || empty_bpf__attach(skeleton))
		return 1;
	fputs("memtrace: counting\n", stderr);
	pause();
	return 0;
}
