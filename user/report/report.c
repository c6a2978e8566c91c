// SPDX-License-Identifier: GPL-2.0
/* How is a model written down?  See report.h. */
#include "user/report/report.h"

#include <string.h>

static const struct report_format formats[] = {
	{ .name = "text", .text = true, .write = report_text },
	{ .name = "json", .write = report_json },
	{ .name = "openmetrics", .write = report_openmetrics },
	{ .name = "folded", .write = report_folded },
	{ .name = "pprof", .binary = true, .write = report_pprof },
};

const struct report_format *report_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	}
	return NULL;
}

const char *report_names(void)
{
	return "text, json, openmetrics, folded, pprof";
}
