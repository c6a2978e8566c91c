// SPDX-License-Identifier: GPL-2.0
/*
 * Is there a command line that breaks the parsing, or that it makes no sense of?  libFuzzer's
 * bytes are the words, with a NUL behind each.
 */
#include "tests/fuzz/check.h"
#include "user/base/memory.h"
#include "user/cli/options.h"

#include <stdlib.h>
#include <string.h>

/* The words after the program's name; all of them are one piece of memory. */
static char **split(const uint8_t *bytes, size_t count, int *word_count)
{
	char *text = memory_copy(bytes, count), **words = NULL;
	size_t made = 0;

	words = memory_grow(words, made, sizeof(*words));
	words[made++] = "memtrace";
	for (size_t at = 0; at < count; at += strlen(text + at) + 1) {
		words = memory_grow(words, made, sizeof(*words));
		words[made++] = text + at;
	}
	*word_count = (int)made;
	words = memory_grow(words, made, sizeof(*words));
	words[made++] = NULL;
	words = memory_grow(words, made, sizeof(*words));
	words[made] = text; /* to be freed */
	return words;
}

/* Who is to be followed is said in one way, and all that has limits is within them. */
static void check_capture(const struct options *options)
{
	int ways = (options->pid_count > 0) + (options->run != NULL) +
		   (options->all || options->cgroup);

	if (ways != 1 || (options->calls != 0 && options->calls != 1) || !options->format)
		abort();
	if (options->duration < 0 || options->duration > 1e9 || options->interval < 0 ||
	    options->interval > 1e9)
		abort();
	for (size_t i = 0; i < options->pid_count; i++) {
		if (options->pids[i] < 1)
			abort();
	}
	if (options->run && !options->run[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	int word_count;
	char **words = split(bytes, count, &word_count);
	struct options options;
	struct error *error = options_parse(&options, word_count, words);

	if (error && (error->status != 2 || !*error->text))
		abort();
	if (!error && options.command == COMMAND_CAPTURE)
		check_capture(&options);
	if (!error && options.command == COMMAND_REPORT && !options.file)
		abort();
	error_free(error);
	options_free(&options);
	free(words[word_count + 1]);
	free(words);
	return 0;
}
