// SPDX-License-Identifier: GPL-2.0
/*
 * Run once, by memtrace, before the others are attached: what do they have to know of this
 * machine that user space cannot find out?
 */
#include "bpf/pid.bpf.h"

/*
 * Where is each CPU's part of the kernel's per-CPU memory?  The symbols that say so are not
 * in every kernel's table (KALLSYMS_ALL), so it is taken from a map of our own: the address
 * of its value on a CPU, less the address that the map keeps for all of them.
 */
static __always_inline void find_cpus(void)
{
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
}

/* From inside a pid namespace its depth cannot be seen; the task that runs this is in it. */
static __always_inline void find_namespace(void)
{
	__u64 pid = pid_struct_of(bpf_get_current_task_btf());

	pid_level = depth_of(pid);
	pid_namespace = name_at(pid, pid_level).namespace;
}

static __always_inline void find_root(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	root_dentry = (__u64)BPF_CORE_READ(task, fs, root.dentry);
	root_mount = (__u64)BPF_CORE_READ(task, fs, root.mnt);
}

SEC("syscall")
int mt_setup(void *context)
{
	hot.preemptible_locks = config.preemptible_locks;
	for (__u32 cpu = 0; cpu < MT_CPUS && cpu < config.cpus; cpu++)
		cpu_at(cpu)->lanes = cpu * config.slots;
	find_cpus();
	find_namespace();
	find_root();
	return 0;
}
