// SPDX-License-Identifier: GPL-2.0
/* Does it grow without end?  Steadily, by many calls, and until the last moment. */
#include "user/explain/rule.h"

#define NS_PER_SECOND 1000000000ULL
#define LEAST_NS (NS_PER_SECOND * 7 / 10) /* shorter, and what fills its tables looks the same */
#define LEAST_CALLS 16
#define LEAST_POINTS 8
#define PARTS 4		  /* of that time: it grew in each ... */
#define PART_SHARE 12	  /* ... by so much of the whole; a quarter were even */
#define REST_PERCENT 75	  /* of that time, at the most, since it grew last */
#define START_SHARE 50	  /* of the growth is not a beginning or an end of it */
#define JUMP_TIMES 2	  /* as much in a step as ever later: that is what it loads at first */
#define FILES_MOST (8 * MIB) /* of its program and libraries */
#define SITE_SHARE 8	  /* of the growth that a site that has all of it may differ */
#define STEPS_AFTER 2	  /* from the last point to the end */
#define LOADING_SHARE 2	  /* of its peak one that ended by itself grew by more than that, ... */
#define LOADED_SHARE 4	  /* ... and if what it loaded at first is known, than that */
#define BUSY_PERCENT 70	  /* of that time a program works that ends when it has all */

/* Bytes at points of time, and what of them is the growth. */
struct curve {
	const uint64_t *bytes;
	size_t count;
	uint64_t step_ns;
	size_t base;	    /* what it had then is no part of the growth */
	size_t first, last; /* it grew between these */
};

static int64_t at(const struct curve *curve, size_t point)
{
	return (int64_t)(curve->bytes[point] < INT64_MAX ? curve->bytes[point] : INT64_MAX);
}

static int64_t grown(const struct curve *curve, size_t from, size_t to)
{
	return minus(at(curve, to), at(curve, from));
}

static int64_t largest_step(const struct curve *curve, size_t from)
{
	int64_t most = 0;

	for (size_t point = from; point + 1 < curve->count; point++) {
		if (grown(curve, point, point + 1) > most)
			most = grown(curve, point, point + 1);
	}
	return most;
}

/* Behind what it loads at the beginning, which is much more at once than what comes later. */
static size_t find_base(const struct curve *curve)
{
	size_t most = (curve->count - 1) / 2, base = 0;
	int64_t step = largest_step(curve, most + 1);

	for (size_t point = 0; point <= most; point++) {
		if (grown(curve, point, point + 1) / JUMP_TIMES > step)
			base = point + 1;
	}
	return base;
}

/* From the first point that more came after than at the beginning, to the first at the height. */
static void find_growth(struct curve *curve)
{
	int64_t all = grown(curve, curve->base, curve->count - 1), edge = all / START_SHARE;

	curve->first = curve->base;
	curve->last = curve->count - 1;
	while (curve->first + 1 < curve->last &&
	       grown(curve, curve->base, curve->first + 1) <= edge)
		curve->first++;
	while (curve->last > curve->first + 1 &&
	       grown(curve, curve->last - 1, curve->count - 1) <= edge)
		curve->last--;
}

static uint64_t span_ns(const struct curve *curve)
{
	return (curve->last - curve->first) * curve->step_ns;
}

static bool is_steady(const struct curve *curve)
{
	size_t span = curve->last - curve->first;
	int64_t all = grown(curve, curve->first, curve->last);

	for (size_t part = 0; part < PARTS; part++) {
		size_t from = curve->first + span * part / PARTS;
		size_t to = curve->first + span * (part + 1) / PARTS;

		if (grown(curve, from, to) < all / PART_SHARE)
			return false;
	}
	return all > 0;
}

static bool goes_on(struct curve *curve, int64_t floor, bool ended)
{
	/* Interpreters free all that they have before they end. */
	while (ended && curve->count > 1 && grown(curve, curve->count - 2, curve->count - 1) < 0)
		curve->count--;
	if (curve->count < LEAST_POINTS)
		return false;
	curve->base = find_base(curve);
	if (grown(curve, curve->base, curve->count - 1) < floor)
		return false;
	find_growth(curve);
	return span_ns(curve) >= LEAST_NS && is_steady(curve) &&
	       (curve->count - 1 - curve->last) * 100 <=
		       (curve->last - curve->first) * REST_PERCENT;
}

/* One that computes, and ends by itself, has made what it needed; as has, if nobody knows whether
 * it computed, one that was not killed. */
static bool did_its_work(const struct process_model *process, const struct curve *curve)
{
	if (!process->busy_ns)
		return process->has_exit && !process->exit_signal;
	return process->has_exit && process->busy_ns > span_ns(curve) / 100 * BUSY_PERCENT;
}

/* Of what is resident, or else of addresses. */
static bool read_curve(const struct facts *facts, struct curve *curve, bool *resident)
{
	const Mt__Growth *growth = facts->process->growth;

	if (!growth)
		return false;
	*curve = (struct curve){ .bytes = growth->resident_bytes,
				 .count = growth->n_resident_bytes,
				 .step_ns = growth->step_ns };
	*resident = goes_on(curve, facts->floor_bytes, facts->process->has_exit);
	if (*resident)
		return true;
	curve->bytes = growth->virtual_bytes;
	curve->count = growth->n_virtual_bytes;
	return goes_on(curve, facts->floor_bytes, facts->process->has_exit);
}

/* What it began with, and with what it reads of files, which leaks no memory. */
static int64_t born_bytes(const struct facts *facts, bool resident)
{
	int64_t files = minus(facts->end->bytes[BALANCE_FILE],
			      facts->process->opening.bytes[BALANCE_FILE]);

	if (!resident)
		return plus(facts->born_bytes, facts->born_untouched_bytes);
	return facts->born_bytes + (files > 0 && files < FILES_MOST ? files : 0);
}

/* For all that is known, it began to grow in the middle of the step in which it loaded. */
static int64_t half_a_step(const struct curve *curve)
{
	return grown(curve, curve->first, curve->last) /
	       (int64_t)(curve->last - curve->first) / 2;
}

/* Before the first point it grew, too, unless that is what it loaded. */
static int64_t base_bytes(const struct facts *facts, const struct curve *curve, bool resident)
{
	int64_t bytes = born_bytes(facts, resident);

	if (curve->base || minus(at(curve, 0), bytes) / JUMP_TIMES > largest_step(curve, 0))
		return minus(at(curve, curve->base), half_a_step(curve));
	return bytes < at(curve, 0) ? bytes : at(curve, 0);
}

/* Until it ended it went on as before: its peak says how far, within two steps. */
static int64_t after_last_point(const struct facts *facts, const struct curve *curve, bool resident)
{
	int64_t more = minus((int64_t)facts->process->peak_bytes, at(curve, curve->last));
	int64_t most = grown(curve, curve->first, curve->last) /
		       (int64_t)(curve->last - curve->first) * STEPS_AFTER;

	if (!resident || !facts->process->has_exit || curve->last + 1 < curve->count || more < 0)
		return 0;
	return more < most ? more : most;
}

/* At the end it may have more than at the last point. */
static int64_t growth_bytes(const struct facts *facts, const struct curve *curve, bool resident)
{
	int64_t end = resident ? facts->end_bytes : facts->end->bytes[BALANCE_VIRTUAL];
	int64_t tidied = facts->process->has_before_tidying ? 0 : facts->tidied_bytes;
	int64_t bytes = minus(minus(end, tidied), base_bytes(facts, curve, resident));
	int64_t seen = plus(grown(curve, curve->base, curve->last),
			    after_last_point(facts, curve, resident));

	return bytes > seen ? bytes : seen;
}

/* Since the last point; what it gave back only because it ended is known by the sites. */
static bool gave_back_since(const struct facts *facts, const struct curve *curve, bool resident)
{
	int64_t end = resident ? facts->end_bytes : facts->end->bytes[BALANCE_VIRTUAL];

	return (!facts->process->has_exit || facts->process->has_sites) &&
	       minus(at(curve, curve->last), end) > grown(curve, curve->base, curve->last) / 2;
}

/* What one place in the code has, if that can be all of it, is known to the page. */
static int64_t of_one_site(const struct finding *finding)
{
	const struct evidence *site = finding_evidence(finding, "site_bytes", 10);
	int64_t off = site ? minus(site->value, finding->bytes) : INT64_MAX;

	return off < finding->bytes / SITE_SHARE && off > -finding->bytes / SITE_SHARE ?
		       site->value : finding->bytes;
}

/* Programs grow while they load, too. */
static bool is_most_of_it(const struct facts *facts, const struct curve *curve, int64_t bytes)
{
	const struct process_model *process = facts->process;
	int64_t base = base_bytes(facts, curve, true);
	int share = base > born_bytes(facts, true) ? LOADED_SHARE : LOADING_SHARE;

	return !process->has_exit || process->exit_signal ||
	       bytes >= (int64_t)(process->peak_bytes / (uint64_t)share);
}

bool find_mapping_leak(struct facts *facts, struct finding *finding)
{
	struct curve curve;
	bool resident;

	if (facts->asking_count < LEAST_CALLS || !read_curve(facts, &curve, &resident) ||
	    did_its_work(facts->process, &curve))
		return false;
	finding->bytes = growth_bytes(facts, &curve, resident);
	if (resident && !is_most_of_it(facts, &curve, finding->bytes))
		return false;
	/* What malloc has free, or what was copied, has a finding that says more. */
	if (facts->claimed_bytes > finding->bytes / 2 ||
	    gave_back_since(facts, &curve, resident))
		return false;
	finding->inferred = true;
	rule_add_holder(facts, finding);
	if (resident)
		finding->bytes = of_one_site(finding);
	finding_number(finding, "growth_bytes", finding->bytes);
	finding_number(finding, "growing_ns", (int64_t)span_ns(&curve));
	finding_number(finding, "per_second_bytes",
		       (int64_t)((double)grown(&curve, curve.first, curve.last) *
				 (double)NS_PER_SECOND / (double)span_ns(&curve)));
	finding_number(finding, "asking_count", facts->asking_count);
	rule_add_end(facts, finding);
	if (resident)
		facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	return true;
}
