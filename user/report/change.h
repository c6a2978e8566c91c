/* SPDX-License-Identifier: GPL-2.0 */
/* How is written down what changed between two captures? */
#ifndef MEMTRACE_REPORT_CHANGE_H
#define MEMTRACE_REPORT_CHANGE_H

#include "user/base/error.h"
#include "user/model/change.h"
#include "user/report/report.h"

struct error *change_text(const struct change *change, const struct report_options *options,
			  FILE *out);
struct error *change_json(const struct change *change, FILE *out);

#endif
