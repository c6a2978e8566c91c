// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel side as one object.  Not linked from several, since the linker of bpftool 7.1
 * (Debian 12) cannot take kernel functions (kfuncs) from more than none of them.
 */
#include "bpf/setup.c"
#include "bpf/residency.c"
#include "bpf/fault.c"
#include "bpf/lock.c"
#include "bpf/life.c"
#include "bpf/call.c"
#include "bpf/read.c"
