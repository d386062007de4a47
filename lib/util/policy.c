/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Parses the text of a policy, says which part of a text is none, and writes a policy as text. */
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
#define POLICY_TEXT 1024 /* more than an entry for each DSCP, as "AF11=AF12," */
#define UNNAMED 0xfe /* of a policy that is not complete: neither a DSCP nor DSCP_KEEP */

const char *policy_word(unsigned int i)
{
	static const char *const words[] = { "keep", "copy" };

	return i < ARRAY_SIZE(words) ? words[i] : dscp_word(i - ARRAY_SIZE(words));
}

/* A network that sets all to CS0 is not to erase what is inside. */
void policy_ingress(struct dscp_policy *policy)
{
	policy_identity(policy);
	policy->to[0] = DSCP_KEEP;
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

/* How an entry would say what becomes of a run of DSCPs. */
static bool is_made(const struct dscp_policy *policy, unsigned int dscp, unsigned int to)
{
	return policy->to[dscp] == (to == COPY ? dscp : to);
}

/* The last DSCP that is not right yet in the run from first that one entry makes right. */
static unsigned int last_of(const struct dscp_policy *policy, const struct dscp_policy *before,
			    unsigned int first, unsigned int to)
{
	unsigned int last = first;

	for (unsigned int dscp = first; dscp < DSCP_VALUES && is_made(policy, dscp, to); dscp++)
		if (policy->to[dscp] != before->to[dscp])
			last = dscp;
	return last;
}

/* Adds the entry that says what becomes of a run of DSCPs. */
static void add_entry(char text[static POLICY_TEXT], unsigned int first, unsigned int last,
		      const char *to)
{
	size_t len = strlen(text);

	snprintf(text + len, POLICY_TEXT - len, "%s%s%s%s=%s", len ? "," : "", dscp_name(first),
		 last > first ? "-" : "", last > first ? dscp_name(last) : "", to);
}

/* Adds to text, which makes a policy what it is before, the entries that are missing. */
static void add_entries(char text[static POLICY_TEXT], const struct dscp_policy *policy,
			const struct dscp_policy *before)
{
	for (unsigned int first = 0; first < DSCP_VALUES; first++) {
		unsigned int last, copied;

		if (policy->to[first] == before->to[first])
			continue;
		last = last_of(policy, before, first, policy->to[first]);
		copied = last_of(policy, before, first, COPY);
		if (copied > last)
			add_entry(text, first, copied, "copy");
		else
			add_entry(text, first, last, policy_name(policy, first));
		first = copied > last ? copied : last;
	}
}

/* What most DSCPs become. */
static unsigned int most(const struct dscp_policy *policy)
{
	unsigned int counts[DSCP_KEEP + 1] = {}, to = 0;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		counts[policy->to[dscp]]++;
		if (counts[policy->to[dscp]] > counts[to])
			to = policy->to[dscp];
	}
	return to;
}

static unsigned int entries_of(const char *text)
{
	unsigned int n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

/* Of equally many entries those are clearer that begin with what holds for all. */
const char *policy_text(const struct dscp_policy *policy, const struct dscp_policy *base)
{
	static char texts[3][POLICY_TEXT];
	const char *shortest = texts[0];
	struct dscp_policy before;

	*texts[0] = '\0';
	add_entries(texts[0], policy, base);
	if (!*texts[0])
		add_entry(texts[0], 0, 0, policy_name(policy, 0));
	memset(&before, most(policy), sizeof(before));
	snprintf(texts[1], POLICY_TEXT, "*=%s", policy_name(&before, 0));
	add_entries(texts[1], policy, &before);
	policy_identity(&before);
	snprintf(texts[2], POLICY_TEXT, "copy");
	add_entries(texts[2], policy, &before);
	for (unsigned int i = 1; i < ARRAY_SIZE(texts); i++)
		if (entries_of(texts[i]) <= entries_of(shortest))
			shortest = texts[i];
	return shortest;
}

const char *policy_whole(const struct dscp_policy *policy, const struct dscp_policy *base)
{
	struct dscp_policy plain;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		plain.to[dscp] = base->to[dscp] == dscp ? dscp : UNNAMED;
	return policy_text(policy, &plain);
}
