// SPDX-License-Identifier: GPL-2.0
/* What do memtrace's hooks cost by themselves?  Programs on the same hooks that do nothing. */
#include "vmlinux/vmlinux.h"
#define __VMLINUX_H__
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define EMPTY(name)                   \
	SEC("tp_btf/" #name)          \
	int empty_##name(void *context) \
	{                             \
		return 0;             \
	}

EMPTY(rss_stat)
EMPTY(page_fault_user)
EMPTY(page_fault_kernel)
EMPTY(mmap_lock_released)
EMPTY(exit_mmap)
EMPTY(sched_process_fork)
EMPTY(sched_process_exec)
EMPTY(sched_process_exit)
EMPTY(sys_enter)
EMPTY(sys_exit)
