/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Parses the text of a policy, and says which part of a text is none. */
#include "policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "dscp.h"
#include "macros.h"

#define QUOTED 40 /* how much of an entry an error repeats */
#define FROM_LEN 64 /* far more than any legal FROM */
#define COPY 0x100 /* what parse_to() makes of "copy" */
#define UNNAMED 0xfe /* of a policy that is not complete: neither a DSCP nor DSCP_KEEP */

const char *policy_word(unsigned int i)
{
	static const char *const words[] = { "keep", "copy" };

	return i < ARRAY_SIZE(words) ? words[i] : dscp_word(i - ARRAY_SIZE(words));
}

void policy_identity(struct dscp_policy *policy)
{
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		policy->to[i] = i;
}

void policy_unnamed(struct dscp_policy *policy)
{
	memset(policy->to, UNNAMED, sizeof(policy->to));
}

void policy_complete(struct dscp_policy *policy, const struct dscp_policy *by)
{
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		if (policy->to[i] == UNNAMED)
			policy->to[i] = by->to[i];
}

const char *policy_name(const struct dscp_policy *policy, unsigned int from)
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
		return refuse(entry, low, dscp_why_not(low, ", a range A-B or *"));
	*last = dash ? dscp_parse(dash + 1) : *first;
	if (*last < 0)
		return refuse(entry, dash + 1, dscp_why_not(dash + 1, ""));
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
	return to < 0 ? refuse(entry, text, dscp_why_not(text, ", keep or copy")) : to;
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
		policy_identity(policy);
		return 0;
	}
	if (!*text) {
		snprintf(err, err_len,
			 "'' is an empty entry (a comma too many?): use FROM=TO, such as EF=AF41");
		return -EINVAL;
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

int policy_parse(struct dscp_policy *policy, const char *text, char *err, size_t err_len)
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

int policy_common(const struct dscp_policy *policy)
{
	unsigned int counts[DSCP_KEEP + 1] = {};

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (++counts[policy->to[dscp]] > DSCP_VALUES / 2)
			return policy->to[dscp];
	return -1;
}

static bool is_mostly_identity(const struct dscp_policy *policy)
{
	unsigned int n = 0;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		n += policy->to[dscp] == dscp;
	return n > DSCP_VALUES / 2;
}

void policy_print(FILE *to, const struct dscp_policy *policy, const struct dscp_policy *base)
{
	const int common = policy_common(policy);
	const bool copies = common < 0 && is_mostly_identity(policy) && !is_mostly_identity(base);
	bool any = copies || common >= 0;

	if (copies)
		fputs("copy", to);
	else if (any)
		fprintf(to, "*=%s", common == DSCP_KEEP ? "keep" : dscp_name(common));
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		const unsigned int before = copies	  ? dscp
					    : common >= 0 ? (unsigned int)common
							  : base->to[dscp];

		if (policy->to[dscp] == before)
			continue;
		fprintf(to, "%s%s=%s", any ? "," : "", dscp_name(dscp), policy_name(policy, dscp));
		any = true;
	}
	if (!any)
		fprintf(to, "%s=%s", dscp_name(0), policy_name(policy, 0));
}
