// SPDX-License-Identifier: GPL-2.0
/*
 * How is the memory of a live process looked at?  By process_vm_readv(), which does not stop it,
 * and only where /proc/PID/pagemap has a page: so that nothing is swapped in or made for us.
 */
#include "user/collect/image.h"

#include "user/base/cleanup.h"
#include "user/base/memory.h"
#include "user/collect/self.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#define PRESENT (1ULL << 63)
#define PAGES_AT_ONCE 512
#define MAPPINGS_MOST 65536

static bool read_memory(void *context, uint64_t address, void *bytes, size_t count)
{
	const struct live_image *live = context;
	struct iovec local = { bytes, count };
	struct iovec remote = { (void *)(uintptr_t)address, count };

	return process_vm_readv(live->pid, &local, 1, &remote, 1, 0) == (ssize_t)count;
}

static bool read_residency(void *context, uint64_t address, bool *is, size_t pages)
{
	const struct live_image *live = context;
	uint64_t entries[PAGES_AT_ONCE];
	uint64_t first = address / live->image.page_bytes;

	for (size_t at = 0; at < pages; at += PAGES_AT_ONCE) {
		size_t count = pages - at < PAGES_AT_ONCE ? pages - at : PAGES_AT_ONCE;

		/* Where the address space ends, so does the file. */
		if (pread(live->pagemap, entries, count * sizeof(*entries),
			  (off_t)((first + at) * sizeof(*entries))) !=
		    (ssize_t)(count * sizeof(*entries)))
			return false;
		for (size_t i = 0; i < count; i++)
			is[at + i] = entries[i] & PRESENT;
	}
	return true;
}

static bool is_late(void *context)
{
	struct live_image *live = context;

	live->late |= self_cpu_ns() > live->limit_cpu_ns;
	return live->late;
}

/* ---- mappings ---- */

/* "START-END rw-p OFFSET DEVICE INODE   PATH\n" */
static bool parse(const char *line, struct image_mapping *mapping)
{
	char rights[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &mapping->start,
		   &mapping->end, rights, &at) < 3 || !at)
		return false;
	mapping->writable = rights[1] == 'w' && rights[3] == 'p';
	mapping->path = line[at] && line[at] != '\n' ?
				memory_copy(line + at, strcspn(line + at, "\n")) : NULL;
	return mapping->start < mapping->end;
}

static bool read_mappings(struct live_image *live)
{
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *line = NULL;
	size_t size = 0, *count = &live->image.mapping_count;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", live->pid);
	file = fopen(path, "re");
	while (file && *count < MAPPINGS_MOST && getline(&line, &size, file) > 0) {
		live->mappings = memory_grow(live->mappings, *count, sizeof(*live->mappings));
		if (parse(line, &live->mappings[*count]))
			(*count)++;
	}
	live->image.mappings = live->mappings;
	return *count;
}

static char *read_executable(pid_t pid)
{
	char path[64], text[PATH_MAX];
	ssize_t bytes;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	bytes = readlink(path, text, sizeof(text));
	return bytes > 0 ? memory_copy(text, bytes) : NULL;
}

bool live_image_open(struct live_image *live, pid_t pid, uint64_t page_bytes,
		     uint64_t limit_cpu_ns)
{
	char path[64];

	*live = (struct live_image){ .pid = pid, .limit_cpu_ns = limit_cpu_ns };
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	live->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	live->executable = read_executable(pid);
	live->image = (struct image){ .context = live,
				      .read = read_memory,
				      .resident = read_residency,
				      .expired = is_late,
				      .executable = live->executable,
				      .page_bytes = page_bytes };
	return live->pagemap >= 0 && read_mappings(live);
}

void live_image_close(struct live_image *live)
{
	for (size_t i = 0; i < live->image.mapping_count; i++)
		free(live->mappings[i].path);
	free(live->mappings);
	free(live->executable);
	cleanup_close_(&live->pagemap);
}
