// SPDX-License-Identifier: GPL-2.0
/*
 * Through how many instructions does the verifier go for each program?  A library to preload: it
 * has the kernel say so of every program that is loaded, into the file that VERIFIER_FILE names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATISTICS 4 /* BPF_LOG_STATS: of no header for programs */
#define ARGUMENTS 6

typedef long (*syscall_function)(long number, ...);

static char said[1 << 16];

static void note(const char *program)
{
	const char *path = getenv("VERIFIER_FILE"), *found = strstr(said, "processed ");
	unsigned long instructions = found ? strtoul(found + strlen("processed "), NULL, 10) : 0;
	FILE *file = path ? fopen(path, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s %lu\n", program, instructions);
	fclose(file);
}

static long load(syscall_function real, const union bpf_attr *asked, size_t bytes)
{
	union bpf_attr attr = {};
	long result;
	int number;

	memcpy(&attr, asked, bytes < sizeof(attr) ? bytes : sizeof(attr));
	attr.log_level = STATISTICS;
	attr.log_buf = (unsigned long)said;
	attr.log_size = sizeof(said);
	said[0] = 0;
	result = real(SYS_bpf, BPF_PROG_LOAD, &attr, bytes);
	number = errno;
	if (result >= 0)
		note(attr.prog_name);
	errno = number;
	return result;
}

/* libbpf makes its calls through this function of the C library. */
long syscall(long number, ...)
{
	syscall_function real = (syscall_function)dlsym(RTLD_NEXT, "syscall");
	unsigned long words[ARGUMENTS];
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < ARGUMENTS; i++)
		words[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (number == SYS_bpf && words[0] == BPF_PROG_LOAD) {
		const union bpf_attr *attr = (const union bpf_attr *)words[1];

		if (!attr->log_level && words[2] >= offsetof(union bpf_attr, prog_name))
			return load(real, attr, words[2]);
	}
	return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
