// SPDX-License-Identifier: GPL-2.0
/* Does a capture come back as it was, and does a file that cannot be written leave no ruin? */
#include "tests/unit/sample.h"

#include "user/snapshot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int tear_down(void **state)
{
	(void)state;
	sample_remove();
	return 0;
}

static void assert_says(struct error *error, const char *words)
{
	assert_non_null(error);
	if (!strstr(error->text, words))
		fail_msg("'%s' does not say '%s'", error->text, words);
	error_free(error);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

/* ---- there and back ---- */

/* Each optional field is there. */
static void fill_in(struct sample *sample)
{
	Mt__Process *process = &sample->processes[0].process;

	process->exit = &sample->processes[0].exit;
	process->exit->code = 3;
	process->ended = true;
	process->kernel_at_exit = &sample->processes[1].kernel;
	process->lazy_free = &sample->processes[0].lazy_free;
	process->lazy_free->has_marked_bytes = true;
	process->lazy_free->marked_bytes = 4096;
	process->has_shares_with_pid = process->has_folded = true;
	process->shares_with_pid = 8;
	process->folded = 9;
	process->command = (ProtobufCBinaryData){ .len = 4, .data = (uint8_t *)"\xff\0\033z" };
	sample->processes[0].rows[0].has_call = true;
	sample->processes[0].rows[0].call = sample_text("mmap");
	sample->processes[0].rows[0].has_failed = true;
	sample->processes[0].rows[0].failed = 1;
	sample->overhead.has_bpf_ns = true;
	sample->notes[0] = "a note";
	sample->capture.n_notes = 1;
}

static void assert_same(const Mt__Capture *left, const Mt__Capture *right)
{
	size_t bytes = mt__capture__get_packed_size(left);
	uint8_t *one = malloc(bytes), *other = malloc(bytes);

	assert_int_equal(bytes, mt__capture__get_packed_size(right));
	mt__capture__pack(left, one);
	mt__capture__pack(right, other);
	assert_memory_equal(one, other, bytes);
	free(one);
	free(other);
}

static void comes_back(const Mt__Capture *capture, const char *path)
{
	Mt__Capture *loaded = NULL;

	assert_null(sample_save(capture, path));
	assert_null(sample_load(path, &loaded));
	assert_same(capture, loaded);
	capture_free(loaded);
}

static void comes_back_as_it_was(void **state)
{
	static struct sample sample;

	(void)state;
	sample_init(&sample);
	comes_back(&sample.capture, sample_path("capture"));
	fill_in(&sample);
	comes_back(&sample.capture, sample_path("capture"));
}

/* Ten thousand processes take more than one read and more than one block of zstd. */
static void comes_back_when_large(void **state)
{
	static struct sample sample;
	static Mt__Process *many[10000];

	(void)state;
	sample_init(&sample);
	for (size_t i = 0; i < 10000; i++)
		many[i] = sample.process_list[i % 2];
	sample.capture.processes = many;
	sample.capture.n_processes = 10000;
	comes_back(&sample.capture, sample_path("capture"));
}

static void replaces_a_longer_file(void **state)
{
	static struct sample sample;
	static char noise[100000];

	(void)state;
	sample_init(&sample);
	memset(noise, 'x', sizeof(noise) - 1);
	write_file(sample_path("capture"), noise, 0600);
	comes_back(&sample.capture, sample_path("capture"));
}

/* ---- files that are none of ours ---- */

static mode_t mode_of(const char *path)
{
	struct stat found;

	assert_int_equal(stat(path, &found), 0);
	return found.st_mode & 07777;
}

static void only_its_owner_reads_it(void **state)
{
	static struct sample sample;
	mode_t before = umask(0);

	(void)state;
	sample_init(&sample);
	assert_null(sample_save(&sample.capture, sample_path("capture")));
	umask(before);
	assert_int_equal(mode_of(sample_path("capture")), 0600);
}

static void nor_does_another_read_one_that_was_there(void **state)
{
	static struct sample sample;
	const char *path = sample_path("capture");

	(void)state;
	sample_init(&sample);
	write_file(path, "old", 0666);
	assert_null(sample_save(&sample.capture, path));
	assert_int_equal(mode_of(path), 0600);
}

static void writes_through_no_link(void **state)
{
	static struct sample sample;
	char target[128];

	(void)state;
	sample_init(&sample);
	strcpy(target, sample_path("target"));
	write_file(target, "precious", 0644);
	assert_int_equal(symlink(target, sample_path("link")), 0);
	assert_says(sample_save(&sample.capture, sample_path("link")), "is a symbolic link");
	assert_int_equal(unlink(sample_path("link")), 0);
	assert_int_equal(mode_of(sample_path("target")), 0644);
}

static void writes_through_no_link_to_nothing(void **state)
{
	static struct sample sample;

	(void)state;
	sample_init(&sample);
	assert_int_equal(symlink("nothing", sample_path("link")), 0);
	assert_says(sample_save(&sample.capture, sample_path("link")), "is a symbolic link");
	assert_int_equal(access(sample_path("nothing"), F_OK), -1);
	sample_path("link");
}

/* ---- no room ---- */

/* Where the test could lose the machine its /dev/full, it has one of its own. */
static const char *full_device(void)
{
	const char *path = sample_path("full");
	int fd;

	if (mknod(path, S_IFCHR | 0600, makedev(1, 7)))
		return "/dev/full";
	fd = open(path, O_WRONLY); /* refused where the file system has no devices */
	close(fd);
	return fd < 0 ? "/dev/full" : path;
}

static void says_that_a_device_is_full(void **state)
{
	static struct sample sample;
	const char *path = full_device();

	(void)state;
	sample_init(&sample);
	assert_says(sample_save(&sample.capture, path), "full: No space left on device");
	assert_int_equal(access(path, F_OK), 0);
}

static void leaves_no_half_file(void **state)
{
	static struct sample sample;
	struct rlimit before, little;
	struct error *error;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

	(void)state;
	sample_init(&sample);
	getrlimit(RLIMIT_FSIZE, &before);
	little = before;
	little.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &little);
	error = sample_save(&sample.capture, sample_path("capture"));
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);
	assert_says(error, "File too large");
	assert_int_equal(access(sample_path("capture"), F_OK), -1);
}

static void says_where_it_cannot_write(void **state)
{
	static struct sample sample;

	(void)state;
	sample_init(&sample);
	assert_says(sample_save(&sample.capture, sample_path("none/capture")),
		    "No such file or directory");
	assert_says(sample_save(&sample.capture, "/"), "cannot create /: Is a directory");
}

/* ---- files that are no captures ---- */

static void says_what_it_cannot_read(void **state)
{
	Mt__Capture *capture = NULL;

	(void)state;
	assert_says(sample_load(sample_path("none"), &capture), "No such file or directory");
	assert_says(sample_load("/", &capture), "cannot read /: Is a directory");
	assert_says(sample_load("/dev/null", &capture), "/dev/null is not a memtrace capture");
	write_file(sample_path("text"), "some text that is longer than a header\n", 0600);
	assert_says(sample_load(sample_path("text"), &capture), "is not a memtrace capture");
	assert_null(capture);
}

/* A GiB, which AddressSanitizer makes several of. */
#ifndef __SANITIZE_ADDRESS__
static void stops_reading_what_never_ends(void **state)
{
	Mt__Capture *capture = NULL;

	(void)state;
	assert_says(sample_load("/dev/zero", &capture), "too large to be a memtrace capture");
	assert_null(capture);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(comes_back_as_it_was, tear_down),
		cmocka_unit_test_teardown(comes_back_when_large, tear_down),
		cmocka_unit_test_teardown(replaces_a_longer_file, tear_down),
		cmocka_unit_test_teardown(only_its_owner_reads_it, tear_down),
		cmocka_unit_test_teardown(nor_does_another_read_one_that_was_there, tear_down),
		cmocka_unit_test_teardown(writes_through_no_link, tear_down),
		cmocka_unit_test_teardown(writes_through_no_link_to_nothing, tear_down),
		cmocka_unit_test_teardown(says_that_a_device_is_full, tear_down),
		cmocka_unit_test_teardown(leaves_no_half_file, tear_down),
		cmocka_unit_test_teardown(says_where_it_cannot_write, tear_down),
		cmocka_unit_test_teardown(says_what_it_cannot_read, tear_down),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(stops_reading_what_never_ends),
#endif
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
