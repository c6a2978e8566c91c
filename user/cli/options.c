// SPDX-License-Identifier: GPL-2.0
/* What did the user ask for?  See options.h. */
#include "user/cli/options.h"

#include "user/base/memory.h"
#include "user/base/text.h"
#include "user/cli/value.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 20
#define SAMPLE_MOST 1000000
#define TOP_SECONDS 2.0 /* between two pictures */
#define TOP_LEAST 0.1

/* Commands that an option means something to, a bit each. */
#define CAPTURE (1U << COMMAND_CAPTURE)
#define REPORT (CAPTURE | 1U << COMMAND_REPORT)
#define FOLLOW (CAPTURE | 1U << COMMAND_TOP)
#define DIFF (REPORT | 1U << COMMAND_DIFF)
#define PRINT (DIFF | 1U << COMMAND_CHECK)
#define ANY (PRINT | FOLLOW)

struct option_row {
	const char *name;
	char letter; /* 0: none */
	const char *argument; /* NULL: takes none */
	unsigned int commands;
	struct error *(*set)(struct options *options, const char *text);
	const char *help;
};

/* ---- values ---- */

static struct error *set_duration(struct options *options, const char *text)
{
	return value_seconds(text, "--duration", &options->duration);
}

static struct error *set_interval(struct options *options, const char *text)
{
	return value_seconds(text, "--interval", &options->interval);
}

static struct error *set_limit(struct options *options, const char *text)
{
	if (value_count(text, UINT_MAX, &options->limit))
		return NULL;
	return usage("--limit takes a number of rows, not '%s'", text);
}

static struct error *set_sample(struct options *options, const char *text)
{
	if (value_count(text, SAMPLE_MOST, &options->sample) && options->sample)
		return NULL;
	return usage("--sample takes a number of pages, from 1 to %d, not '%s'", SAMPLE_MOST, text);
}

static struct error *set_pids(struct options *options, const char *text)
{
	const char *at = text;

	while (true) {
		char *end;
		long pid;

		errno = 0;
		pid = strtol(at, &end, 10);
		if (*at < '0' || *at > '9' || errno || pid < 1 || pid > INT_MAX ||
		    (*end && *end != ','))
			return usage("-p takes pids separated by commas, not '%s'", text);
		options->pids = memory_grow(options->pids, options->pid_count, sizeof(pid_t));
		options->pids[options->pid_count++] = pid;
		if (!*end)
			return NULL;
		at = end + 1;
	}
}

static struct error *set_format(struct options *options, const char *text)
{
	options->format = report_find(text);
	if (!options->format)
		return usage("no format '%s' in this version: it has %s", text, report_names());
	return NULL;
}

static struct error *set_value(struct options *options, const char *text)
{
	for (options->value = 0; options->value < SITE_VALUES; options->value++) {
		if (!strcmp(site_value_name(options->value), text))
			return NULL;
	}
	return usage("--value is resident, reserved, touched or released, not '%s'", text);
}

static struct error *set_calls(struct options *options, const char *text)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return usage("--calls is on or off, not '%s'", text);
	options->calls = !strcmp(text, "on");
	return NULL;
}

static struct error *set_allocators(struct options *options, const char *text)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return usage("--allocators is on or off, not '%s'", text);
	options->allocators = !strcmp(text, "on");
	return NULL;
}

static struct error *set_stacks(struct options *options, const char *text)
{
	static const char *const kinds[] = { [STACKS_NONE] = "none", [STACKS_NATIVE] = "native",
					     [STACKS_PYTHON] = "python" };

	options->any_stacks = !strcmp(text, "auto");
	for (size_t i = 0; !options->any_stacks && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		options->stacks = (enum stacks_kind)i;
		if (!strcmp(text, kinds[i]))
			return NULL;
	}
	return options->any_stacks ? NULL :
		usage("--stacks is auto, none, native or python, not '%s'", text);
}

static struct error *set_all(struct options *options, const char *text)
{
	(void)text;
	options->all = true;
	return NULL;
}

static struct error *set_output(struct options *options, const char *text)
{
	options->output = strcmp(text, "-") ? text : NULL;
	return NULL;
}

static struct error *set_write(struct options *options, const char *text)
{
	options->write = text;
	return NULL;
}

static struct error *set_cgroup(struct options *options, const char *text)
{
	options->cgroup = text;
	return NULL;
}

static struct error *set_no_children(struct options *options, const char *text)
{
	(void)text;
	options->children = false;
	return NULL;
}

static struct error *set_strict(struct options *options, const char *text)
{
	(void)text;
	options->strict = true;
	return NULL;
}

static struct error *set_quiet(struct options *options, const char *text)
{
	(void)text;
	options->quiet = true;
	return NULL;
}

static struct error *set_verbose(struct options *options, const char *text)
{
	(void)text;
	options->verbose = true;
	return NULL;
}

static struct error *set_help(struct options *options, const char *text)
{
	(void)text;
	options->command = COMMAND_HELP;
	return NULL;
}

static struct error *set_version(struct options *options, const char *text)
{
	(void)text;
	options->command = COMMAND_VERSION;
	return NULL;
}

static const struct option_row rows[] = {
	{ "pid", 'p', "PID[,PID...]", FOLLOW, set_pids,
	  "follow these processes, and the children they make from now on" },
	{ "all", 'a', NULL, FOLLOW, set_all,
	  "follow every process, and every one that is born" },
	{ "cgroup", 0, "PATH", FOLLOW, set_cgroup,
	  "follow what is in this cgroup, and what enters it" },
	{ "no-children", 0, NULL, FOLLOW, set_no_children, "do not follow children" },
	{ "duration", 'd', "SECONDS", FOLLOW, set_duration,
	  "stop after that long (decimals allowed)" },
	{ "interval", 'i', "SECONDS", FOLLOW, set_interval,
	  "a short report each interval, then the full one at the end; of top how often it is "
	  "drawn (2)" },
	{ "calls", 0, "on|off", FOLLOW, set_calls,
	  "follow each memory call: failed ones, sizes asked, time inside; costs every system "
	  "call of the machine about 0.1 us (default: on, with -a, --cgroup and top off)" },
	{ "stacks", 0, "KIND", FOLLOW, set_stacks,
	  "whose code touched each page: none, native, python (native too) or auto, the default: "
	  "python, but with -a, --cgroup, top and --calls off none" },
	{ "sample", 0, "N", FOLLOW, set_sample,
	  "with stacks: follow one page of N, chosen by its address, and scale (default: 1)" },
	{ "allocators", 0, "on|off", FOLLOW, set_allocators,
	  "at the end look at what the heaps of malloc have free (default: on, with -a and "
	  "--cgroup off)" },
	{ "format", 'f', "FORMAT", DIFF, set_format,
	  "text (default), json, openmetrics, folded or pprof" },
	{ "value", 0, "KIND", REPORT, set_value,
	  "the bytes of -f folded: resident (default), reserved, touched or released" },
	{ "output", 'o', "FILE", PRINT, set_output,
	  "write the report there, not to standard output" },
	{ "write", 'w', "FILE", CAPTURE, set_write, "save the capture, for memtrace report" },
	{ "limit", 0, "N", DIFF, set_limit,
	  "at most N rows in each table of the text report (20)" },
	{ "strict", 0, NULL, DIFF, set_strict, "exit with status 3 if anything was lost" },
	{ "quiet", 'q', NULL, PRINT, set_quiet, "no status line" },
	{ "verbose", 'v', NULL, ANY, set_verbose,
	  "more: each bucket of a histogram, small processes, what libbpf has to say" },
	{ "help", 'h', NULL, ANY, set_help, "this text" },
	{ "version", 'V', NULL, ANY, set_version, "the version" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- parsing ---- */

#define LONG 1000 /* getopt's value of a row that was written out: its index and this */

static const struct option_row *row_of(int found)
{
	size_t i = 0;

	if (found >= LONG)
		return &rows[found - LONG];
	while (i < ROWS && (!rows[i].letter || rows[i].letter != found))
		i++;
	return i < ROWS ? &rows[i] : NULL;
}

/* An option as it was typed: a word of its own, or a letter among others in one. */
static void put_name(char *text, size_t size, int found, const char *word)
{
	if (found >= LONG)
		snprintf(text, size, "--%s", row_of(found)->name);
	else if (found)
		snprintf(text, size, "-%c", found);
	else
		snprintf(text, size, "%s", word);
}

/* Do several options begin as this word does? */
static bool is_ambiguous(const char *word)
{
	size_t found = 0;

	for (size_t i = 0; i < ROWS && !strncmp(word, "--", 2); i++)
		found += !strncmp(rows[i].name, word + 2, strcspn(word + 2, "="));
	return found > 1;
}

/* What getopt does not take: `found` is ':' where an argument is missing, or '?'. */
static struct error *refuse(int found, const char *word)
{
	char name[256];

	put_name(name, sizeof(name), optopt, word);
	if (found == ':')
		return usage("%s needs an argument", name);
	if (optopt >= LONG)
		return usage("%s takes no argument: %s", name, word);
	if (is_ambiguous(word))
		return usage("several options begin with %s", name);
	return usage("no option %s in this version", name);
}

static void list_rows(struct option longs[ROWS + 1], char *shorts)
{
	for (size_t i = 0; i < ROWS; i++) {
		longs[i] = (struct option){ rows[i].name, rows[i].argument != NULL, NULL,
					    LONG + (int)i };
		if (rows[i].letter)
			*shorts++ = rows[i].letter;
		if (rows[i].letter && rows[i].argument)
			*shorts++ = ':';
	}
	*shorts = 0;
}

/* Sets the options before the first word that is none: it may be a command's. */
static struct error *parse_rows(struct options *options, int count, char **words)
{
	const enum command command = options->command;
	struct option longs[ROWS + 1] = { { 0 } };
	char shorts[2 * ROWS + 4] = "+:", name[64];
	int found;

	list_rows(longs, shorts + 2);
	optind = 0; /* and forgets the words of a call before */
	opterr = 0;
	while ((found = getopt_long(count, words, shorts, longs, NULL)) != -1) {
		const struct option_row *row = row_of(found);

		if (found == ':' || found == '?')
			return refuse(found, words[optind - 1]);
		if (!(row->commands >> command & 1)) {
			put_name(name, sizeof(name), found, NULL);
			return usage("%s means nothing to memtrace %s", name, words[0]);
		}
		TRY(row->set(options, optarg));
	}
	return NULL;
}

/* Exactly one of the ways to say whom to follow. */
static struct error *check_targets(const struct options *options)
{
	int ways = (options->pid_count > 0) + (options->run != NULL) +
		   (options->all || options->cgroup);

	if (!ways)
		return usage("whom to follow?  -p PID, -a, --cgroup PATH or -- COMMAND "
			     "(see --help)");
	if (ways > 1)
		return usage("-p, -a (or --cgroup) and -- COMMAND exclude each other");
	return NULL;
}

/* A word that is none of them has to come after "--", or there is none: a capture is taken. */
static enum command command_of(const char *word)
{
	static const char *const names[] = { [COMMAND_REPORT] = "report", [COMMAND_DIFF] = "diff",
					     [COMMAND_CHECK] = "check", [COMMAND_TOP] = "top" };

	for (size_t i = 0; word && i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i] && !strcmp(word, names[i]))
			return (enum command)i;
	}
	return COMMAND_CAPTURE;
}

/* What is not after "--" may be meant as a command of memtrace: it is never another program. */
static struct error *check_command(const char *word)
{
	if (command_of(word) != COMMAND_CAPTURE)
		return usage("memtrace %s: the options come after '%s'", word, word);
	if (!strcmp(word, "serve"))
		return usage("no command '%s' in this version (-- %s runs a program of that name)",
			     word, word);
	return NULL;
}

/* The whole system unless somebody is named. */
static struct error *check_top(struct options *options)
{
	options->all |= !options->pid_count && !options->cgroup;
	if (!options->interval)
		options->interval = TOP_SECONDS;
	if (options->interval < TOP_LEAST)
		return usage("memtrace top takes an --interval of 0.1 seconds or more");
	return check_targets(options);
}

static struct error *check_diff(const struct options *options)
{
	if (!strcmp(options->format->name, "text") || !strcmp(options->format->name, "json"))
		return NULL;
	return usage("memtrace diff has the formats text and json");
}

static struct error *parse_command(struct options *options, int count, char **words)
{
	options->command = command_of(count > 1 ? words[1] : NULL);
	if (options->command != COMMAND_CAPTURE)
		count--, words++;
	TRY(parse_rows(options, count, words));
	words += optind;
	count -= optind;
	switch (options->command) {
	case COMMAND_REPORT:
		if (count != 1)
			return usage("memtrace report takes one capture FILE");
		options->file = words[0];
		return NULL;
	case COMMAND_DIFF:
		if (count != 2)
			return usage("memtrace diff takes two capture FILEs, an old and a new one");
		options->before = words[0];
		options->file = words[1];
		return check_diff(options);
	case COMMAND_CHECK:
		if (count)
			return usage("memtrace check takes nothing, not '%s'", words[0]);
		return NULL;
	case COMMAND_TOP:
		if (count)
			return usage("memtrace top takes -p PID or -a, not '%s'", words[0]);
		return check_top(options);
	case COMMAND_CAPTURE:
		if (count && strcmp(words[-1], "--"))
			TRY(check_command(words[0]));
		options->run = count ? words : NULL;
		return check_targets(options);
	default:
		return NULL;
	}
}

/* What depends on the mode: a whole system is followed with little cost. */
static void choose_defaults(struct options *options)
{
	bool many = options->all || options->cgroup || options->command == COMMAND_TOP;

	if (options->calls < 0)
		options->calls = options->stacks || !many;
	if (options->any_stacks)
		options->stacks = options->calls && !many ? STACKS_PYTHON : STACKS_NONE;
	if (options->allocators < 0)
		options->allocators = !(options->all || options->cgroup);
}

struct error *options_parse(struct options *options, int count, char **words)
{
	*options = (struct options){
		.children = true,
		.calls = -1,
		.any_stacks = true,
		.allocators = -1,
		.limit = LIMIT_DEFAULT,
		.sample = 1,
		.format = report_find("text"),
	};
	TRY(parse_command(options, count, words));
	choose_defaults(options);
	if (options->stacks && !options->calls)
		return usage("--stacks native needs --calls on: calls tell which pages went");
	return NULL;
}

void options_free(struct options *options)
{
	free(options->pids);
}

/* ---- what is made of the table ---- */

void options_list(FILE *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %c%c%c %-22s ", rows[i].letter ? '-' : ' ',
			rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ',' : ' ', name);
		text_fill(out, rows[i].help, 29, 29, 80);
	}
}

void options_manual(FILE *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		fputs(".It ", out);
		if (rows[i].letter)
			fprintf(out, "Fl %c , ", rows[i].letter);
		fprintf(out, "Fl Fl %s", rows[i].name);
		if (rows[i].argument)
			fprintf(out, " Ar %s", rows[i].argument);
		fputc('\n', out);
		text_fill(out, rows[i].help, 0, 0, 78);
	}
}

void options_names(FILE *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].letter)
			fprintf(out, " -%c", rows[i].letter);
		fprintf(out, " --%s", rows[i].name);
	}
}
