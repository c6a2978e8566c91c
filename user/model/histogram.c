// SPDX-License-Identifier: GPL-2.0
/* How do buckets become cumulative?  See histogram.h. */
#include "user/model/histogram.h"

#include "user/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define BOUNDLESS 61 /* the last bucket of a capture also holds all above */

static const char *unit_of(const char *name)
{
	size_t length = strlen(name);

	return length > 3 && !strcmp(name + length - 3, "_ns") ? "nanoseconds" : "bytes";
}

static void build(struct histogram_model *made, const Mt__Capture *capture,
		  const Mt__Histogram *from)
{
	made->name = capture->histogram_names[from->name];
	made->operation = from->has_operation ? capture->operations[from->operation] : NULL;
	made->unit = unit_of(made->name);
	made->sum = from->sum;
	made->buckets = memory_new(from->n_count, sizeof(*made->buckets));
	for (size_t i = 0; i < from->n_count; i++) {
		made->count += from->count[i];
		if (from->first + i >= BOUNDLESS)
			continue;
		made->buckets[made->bucket_count].le = 1ULL << (from->first + i);
		made->buckets[made->bucket_count++].count = made->count;
	}
}

struct histogram_model *histograms_build(const Mt__Capture *capture,
					 Mt__Histogram *const *histograms, size_t count)
{
	struct histogram_model *made = memory_new(count, sizeof(*made));

	for (size_t i = 0; i < count; i++)
		build(&made[i], capture, histograms[i]);
	return made;
}

void histograms_free(struct histogram_model *histograms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(histograms[i].buckets);
	free(histograms);
}
