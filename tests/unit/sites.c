// SPDX-License-Identifier: GPL-2.0
/* Is the code that is shown the one that a person means, and does a hostile capture lead astray? */
#include "tests/unit/sample.h"

#include "user/model/holder.h"
#include "user/snapshot/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define FRAMES 4097 /* one more than is taken */
#define MIB (1 << 20)

static struct sample sample;
static Mt__Frame frames[FRAMES], *frame_list[FRAMES];
static Mt__Stack stacks[2], *stack_list[2];
static uint32_t indexes[2][FRAMES];
static Mt__Site sites[2], *site_list[2];
static int64_t released[2][OP_COUNT];
static size_t frame_count;

static int set_up(void **state)
{
	(void)state;
	sample_init(&sample);
	frame_count = 0;
	for (size_t i = 0; i < 2; i++) {
		mt__stack__init(&stacks[i]);
		stacks[i].frame = indexes[i];
		stack_list[i] = &stacks[i];
		mt__site__init(&sites[i]);
		sites[i].stack = i;
		sites[i].resident_bytes = sites[i].touched_bytes = (int64_t)(i + 1) * MIB;
		sites[i].released_bytes = memset(released[i], 0, sizeof(released[i]));
		sites[i].n_released_bytes = OP_COUNT;
		site_list[i] = &sites[i];
	}
	sample.capture.frames = frame_list;
	sample.capture.n_frames = 0;
	sample.capture.stacks = stack_list;
	sample.capture.n_stacks = 2;
	sample.processes[0].process.sites = site_list;
	sample.processes[0].process.n_sites = 2;
	sample.processes[0].process.executable = sample_text("/opt/x");
	return 0;
}

/* A frame, whose index is returned; "": not known. */
static uint32_t add_frame(const char *function, const char *module, const char *file)
{
	Mt__Frame *frame = &frames[frame_count];

	mt__frame__init(frame);
	frame->has_function = frame->has_module = frame->has_file = true;
	frame->function = sample_text(function);
	frame->module = sample_text(module);
	frame->file = sample_text(file);
	frame_list[frame_count] = frame;
	sample.capture.n_frames = ++frame_count;
	return frame_count - 1;
}

static void push(size_t stack, uint32_t frame)
{
	indexes[stack][stacks[stack].n_frame++] = frame;
}

/* ---- what is shown ---- */

/* The function that is shown of the first stack, "" where there is none. */
static void assert_shown(const char *function)
{
	struct model model;
	struct holder *holders;
	const struct process_model *process;
	size_t count, at = 0;

	model_build(&model, &sample.capture);
	process = &model.processes[model.processes[0].site_count ? 0 : 1];
	holders = holders_build(process, &count);
	while (at < count && holders[at].stack != &model.code.stacks[0])
		at++;
	assert_true(at < count);
	if (holders[at].at == holders[at].stack->count) {
		assert_string_equal(function, "");
	} else {
		const char *name = holders[at].stack->frames[holders[at].at]->function;

		assert_string_equal(name ?: "", function);
	}
	holders_free(holders, count);
	model_free(&model);
}

static void own_code_is_above_libraries(void **state)
{
	(void)state;
	push(1, add_frame("other", "/opt/y", ""));
	assert_shown("");
	push(0, add_frame("", "", ""));
	assert_shown("");
	push(0, add_frame("malloc", LIBC, ""));
	assert_shown("malloc");
	stacks[0].end = 1;
	assert_shown("");
	stacks[0].end = 0;
	push(0, add_frame("_PyEval_EvalFrameDefault", "/usr/bin/python3.11", ""));
	assert_shown("_PyEval_EvalFrameDefault");
	push(0, add_frame("", "/usr/lib/libcrypto.so.3", ""));
	assert_shown("");
	push(0, add_frame("CRYPTO_zalloc", "/usr/lib/libcrypto.so.3", ""));
	assert_shown("CRYPTO_zalloc");
	push(0, add_frame("_start", "/opt/x", ""));
	assert_shown("CRYPTO_zalloc");
	push(0, add_frame("inner", "/opt/x", ""));
	push(0, add_frame("outer", "/opt/x", ""));
	assert_shown("inner");
}

static void a_script_is_above_all(void **state)
{
	uint32_t frame;

	(void)state;
	push(1, add_frame("other", "/opt/y", ""));
	push(0, add_frame("native", "/opt/x", ""));
	push(0, frame = add_frame("loads", "", "/usr/lib/python3.11/json/__init__.py"));
	frames[frame].has_kind = true;
	frames[frame].kind = 1;
	assert_shown("loads");
	push(0, frame = add_frame("<module>", "", "/opt/x.py"));
	frames[frame].has_kind = true;
	frames[frame].kind = 1;
	assert_shown("<module>");
	frames[frame].kind = UINT32_MAX; /* of a later version */
	assert_shown("loads");
}

static void a_program_in_a_folder_of_libraries_is_own(void **state)
{
	(void)state;
	push(1, add_frame("other", "/opt/y", ""));
	push(0, add_frame("work", "/usr/lib/postgresql/15/bin/postgres", ""));
	push(0, add_frame("main", "/opt/y", ""));
	assert_shown("main");
	sample.processes[0].process.executable = frames[1].module;
	assert_shown("work");
}

/* What libc does inside malloc is not worth a row. */
static void same_code_is_one_row(void **state)
{
	uint32_t caller = add_frame("make", "/opt/x", "x.c");
	char *text;

	(void)state;
	push(0, add_frame("", LIBC, ""));
	push(0, caller);
	push(1, add_frame("", LIBC, ""));
	push(1, add_frame("malloc", LIBC, ""));
	push(1, caller);
	released[0][OP_MMAP] = released[1][OP_MMAP] = 1 << 10;
	text = sample_report(&sample.capture, "text");
	assert_non_null(strstr(text, "     3.0 MiB     3.0 MiB    -2.0 KiB  "
				     "make (x.c) in x calling malloc\n"));
	assert_non_null(strstr(text, "given back by mmap 2.0 KiB\n"));
	free(text);
	stacks[0].end = 3;
	text = sample_report(&sample.capture, "text");
	assert_null(strstr(text, "     3.0 MiB     3.0 MiB "));
	assert_non_null(strstr(text, "from callers that are not known\n"));
	free(text);
	stacks[0].end = 0;
	frames[stacks[1].frame[1]].function = sample_text("__GI___libc_malloc");
	text = sample_report(&sample.capture, "text");
	assert_non_null(strstr(text, "make (x.c) in x calling malloc\n"));
	free(text);
	frames[stacks[1].frame[1]].function = sample_text("__memset_avx512_unaligned_erms");
	text = sample_report(&sample.capture, "text");
	assert_non_null(strstr(text, "make (x.c) in x calling memset\n"));
	free(text);
}

/* ---- hostile captures ---- */

static struct error *verdict(void)
{
	size_t bytes;
	uint8_t *file = sample_file(&sample.capture, &bytes);
	Mt__Capture *capture = NULL;
	struct error *error = capture_parse(file, bytes, "x", &capture);

	capture_free(capture);
	free(file);
	return error;
}

static void assert_verdict(const char *how)
{
	struct error *error = verdict();

	if (!how != !error || (how && !strstr(error->text, how)))
		fail_msg("not '%s': %s", how ?: "taken", error ? error->text : "taken");
	error_free(error);
}

static void indexes_of_nothing(void **state)
{
	(void)state;
	push(0, add_frame("x", "", ""));
	assert_verdict(NULL);
	indexes[0][0] = 1;
	assert_verdict("a stack is invalid");
	indexes[0][0] = UINT32_MAX;
	assert_verdict("a stack is invalid");
	indexes[0][0] = 0;
	sites[1].stack = 2;
	assert_verdict("a site is invalid");
	sites[1].stack = 1;
	sites[1].n_released_bytes = OP_COUNT;
	sample.capture.n_operations--;
	assert_non_null(sample.capture.operations);
	assert_verdict("invalid");
}

static void too_long(void **state)
{
	static char text[65538];

	(void)state;
	for (size_t i = 0; i < FRAMES - 1; i++)
		push(0, add_frame("x", "", ""));
	assert_verdict(NULL);
	push(0, 0);
	assert_verdict("a stack is invalid");
	stacks[0].n_frame = 1;
	frames[0].function = sample_text(memset(text, 'x', sizeof(text) - 2));
	assert_verdict(NULL);
	text[sizeof(text) - 2] = 'x';
	frames[0].function = sample_text(text);
	assert_verdict("a stack is invalid");
}

/* Reports write the whole stack for each site that has it. */
static void a_report_larger_than_a_disk(void **state)
{
	static Mt__Site *many[65537];
	static char text[65537];

	(void)state;
	add_frame(memset(text, 'x', sizeof(text) - 1), "", "");
	for (size_t i = 0; i < 4; i++)
		push(0, 0);
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = &sites[0];
	sample.processes[0].process.sites = many;
	sample.processes[0].process.n_sites = 65000;
	assert_verdict(NULL);
	sample.processes[0].process.n_sites = 65536;
	assert_verdict("its sites have too many frames");
	sample.processes[0].process.n_sites = 65537;
	assert_verdict("a site is invalid");
}

static void build_ids_that_are_none(void **state)
{
	static const char *const wrong[] = { "g", "ABC", "../x", "0 " };
	uint32_t frame = add_frame("x", "", "");

	(void)state;
	frames[frame].has_build_id = true;
	frames[frame].build_id = sample_text("0123456789abcdef");
	assert_verdict(NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		frames[frame].build_id = sample_text(wrong[i]);
		assert_verdict("a stack is invalid");
	}
	frames[frame].build_id = (ProtobufCBinaryData){ 1, (uint8_t *)"" };
	assert_verdict("a stack is invalid");
}

static void numbers_without_bounds(void **state)
{
	static const char *const formats[] = { "text", "json", "openmetrics", "folded", "pprof" };
	static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, INT64_MAX };

	(void)state;
	push(0, add_frame("x", "", "x.c"));
	push(1, 0);
	frames[0].has_line = frames[0].has_kind = true;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (size_t at = 0; at < 2; at++) {
			sites[at].resident_bytes = sites[at].touched_bytes = numbers[i];
			for (size_t operation = 0; operation < OP_COUNT; operation++)
				released[at][operation] = numbers[i];
		}
		frames[0].line = frames[0].kind = stacks[0].end = (uint32_t)numbers[i];
		frames[0].address = frames[0].offset = (uint64_t)numbers[i];
		for (size_t at = 0; at < sizeof(formats) / sizeof(formats[0]); at++)
			free(sample_report(&sample.capture, formats[at]));
	}
}

/* ---- folded ---- */

static void assert_folded(const char *function, const char *becomes)
{
	char line[256], *text;

	frames[0].function = sample_text(function);
	snprintf(line, sizeof(line), ";%s 1048576\n", becomes);
	text = sample_report(&sample.capture, "folded");
	if (!strstr(text, line))
		fail_msg("no '%s' in\n%s", line, text);
	free(text);
}

static void names_are_neither_frames_nor_numbers(void **state)
{
	(void)state;
	push(0, add_frame("x", "", ""));
	assert_folded("operator new(unsigned long)", "operator new(unsigned long)");
	assert_folded("a;b", "a:b");
	assert_folded("a 1", "a_1");
	assert_folded("a  1 ", "a__1_");
	assert_folded(" ", "_");
	assert_folded("a\nb\tc\r", "a\\x0ab\\x09c\\x0d");
	assert_folded("a\xe2\x80\xa8", "a\\u{2028}");
	assert_folded("", "0x0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(own_code_is_above_libraries, set_up),
		cmocka_unit_test_setup(a_script_is_above_all, set_up),
		cmocka_unit_test_setup(a_program_in_a_folder_of_libraries_is_own, set_up),
		cmocka_unit_test_setup(same_code_is_one_row, set_up),
		cmocka_unit_test_setup(indexes_of_nothing, set_up),
		cmocka_unit_test_setup(too_long, set_up),
		cmocka_unit_test_setup(a_report_larger_than_a_disk, set_up),
		cmocka_unit_test_setup(build_ids_that_are_none, set_up),
		cmocka_unit_test_setup(numbers_without_bounds, set_up),
		cmocka_unit_test_setup(names_are_neither_frames_nor_numbers, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
