/* SPDX-License-Identifier: GPL-2.0 */
/* How do buckets that were counted one by one become cumulative ones with bounds? */
#ifndef MEMTRACE_MODEL_HISTOGRAM_H
#define MEMTRACE_MODEL_HISTOGRAM_H

#include "user/model/model.h"

struct histogram_model *histograms_build(const Mt__Capture *capture,
					 Mt__Histogram *const *histograms, size_t count);
void histograms_free(struct histogram_model *histograms, size_t count);

#endif
