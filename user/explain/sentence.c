// SPDX-License-Identifier: GPL-2.0
/* How does evidence come into words?  Each number in its unit, what is not known left out. */
#include "user/explain/rule.h"

#include "user/base/memory.h"
#include "user/base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void finding_number(struct finding *finding, const char *name, int64_t value)
{
	if (finding->evidence_count < FINDING_EVIDENCE)
		finding->evidence[finding->evidence_count++] =
			(struct evidence){ .name = name, .value = value };
}

void finding_text(struct finding *finding, const char *name, const char *text)
{
	if (finding->evidence_count < FINDING_EVIDENCE)
		finding->evidence[finding->evidence_count++] = (struct evidence){
			.name = name, .text = memory_copy(text, strlen(text))
		};
}

const struct evidence *finding_evidence(const struct finding *finding, const char *name,
					size_t length)
{
	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct evidence *evidence = &finding->evidence[i];

		if (strlen(evidence->name) == length && !memcmp(evidence->name, name, length))
			return evidence;
	}
	return NULL;
}

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length >= end_length && !strcmp(name + length - end_length, end);
}

static void put_evidence(FILE *out, const struct evidence *evidence)
{
	char text[32];

	if (evidence->text)
		fputs(evidence->text, out);
	else if (ends_with(evidence->name, "_bytes"))
		fputs(text_bytes(text, sizeof(text), evidence->value, 0), out);
	else if (ends_with(evidence->name, "_ns"))
		fputs(text_duration(text, sizeof(text), evidence->value), out);
	else if (ends_with(evidence->name, "_pid"))
		fprintf(out, "%" PRId64, evidence->value);
	else
		fprintf(out, "%s%s", text_count(text, sizeof(text), evidence->value),
			ends_with(evidence->name, "_percent") ? " %" : "");
}

/* Is there evidence of each name in so many bytes of words? */
static bool is_known(const struct finding *finding, const char *words, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (words[i] == '{' &&
		    !finding_evidence(finding, words + i + 1, strcspn(words + i + 1, "}")))
			return false;
	}
	return true;
}

char *sentence_write(const char *words, const struct finding *finding)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	while (*words) {
		size_t length = strcspn(words, "{[]");

		fwrite(words, 1, length, out);
		words += length;
		if (*words == '{') {
			size_t name = strcspn(words + 1, "}");
			const struct evidence *found = finding_evidence(finding, words + 1, name);

			if (found)
				put_evidence(out, found);
			words += name + 2;
		} else if (*words == '[' && !is_known(finding, words, strcspn(words, "]"))) {
			words += strcspn(words, "]") + 1;
		} else if (*words) {
			words++;
		}
	}
	fclose(out);
	return text;
}
