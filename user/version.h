/* SPDX-License-Identifier: GPL-2.0 */
/* Which memtrace is this? */
#ifndef MEMTRACE_VERSION_H
#define MEMTRACE_VERSION_H

#define MEMTRACE_VERSION "0.1.0"

#endif
