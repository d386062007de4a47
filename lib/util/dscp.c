/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads and writes names of codepoints and policies, and says which part of a text is no policy. */
#include "dscp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "macros.h"

#define LEGAL "use a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF) or a number from 0 to 63"
#define QUOTED 40 /* how much of an entry an error repeats */
#define FROM_LEN 64 /* far more than any legal FROM */
#define COPY 0x100 /* what parse_to() makes of "copy" */
#define UNNAMED 0xfe /* of a policy that is not complete: neither a DSCP nor DSCP_KEEP */

/* IANA's registry "Differentiated Services Field Codepoints". */
static const struct {
	char name[DSCP_NAME_LEN];
	unsigned int dscp;
} names[] = {
	{ "CS0", 0 },	{ "CS1", 8 },	{ "CS2", 16 },	{ "CS3", 24 },
	{ "CS4", 32 },	{ "CS5", 40 },	{ "CS6", 48 },	{ "CS7", 56 }, /* RFC 2474 */
	{ "AF11", 10 }, { "AF12", 12 }, { "AF13", 14 }, { "AF21", 18 },
	{ "AF22", 20 }, { "AF23", 22 }, { "AF31", 26 }, { "AF32", 28 },
	{ "AF33", 30 }, { "AF41", 34 }, { "AF42", 36 }, { "AF43", 38 }, /* RFC 2597 */
	{ "EF", 46 }, /* RFC 3246 */
	{ "VA", 44 }, /* RFC 5865 */
	{ "LE", 1 }, /* RFC 8622 */
	{ "NQB", 45 }, /* RFC 9956 */
	{ "DF", 0 }, /* RFC 2474's default, read only: an earlier entry has the name for output */
};
#define N_NAMES ARRAY_SIZE(names)

const char *dscp_name(unsigned int dscp)
{
	static char numbers[DSCP_VALUES][DSCP_NAME_LEN];

	for (size_t i = 0; i < N_NAMES; i++) {
		if (names[i].dscp == dscp)
			return names[i].name;
	}
	dscp %= DSCP_VALUES;
	snprintf(numbers[dscp], sizeof(numbers[dscp]), "%u", dscp);
	return numbers[dscp];
}

const char *dscp_word(unsigned int i)
{
	return i < N_NAMES ? names[i].name : NULL;
}

const char *dscp_policy_word(unsigned int i)
{
	static const char *const words[] = { "keep", "copy" };

	if (i < N_NAMES)
		return names[i].name;
	return i - N_NAMES < ARRAY_SIZE(words) ? words[i - N_NAMES] : NULL;
}

int dscp_parse(const char *text)
{
	unsigned long number;

	for (size_t i = 0; i < N_NAMES; i++) {
		if (!strcasecmp(names[i].name, text))
			return names[i].dscp;
	}
	if (args_number(text, 0, DSCP_VALUES - 1, &number, NULL, 0))
		return -EINVAL;
	return number;
}

void dscp_policy_identity(struct dscp_policy *policy)
{
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		policy->to[i] = i;
}

void dscp_policy_unnamed(struct dscp_policy *policy)
{
	memset(policy->to, UNNAMED, sizeof(policy->to));
}

void dscp_policy_complete(struct dscp_policy *policy, const struct dscp_policy *by)
{
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		if (policy->to[i] == UNNAMED)
			policy->to[i] = by->to[i];
}

const char *dscp_policy_name(const struct dscp_policy *policy, unsigned int from)
{
	return policy->to[from] == DSCP_KEEP ? "keep" : dscp_name(policy->to[from]);
}

/* One entry while it is being read, and where to complain about it. */
struct entry {
	const char *text; /* all of it */
	char *err;
	size_t err_len;
};

/* Says what is wrong with part of the entry. */
static int refuse(const struct entry *entry, const char *part, const char *what)
{
	snprintf(entry->err, entry->err_len, "'%.*s' in '%.*s' %s", QUOTED, part, QUOTED,
		 entry->text, what);
	return -EINVAL;
}

/* FROM: a codepoint, A-B or *. */
static int parse_from(const struct entry *entry, const char *text, int *first, int *last)
{
	char low[FROM_LEN];
	const char *dash = strchr(text, '-');

	if (!strcmp(text, "*")) {
		*first = 0;
		*last = DSCP_VALUES - 1;
		return 0;
	}
	snprintf(low, sizeof(low), "%.*s", dash ? (int)(dash - text) : FROM_LEN, text);
	*first = dscp_parse(low);
	if (*first < 0)
		return refuse(entry, low, "is no DSCP: " LEGAL ", a range A-B or *");
	*last = dash ? dscp_parse(dash + 1) : *first;
	if (*last < 0)
		return refuse(entry, dash + 1, "is no DSCP: " LEGAL);
	if (*first > *last)
		return refuse(entry, text, "runs backwards: put the lower DSCP first");
	return 0;
}

static int parse_to(const struct entry *entry, const char *text)
{
	int to = dscp_parse(text);

	if (!strcasecmp(text, "keep"))
		return DSCP_KEEP;
	if (!strcasecmp(text, "copy"))
		return COPY;
	return to < 0 ? refuse(entry, text, "is no DSCP: " LEGAL ", keep or copy") : to;
}

static void set_range(struct dscp_policy *policy, int first, int last, int to)
{
	for (int from = first; from <= last; from++)
		policy->to[from] = to == COPY ? from : to;
}

static int parse_entry(struct dscp_policy *policy, const char *text, char *err, size_t err_len)
{
	const struct entry entry = { .text = text, .err = err, .err_len = err_len };
	char from[FROM_LEN];
	const char *equals = strchr(text, '=');
	int first = 0, last = 0, to, ret;

	if (!strcasecmp(text, "copy")) {
		dscp_policy_identity(policy);
		return 0;
	}
	if (!equals || (size_t)(equals - text) >= sizeof(from)) {
		snprintf(err, err_len, "'%.*s' is no FROM=TO, such as EF=AF41 or CS1-CS3=keep",
			 QUOTED, text);
		return -EINVAL;
	}
	memcpy(from, text, equals - text);
	from[equals - text] = '\0';
	ret = parse_from(&entry, from, &first, &last);
	if (ret)
		return ret;
	to = parse_to(&entry, equals + 1);
	if (to < 0)
		return to;
	set_range(policy, first, last, to);
	return 0;
}

int dscp_policy_parse(struct dscp_policy *policy, const char *text, char *err, size_t err_len)
{
	struct dscp_policy changed = *policy;
	char *copy = strdup(text);
	char *rest = copy;
	int ret = 0;

	if (!copy) {
		snprintf(err, err_len, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	while (rest && !ret)
		ret = parse_entry(&changed, strsep(&rest, ","), err, err_len);
	if (!ret)
		*policy = changed;
	free(copy);
	return ret;
}
