/* SPDX-License-Identifier: GPL-2.0 */
/* How is the memory of a live process looked at, without changing what is resident of it? */
#ifndef MEMTRACE_COLLECT_IMAGE_H
#define MEMTRACE_COLLECT_IMAGE_H

#include "user/heap/image.h"

#include <sys/types.h>

struct live_image {
	struct image image;
	pid_t pid;
	int pagemap;
	uint64_t limit_cpu_ns; /* when this process has used so much CPU time, it takes too long */
	bool late;	      /* something was left out because of that */
	struct image_mapping *mappings;
	char *executable;
};

/* False where the process is gone or cannot be read.  The image points to what it is in. */
bool live_image_open(struct live_image *live, pid_t pid, uint64_t page_bytes,
		     uint64_t limit_cpu_ns);
void live_image_close(struct live_image *live);

#endif
