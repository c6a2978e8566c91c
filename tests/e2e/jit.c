// SPDX-License-Identifier: GPL-2.0
/* Who touched memory?  A function that this program makes, and tells of in its perf map. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (223 * 4096)

typedef void touch(char *where);

/* mov byte [rdi], 1; ret */
static const unsigned char code[] = { 0xc6, 0x07, 0x01, 0xc3 };

int main(void)
{
	char *shelf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(shelf, BYTES, MADV_NOHUGEPAGE);
	memcpy(made + 64, code, sizeof(code));
	printf("%lx\n", (unsigned long)made);
	fflush(stdout);
	getchar();
	for (size_t i = 0; i < BYTES; i += 4096)
		((touch *)(made + 64))(shelf + i);
	puts("done");
	fflush(stdout);
	getchar();
	return 0;
}
