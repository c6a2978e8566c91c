// SPDX-License-Identifier: GPL-2.0
/* Calls that fail: each is counted as failed, and nothing moves. */
#include "tests/workload/workload.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must_fail(long result, int with, const char *what)
{
	must(result == -1 && errno == with, what);
}

static void limit(int resource, rlim_t most, struct rlimit *before)
{
	struct rlimit now;

	must(getrlimit(resource, before) == 0, "getrlimit");
	/* Up to 5.15 no more than 64 KiB may be locked, if nobody says so. */
	now = (struct rlimit){ most, most > before->rlim_max ? most : before->rlim_max };
	must(setrlimit(resource, &now) == 0, "setrlimit");
}

/* Not on a page, or no size at all; and what is not mapped is unmapped with success. */
static void unmap_rubbish(bool counted)
{
	char *at = map_anonymous(3 * PAGE);

	(void)counted;
	for (int i = 0; i < 19; i++)
		must_fail(munmap(at + 7, PAGE), EINVAL, "munmap");
	for (int i = 0; i < 11; i++)
		must_fail(syscall(SYS_munmap, at, 0), EINVAL, "munmap");
	for (int i = 0; i < 2; i++)
		must(munmap(at, 3 * PAGE) == 0, "munmap");
	expect_calls("mmap", 1, 3 * PAGE);
	expect("mmap", "virtual_bytes", 3 * PAGE);
	expect_calls("munmap", 19 + 11 + 2, (19 + 6) * PAGE);
	expect_failed("munmap", 19 + 11);
	expect("munmap", "virtual_bytes", -3 * (int64_t)PAGE);
}

/* Beyond RLIMIT_AS; without a size; over what is there. */
static void map_too_much(bool counted)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at = map_anonymous(5 * PAGE);
	struct rlimit before;

	(void)counted;
	limit(RLIMIT_AS, 1 * MIB, &before);
	for (int i = 0; i < 23; i++)
		must_fail((long)mmap(NULL, 4099 * PAGE, PROT_READ, flags, -1, 0), ENOMEM, "mmap");
	must(setrlimit(RLIMIT_AS, &before) == 0, "setrlimit");
	for (int i = 0; i < 7; i++)
		must_fail(syscall(SYS_mmap, 0, 0, PROT_READ, flags, -1, 0), EINVAL, "mmap");
	for (int i = 0; i < 13; i++)
		must_fail((long)mmap(at, 5 * PAGE, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0),
			  EEXIST, "mmap");
	for (int i = 0; i < 5; i++)
		must_fail((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 9999, 0), EBADF, "mmap");
	expect_calls("mmap", 1 + 23 + 7 + 13 + 5, (5 + 23 * 4099 + 13 * 5 + 5) * PAGE);
	expect_failed("mmap", 23 + 7 + 13 + 5);
	expect("mmap", "virtual_bytes", 5 * PAGE);
}

/* Of nothing; to no size; in place where there is no room. */
static void remap_nothing(bool counted)
{
	char *at = map_anonymous(7 * PAGE);

	(void)counted;
	touch(at, 7 * PAGE);
	must(munmap(at + 5 * PAGE, PAGE) == 0, "munmap");
	for (int i = 0; i < 17; i++)
		must_fail((long)mremap(at + 5 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT,
			  "mremap");
	for (int i = 0; i < 13; i++)
		must_fail((long)mremap(at, 5 * PAGE, 0, MREMAP_MAYMOVE), EINVAL, "mremap");
	for (int i = 0; i < 7; i++)
		must_fail((long)mremap(at, 5 * PAGE, 11 * PAGE, 0), ENOMEM, "mremap");
	expect_calls("mmap", 1, 7 * PAGE);
	expect("mmap", "virtual_bytes", 7 * PAGE);
	expect_faults("fault", 7);
	expect_calls("munmap", 1, PAGE);
	expect("munmap", "virtual_bytes", -(int64_t)PAGE);
	expect("munmap", "anon_bytes", -(int64_t)PAGE);
	expect_calls("mremap", 17 + 13 + 7, (17 * 2 + 7 * 11) * PAGE);
	expect_failed("mremap", 17 + 13 + 7);
}

/* Advice that nobody knows, addresses that are none, locked memory. */
static void bad_advice(bool counted)
{
	char *at = map_anonymous(29 * PAGE);

	(void)counted;
	for (int i = 0; i < 31; i++)
		must_fail(madvise(at, 29 * PAGE, 4321), EINVAL, "madvise");
	for (int i = 0; i < 11; i++)
		must_fail(madvise(at + 1, 29 * PAGE, MADV_DONTNEED), EINVAL, "madvise");
	must(mlock(at, 29 * PAGE) == 0, "mlock");
	for (int i = 0; i < 13; i++)
		must_fail(madvise(at, 29 * PAGE, MADV_DONTNEED), EINVAL, "madvise");
	for (int i = 0; i < 7; i++)
		must_fail(madvise(at, 29 * PAGE, MADV_PAGEOUT), EINVAL, "madvise");
	for (int i = 0; i < 5; i++)
		must_fail(madvise(at, 29 * PAGE, MADV_REMOVE), EINVAL, "madvise");
	expect_calls("mmap", 1, 29 * PAGE);
	expect("mmap", "virtual_bytes", 29 * PAGE);
	expect_calls("mlock", 1, 29 * PAGE);
	expect("mlock", "anon_bytes", 29 * PAGE);
	expect("mlock", "locked_bytes", 29 * PAGE);
	expect_calls("madvise.other", 31, 31 * 29 * PAGE);
	expect_failed("madvise.other", 31);
	expect_calls("madvise.dontneed", 24, 24 * 29 * PAGE);
	expect_failed("madvise.dontneed", 24);
	expect_calls("madvise.pageout", 7, 7 * 29 * PAGE);
	expect_failed("madvise.pageout", 7);
	expect_calls("madvise.remove", 5, 5 * 29 * PAGE);
	expect_failed("madvise.remove", 5);
}

/* It fails at the hole, but what lies before the hole, and behind it, is gone. */
static void fail_half_way(bool counted)
{
	char *at = map_anonymous(31 * PAGE);

	(void)counted;
	touch(at, 31 * PAGE);
	must(munmap(at + 11 * PAGE, 3 * PAGE) == 0, "munmap");
	must_fail(madvise(at, 31 * PAGE, MADV_DONTNEED), ENOMEM, "madvise");
	expect_calls("mmap", 1, 31 * PAGE);
	expect("mmap", "virtual_bytes", 31 * PAGE);
	expect_faults("fault", 31);
	expect_calls("munmap", 1, 3 * PAGE);
	expect("munmap", "virtual_bytes", -3 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -3 * (int64_t)PAGE);
	expect_calls("madvise.dontneed", 1, 31 * PAGE);
	expect_failed("madvise.dontneed", 1);
	expect("madvise.dontneed", "anon_bytes", -28 * (int64_t)PAGE);
}

/* Root may lock what it likes: not without its capability. */
static void drop_privilege_to_lock(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	must(syscall(SYS_capget, &header, data) == 0, "capget");
	data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	must(syscall(SYS_capset, &header, data) == 0, "capset");
}

static void lock_too_much(bool counted)
{
	char *at = map_anonymous(67 * PAGE);
	struct rlimit before;

	if (!counted)
		drop_privilege_to_lock();
	limit(RLIMIT_MEMLOCK, 17 * PAGE, &before);
	must(mlock(at, 13 * PAGE) == 0, "mlock");
	for (int i = 0; i < 37; i++)
		must_fail(mlock(at, 67 * PAGE), ENOMEM, "mlock");
	for (int i = 0; i < 11; i++)
		must_fail((long)mmap(NULL, 67 * PAGE, PROT_READ,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0),
			  EAGAIN, "mmap");
	must(setrlimit(RLIMIT_MEMLOCK, &before) == 0, "setrlimit");
	expect_calls("mmap", 1 + 11, 12 * 67 * PAGE);
	expect_failed("mmap", 11);
	expect("mmap", "virtual_bytes", 67 * PAGE);
	expect_calls("mlock", 38, (13 + 37 * 67) * PAGE);
	expect_failed("mlock", 37);
	expect("mlock", "anon_bytes", 13 * PAGE);
	expect("mlock", "locked_bytes", 13 * PAGE);
	if (!counted)
		must(munmap(at, 67 * PAGE) == 0, "munmap");
}

/* No such segment, nothing attached there. */
static void attach_nothing(bool counted)
{
	(void)counted;
	for (int i = 0; i < 13; i++)
		must_fail((long)shmat(-1, NULL, 0), EINVAL, "shmat");
	for (int i = 0; i < 7; i++)
		must_fail(shmdt((void *)PAGE), EINVAL, "shmdt");
	expect_calls("shm", 20, 0);
	expect_failed("shm", 20);
}

const struct workload workloads[] = {
	{ .name = "unmap-rubbish", .run = unmap_rubbish },
	{ .name = "map-too-much", .run = map_too_much },
	{ .name = "remap-nothing", .run = remap_nothing },
	{ .name = "bad-advice", .run = bad_advice },
	{ .name = "half-way", .run = fail_half_way },
	{ .name = "lock-too-much", .run = lock_too_much },
	{ .name = "attach-nothing", .run = attach_nothing },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
