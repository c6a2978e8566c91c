/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is a page one of those that stacks are kept of?  By its address alone, so that who gives it back
 * and who touched it agree.  Multiplied twice, since addresses that are evenly apart may be evenly
 * apart after once.
 */
#ifndef MEMTRACE_SAMPLE_BPF_H
#define MEMTRACE_SAMPLE_BPF_H

#include "bpf/maps.bpf.h"

static __always_inline bool is_sampled(__u64 page)
{
	__u64 hash = page * 0x9e3779b97f4a7c15ULL;

	if (!config.sampled)
		return true;
	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ULL;
	return hash >> 32 < config.sampled;
}

#endif
