// SPDX-License-Identifier: GPL-2.0
/* How long does it take to make the tables that stacks of these files are walked by?  Prints ms
 * of CPU time and the rows of all; a file that is no ELF file has none. */
#include "tests/bench/memory.h"
#include "user/base/error.h"
#include "user/symbol/code.h"

#include <fcntl.h>
#include <stdio.h>

static size_t rows_of(const char *path)
{
	struct code *code = code_open(open(path, O_RDONLY | O_CLOEXEC));
	struct cfi_table table = { 0 };
	size_t rows;

	if (!code)
		return 0;
	error_free(code_rows(code, &table));
	rows = table.count;
	cfi_free(&table);
	code_close(code);
	return rows;
}

int main(int count, char **words)
{
	double start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	size_t rows = 0;

	for (int i = 1; i < count; i++)
		rows += rows_of(words[i]);
	printf("%.3f %zu\n", (now_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / 1e6, rows);
	return 0;
}
