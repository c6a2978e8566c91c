// SPDX-License-Identifier: GPL-2.0
/* Whose code is it that a finding is about?  Silent where stacks are not known. */
#include "user/explain/rule.h"

#include "user/base/cleanup.h"

#define NAMED_SHARE 16 /* of a finding, at the least, for its largest part to be worth a name */

static int64_t held(const struct holder *holder)
{
	return holder->held_bytes;
}

static int64_t released(const struct holder *holder)
{
	return holder->released_bytes;
}

static int64_t untouched(const struct holder *holder)
{
	return holder->untouched_bytes;
}

static int64_t gave_back(const struct holder *holder)
{
	return holder->gave_back_bytes;
}

/* NULL: none has any of it. */
static const struct holder *most_of(const struct holder *holders, size_t count,
				    int64_t (*value)(const struct holder *holder))
{
	const struct holder *most = NULL;

	for (size_t i = 0; i < count; i++) {
		if (value(&holders[i]) > (most ? value(most) : 0))
			most = &holders[i];
	}
	return most;
}

/* Its place and figure, where there is a place. */
static bool add(struct finding *finding, const struct holder *most, const char *name,
		const char *bytes_name, int64_t bytes)
{
	cleanup_free char *place = most ? holder_place(most) : NULL;

	if (!place || !*place || bytes < finding->bytes / NAMED_SHARE)
		return false;
	finding_text(finding, name, place);
	finding_number(finding, bytes_name, bytes);
	return true;
}

/* Of what was freed at the end: who touched most of it, if that can be all it had. */
static const struct holder *most_until_end(const struct facts *facts)
{
	const struct holder *most = NULL;

	for (size_t i = 0; i < facts->holder_count; i++) {
		const struct holder *holder = &facts->holders[i];

		if (holder->touched_bytes <= facts->end->bytes[BALANCE_ANON] &&
		    holder->touched_bytes > (most ? most->touched_bytes : 0))
			most = holder;
	}
	return most;
}

void rule_add_holder(const struct facts *facts, struct finding *finding)
{
	const struct holder *most = most_of(facts->holders, facts->holder_count, held);

	if (facts->tidied_bytes > (most ? most->held_bytes : 0)) {
		most = most_until_end(facts);
		add(finding, most, "site", "site_bytes", most ? most->touched_bytes : 0);
	} else {
		add(finding, most, "site", "site_bytes", most ? most->held_bytes : 0);
	}
}

/* The largest of another part of the sites. */
static void add_part(const struct facts *facts, struct finding *finding, enum holder_part part,
		     int64_t (*value)(const struct holder *holder), const char *name,
		     const char *bytes_name)
{
	size_t count;
	struct holder *holders = holders_merge(facts->process, part, &count);
	const struct holder *most = most_of(holders, count, value);

	add(finding, most, name, bytes_name, most ? value(most) : 0);
	holders_free(holders, count);
}

void rule_add_giver(const struct facts *facts, struct finding *finding)
{
	const struct holder *most = most_of(facts->holders, facts->holder_count, released);

	if (add(finding, most, "site", "site_released_bytes", most ? most->released_bytes : 0))
		finding_number(finding, "site_touched_bytes", most->touched_bytes);
	add_part(facts, finding, HOLDER_GAVE_BACK, gave_back, "giver", "giver_bytes");
}

void rule_add_reserver(const struct facts *facts, struct finding *finding)
{
	add_part(facts, finding, HOLDER_RESERVED, untouched, "site", "site_bytes");
}
