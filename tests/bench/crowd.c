// SPDX-License-Identifier: GPL-2.0
/* Makes so many processes that do nothing, says so, and ends them when its input ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **words)
{
	int processes = count > 1 ? atoi(words[1]) : 10000;

	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	puts("there");
	fflush(stdout);
	return getchar() == EOF;
}
