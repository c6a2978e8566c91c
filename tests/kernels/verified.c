// SPDX-License-Identifier: GPL-2.0
/*
 * Through how many instructions did the verifier go for each program?  `verified COMMAND...` runs
 * a command, asks the kernel meanwhile (which tells it from 5.16 on), and writes it to the file
 * that VERIFIER_FILE names.  For a static memtrace, which takes no preloaded library.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAMS 64
#define PREFIX "mt_"
#define BETWEEN_US 100000

struct program {
	char name[BPF_OBJ_NAME_LEN];
	__u32 instructions;
};

static struct program programs[PROGRAMS];

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void note(const struct bpf_prog_info *info)
{
	size_t i = 0;

	if (strncmp(info->name, PREFIX, strlen(PREFIX)) != 0)
		return;
	while (i < PROGRAMS && programs[i].name[0] && strcmp(programs[i].name, info->name) != 0)
		i++;
	if (i == PROGRAMS)
		return;
	memcpy(programs[i].name, info->name, sizeof(programs[i].name));
	if (programs[i].instructions < info->verified_insns)
		programs[i].instructions = info->verified_insns;
}

static void look_at(__u32 id)
{
	union bpf_attr open = { .prog_id = id }, ask = { .info.info_len = 0 };
	struct bpf_prog_info info = { .id = 0 };
	long fd = bpf(BPF_PROG_GET_FD_BY_ID, &open);

	if (fd < 0)
		return;
	ask.info.bpf_fd = (__u32)fd;
	ask.info.info_len = sizeof(info);
	ask.info.info = (unsigned long)&info;
	if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &ask))
		note(&info);
	close((int)fd);
}

static void look(void)
{
	union bpf_attr next = { .start_id = 0 };

	while (!bpf(BPF_PROG_GET_NEXT_ID, &next)) {
		look_at(next.next_id);
		next.start_id = next.next_id;
	}
}

static void tell(void)
{
	const char *path = getenv("VERIFIER_FILE");
	FILE *file = path ? fopen(path, "ae") : NULL;

	if (!file)
		return;
	for (size_t i = 0; i < PROGRAMS && programs[i].name[0]; i++)
		fprintf(file, "%s %u\n", programs[i].name, programs[i].instructions);
	fclose(file);
}

int main(int count, char **words)
{
	pid_t pid = count > 1 ? fork() : -1;
	int status = 0;

	if (pid < 0)
		return 1;
	if (!pid) {
		execv(words[1], words + 1);
		_exit(1);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		look();
		usleep(BETWEEN_US);
	}
	tell();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
