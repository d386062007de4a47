/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Fuzzes the grammar of maps, peer maps, priority maps, codepoints, numbers and lines. The first
 * byte chooses one. An accepted text is printed and read again, and has to be the same; the fault
 * of a refused text is named.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <util/args.h>
#include <util/dscp.h>
#include <util/policy.h>

#include "state/prefixes.h"
#include "fuzz.h"

/* More than any message of these has. */
#define MESSAGE 512

/* How much of the faulty text a message repeats. */
#define QUOTED 40

/* Tells whether the quoted words begin a part of text, and end with it or where they are cut. */
static bool is_part(const char *quoted, const char *text)
{
	size_t n = 0;

	while (n < QUOTED && text[n] && quoted[n] == text[n])
		n++;
	for (;; n--) {
		if (quoted[n] == '\'')
			return true;
		if (!n)
			return false;
	}
}

/* 'PART' ..., or PART is out of range. */
static void check_message(const char *err, const char *text)
{
	const char *quote = strchr(err, '\'');

	CHECK(*err, "no message for '%s'", text);
	if (!strncmp(err, text, strnlen(text, QUOTED)) && *text)
		return;
	CHECK(quote, "'%s' does not name what is wrong in '%s'", err, text);
	for (const char *part = text;; part++) {
		if (is_part(quote + 1, part))
			return;
		CHECK(*part, "'%s' does not name what is wrong in '%s'", err, text);
	}
}

/* As policy_text() and policy_whole() write it, on top of a base. */
static void check_text(const struct dscp_policy *policy, const struct dscp_policy *base)
{
	struct dscp_policy again = *base, once_more = *base;
	const char *text = policy_text(&policy_dscps, policy, base);
	char err[MESSAGE];

	CHECK(*text, "a policy without a word");
	CHECK(!policy_parse(&policy_dscps, &again, text, err, sizeof(err)), "%s: %s", text, err);
	CHECK(!memcmp(policy, &again, sizeof(again)), "%s", text);
	text = policy_whole(policy, base);
	CHECK(!policy_parse(&policy_dscps, &once_more, text, err, sizeof(err)), "%s: %s", text,
	      err);
	CHECK(!memcmp(policy, &once_more, sizeof(once_more)), "%s", text);
}

static void check_policy(const struct dscp_policy *policy)
{
	char text[64 * 16] = "", err[MESSAGE];
	struct dscp_policy again;
	size_t len = 0;

	for (unsigned int from = 0; from < DSCP_VALUES; from++) {
		CHECK(policy->to[from] < DSCP_VALUES || policy->to[from] == DSCP_KEEP, "%u: %u",
		      from, policy->to[from]);
		len += snprintf(text + len, sizeof(text) - len, "%s%s=%s", len ? "," : "",
				dscp_name(from), policy_name(policy, from));
	}
	memset(&again, DSCP_KEEP - 1, sizeof(again));
	CHECK(!policy_parse(&policy_dscps, &again, text, err, sizeof(err)), "%s: %s", text, err);
	CHECK(!memcmp(policy, &again, sizeof(again)), "%s", text);
	policy_identity(&again);
	check_text(policy, &again);
	memset(&again, DSCP_KEEP, sizeof(again));
	check_text(policy, &again);
}

static void policy(const char *text)
{
	struct dscp_policy read, before;
	char err[MESSAGE] = "";

	policy_identity(&read);
	before = read;
	if (!policy_parse(&policy_dscps, &read, text, err, sizeof(err))) {
		check_policy(&read);
		return;
	}
	check_message(err, text);
	CHECK(!memcmp(&read, &before, sizeof(read)), "refused, and half of it done: %s", text);
}

/* The same of priorities. */
static void priority(const char *text)
{
	struct dscp_policy read = {}, again = {}, other;
	char err[MESSAGE] = "";

	if (policy_parse(&policy_priorities, &read, text, err, sizeof(err))) {
		check_message(err, text);
		CHECK(!memcmp(&read, &again, sizeof(read)), "refused, and half of it done: %s",
		      text);
		return;
	}
	for (unsigned int from = 0; from < DSCP_VALUES; from++)
		CHECK(read.to[from] <= DSCP_PRIORITIES, "%u: %u", from, read.to[from]);
	memset(&other, DSCP_PRIORITIES, sizeof(other));
	text = policy_text(&policy_priorities, &read, &again);
	CHECK(!policy_parse(&policy_priorities, &again, text, err, sizeof(err)), "%s: %s", text,
	      err);
	CHECK(!memcmp(&read, &again, sizeof(read)), "%s", text);
	text = policy_text(&policy_priorities, &read, &other);
	CHECK(!policy_parse(&policy_priorities, &other, text, err, sizeof(err)), "%s: %s", text,
	      err);
	CHECK(!memcmp(&read, &other, sizeof(read)), "%s", text);
}

static void codepoint(const char *text)
{
	int dscp = dscp_parse(text);

	CHECK(dscp >= -22 && dscp < DSCP_VALUES, "%d", dscp);
	if (dscp >= 0)
		CHECK(dscp_parse(dscp_name(dscp)) == dscp, "%s", text);
	else
		CHECK(dscp == -22, "%d is not EINVAL", dscp);
}

static void number(const char *text, unsigned long min, unsigned long max)
{
	unsigned long read = 0, again;
	char err[MESSAGE] = "", printed[32];

	if (args_number(text, min, max, &read, err, sizeof(err))) {
		check_message(err, text);
		CHECK(strstr(err, "use "), "no legal range in: %s", err);
		return;
	}
	CHECK(read >= min && read <= max, "%s: %lu", text, read);
	CHECK(isdigit((unsigned char)*text), "'%s' is a number?", text);
	snprintf(printed, sizeof(printed), read % 2 ? "%lu" : "0x%lx", read);
	CHECK(!args_number(printed, min, max, &again, NULL, 0) && again == read, "%s", printed);
}

static void check_peer(const struct peer_map *map)
{
	static struct peer_maps again;
	char name[PREFIX_NAME_LEN], text[PREFIX_NAME_LEN + 8], err[MESSAGE];

	CHECK(map->prefix.family == 4 || map->prefix.family == 6, "%u", map->prefix.family);
	CHECK(map->prefix.prefixlen >= DSCP_PREFIX_BITS &&
		      map->prefix.prefixlen <=
			      DSCP_PREFIX_BITS + (map->prefix.family == 4 ? 32 : 128),
	      "%u", map->prefix.prefixlen);
	check_policy(&map->policy);
	prefixes_name(&map->prefix, name);
	snprintf(text, sizeof(text), "%s:EF=CS1", name);
	again.n = 0;
	CHECK(!prefixes_parse(&again, text, err, sizeof(err)), "%s: %s", text, err);
	CHECK(!memcmp(&again.maps[0].prefix, &map->prefix, sizeof(map->prefix)), "%s", text);
}

/* A peer map in each line. */
static void prefixes(char *text)
{
	static struct peer_maps read;
	struct dscp_policy own;
	char err[MESSAGE], *line;
	unsigned int before;

	read.n = 0;
	while ((line = strsep(&text, "\n"))) {
		before = read.n;
		*err = '\0';
		if (prefixes_parse(&read, line, err, sizeof(err))) {
			CHECK(*err, "no message for '%s'", line);
			CHECK(read.n == before, "refused, and there: %s", line);
			continue;
		}
		/* Several maps of one prefix are one. */
		CHECK(read.n - before <= 1 && read.n <= DSCP_MAX_PREFIXES, "%u", read.n);
	}
	policy_identity(&own);
	prefixes_complete(&read, &own);
	for (unsigned int i = 0; i < read.n; i++) {
		check_peer(&read.maps[i]);
		CHECK(!i || read.maps[i].prefix.prefixlen <= read.maps[i - 1].prefix.prefixlen,
		      "not the longest first: %u", i);
	}
}

/* A line of apply's file: its words are the same when they are quoted and cut again. */
static void line(const char *text)
{
	char *copy = strdup(text), *quoted, *words[64], *again[64];
	int n = args_split(copy, words, ARRAY_SIZE(words) - 1);
	FILE *f = open_memstream(&quoted, &(size_t){ 0 });

	CHECK(n <= (int)ARRAY_SIZE(words) - 1 && (n >= 0 || n == -E2BIG || n == -EINVAL), "%d", n);
	for (int i = 0; i < n; i++) {
		putc(' ', f);
		args_quote(f, words[i]);
	}
	fclose(f);
	CHECK(n < 0 || !words[n], "no end of the list");
	if (n >= 0)
		CHECK(args_split(quoted, again, ARRAY_SIZE(again) - 1) == n, "%s", text);
	for (int i = 0; i < n; i++)
		CHECK(!strcmp(words[i], again[i]), "'%s' is '%s'", words[i], again[i]);
	free(quoted);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup(size ? (const char *)data + 1 : "", size ? size - 1 : 0);

	switch (size ? data[0] % 8 : 0) {
	case 0:
		policy(text);
		break;
	case 1:
		codepoint(text);
		break;
	case 2: /* --port */
		number(text, 1, 65535);
		break;
	case 3: /* --flows */
		number(text, 256, 16 * 1024 * 1024);
		break;
	case 4: /* --watch */
		number(text, 1, 3600);
		break;
	case 5:
		prefixes(text);
		break;
	case 6:
		line(text);
		break;
	case 7:
		priority(text);
		break;
	}
	free(text);
	return 0;
}
