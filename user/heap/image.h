/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How is the memory of another process looked at?  Through these functions, which never bring
 * in a page that is not there.  What they give may be anything, and change from one call to
 * the next: nothing in it is trusted.
 */
#ifndef MEMTRACE_HEAP_IMAGE_H
#define MEMTRACE_HEAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_PAGES 64 /* what is read at once */

struct image_mapping {
	uint64_t start, end;
	bool writable; /* and private */
	char *path;    /* of a file, or a name such as "[heap]"; NULL: anonymous */
};

struct image {
	void *context;
	/* Bytes of pages that are all resident: all of them or false. */
	bool (*read)(void *context, uint64_t address, void *bytes, size_t count);
	/* For each page from an address on, whether it is resident; false: cannot be told. */
	bool (*resident)(void *context, uint64_t address, bool *is, size_t pages);
	/* It takes too long: whatever is being done is to end. */
	bool (*expired)(void *context);
	const struct image_mapping *mappings; /* by address */
	size_t mapping_count;
	const char *executable; /* the path of the program, as mappings have it; NULL: unknown */
	uint64_t page_bytes;
};

/* The last name of a path, "" where there is none. */
const char *image_file_name(const struct image_mapping *mapping);

/* The mapping that an address is in, NULL where there is none. */
const struct image_mapping *image_find(const struct image *image, uint64_t address);

/* So many bytes, at most a window's; false where not all of them are resident. */
bool image_read(const struct image *image, uint64_t address, void *bytes, size_t count);

/*
 * What a range has in pages that are resident, 0 elsewhere; at most `most` bytes.  To be freed.
 */
uint8_t *image_copy(const struct image *image, uint64_t start, uint64_t end, size_t most,
		    size_t *count);

/* The bytes of resident pages that lie in a range as a whole. */
uint64_t image_resident_bytes(const struct image *image, uint64_t start, uint64_t end);

/*
 * A view of a part of it that moves along with what is asked for, so that small things which
 * lie close together are read with few calls.
 */
struct window {
	const struct image *image;
	uint64_t start, bytes; /* what is in it */
	size_t pages;	       /* how many were wanted the last time */
	uint8_t *data;
};

void window_open(struct window *window, const struct image *image);
void window_close(struct window *window);

/* A word, which must not lie across two pages; false where it is not resident. */
bool window_word(struct window *window, uint64_t address, uint64_t *word);

#endif
