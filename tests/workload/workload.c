// SPDX-License-Identifier: GPL-2.0
/* The frame that all workloads run in.  See workload.h. */
#include "tests/workload/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPECTATIONS_MOST 256
#define VALUES_MOST 64
#define ANY INT64_MIN
#define OTHER_FD 3

char **workload_words;

/* ---- the expected ledger ---- */

struct expectation {
	pid_t pid;
	const char *operation, *figure;
	int64_t value;
};

static struct expectation expectations[EXPECTATIONS_MOST];
static size_t expectation_count;
static pid_t expected_pid;
static bool counting;
static char value_names[VALUES_MOST][48];
static size_t value_count;

static struct expectation *expectation_of(const char *operation, const char *figure)
{
	for (size_t i = 0; i < expectation_count; i++) {
		struct expectation *at = &expectations[i];

		if (at->pid == expected_pid && !strcmp(at->operation, operation) &&
		    !strcmp(at->figure, figure))
			return at;
	}
	must(expectation_count < EXPECTATIONS_MOST, "room for an expectation");
	expectations[expectation_count] =
		(struct expectation){ expected_pid, operation, figure, 0 };
	return &expectations[expectation_count++];
}

static void add(const char *operation, const char *figure, int64_t value)
{
	struct expectation *at;

	if (!counting)
		return;
	at = expectation_of(operation, figure);
	at->value = value == ANY || at->value == ANY ? ANY : at->value + value;
}

static void raise_to(const char *operation, const char *figure, int64_t value)
{
	struct expectation *at;

	if (!counting)
		return;
	at = expectation_of(operation, figure);
	if (at->value < value)
		at->value = value;
}

void expect(const char *operation, const char *balance, int64_t bytes)
{
	add(operation, balance, bytes);
}

void expect_count(const char *operation, int64_t count)
{
	add(operation, "count", count);
}

void expect_failed(const char *operation, int64_t count)
{
	add(operation, "failed", count);
}

void expect_calls(const char *operation, int64_t count, int64_t requested_bytes)
{
	add(operation, "count", count);
	add(operation, "requested_bytes", requested_bytes);
	if (requested_bytes)
		raise_to(operation, "largest_bytes", requested_bytes / (count ? count : 1));
}

void expect_faults(const char *operation, int64_t count)
{
	add(operation, "count", count);
	add(operation, "anon_bytes", count * (int64_t)PAGE);
}

static void add_value(const char *kind, const char *histogram, int64_t count, uint64_t value)
{
	char *name = value_names[value_count];

	if (!counting)
		return;
	must(value_count++ < VALUES_MOST - 1, "room for the name of a value");
	snprintf(name, sizeof(value_names[0]), "%s %llu", histogram, (unsigned long long)value);
	add(kind, name, count);
}

void expect_sizes(const char *histogram, int64_t count, uint64_t bytes)
{
	add_value("sizes", histogram, count, bytes);
}

void expect_times(const char *histogram, int64_t count, uint64_t least_ns)
{
	add_value("times", histogram, count, least_ns);
}

void expect_anything(const char *operation)
{
	add(operation, "anything", 0);
}

void expect_any(const char *operation, const char *figure)
{
	add(operation, figure, ANY);
}

void expect_of(pid_t pid)
{
	expected_pid = pid;
}

void expect_exit(int code, int number)
{
	add("exit status", "code", code);
	add("exit status", "signal", number);
}

void expect_beyond(pid_t sibling)
{
	add("beyond", "pid", sibling);
}

void expect_all_faults(int64_t count)
{
	add("all faults", "count", count);
}

void expect_other_faults(void)
{
	add("other faults", "count", 1);
}

void expect_guest(pid_t host)
{
	add("guest", "of", host);
}

/* ---- printing it ---- */

/* Without stdio, which would take memory while somebody still counts. */
static char text[32 * KIB];
static size_t text_bytes;

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_bytes += vsnprintf(text + text_bytes, sizeof(text) - text_bytes, format, arguments);
	va_end(arguments);
	must(text_bytes < sizeof(text), "room for the expectations");
}

/* A list of [pid, operation, figure, value], where a value of null may be anything. */
static void format_expectations(void)
{
	text_bytes = 0;
	say("[");
	for (size_t i = 0; i < expectation_count; i++) {
		const struct expectation *at = &expectations[i];

		say("%s[%d, \"%s\", \"%s\", ", i ? ", " : "", at->pid, at->operation, at->figure);
		if (at->value == ANY)
			say("null]");
		else
			say("%lld]", (long long)at->value);
	}
	say("]\n");
}

static void write_all(const char *from, size_t bytes)
{
	while (bytes) {
		ssize_t written = write(STDOUT_FILENO, from, bytes);

		must(written > 0, "write");
		from += written;
		bytes -= written;
	}
}

/* ---- doing things ---- */

void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	_exit(1);
}

char *map_anonymous(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

char *map_aligned(size_t bytes, size_t alignment)
{
	char *at = map_anonymous(bytes + alignment);
	size_t before = -(uintptr_t)at & (alignment - 1);

	if (before)
		must(munmap(at, before) == 0, "munmap");
	must(munmap(at + before + bytes, alignment - before) == 0, "munmap");
	return at + before;
}

int open_file(size_t bytes)
{
	const char *given = getenv("WORKLOAD_DIRECTORY");
	static char block[PAGE];
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/memtrace.XXXXXX", given ? given : "/var/tmp");
	fd = mkstemp(path);
	must(fd >= 0 && unlink(path) == 0, "mkstemp");
	/* One page at a time: the file system makes folios as large as what it is given. */
	memset(block, 7, sizeof(block));
	for (size_t done = 0; done < bytes; done += sizeof(block)) {
		size_t left = bytes - done < sizeof(block) ? bytes - done : sizeof(block);

		must(write(fd, block, left) == (ssize_t)left, "write");
	}
	return fd;
}

void touch(void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)at)[i] = 1;
}

void look(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		(void)((const volatile char *)at)[i];
}

static char figures[8 * KIB];

static int64_t figure_in(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, figures, sizeof(figures) - 1);
	const char *line;

	must(fd >= 0 && got > 0, path);
	close(fd);
	figures[got] = 0;
	line = strstr(figures, name);
	must(line, name);
	return strtoll(line + strlen(name) + 1, NULL, 10) * (int64_t)KIB;
}

int64_t status_of_self(const char *name)
{
	return figure_in("/proc/self/status", name);
}

int64_t anon_of_self(void)
{
	return figure_in("/proc/self/smaps_rollup", "Anonymous:");
}

static void write_back(volatile char *byte)
{
	char was = *byte;

	*byte = was;
}

static void write_again(void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		write_back((char *)at + i);
	write_back((char *)at + bytes - 1);
}

void touch_frame(void)
{
	char stack[4 * PAGE];

	touch(stack, sizeof(stack));
	write_again(expectations, sizeof(expectations));
	write_again(&expectation_count, sizeof(expectation_count));
	write_again(value_names, sizeof(value_names));
	write_again(&value_count, sizeof(value_count));
	write_again(&expected_pid, sizeof(expected_pid));
	write_again(&counting, sizeof(counting));
	write_again(text, sizeof(text));
	write_again(&text_bytes, sizeof(text_bytes));
	write_again(figures, sizeof(figures));
}

int64_t faults_of_self(void)
{
	struct rusage usage;

	memset(&usage, 0, sizeof(usage));
	must(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage");
	return usage.ru_minflt + usage.ru_majflt;
}

size_t enter_cgroup(void)
{
	const char *members = getenv("WORKLOAD_CGROUP"), *limit = getenv("WORKLOAD_LIMIT");
	int fd = members ? open(members, O_WRONLY | O_CLOEXEC) : -1;

	must(fd >= 0 && limit && write(fd, "0", 1) == 1, "a cgroup");
	close(fd);
	return strtoul(limit, NULL, 10);
}

void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

void pause_here(const char *word)
{
	char byte = 0;

	write_all(word, strlen(word));
	write_all("\n", 1);
	while (byte != '\n')
		must(read(STDIN_FILENO, &byte, 1) == 1, "read");
}

/* ---- another process ---- */

static int other_socket = -1;

void other_start(const char *hidden)
{
	char *words[] = { (char *)"workload", (char *)hidden, NULL };
	posix_spawn_file_actions_t actions;
	int sockets[2];
	pid_t pid;

	if (other_socket >= 0)
		return;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, sockets[1], OTHER_FD);
	must(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, words, environ) == 0,
	     "posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	close(sockets[1]);
	other_socket = sockets[0];
}

void other_do(uint64_t what, const void *address, size_t bytes, int64_t argument)
{
	struct order order = { what, (uintptr_t)address, bytes, argument };
	char done;

	must(write(other_socket, &order, sizeof(order)) == sizeof(order), "write");
	must(read(other_socket, &done, 1) == 1, "the other process");
}

struct order other_next(void)
{
	struct order order;

	if (read(OTHER_FD, &order, sizeof(order)) != sizeof(order))
		_exit(0);
	return order;
}

void other_done(void)
{
	must(write(OTHER_FD, "", 1) == 1, "write");
}

/* ---- the frame ---- */

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < workload_count; i++) {
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	}
	return NULL;
}

static int list(void)
{
	for (size_t i = 0; i < workload_count; i++) {
		const struct workload *workload = &workloads[i];

		if (!workload->hidden)
			printf("%s %s %s\n", workload->name, workload->needs ? workload->needs : "",
			       workload->end ? "ends" : "");
	}
	return 0;
}

/* So that expecting and printing takes no memory later. */
static void warm_up(void)
{
	counting = true;
	expect_any("warm", "up");
	expect_sizes("warm_bytes", 1, 1);
	format_expectations();
	touch_frame();
	expectation_count = value_count = 0;
	counting = false;
}

static int run(const struct workload *workload)
{
	if (!workload->huge_pages)
		must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "prctl");
	if (workload->end) /* without a core of it anywhere */
		must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "prctl");
	warm_up();
	if (!workload->cold)
		workload->run(false);
	pause_here("ready");
	counting = true;
	workload->run(true);
	expect_of(0);
	if (workload->end) {
		expect_exit(workload->exit_code, workload->exit_signal);
		expect_anything("exit");
	}
	counting = false;
	pause_here("done");
	format_expectations();
	write_all(text, text_bytes);
	if (workload->end)
		workload->end();
	return 0;
}

int main(int count, char **words)
{
	const struct workload *workload;

	if (count == 2 && !strcmp(words[1], "--list"))
		return list();
	workload = count >= 2 ? find(words[1]) : NULL;
	if (!workload) {
		fprintf(stderr, "usage: %s --list | CASE\n", words[0]);
		return 2;
	}
	if (!workload->hidden)
		return run(workload);
	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
	workload_words = words + 2;
	workload->run(false);
	return 0;
}
