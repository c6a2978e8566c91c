// SPDX-License-Identifier: GPL-2.0
/* The verdict on a process in the text report: the numbers first, at most one screen. */
#include "user/explain/finding.h"

#include "user/base/cleanup.h"
#include "user/base/text.h"
#include "user/report/book.h"
#include "user/report/style.h"

#include <string.h>

#define FULL 3	  /* findings whose reasons are printed; the others have a line each */
#define INDENT 13 /* of what stands beside the number */

static void put_words(const char *before, const char *words, const struct report_options *options,
		      FILE *out)
{
	cleanup_free char *clean = text_printable(words, strlen(words));

	fprintf(out, "%*s%s", INDENT, "", before);
	text_fill(out, clean, INDENT + strlen(before), INDENT, options->width);
}

static void put_title(const struct finding *finding, const struct report_options *options,
		      FILE *out)
{
	cleanup_free char *clean = text_printable(finding->title, strlen(finding->title));
	char bytes[24];

	fprintf(out, "%11s  %s", text_bytes(bytes, sizeof(bytes), finding->bytes, 0),
		style_on(options, finding->alarm ? STYLE_BAD : STYLE_BOLD));
	style_text(options, out, clean, style_room(options, INDENT + strlen(finding->id) + 3),
		   false);
	fprintf(out, "%s%s (%s)%s\n", style_off(options), style_on(options, STYLE_DIM),
		finding->id, style_off(options));
}

static void put_finding(const struct finding *finding, const struct report_options *options,
			FILE *out)
{
	bool has_any = strncmp(finding->remedy, "Nothing", 7) != 0;

	put_title(finding, options, out);
	put_words("", finding->why, options, out);
	if (*finding->remedy)
		put_words(has_any ? "To try: " : "", finding->remedy, options, out);
}

void findings_write(const struct model *model, const struct process_model *process,
		    const struct report_options *options, FILE *out)
{
	struct findings findings;
	size_t shown;

	findings_build(&findings, model, process);
	shown = findings.count < options->limit ? findings.count : options->limit;
	for (size_t i = 0; i < shown; i++) {
		if (i < FULL && !findings.at[i].told)
			put_finding(&findings.at[i], options, out);
		else
			put_title(&findings.at[i], options, out);
	}
	if (shown < findings.count)
		fprintf(out, "  ... and %zu more (--limit)\n", findings.count - shown);
	if (findings.count)
		fputc('\n', out);
	findings_free(&findings);
}
