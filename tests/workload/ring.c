// SPDX-License-Identifier: GPL-2.0
/* Asynchronous calls: io_uring in the caller and in its workers, and the ring of io_setup. */
#include "tests/workload/workload.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 8

static struct {
	int fd;
	struct io_uring_params params;
	char *rings;
	struct io_uring_sqe *entries;
} ring = { .fd = -1 };

static void *map_ring(size_t bytes, off_t offset)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
			offset);

	must(at != MAP_FAILED, "mmap of a ring");
	return at;
}

static void open_ring(void)
{
	const struct io_uring_params *params = &ring.params;

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, params);
	must(ring.fd >= 0 && (params->features & IORING_FEAT_SINGLE_MMAP), "io_uring_setup");
	ring.rings = map_ring(params->cq_off.cqes +
			      params->cq_entries * sizeof(struct io_uring_cqe),
			      IORING_OFF_SQ_RING);
	ring.entries = map_ring(params->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

static uint32_t *in_ring(uint32_t offset)
{
	return (uint32_t *)(ring.rings + offset);
}

/* A read, which is waited for. */
static void read_by_ring(int fd, void *at, size_t bytes, unsigned int flags)
{
	uint32_t *tail = in_ring(ring.params.sq_off.tail);
	uint32_t index = *tail & *in_ring(ring.params.sq_off.ring_mask);
	uint32_t *head = in_ring(ring.params.cq_off.head);
	const struct io_uring_cqe *done;

	ring.entries[index] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)at, .len = bytes,
		.flags = flags,
	};
	in_ring(ring.params.sq_off.array)[index] = index;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1,
	     "io_uring_enter");
	done = (struct io_uring_cqe *)(ring.rings + ring.params.cq_off.cqes) +
	       (*head & *in_ring(ring.params.cq_off.ring_mask));
	must(done->res == (int)bytes, "a read by io_uring");
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
}

/* 13 reads of 5 pages, which either the caller or a thread of the kernel makes. */
static void read_pages(bool counted, unsigned int flags)
{
	int file = memfd_create("workload", MFD_CLOEXEC);

	if (!counted)
		open_ring();
	must(file >= 0 && ftruncate(file, 5 * PAGE) == 0, "memfd");
	for (int i = 0; i < 13; i++) {
		char *at = map_anonymous(11 * PAGE);

		read_by_ring(file, at, 5 * PAGE, flags);
		must(munmap(at, 11 * PAGE) == 0, "munmap");
	}
	close(file);
	expect_faults("fault.kernel io_uring_enter", 13 * 5);
	expect_calls("mmap", 13, 13 * 11 * PAGE);
	expect("mmap", "virtual_bytes", 13 * 11 * PAGE);
	expect_calls("munmap", 13, 13 * 11 * PAGE);
	expect("munmap", "virtual_bytes", -13 * 11 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -13 * 5 * (int64_t)PAGE);
}

static void read_inline(bool counted)
{
	read_pages(counted, 0);
}

static void read_by_worker(bool counted)
{
	read_pages(counted, IOSQE_ASYNC);
}

/* io_setup makes a mapping without a call of mmap; io_destroy unmaps it. */
static void aio(bool counted)
{
	int64_t before = status_of_self("VmSize"), full;
	aio_context_t context[7] = { 0 };

	(void)counted;
	for (int i = 0; i < 7; i++)
		must(syscall(SYS_io_setup, 1009, &context[i]) == 0, "io_setup");
	full = status_of_self("VmSize");
	must(full >= before + 7 * 8 * (int64_t)PAGE, "rings");
	for (int i = 0; i < 7; i++)
		must(syscall(SYS_io_destroy, context[i]) == 0, "io_destroy");
	must(status_of_self("VmSize") == before, "no rings");
	expect("mmap", "virtual_bytes", full - before);
	expect("munmap", "virtual_bytes", before - full);
	/* io_destroy looks into the ring before it unmaps it. */
	expect_any("fault.kernel io_destroy", "count");
	expect_any("fault.kernel io_destroy", "file_bytes");
	expect_any("munmap", "file_bytes");
	expect_any("munmap", "count"); /* no call of that name */
	expect("fault.kernel+munmap", "file_bytes", 0);
}

const struct workload workloads[] = {
	{ .name = "read-inline", .run = read_inline, .needs = "io_uring" },
	{ .name = "read-by-worker", .run = read_by_worker, .needs = "io_uring" },
	{ .name = "aio", .run = aio },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
