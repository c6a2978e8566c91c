// SPDX-License-Identifier: GPL-2.0
/*
 * Run once, by memtrace, before the others are attached: what do they have to know of this
 * machine that user space cannot find out?
 */
#include "bpf/arch.bpf.h"
#include "bpf/pid.bpf.h"

#ifndef MEMTRACE_OLD
#include "bpf/glance.bpf.h"
#else
#define find_memory() ((void)0)
#endif

/*
 * Where is each CPU's part of the kernel's per-CPU memory?  The symbols that say so are not
 * in every kernel's table (KALLSYMS_ALL), so it is taken from a map of our own: the address
 * of its value on a CPU, less the address that the map keeps for all of them.
 */
static __always_inline void find_cpus(void)
{
#ifndef MEMTRACE_OLD
	struct bpf_array *map;
	__u64 base = 0;

	cpu_counters = HAS_CPU_COUNTERS;
	if (!HAS_CPU_COUNTERS)
		return;
	map = bpf_rdonly_cast(&probe, bpf_core_type_id_kernel(struct bpf_array));
	bpf_probe_read_kernel(&base, sizeof(base), &map->pptrs[0]);
	for (__u32 cpu = 0; cpu < MT_CPUS && cpu < config.cpus; cpu++) {
		struct mt_cpu *state = cpu_at(cpu);
		__u32 zero = 0;
		void *value = bpf_map_lookup_percpu_elem(&probe, &zero, cpu);

		if (!value || !base)
			continue;
		/* Through memory: the verifier lets no program subtract pointers. */
		*(volatile __u64 *)&state->offset = (__u64)value;
		state->offset = *(volatile __u64 *)&state->offset - base;
	}
#endif
}

/*
 * How large is a kernel stack?  Its size is a constant of the build, and the registers of the
 * call in flight lie at its end: those of the one that runs this program are known.
 */
static __always_inline void find_registers(void)
{
#ifdef MEMTRACE_OLD
	for (__u32 bytes = 8192; bytes <= 65536; bytes *= 2) {
		__u32 at = bytes - bpf_core_type_size(struct pt_regs);

		hot.registers = at;
		if (call_of(current_task()).number == NR_BPF)
			return;
	}
	hot.registers = 0;
#endif
}

/* From inside a pid namespace its depth cannot be seen; the task that runs this is in it. */
static __always_inline void find_namespace(void)
{
	__u64 pid = pid_struct_of(current_task());

	pid_level = depth_of(pid);
	pid_namespace = name_at(pid, pid_level).namespace;
}

static __always_inline void find_root(void)
{
	struct task_struct *task = current_task();

	root_dentry = (__u64)BPF_CORE_READ(task, fs, root.dentry);
	root_mount = (__u64)BPF_CORE_READ(task, fs, root.mnt);
}

/* 5.14 (79a7f8bdb159) made programs that a call runs; before, one that is for an event is. */
#ifdef MEMTRACE_OLD
SEC("raw_tp")
#else
SEC("syscall")
#endif
int mt_setup(void *context)
{
	hot.preemptible_locks = config.preemptible_locks;
	for (__u32 cpu = 0; cpu < MT_CPUS && cpu < config.cpus; cpu++)
		cpu_at(cpu)->lanes = cpu * config.slots;
	find_cpus();
	find_registers();
	find_namespace();
	find_root();
	find_memory();
	return 0;
}
