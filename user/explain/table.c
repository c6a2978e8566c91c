// SPDX-License-Identifier: GPL-2.0
/* Which findings are there, and how do they read?  See rule.h for the signs in the words. */
#include "user/explain/rule.h"

const struct rule rules[] = {
	{ "never-touched", NEED_NOTHING, false, find_never_touched,
	  "asked for, but never used",
	  "It reserved {reserved_bytes} of addresses, but wrote or read only part of that: a page "
	  "becomes memory when it is first touched, and {never_touched_bytes} never were. That is "
	  "address space (VSZ), not memory: RSS was {peak_bytes} at its highest.",
	  "Nothing: it costs next to nothing. Where a limit on address space (ulimit -v) is hit, "
	  "reserve less." },
	{ "returned", NEED_NOTHING, false, find_returned,
	  "went back to the system while it ran",
	  "It touched {touched_bytes} and gave {returned_bytes} back, by {calls}. At its highest "
	  "it held {peak_bytes}; {moment} it {verb} {end_bytes}.",
	  "Nothing: what went back is free for other programs." },
	{ "peak-then-fell", NEED_NOTHING, false, find_peak_then_fell,
	  "less than at its highest",
	  "It held {peak_bytes} at its highest, {peak_at_ns} after the start, and {end_bytes} "
	  "{moment}.",
	  "If the highest is what hurts, as with a limit on memory, look for what needs all of it "
	  "at once, and work in smaller pieces." },
	{ "still-in-use", NEED_NOTHING, false, find_still_in_use,
	  "in use",
	  "Of the {end_bytes} that it {verb} {moment}, {held_bytes} is memory that the program "
	  "asked for, wrote to and did not give back.",
	  "" },
};

const size_t rule_count = sizeof(rules) / sizeof(rules[0]);
