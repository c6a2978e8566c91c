/* SPDX-License-Identifier: GPL-2.0 */
/* Can the stations after this one rely on a capture's indexes and lengths? */
#ifndef MEMTRACE_SNAPSHOT_CHECK_H
#define MEMTRACE_SNAPSHOT_CHECK_H

#include "build/capture.pb-c.h"

#define BALANCES 8 /* of a balance sheet; their order is in capture.proto */

/* What is wrong with it, NULL where nothing is. */
const char *capture_wrong(const Mt__Capture *capture);

#endif
