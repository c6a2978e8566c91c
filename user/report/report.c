// SPDX-License-Identifier: GPL-2.0
/* How is a model written down?  See report.h. */
#include "user/report/report.h"

#include <string.h>

static const struct report_format formats[] = {
	{ "text", true, report_text },
	{ "json", false, report_json },
	{ "openmetrics", false, report_openmetrics },
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
	return "text, json, openmetrics";
}
