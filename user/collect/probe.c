// SPDX-License-Identifier: GPL-2.0
/* What do this kernel and these privileges allow?  See probe.h. */
#include "user/collect/probe.h"

#include "user/base/cleanup.h"
#include "user/collect/fault.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_USER_INIT_INO 0xEFFFFFFDU /* of linux/proc_ns.h */
#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* Where CAP_SYS_ADMIN is, CAP_BPF and CAP_PERFMON are not asked for. */
static bool has_capability(unsigned int capability)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

static bool has_bpf_capability(unsigned int capability)
{
	return has_capability(capability) || has_capability(CAP_SYS_ADMIN);
}

/* Capabilities of another one are not those of the machine.  The first has a fixed number. */
static bool in_first_user_namespace(void)
{
	struct stat stat_of;

	return stat("/proc/self/ns/user", &stat_of) || stat_of.st_ino == PROC_USER_INIT_INO;
}

/* Where there are none, no filter at all is as wrong as any other. */
static bool has_filters(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) && errno == EFAULT;
}

static bool has_event(const struct btf *btf, const char *event)
{
	char name[128];

	snprintf(name, sizeof(name), "btf_trace_%s", event);
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) > 0;
}

static bool has_function(const struct btf *btf, const char *name)
{
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/* Since 6.2 the RSS counters are per-CPU; the type of mm_struct.rss_stat says so. */
static bool has_percpu_counters(const struct btf *btf)
{
	return btf && btf__find_by_name_kind(btf, "mm_rss_stat", BTF_KIND_STRUCT) <= 0;
}

/* sched_process_exit got its second argument when it moved before exit_mm(). */
static bool has_early_exit(const struct btf *btf)
{
	int id = btf ? btf__find_by_name_kind(btf, "btf_trace_sched_process_exit",
					      BTF_KIND_TYPEDEF) : -1;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;

	if (type)
		type = btf__type_by_id(btf, type->type); /* pointer */
	if (type)
		type = btf__type_by_id(btf, type->type); /* function */
	return type && btf_is_func_proto(type) && btf_vlen(type) == 3; /* with its context */
}

enum {
	PROBE_BTF,
	PROBE_USER_NAMESPACE,
	PROBE_CAP_BPF,
	PROBE_CAP_PERFMON,
	PROBE_RSS_STAT,
	PROBE_COUNTERS,
	PROBE_FAULTS,
	PROBE_FAULT_EVENTS,
	PROBE_LOCK,
	PROBE_EXIT_MMAP,
	PROBE_SCHED,
	PROBE_CALLS,
	PROBE_LOADS,
	PROBE_TASK_STORAGE,
	PROBE_ITERATOR,
	PROBE_EXIT_WITNESS,
	PROBE_CGROUP,
	PROBE_UNINTERRUPTED,
	PROBE_HELPERS,
	PROBE_CAP_SYS_ADMIN,
	PROBE_CAP_SYS_PTRACE,
	PROBE_CAP_KILL,
	PROBE_SECCOMP,
	PROBES,
	PROBE_IN_BTF_FIRST = PROBE_RSS_STAT,
	PROBE_IN_BTF_LAST = PROBE_UNINTERRUPTED,
};

#define OLD_KERNEL "a kernel of 5.10 or newer (Debian 11 and later)"

static struct probe probes[PROBES] = {
	[PROBE_BTF] = { "BTF of the kernel", false, true, "the programs cannot be fitted to it",
			"a kernel with CONFIG_DEBUG_INFO_BTF (" BTF_PATH ")" },
	[PROBE_USER_NAMESPACE] = { "user namespace of the machine", false, true,
				   "capabilities are good for nothing in the kernel",
				   "run it outside of the container's user namespace" },
	[PROBE_CAP_BPF] = { "CAP_BPF", false, true, "no program can be loaded",
			    "run as root, or: setcap cap_bpf,cap_perfmon+ep memtrace" },
	[PROBE_CAP_PERFMON] = { "CAP_PERFMON", false, true, "no event can be seen",
				"run as root, or: setcap cap_bpf,cap_perfmon+ep memtrace" },
	[PROBE_RSS_STAT] = { "event kmem:rss_stat", false, true, "residency is not seen",
			     OLD_KERNEL },
	[PROBE_COUNTERS] = { "per-CPU RSS counters", false, false,
			     "the kernel's own counters, and so the books, lag behind by up to "
			     "64 faults a thread, one in a file with up to 16 pages",
			     "a kernel of 6.2 or newer" },
	[PROBE_FAULTS] = { "page faults, by events or by perf", false, true,
			   "faults are not counted",
			   "run as root, or add cap_sys_admin (Debian's perf_event_paranoid of 3 "
			   "wants it)" },
	[PROBE_FAULT_EVENTS] = { "events exceptions:page_fault_user, _kernel", false, false,
				 "perf tells of faults, but not what for: which ones copy a page "
				 "is inferred, and on a CPU before ARMv8.1 some are missed",
				 "an x86-64 kernel" },
	[PROBE_LOCK] = { "event mmap_lock:mmap_lock_released", false, false,
			 "sizes of address spaces are read when a call ends: of threads that map "
			 "at the same time, what was asked for stands for what was done; a stack "
			 "that grew is seen at the next fault; pages that a call takes without a "
			 "fault (gup) count as those of faults; and each system call of the "
			 "machine takes 0.1 us more",
			 "a kernel of 5.15 or newer" },
	[PROBE_EXIT_MMAP] = { "event mmap:exit_mmap", false, false,
			      "a book is closed when the last page goes: page tables are taken "
			      "to go with it, unseen", "a kernel of 6.0 or newer" },
	[PROBE_HELPERS] = { "atomic operations and helpers of BPF of 5.19", false, false,
			    "programs for old kernels are used, which take longer",
			    "a kernel of 5.19 or newer" },
	[PROBE_SCHED] = { "events sched:sched_process_fork, _exec, _exit", false, true,
			  "children are not followed", OLD_KERNEL },
	[PROBE_CALLS] = { "events raw_syscalls:sys_enter, sys_exit", false, true,
			  "--calls does not work: no failed calls, sizes asked, times",
			  "a kernel with CONFIG_FTRACE_SYSCALLS" },
	[PROBE_LOADS] = { "kernel function bpf_rdonly_cast", false, true,
			  "counters cannot be read", "a kernel of 6.2 or newer" },
	[PROBE_TASK_STORAGE] = { "task storage for BPF", false, false,
				 "tasks are looked up in a table, which holds so many of them",
				 "a kernel of 5.11 or newer" },
	[PROBE_ITERATOR] = { "task iterator for BPF", false, true,
			     "live processes cannot be read", OLD_KERNEL },
	[PROBE_EXIT_WITNESS] = { "sched_process_exit before the memory goes", false, false,
				 "no second witness for the balance at exit",
				 "a kernel of 6.16 or newer" },
	[PROBE_CGROUP] = { "event cgroup:cgroup_attach_task", false, false,
			   "--cgroup misses processes that enter later",
			   "a kernel with CONFIG_CGROUPS" },
	[PROBE_UNINTERRUPTED] = { "events in which nobody is preempted", false, false,
				  "an event that comes while its program is preempted in another "
				  "task on that CPU is missed, and is counted as lost: counts and "
				  "sizes of calls fall short by so many, balances stay whole",
				  "a kernel before 7.0" },
	[PROBE_CAP_SYS_ADMIN] = { "CAP_SYS_ADMIN", false, false,
				  "the time that the programs take cannot be measured",
				  "run as root" },
	[PROBE_CAP_SYS_PTRACE] = { "CAP_SYS_PTRACE", false, false,
				   "executables of other users' processes keep their short name, "
				   "and lazily freed memory is not measured",
				   "run as root, or add cap_sys_ptrace" },
	[PROBE_CAP_KILL] = { "CAP_KILL", false, false,
			     "signals are not passed on to a command that becomes another user's",
			     "run as root, or add cap_kill" },
	[PROBE_SECCOMP] = { "seccomp filters", false, false,
			    "what memtrace reads is read by a process that may make any call",
			    "a kernel with CONFIG_SECCOMP_FILTER" },
};

/* What is in the kernel, its types tell. */
static void probe_kernel(const struct btf *btf)
{
	probes[PROBE_RSS_STAT].there = has_event(btf, "rss_stat");
	probes[PROBE_COUNTERS].there = has_percpu_counters(btf);
	probes[PROBE_FAULT_EVENTS].there = has_event(btf, "page_fault_user") &&
					   has_event(btf, "page_fault_kernel");
	probes[PROBE_FAULTS].there = probes[PROBE_FAULT_EVENTS].there || fault_allowed();
	probes[PROBE_LOCK].there = has_event(btf, "mmap_lock_released");
	probes[PROBE_EXIT_MMAP].there = has_event(btf, "exit_mmap");
	probes[PROBE_SCHED].there = has_event(btf, "sched_process_fork") &&
				    has_event(btf, "sched_process_exec") &&
				    has_event(btf, "sched_process_exit");
	probes[PROBE_CALLS].there = has_event(btf, "sys_enter") && has_event(btf, "sys_exit");
	/* Counters that are not per-CPU are read without it. */
	probes[PROBE_LOADS].there = has_function(btf, "bpf_rdonly_cast") ||
				    !probes[PROBE_COUNTERS].there;
	probes[PROBE_TASK_STORAGE].there = has_function(btf, "bpf_task_storage_get");
	probes[PROBE_ITERATOR].there = has_function(btf, "bpf_iter_task");
	probes[PROBE_EXIT_WITNESS].there = has_early_exit(btf);
	probes[PROBE_CGROUP].there = has_event(btf, "cgroup_attach_task");
	probes[PROBE_UNINTERRUPTED].there = !probe_preemptible_events();
	for (size_t i = PROBE_IN_BTF_FIRST; i <= PROBE_IN_BTF_LAST; i++)
		probes[i].unknown = !btf;
}

const struct probe *probe_all(size_t *count)
{
	struct btf *btf;

	libbpf_set_print(NULL); /* what it misses is said by us */
	btf = btf__load_vmlinux_btf();
	probes[PROBE_BTF].there = btf != NULL;
	probes[PROBE_USER_NAMESPACE].there = in_first_user_namespace();
	probes[PROBE_CAP_BPF].there = has_bpf_capability(CAP_BPF);
	probes[PROBE_CAP_PERFMON].there = has_bpf_capability(CAP_PERFMON);
	probes[PROBE_CAP_SYS_ADMIN].there = has_capability(CAP_SYS_ADMIN);
	probes[PROBE_CAP_SYS_PTRACE].there = has_capability(CAP_SYS_PTRACE);
	probes[PROBE_CAP_KILL].there = has_capability(CAP_KILL);
	probes[PROBE_SECCOMP].there = has_filters();
	probe_kernel(btf);
	probes[PROBE_HELPERS].there = probe_helpers() != 0;
	btf__free(btf);
	*count = PROBES;
	return probes;
}

/* They may be there, and there be no room for them: libbpf looks on, and says that it has none. */
static struct error *why_not_read(void)
{
	struct btf *btf;

	if (access(BTF_PATH, F_OK))
		return NULL;
	btf = btf__parse(BTF_PATH, NULL);
	if (!btf)
		return error_new(errno, "cannot read the kernel's types in " BTF_PATH);
	btf__free(btf);
	return NULL;
}

struct error *probe_missing(void)
{
	size_t count;
	const struct probe *all = probe_all(&count);

	if (!all[PROBE_BTF].there)
		TRY(why_not_read());
	for (size_t i = 0; i < count; i++) {
		if (all[i].required && !all[i].there && !all[i].unknown)
			return error_new(0, "%s is missing, so %s; what would help: %s",
					 all[i].name, all[i].lost, all[i].remedy);
	}
	return NULL;
}

/* Since 5.11 (80ee81e0403c) maps count as memory of the cgroup; the next youngest helper tells. */
static bool maps_are_locked_memory(struct rlimit *limit)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_ktime_get_coarse_ns,
				       NULL) == 0 &&
	       getrlimit(RLIMIT_MEMLOCK, limit) == 0 && limit->rlim_cur != RLIM_INFINITY;
}

#define DESCRIPTORS_NEEDED 64 /* by maps, programs and links, and somewhat more */

/* libbpf takes a test of the kernel that it had no descriptor for as failed, and goes on. */
static bool descriptors_are_few(void)
{
	int all[DESCRIPTORS_NEEDED], count = 0;

	while (count < DESCRIPTORS_NEEDED && (all[count] = dup(STDERR_FILENO)) >= 0)
		count++;
	for (int i = 0; i < count; i++)
		close(all[i]);
	return count < DESCRIPTORS_NEEDED;
}

struct error *probe_why_not_loaded(int number)
{
	struct rlimit limit;

	if (descriptors_are_few())
		number = EMFILE;
	TRY(probe_missing());
	if (number == EPERM && maps_are_locked_memory(&limit))
		return error_new(0, "this kernel counts what programs keep as locked memory, and "
				    "no more than %llu bytes of that are allowed; what would "
				    "help: run as root, ulimit -l unlimited, or add "
				    "cap_sys_resource", (unsigned long long)limit.rlim_cur);
	return error_new(number, "the kernel refused the programs (run with -v for its reasons)");
}

int probe_helpers(void)
{
	int there = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE,
					    BPF_FUNC_map_lookup_percpu_elem, NULL);

	return there < 0 ? -1 : there;
}

bool probe_event(const char *event)
{
	libbpf_print_fn_t before = libbpf_set_print(NULL);
	bool there = libbpf_find_vmlinux_btf_id(event, BPF_TRACE_RAW_TP) > 0;

	libbpf_set_print(before);
	return there;
}

bool probe_modules(void)
{
	return has_capability(CAP_SYS_ADMIN);
}

bool probe_preempt_rt(void)
{
	return access("/sys/kernel/realtime", F_OK) == 0;
}

/*
 * By its name alone: to look a type up that is not there libbpf goes through the BTF of all
 * modules, which takes CAP_SYS_ADMIN, and to parse the kernel's takes milliseconds.
 */
bool probe_preemptible_events(void)
{
	static const char name[] = "\0class_srcu_fast_notrace_t";
	cleanup_close int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	struct btf_header header;
	char piece[65536];
	ssize_t bytes;
	off_t at;

	if (fd < 0 || read(fd, &header, sizeof(header)) != sizeof(header) ||
	    header.magic != BTF_MAGIC)
		return false;
	/* Each piece begins with what may be the beginning of the name. */
	at = (off_t)header.hdr_len + header.str_off;
	for (;; at += bytes - (ssize_t)sizeof(name)) {
		bytes = pread(fd, piece, sizeof(piece), at);
		if (bytes < (ssize_t)sizeof(name))
			return false;
		if (memmem(piece, (size_t)bytes, name, sizeof(name)))
			return true;
		if (bytes == (ssize_t)sizeof(name))
			return false;
	}
}

bool probe_counters(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool there = has_percpu_counters(btf);

	btf__free(btf);
	return there;
}

bool probe_fault_events(void)
{
#if defined(__x86_64__)
	return true; /* each kernel of 3.13 or newer; to look it up takes milliseconds */
#else
	struct btf *btf = btf__load_vmlinux_btf();
	bool there = has_event(btf, "page_fault_user");

	btf__free(btf);
	return there;
#endif
}
