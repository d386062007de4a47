/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The options of load: from the command line, from a line of a file, and back to words. */
#include "state/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hook/hook.h"
#include "state/pins.h"
#include "state/registry.h"
#include "state/sane.h"
#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/macros.h"
#include "util/policy.h"
#include "util/reason.h"

#define MIN_FLOWS 256
#define MAX_FLOWS (16 * 1024 * 1024)

static int set_map(void *member, const char *value, char *err, size_t err_len)
{
	return policy_parse(&policy_dscps, member, value, err, err_len);
}

/* Prints the difference to the default, in one map. */
static void get_map(FILE *to, const struct arg_option *option, const void *config, const void *base)
{
	const struct dscp_policy *policy = (const void *)((const char *)config + option->offset);
	const struct dscp_policy *other = (const void *)((const char *)base + option->offset);

	if (!memcmp(policy, other, sizeof(*policy)))
		return;
	/* A shell would look for files by "*". */
	fprintf(to, " --%s '%s'", option->name, policy_text(&policy_dscps, policy, other));
}

/* Prints each prefix, by its difference to the tunnel's own map. */
static void get_peer_maps(FILE *to, const struct arg_option *option, const void *config,
			  const void *base)
{
	const struct options *options = config;
	char name[PREFIX_NAME_LEN];

	(void)base;
	for (unsigned int i = 0; i < options->prefixes.n; i++) {
		prefixes_name(&options->prefixes.maps[i].prefix, name);
		fprintf(to, " --%s '%s:%s'", option->name, name,
			policy_text(&policy_dscps, &options->prefixes.maps[i].policy,
				    &options->request.egress_map));
	}
}

static int set_priority_map(void *member, const char *value, char *err, size_t err_len)
{
	return policy_parse(&policy_priorities, member, value, err, err_len);
}

static void get_priority_map(FILE *to, const struct arg_option *option, const void *config,
			     const void *base)
{
	const struct options *options = config, *other = base;
	const struct dscp_policy *policy = &options->request.priority_map;
	const struct dscp_policy *before = &other->request.priority_map;

	if (memcmp(policy, before, sizeof(*policy)))
		fprintf(to, " --%s '%s'", option->name,
			policy_text(&policy_priorities, policy, before));
}

static int set_peer_map(void *member, const char *value, char *err, size_t err_len)
{
	return prefixes_parse(member, value, err, err_len);
}

static int set_outer_dscp(void *member, const char *value, char *err, size_t err_len)
{
	struct request *request = member;
	int dscp = dscp_parse(value);

	if (dscp < 0) {
		snprintf(err, err_len, "'%.40s' %s", value, dscp_why_not(value, ""));
		return -EINVAL;
	}
	request->fixed = true;
	request->outer_dscp = dscp;
	return 0;
}

static void get_outer_dscp(FILE *to, const struct arg_option *option, const void *config,
			   const void *base)
{
	const struct options *options = config;

	(void)base;
	if (options->request.fixed)
		fprintf(to, " --%s %s", option->name, dscp_name(options->request.outer_dscp));
}

static int set_handshake_dscp(void *member, const char *value, char *err, size_t err_len)
{
	uint8_t *handshake = member;
	int dscp = dscp_parse(value);

	if (dscp < 0 && strcasecmp(value, "keep")) {
		snprintf(err, err_len, "'%.40s' %s", value, dscp_why_not(value, " or keep"));
		return -EINVAL;
	}
	*handshake = dscp < 0 ? 0 : dscp + 1;
	return 0;
}

static const char *handshake_word(unsigned int i)
{
	return i ? dscp_word(i - 1) : "keep";
}

static void get_handshake_dscp(FILE *to, const struct arg_option *option, const void *config,
			       const void *base)
{
	const struct options *options = config;

	(void)base;
	if (options->request.handshake)
		fprintf(to, " --%s %s", option->name, dscp_name(options->request.handshake - 1));
}

static const char *direction_name(unsigned int direction)
{
	static const char *const names[] = {
		[DIRECTION_EGRESS] = "egress",
		[DIRECTION_INGRESS] = "ingress",
		[DIRECTION_BOTH] = "both",
	};

	return direction <= DIRECTION_BOTH ? names[direction] : NULL;
}

static const char *word_of_method(unsigned int method)
{
	return method <= DSCP_METHOD_XDP ? method_name(method) : NULL;
}

/* Names the values that can be asked for. */
static const char *attach_name(unsigned int attach)
{
	return attach <= ATTACH_CLSACT ? hook_kind_name(attach) : NULL;
}

/* --peer-map has a separate sentence. */
#define NEED_EGRESS                                                                                \
	{                                                                                          \
		offsetof(struct options, request.direction), DIRECTION_INGRESS,                    \
			"--direction egress or both"                                               \
	}
static const struct arg_need egress = NEED_EGRESS, egress_by_prefix = NEED_EGRESS;
static const struct arg_need egress_too = NEED_EGRESS;
static const struct arg_need ingress = { offsetof(struct options, request.direction),
					 DIRECTION_EGRESS, "--direction ingress or both" };

#define TO(member) ARG_TO(struct options, member)
#define LIST(array, n) ARG_LIST(struct options, array, n)
#define EXCLUDED .excluded = { "outer-dscp", " leaves nothing to map: it" }

static const struct arg_option load_options[] = {
	{ "uplink", 'u', "DEV", "a device that packets leave by (several: repeat)", "by the routes",
	  ARG_TEXT, LIST(request.uplinks, request.n_uplinks) },
	{ "uplink-netns", 0, "NETNS", "the uplinks' network namespace: a name, PID or path",
	  "the tunnel's own", ARG_TEXT, TO(request.uplink_netns_name) },
	{ "direction", 'd', "DIRECTION", "egress (the default), ingress or both", "egress",
	  ARG_WORD, TO(request.direction), .word = direction_name },
	{ "egress-map", 'm', "MAP", "what a DSCP becomes outside: FROM=TO[,...]", "copy", ARG_SET,
	  .repeats = true, TO(request.egress_map), .set = set_map, .get = get_map,
	  .word = policy_word, .needs = &egress, EXCLUDED },
	{ "peer-map", 'P', "PREFIX:MAP", "the same for an inner destination (several: repeat)",
	  "none", ARG_SET, .repeats = true, TO(prefixes), .set = set_peer_map, .get = get_peer_maps,
	  .word = policy_word, .needs = &egress_by_prefix, EXCLUDED },
	{ "ingress-map", 'i', "MAP", "what an outer DSCP becomes inside: FROM=TO[,...]", "CS0=keep",
	  ARG_SET, .repeats = true, TO(request.ingress_map), .set = set_map, .get = get_map,
	  .word = policy_word, .needs = &ingress },
	{ "ingress-method", 'H', "HOW", "how the outer DSCP is found: auto, tc, peek or xdp",
	  "auto", ARG_WORD, TO(request.method), .word = word_of_method, .needs = &ingress,
	  .alias = "ingress-hook" },
	{ "outer-dscp", 'o', "DSCP", "this DSCP for every outer packet", "none", ARG_SET,
	  TO(request), .set = set_outer_dscp, .get = get_outer_dscp, .word = dscp_word,
	  .needs = &egress },
	{ "priority-map", 0, "MAP", "the priority by the DSCP outside: FROM=TO[,...]", "keep",
	  ARG_SET, .repeats = true, TO(request.priority_map), .set = set_priority_map,
	  .get = get_priority_map, .word = policy_priority_word, .needs = &egress_too },
	{ "handshake-dscp", 0, "DSCP", "this DSCP for handshakes and keepalives, or keep", "keep",
	  ARG_SET, TO(request.handshake), .set = set_handshake_dscp, .get = get_handshake_dscp,
	  .word = handshake_word, .needs = &egress_too },
	{ "attach", 'a', "HOW", "auto, tcx or clsact", "auto", ARG_WORD, TO(request.attach),
	  .word = attach_name },
	{ "port", 'p', "PORT", "the tunnel's UDP port (several: repeat)", "the device's",
	  ARG_NUMBER, LIST(request.ports, request.n_ports), .min = 1, .max = 65535 },
	{ "flows", 'f', "N", "how many flows are remembered (for all tunnels)", NULL, ARG_NUMBER,
	  TO(request.flows), .min = MIN_FLOWS, .max = MAX_FLOWS },
	{ "dry-run", 0, NULL, "only say what would be done", NULL, ARG_FLAG, TO(dry_run) },
	VERBOSE_OPTION,
	{},
};

_Static_assert(ARRAY_SIZE(load_options) <= ARGS_MAX_OPTIONS + 1,
	       "args_parse() has no room for so many options");

const struct arg_command load_command = {
	.name = "load",
	.synopsis = "TUNNEL",
	.help = "mark the packets of a tunnel, or change how",
	.options = load_options,
	.min_args = 1,
	.max_args = 1,
};

/* The defaults. */
static void prepare(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->request.size = sizeof(options->request);
	policy_identity(&options->request.egress_map);
	policy_ingress(&options->request.ingress_map);
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct request *request = &options->request;
	const char *name = NULL;
	unsigned int n_args;
	int err;

	prepare(options);
	err = args_parse(&load_command, argc, argv, options, &name, &n_args);
	if (err)
		return err;
	if (snprintf(request->name, sizeof(request->name), "%s", name) >=
	    (int)sizeof(request->name))
		return failed(-EINVAL,
			      "there is no device '%.40s': a name has at most %d characters", name,
			      DSCP_IFNAMSIZ - 1);
	/* The name is kept, and printed by save. */
	if (!sane_text(request->uplink_netns_name, REQUEST_NETNS))
		return failed(-EINVAL, "--uplink-netns: there are control characters in '%s'",
			      request->uplink_netns_name);
	request->prefixes = options->prefixes.n != 0;
	/* --egress-map may come behind --peer-map. */
	prefixes_complete(&options->prefixes, &request->egress_map);
	return 0;
}

void options_print(FILE *to, const char *netns, const struct options *options)
{
	const bool is_last = *options->request.name == '-'; /* or an option would be read */
	struct options base;

	prepare(&base);
	fputs("dscp-tool ", to);
	if (*netns) {
		fputs("-n ", to);
		args_quote(to, netns);
		putc(' ', to);
	}
	fputs("load ", to);
	if (!is_last)
		args_quote(to, options->request.name);
	args_print(to, &load_command, options, &base);
	if (is_last) {
		fputs(" -- ", to);
		args_quote(to, options->request.name);
	}
}

char *options_text(const char *netns, const struct request *request,
		   const struct peer_maps *prefixes)
{
	struct options *options = calloc(1, sizeof(*options));
	char *text = NULL;
	size_t len;
	FILE *f = options ? open_memstream(&text, &len) : NULL;

	if (f) {
		options->request = *request;
		if (prefixes)
			options->prefixes = *prefixes;
		options_print(f, netns, options);
		fclose(f);
	}
	free(options);
	return text;
}

int options_of(const struct pins *pins, uint32_t slot, struct options *options)
{
	prepare(options);
	options->request = pins->requests[slot];
	registry_name(pins, slot, options->request.name);
	return prefixes_read(pins, slot, &options->request, &options->prefixes);
}

/* The words of one option; to be freed. */
static char *words_of(const struct arg_option *option, const struct options *options,
		      const struct options *base)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	args_print_option(f, option, options, base);
	fclose(f);
	return text;
}

/* The words without the option's name in front of each: "--port 1 --port 2" is "1 2". */
static void print_values(FILE *to, const char *option, const char *words)
{
	char name[64];
	int len = snprintf(name, sizeof(name), " --%s", option);
	const char *end;

	for (; *words; words = end) {
		words += len;
		end = strstr(words, name);
		end = end ? end : words + strlen(words);
		fprintf(to, " %.*s", (int)(end - words - 1), words + 1);
	}
}

static void print_change(FILE *to, const char *prefix, const char *name,
			 const struct arg_option *option, const char *old, const char *new)
{
	if (!*new && !option->without)
		return;
	fprintf(to, "%s%s: %s:", prefix, name, option->name);
	if (*new)
		print_values(to, option->name, new);
	else
		fprintf(to, " %s", option->without);
	fputs(" (was", to);
	if (*old)
		print_values(to, option->name, old);
	else
		fprintf(to, " %s", option->without ? option->without : "not given");
	fputs(")\n", to);
}

void options_print_changes(FILE *to, const char *prefix, const struct options *old,
			   const struct options *new)
{
	struct options *base = malloc(sizeof(*base));

	if (base)
		prepare(base);
	for (const struct arg_option *o = load_options; base && o->name; o++) {
		char *before = words_of(o, old, base), *after = words_of(o, new, base);

		if (before && after && strcmp(before, after))
			print_change(to, prefix, new->request.name, o, before, after);
		free(before);
		free(after);
	}
	free(base);
}

bool options_same(const struct options *a, const struct options *b)
{
	bool same = true;

	for (const struct arg_option *o = load_options; o->name; o++) {
		char *left = words_of(o, a, b), *right = words_of(o, b, a);

		same = same && left && right && !strcmp(left, right);
		free(left);
		free(right);
	}
	return same;
}
