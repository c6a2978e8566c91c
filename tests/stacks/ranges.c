// SPDX-License-Identifier: GPL-2.0
/*
 * Whose calls reserved this address space, and what became of it?  Each case reserves a prime
 * number of pages at the end of a chain of calls, and prints that chain as libgcc unwinds it,
 * and how many pages of it must be reserved, given back, never touched and given back untouched.
 */
#include "tests/stacks/chain.h"

#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define ACCESS (PROT_READ | PROT_WRITE)

struct fate {
	const char *name;
	size_t reserved, unreserved, never, gone_untouched;
};

/* Frames of memtrace's to leave out are those up to the function that remembered the chain. */
static void tell(const struct fate *fate)
{
	printf("range %s %zu %zu %zu %zu 2", fate->name, fate->reserved, fate->unreserved,
	       fate->never, fate->gone_untouched);
	print_chain();
	puts("");
}

static char *check(void *at)
{
	if (at == MAP_FAILED)
		exit(1);
	return at;
}

static NOINLINE char *reserve_at(char *at, size_t count, int protection, int flags)
{
	char *made = check(mmap(at, count * PAGE, protection, flags, -1, 0));

	if (protection)
		madvise(made, count * PAGE, MADV_NOHUGEPAGE);
	remember_chain();
	stay();
	return made;
}

static char *reserve(size_t count)
{
	return reserve_at(NULL, count, ACCESS, ANONYMOUS);
}

static NOINLINE void grow(char *at, size_t before, char *to, size_t count)
{
	check(mremap(at, before * PAGE, count * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	remember_chain();
	stay();
}

static NOINLINE void set_break(char *to)
{
	if (brk(to))
		exit(1);
	remember_chain();
	stay();
}

static NOINLINE void *attach(int id)
{
	void *at = check(shmat(id, NULL, 0));

	remember_chain();
	stay();
	return at;
}

static void touch(char *pages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((volatile char *)pages)[i * PAGE] = 1;
}

/* ---- the cases ---- */

static NOINLINE void whole(void)
{
	reserve(1009);
	tell(&(struct fate){ "whole", 1009, 0, 1009, 0 });
}

static NOINLINE void touched(void)
{
	touch(reserve(1013), 7);
	tell(&(struct fate){ "touched", 1013, 0, 1006, 0 });
}

/* The kernel makes one mapping of the two. */
static NOINLINE void merged(void)
{
	char *room = check(mmap(NULL, 4096 * PAGE, PROT_NONE, ANONYMOUS, -1, 0));

	munmap(room, 4096 * PAGE);
	reserve_at(room, 1019, ACCESS, ANONYMOUS | MAP_FIXED_NOREPLACE);
	tell(&(struct fate){ "below", 1019, 19, 993, 0 });
	reserve_at(room + 1019 * PAGE, 1021, ACCESS, ANONYMOUS | MAP_FIXED_NOREPLACE);
	tell(&(struct fate){ "above", 1021, 121, 900, 0 });
	touch(room, 7);
	munmap(room + 1000 * PAGE, 140 * PAGE);
}

static NOINLINE void dropped(void)
{
	char *at = reserve(1031);

	tell(&(struct fate){ "dropped", 1031, 0, 1020, 0 });
	touch(at, 11);
	madvise(at, 1031 * PAGE, MADV_DONTNEED);
}

static NOINLINE void unmapped(void)
{
	char *at = reserve(1033);

	tell(&(struct fate){ "unmapped", 1033, 1033, 0, 1033 - 13 });
	touch(at, 13);
	madvise(at, 1033 * PAGE, MADV_DONTNEED);
	munmap(at, 1033 * PAGE);
}

static NOINLINE void moved(void)
{
	char *at = reserve(1039);
	char *to = check(mmap(NULL, 1049 * PAGE, PROT_NONE, ANONYMOUS, -1, 0));

	tell(&(struct fate){ "moved", 1039, 39, 983, 39 });
	touch(at, 17);
	grow(at, 1039, to, 1049);
	tell(&(struct fate){ "grown", 10, 0, 10, 0 });
	munmap(to + 1000 * PAGE, 39 * PAGE);
}

static NOINLINE void shrunk(void)
{
	char *at = reserve(1051);

	tell(&(struct fate){ "shrunk", 1051, 1000, 32, 1000 });
	touch(at, 19);
	check(mremap(at, 1051 * PAGE, 51 * PAGE, 0));
}

/* What is mapped over is gone. */
static NOINLINE void covered(void)
{
	char *at = reserve(1061);

	tell(&(struct fate){ "covered", 1061, 31, 1030, 0 });
	reserve_at(at + 500 * PAGE, 31, PROT_NONE, ANONYMOUS | MAP_FIXED);
	tell(&(struct fate){ "covering", 31, 0, 31, 0 });
}

/* A call that fails gives nothing back. */
static NOINLINE void failed(void)
{
	char *at = reserve(1063);

	tell(&(struct fate){ "failed", 1063, 0, 1063, 0 });
	munmap(at + 1, PAGE);
	munmap(at, 0);
	mremap(at, 1063 * PAGE, 0, 0);
}

static NOINLINE void huge(void)
{
	size_t count = (1UL << 40) / PAGE;
	char *at = reserve_at(NULL, count, PROT_NONE, ANONYMOUS | MAP_NORESERVE);

	tell(&(struct fate){ "huge", count, count, 0, count });
	munmap(at, count * PAGE);
}

static NOINLINE void heap(void)
{
	char *start = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);

	set_break(start + 1069 * PAGE);
	tell(&(struct fate){ "heap", 1069, 69, 977, 69 });
	touch(start, 23);
	if (brk(start + 1000 * PAGE))
		exit(1);
}

static NOINLINE void shared(void)
{
	int id = shmget(IPC_PRIVATE, 1087 * PAGE, IPC_CREAT | 0600);
	void *at = attach(id);

	tell(&(struct fate){ "attached", 1087, 1087, 0, 0 });
	shmctl(id, IPC_RMID, NULL);
	shmdt(at);
}

int main(void)
{
	static char buffer[1 << 16];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	remember_chain(); /* what libgcc allocates is there */
	heap();
	whole();
	touched();
	merged();
	dropped();
	unmapped();
	moved();
	shrunk();
	covered();
	failed();
	huge();
	shared();
	return 0;
}
