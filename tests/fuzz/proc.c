// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a text of /proc that breaks its reader, or a name that makes it say something else?
 * libFuzzer's bytes are taken as each of the texts, and as a name in one that is written as the
 * kernel writes it: then the figures beside that name have to come out.
 */
#include "user/collect/proc.h"

#include "tests/fuzz/check.h"
#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MOST 64 /* of a kernel thread; others have 15 */

static void expect(bool good)
{
	if (!good)
		abort();
}

static FILE *open_text(const char *text)
{
	/* Some mode refuses to open nothing. */
	return *text ? fmemopen((char *)text, strlen(text), "r") : NULL;
}

static void close_text(FILE *file)
{
	if (file)
		fclose(file);
}

/* ---- as each of the texts ---- */

static void read_numbers(const char *text)
{
	static const char *const names[] = { "VmRSS", "Tgid", "LazyFree", "memlock" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file = open_text(text);
		uint64_t number = 0;

		proc_find_number(file, names[i], &number);
		close_text(file);
	}
}

static void read_clocks_and_pids(const char *text)
{
	FILE *file = open_text(text);
	int64_t monotonic_ns, boot_ns;
	pid_t pid;

	proc_read_offsets(file, &monotonic_ns, &boot_ns);
	close_text(file);
	file = open_text(text);
	while (proc_next_pid(file, &pid))
		;
	close_text(file);
}

static void read_cgroups(const char *text)
{
	for (int version_1 = 0; version_1 < 2; version_1++) {
		FILE *file = open_text(text);

		free(proc_find_hierarchy(file, version_1));
		close_text(file);
		file = open_text(text);
		free(proc_find_cgroup(file, version_1));
		close_text(file);
	}
}

/* ---- as a name in them ---- */

static void check_stat(const char *name, uint32_t number)
{
	struct proc_stat stat = { 0 };
	char *text = NULL;

	expect(asprintf(&text, "1 (%.*s) S 1 2 3 4 -1 %u 6 7 8 9 10 11 12 13 20 -5 %d 0 %u 99\n",
			NAME_MOST, name, number, (int)(number >> 1), number) > 0);
	expect(proc_parse_stat(text, &stat));
	expect(stat.state == 'S' && stat.flags == number && stat.threads == (int)(number >> 1) &&
	       stat.start_ticks == number);
	free(text);
}

/* Each of these bytes as \ooo, which is what the kernel makes of them. */
static char *escape(const char *name, const char *bytes)
{
	char *made = memory_new(4 * strlen(name) + 1, 1), *to = made;

	for (; *name; name++) {
		if (strchr(bytes, *name))
			to += sprintf(to, "\\%03o", (unsigned char)*name);
		else
			*to++ = *name;
	}
	return made;
}

static void check_status(const char *name, uint32_t number)
{
	char *own = escape(name, "\n\\"), *text = NULL;
	uint64_t found = 0;
	FILE *file;

	expect(asprintf(&text, "Name:\t%s\nUmask:\t0022\nTgid:\t%u\nVmRSS:\t 1 kB\n", own,
			number) > 0);
	file = open_text(text);
	expect(proc_find_number(file, "Tgid", &found) && found == number);
	close_text(file);
	free(text);
	free(own);
}

static void expect_text(char *found, const char *wanted)
{
	expect(found && !strcmp(found, wanted));
	free(found);
}

/* Names of cgroups have no newlines. */
static void check_cgroup(const char *name)
{
	char *path = NULL, *text = NULL;
	FILE *file;

	for (int version_1 = 0; version_1 < 2 && !strchr(name, '\n'); version_1++) {
		expect(asprintf(&path, "/%s", name) > 0);
		expect(asprintf(&text, "5:name=memory:/5\n4:cpu,memory:%s\n0::%s\n",
				version_1 ? path : "/x", version_1 ? "/x" : path) > 0);
		file = open_text(text);
		expect_text(proc_find_cgroup(file, version_1), path);
		close_text(file);
		free(text);
		free(path);
	}
}

static void check_mount(const char *name)
{
	char *own = escape(name, " \t\n\\#"), *text = NULL, *path = NULL;
	FILE *file;

	expect(asprintf(&path, "/%s", name) > 0);
	expect(asprintf(&text, "%s /x cgroup2x rw 0 0\ncgroup2 /%s cgroup2 rw 0 0\n"
			"x /cgroup2 cgroup rw,cpu 0 0\n", own, own) > 0);
	file = open_text(text);
	expect_text(proc_find_hierarchy(file, false), path);
	close_text(file);
	free(text);
	free(path);
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char *text = memory_copy(bytes, count);
	struct proc_stat stat;
	uint32_t number = 0;

	memcpy(&number, bytes, count < sizeof(number) ? count : sizeof(number));
	proc_parse_stat(text, &stat);
	read_numbers(text);
	read_clocks_and_pids(text);
	read_cgroups(text);
	check_stat(text, number);
	check_status(text, number);
	check_cgroup(text);
	check_mount(text);
	free(text);
	return 0;
}
