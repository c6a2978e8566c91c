/* SPDX-License-Identifier: GPL-2.0 */
/* What do several JSON documents have in common? */
#ifndef MEMTRACE_REPORT_JSON_H
#define MEMTRACE_REPORT_JSON_H

#include "user/model/model.h"

#include <jansson.h>

json_t *json_of_frame(const struct frame_model *frame);

#endif
