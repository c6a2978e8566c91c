/* SPDX-License-Identifier: GPL-2.0 */
/* What does any report have to be, whatever it is made of?  A target aborts where one is not. */
#ifndef MEMTRACE_FUZZ_CHECK_H
#define MEMTRACE_FUZZ_CHECK_H

#include "build/capture.pb-c.h"

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's name for what takes its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Makes every report of a capture that capture_wrong() finds nothing in. */
void check_reports(const Mt__Capture *capture);

#endif
