// SPDX-License-Identifier: GPL-2.0
/* Eight threads at once in one address space; threads that begin and end. */
#include "tests/workload/workload.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS 8

static const size_t shares[THREADS] = { 1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049 };

/* ---- threads that are there before anybody counts ---- */

static pthread_barrier_t begin, end;
static void (*job)(size_t thread);

static void *wait_for_jobs(void *number)
{
	for (;;) {
		pthread_barrier_wait(&begin);
		job((size_t)number);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static void start_threads(void)
{
	pthread_barrier_init(&begin, NULL, THREADS + 1);
	pthread_barrier_init(&end, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, wait_for_jobs, (void *)i) == 0,
		     "pthread_create");
	}
}

static void run_in_all(void (*what)(size_t thread))
{
	job = what;
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&end);
}

static int64_t faults_of_all(void)
{
	struct rusage usage;

	memset(&usage, 0, sizeof(usage));
	must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
	return usage.ru_minflt + usage.ru_majflt;
}

static int64_t sum_of_shares(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < THREADS; i++)
		sum += shares[i];
	return sum;
}

/* ---- what they do ---- */

static char *buffer;

static void expect_buffer(int64_t pages)
{
	expect_calls("mmap", 1, pages * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", pages * (int64_t)PAGE);
	expect_calls("munmap", 1, pages * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -pages * (int64_t)PAGE);
}

static void touch_share(size_t thread)
{
	for (size_t i = 0; i < shares[thread]; i++)
		touch(buffer + (i * THREADS + thread) * PAGE, 1);
}

/* Each its share of one buffer, page by page in between those of the others. */
static void shared_buffer(bool counted)
{
	if (!counted)
		start_threads();
	buffer = map_anonymous(1049 * THREADS * PAGE);
	run_in_all(touch_share);
	must(munmap(buffer, 1049 * THREADS * PAGE) == 0, "munmap");
	expect_buffer(1049 * THREADS);
	expect_faults("fault", sum_of_shares());
	expect("munmap", "anon_bytes", -sum_of_shares() * (int64_t)PAGE);
}

static void touch_all(size_t thread)
{
	(void)thread;
	touch(buffer, 1409 * PAGE);
}

/* All the same pages at the same time: each comes once, though several may fault for it. */
static void same_pages(bool counted)
{
	int64_t before;

	if (!counted)
		start_threads();
	before = faults_of_all();
	buffer = map_anonymous(1409 * PAGE);
	run_in_all(touch_all);
	must(munmap(buffer, 1409 * PAGE) == 0, "munmap");
	expect_buffer(1409);
	expect("munmap", "anon_bytes", -1409 * (int64_t)PAGE);
	expect_any("fault", "count");
	expect("fault", "anon_bytes", 1409 * PAGE);
	expect_any("fault.cow", "count"); /* a page that came while the fault was on its way */
	expect_all_faults(faults_of_all() - before);
}

static void map_and_unmap(size_t thread)
{
	for (size_t i = 0; i < shares[thread] / 4; i++) {
		char *at = map_anonymous(13 * PAGE);

		touch(at, 7 * PAGE);
		must(munmap(at, 13 * PAGE) == 0, "munmap");
	}
}

/* Each its own mappings, made and unmapped again. */
static void own_mappings(bool counted)
{
	int64_t loops = 0;

	if (!counted)
		start_threads();
	run_in_all(map_and_unmap);
	for (size_t i = 0; i < THREADS; i++)
		loops += shares[i] / 4;
	expect_calls("mmap", loops, loops * 13 * (int64_t)PAGE);
	expect("mmap", "virtual_bytes", loops * 13 * (int64_t)PAGE);
	expect_faults("fault", loops * 7);
	expect_calls("munmap", loops, loops * 13 * (int64_t)PAGE);
	expect("munmap", "virtual_bytes", -loops * 13 * (int64_t)PAGE);
	expect("munmap", "anon_bytes", -loops * 7 * (int64_t)PAGE);
}

#define OWN_PAGES 31

static void give_back(size_t thread)
{
	char *own = buffer + thread * OWN_PAGES * PAGE;

	for (size_t i = 0; i < shares[thread] / 4; i++) {
		touch(own, 11 * PAGE);
		must(madvise(own, OWN_PAGES * PAGE, MADV_DONTNEED) == 0, "madvise");
	}
}

/* Each its part of one mapping, touched and given back. */
static void given_back(bool counted)
{
	int64_t loops = 0;

	if (!counted)
		start_threads();
	buffer = map_anonymous(THREADS * OWN_PAGES * PAGE);
	run_in_all(give_back);
	must(munmap(buffer, THREADS * OWN_PAGES * PAGE) == 0, "munmap");
	for (size_t i = 0; i < THREADS; i++)
		loops += shares[i] / 4;
	expect_buffer(THREADS * OWN_PAGES);
	expect_faults("fault", loops * 11);
	expect_calls("madvise.dontneed", loops, loops * OWN_PAGES * (int64_t)PAGE);
	expect("madvise.dontneed", "anon_bytes", -loops * 11 * (int64_t)PAGE);
}

/* ---- threads that begin and end ---- */

#define BORN 31

static void *use_stack(void *nothing)
{
	char room[48 * KIB];

	touch(room, sizeof(room));
	return nothing;
}

static void run_threads(size_t stack_bytes)
{
	pthread_t threads[BORN];
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_bytes);
	for (size_t i = 0; i < BORN; i++)
		must(pthread_create(&threads[i], &attributes, use_stack, NULL) == 0,
		     "pthread_create");
	for (size_t i = 0; i < BORN; i++)
		pthread_join(threads[i], NULL);
	pthread_attr_destroy(&attributes);
}

/* Stacks are mappings like others.  What the C library does around them, /proc knows. */
static void born_and_dead(bool counted)
{
	int64_t faults = faults_of_all(), mapped = status_of_self("VmSize");
	int64_t anon = status_of_self("RssAnon");

	/* Stacks of the first run are too small for the second. */
	run_threads(counted ? 512 * KIB : 128 * KIB);
	must(status_of_self("VmSize") - mapped >= (int64_t)(counted * BORN * 512 * KIB), "stacks");
	expect_count("mmap", BORN);
	expect_any("mmap", "requested_bytes");
	expect_any("mmap", "virtual_bytes");
	expect_anything("brk.grow"); /* notes about threads */
	expect("mmap+brk.grow", "virtual_bytes", status_of_self("VmSize") - mapped);
	expect_anything("madvise.dontneed"); /* of a stack that is kept for later */
	expect_any("fault", "count");
	expect_any("fault", "anon_bytes");
	expect("fault+madvise.dontneed", "anon_bytes", status_of_self("RssAnon") - anon);
	expect_all_faults(faults_of_all() - faults);
}

/* Not followed; it goes when the workload goes.  Locking unshares every page from it. */
static void start_companion(void)
{
	if (fork()) {
		must(mlockall(MCL_CURRENT) == 0 && munlockall() == 0, "mlockall");
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		run_threads(128 * KIB);
}

/* The kernel gives a thread the kernel stack of one that has just ended, in another process. */
static void among_others(bool counted)
{
	int64_t faults, anon;

	if (!counted)
		start_companion();
	faults = faults_of_all();
	anon = status_of_self("RssAnon");
	for (size_t i = 0; i < 41; i++)
		run_threads(128 * KIB);
	expect_anything("mmap");
	expect_anything("munmap");
	expect_anything("brk.grow");
	expect_anything("madvise.dontneed");
	expect_any("fault", "count");
	expect_any("fault", "anon_bytes");
	expect("fault+madvise.dontneed+munmap", "anon_bytes", status_of_self("RssAnon") - anon);
	expect_all_faults(faults_of_all() - faults);
}

/* ---- not a case: test_busy.py attaches to it while it works ---- */

static void be_busy(size_t thread)
{
	for (;;) {
		map_and_unmap(thread);
		give_back(thread);
	}
}

static void busy(bool counted)
{
	(void)counted;
	buffer = map_anonymous(THREADS * OWN_PAGES * PAGE);
	start_threads();
	job = be_busy;
	pthread_barrier_wait(&begin);
	pause_here("busy");
}

const struct workload workloads[] = {
	{ .name = "shared-buffer", .run = shared_buffer },
	{ .name = "same-pages", .run = same_pages },
	{ .name = "own-mappings", .run = own_mappings },
	{ .name = "given-back", .run = given_back },
	{ .name = "born-and-dead", .run = born_and_dead },
	{ .name = "among-others", .run = among_others },
	{ .name = "busy", .run = busy, .hidden = true },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
