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

#include <linux/pkt_sched.h>

#include "args.h"
#include "dscp.h"
#include "macros.h"

#define QUOTED 40 /* how much of an entry an error repeats */
#define FROM_LEN 64 /* far more than any legal FROM */
#define POLICY_TEXT 1024 /* an entry for each DSCP, of the length of "AF11=pfifo_fast," */
#define UNNAMED 0xfe /* of a policy that is not complete: neither a DSCP nor DSCP_KEEP */
#define PRESET 0x100 /* and above, in place of a value: the preset's value for each DSCP */

/* One entry while it is being read, and where to complain about it. */
struct entry {
	const char *text; /* all of it */
	char *err;
	size_t err_len;
};

/* A policy that has a name. */
struct preset {
	const char *name;
	unsigned int (*to)(unsigned int dscp);
};

/* The possible values of TO, besides the name of a preset. */
struct policy_grammar {
	const struct preset *presets;
	unsigned int n_presets;
	/* The value that the policy has then, or a negative errno. */
	int (*read)(const struct entry *entry, const char *text);
	const char *(*name)(unsigned int value);
	const char *example;
};

/* Says the fault in part of the entry. */
static int refuse(const struct entry *entry, const char *part, const char *what)
{
	snprintf(entry->err, entry->err_len, "'%.*s' in '%.*s' %s", QUOTED, part, QUOTED,
		 entry->text, what);
	return -EINVAL;
}

/*
 * Values and presets
 */

static int read_dscp(const struct entry *entry, const char *text)
{
	int to = dscp_parse(text);

	if (!strcasecmp(text, "keep"))
		return DSCP_KEEP;
	return to < 0 ? refuse(entry, text, dscp_why_not(text, ", keep or copy")) : to;
}

static const char *name_dscp(unsigned int value)
{
	return value == DSCP_KEEP ? "keep" : dscp_name(value);
}

static unsigned int copy_dscp(unsigned int dscp)
{
	return dscp;
}

static int read_priority(const struct entry *entry, const char *text)
{
	unsigned long priority;

	if (args_number(text, 0, DSCP_PRIORITIES - 1, &priority, NULL, 0))
		return refuse(
			entry, text,
			"is not a priority: use a number from 0 to 15, keep, 802.1p, pfifo_fast "
			"or fq");
	return priority + 1;
}

static const char *name_priority(unsigned int value)
{
	static char text[sizeof("255")];

	snprintf(text, sizeof(text), "%u", (value - 1) & 0xff);
	return value ? text : "keep";
}

static unsigned int keep_priority(unsigned int dscp)
{
	(void)dscp;
	return 0;
}

/* The class selector of RFC 2474: the upper three bits. */
static unsigned int class_priority(unsigned int dscp)
{
	return dscp / 8 + 1;
}

/* Classes of RFC 4594, 5865 and 8622: network control; voice; video, which is urgent too but has
 * many bytes; background. By default TC_PRIO_CONTROL and _INTERACTIVE are the first of three bands,
 * _INTERACTIVE_BULK and _BESTEFFORT the second, and _FILLER is the third. */
static unsigned int queue_priority(unsigned int dscp)
{
	switch (dscp) {
	case 1: /* LE */
	case 8: /* CS1 */
		return TC_PRIO_FILLER + 1;
	case 24: /* CS3, AF31 to AF33, CS4, AF41 to AF43 */
	case 26:
	case 28:
	case 30:
	case 32:
	case 34:
	case 36:
	case 38:
		return TC_PRIO_INTERACTIVE_BULK + 1;
	case 40: /* CS5, VA, EF */
	case 44:
	case 46:
		return TC_PRIO_INTERACTIVE + 1;
	case 48: /* CS6, CS7 */
	case 56:
		return TC_PRIO_CONTROL + 1;
	default:
		return TC_PRIO_BESTEFFORT + 1;
	}
}

/* The first band of fq has a share, and does not starve the others: so video is in it. */
static unsigned int shared_priority(unsigned int dscp)
{
	unsigned int to = queue_priority(dscp);

	return to == TC_PRIO_INTERACTIVE_BULK + 1 ? TC_PRIO_INTERACTIVE + 1 : to;
}

static const struct preset dscp_presets[] = {
	{ "copy", copy_dscp },
};

static const struct preset priority_presets[] = {
	{ "keep", keep_priority },
	{ "802.1p", class_priority },
	{ "pfifo_fast", queue_priority },
	{ "fq", shared_priority },
};

const struct policy_grammar policy_dscps = {
	.presets = dscp_presets,
	.n_presets = ARRAY_SIZE(dscp_presets),
	.read = read_dscp,
	.name = name_dscp,
	.example = "EF=AF41",
};

const struct policy_grammar policy_priorities = {
	.presets = priority_presets,
	.n_presets = ARRAY_SIZE(priority_presets),
	.read = read_priority,
	.name = name_priority,
	.example = "EF=6",
};

/* Looks a DSCP up in the policy, or in a preset. */
static unsigned int value_of(const struct policy_grammar *grammar, unsigned int to,
			     unsigned int dscp)
{
	return to < PRESET ? to : grammar->presets[to - PRESET].to(dscp);
}

/* PRESET and its index, or 0. */
static unsigned int find_preset(const struct policy_grammar *grammar, const char *text)
{
	for (unsigned int i = 0; i < grammar->n_presets; i++)
		if (!strcasecmp(text, grammar->presets[i].name))
			return PRESET + i;
	return 0;
}

const char *policy_word(unsigned int i)
{
	static const char *const words[] = { "keep", "copy" };

	return i < ARRAY_SIZE(words) ? words[i] : dscp_word(i - ARRAY_SIZE(words));
}

const char *policy_priority_word(unsigned int i)
{
	const unsigned int n = ARRAY_SIZE(priority_presets);

	return i < n ? priority_presets[i].name : dscp_word(i - n);
}

/* A network that sets all to CS0 is not to erase the inner DSCP. */
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
	return name_dscp(policy->to[from]);
}

/*
 * Reading
 */

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

static void set_range(const struct policy_grammar *grammar, struct dscp_policy *policy, int first,
		      int last, unsigned int to)
{
	for (int from = first; from <= last; from++)
		policy->to[from] = value_of(grammar, to, from);
}

static int parse_entry(const struct policy_grammar *grammar, struct dscp_policy *policy,
		       const struct entry *entry)
{
	const char *text = entry->text, *equals = strchr(text, '=');
	int first = 0, last = DSCP_VALUES - 1, to = find_preset(grammar, text), err;
	char from[FROM_LEN];

	if (to) {
		set_range(grammar, policy, first, last, to);
		return 0;
	}
	if (!*text) {
		snprintf(entry->err, entry->err_len,
			 "'' is an empty entry (a comma too many?): use FROM=TO, such as %s",
			 grammar->example);
		return -EINVAL;
	}
	if (!equals || (size_t)(equals - text) >= sizeof(from)) {
		snprintf(entry->err, entry->err_len,
			 "'%.*s' is not FROM=TO, such as %s or CS1-CS3=keep", QUOTED, text,
			 grammar->example);
		return -EINVAL;
	}
	memcpy(from, text, equals - text);
	from[equals - text] = '\0';
	err = parse_from(entry, from, &first, &last);
	if (err)
		return err;
	to = find_preset(grammar, equals + 1);
	if (!to)
		to = grammar->read(entry, equals + 1);
	if (to < 0)
		return to;
	set_range(grammar, policy, first, last, to);
	return 0;
}

/* A copy that can be taken apart. */
static char *copy_of(const struct entry *entry, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		snprintf(entry->err, entry->err_len, "%s", strerror(ENOMEM));
	return copy;
}

int policy_parse(const struct policy_grammar *grammar, struct dscp_policy *policy, const char *text,
		 char *err, size_t err_len)
{
	struct entry entry = { .err = err, .err_len = err_len };
	struct dscp_policy changed = *policy;
	char *copy = copy_of(&entry, text);
	char *rest = copy;
	int ret = copy ? 0 : -ENOMEM;

	while (rest && !ret) {
		entry.text = strsep(&rest, ",");
		ret = parse_entry(grammar, &changed, &entry);
	}
	if (!ret)
		*policy = changed;
	free(copy);
	return ret;
}

int policy_list(uint64_t *set, const char *text, char *err, size_t err_len)
{
	struct entry entry = { .err = err, .err_len = err_len };
	char *copy = copy_of(&entry, text);
	char *rest = copy;
	int first, last, ret = copy ? 0 : -ENOMEM;

	while (rest && !ret) {
		entry.text = strsep(&rest, ",");
		ret = parse_from(&entry, entry.text, &first, &last);
		for (; !ret && first <= last; first++)
			*set |= 1ull << first;
	}
	free(copy);
	return ret;
}

/*
 * Writing
 */

/* The last DSCP that is not right yet in the run from first that one entry makes right. */
static unsigned int last_of(const struct policy_grammar *grammar, const struct dscp_policy *policy,
			    const struct dscp_policy *before, unsigned int first, unsigned int to)
{
	unsigned int last = first;

	for (unsigned int dscp = first;
	     dscp < DSCP_VALUES && policy->to[dscp] == value_of(grammar, to, dscp); dscp++)
		if (policy->to[dscp] != before->to[dscp])
			last = dscp;
	return last;
}

/* Adds the entry for a run of DSCPs. */
static void add_entry(char text[static POLICY_TEXT], unsigned int first, unsigned int last,
		      const char *to)
{
	size_t len = strlen(text);

	snprintf(text + len, POLICY_TEXT - len, "%s%s%s%s=%s", len ? "," : "", dscp_name(first),
		 last > first ? "-" : "", last > first ? dscp_name(last) : "", to);
}

/* Adds the missing entries to text, which makes before of a policy. Among several values, one that
 * goes on for longer is clearer, and among these a plain one. */
static void add_entries(const struct policy_grammar *grammar, char text[static POLICY_TEXT],
			const struct dscp_policy *policy, const struct dscp_policy *before)
{
	for (unsigned int first = 0; first < DSCP_VALUES; first++) {
		unsigned int last, further;
		const char *name;

		if (policy->to[first] == before->to[first])
			continue;
		last = last_of(grammar, policy, before, first, policy->to[first]);
		name = grammar->name(policy->to[first]);
		for (unsigned int i = 0; i < grammar->n_presets; i++) {
			further = last_of(grammar, policy, before, first, PRESET + i);
			if (further > last) {
				name = grammar->presets[i].name;
				last = further;
			}
		}
		add_entry(text, first, last, name);
		first = last;
	}
}

/* Finds the value of most DSCPs. */
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

/* Among equally many entries, a list that begins with the value for all is clearer, and then the
 * first of the presets. */
const char *policy_text(const struct policy_grammar *grammar, const struct dscp_policy *policy,
			const struct dscp_policy *base)
{
	static char texts[2][POLICY_TEXT];
	char *shortest = texts[0], *text = texts[1];
	unsigned int to = most(policy);
	struct dscp_policy before;
	const char *name;

	*shortest = '\0';
	add_entries(grammar, shortest, policy, base);
	if (!*shortest)
		add_entry(shortest, 0, 0, grammar->name(policy->to[0]));
	name = grammar->name(to); /* until the next call */
	for (unsigned int n = grammar->n_presets;; n--) {
		set_range(grammar, &before, 0, DSCP_VALUES - 1, to);
		snprintf(text, POLICY_TEXT, "%s%s", to < PRESET ? "*=" : "", name);
		add_entries(grammar, text, policy, &before);
		if (entries_of(text) <= entries_of(shortest)) {
			text = shortest;
			shortest = texts[text == texts[0]];
		}
		if (!n)
			return shortest;
		to = PRESET + n - 1;
		name = grammar->presets[n - 1].name;
	}
}

const char *policy_whole(const struct dscp_policy *policy, const struct dscp_policy *base)
{
	struct dscp_policy plain;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		plain.to[dscp] = base->to[dscp] == dscp ? dscp : UNNAMED;
	return policy_text(&policy_dscps, policy, &plain);
}
