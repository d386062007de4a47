/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool explain: says step by step how a packet of a tunnel would be treated. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "explain/explain.h"
#include "util/dscp.h"
#include "util/json.h"

struct explain_config {
	struct explain_query query;
	bool json;
};

static int set_dscp(void *member, const char *value, char *err, size_t err_len)
{
	int *dscp = member;

	*dscp = dscp_parse(value);
	if (*dscp < 0)
		snprintf(err, err_len, "'%.40s' %s", value, dscp_why_not(value, ""));
	return *dscp < 0 ? -EINVAL : 0;
}

static int set_to(void *member, const char *value, char *err, size_t err_len)
{
	struct explain_query *query = member;
	char text[INET6_ADDRSTRLEN];

	query->has_to = true;
	snprintf(text, sizeof(text), "%s", value);
	if (!strchr(value, '/') && strlen(value) < sizeof(text))
		return prefixes_parse_one(&query->to, text, err, err_len);
	snprintf(err, err_len, "'%.60s' is not an IPv4 or IPv6 address", value);
	return -EINVAL;
}

static const struct arg_option explain_options[] = {
	{ "dscp", 'd', "DSCP", "the DSCP that the packet comes with", "each of the 64", ARG_SET,
	  ARG_TO(struct explain_config, query.dscp), .set = set_dscp, .word = dscp_word },
	{ "to", 't', "ADDRESS", "where the packet inside the tunnel goes", "where no prefix is",
	  ARG_SET, ARG_TO(struct explain_config, query), .set = set_to },
	{ JSON_OPTION(struct explain_config) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command explain_command = {
	.name = "explain",
	.synopsis = "TUNNEL...",
	.help = "what happens to a DSCP, step by step",
	.options = explain_options,
	.min_args = 1,
	.max_args = MAX_NAMES,
};

static void print(const struct explain_config *config, struct status *status)
{
	struct explanation explanation;

	for (unsigned int i = 0; i < status->n_tunnels; i++) {
		explain_tunnel(&status->tunnels[i], &config->query, &explanation);
		if (!config->json) {
			explain_print_text(&explanation);
			continue;
		}
		fputs(i ? "," : "{\"tunnels\":[", stdout);
		json_print(explain_json(&explanation));
	}
	if (config->json)
		putchar(']');
}

int run_explain(int argc, char **argv)
{
	struct explain_config config = { .query.dscp = -1 };
	struct status_query query = { .only_looks = true, .other = sets_pass_over };
	struct status tunnels;
	int status = parsed(&explain_command, args_parse(&explain_command, argc, argv, &config,
							 query.names, &query.n_names));

	if (status >= 0)
		return status;
	if (status_collect(&query, &tunnels))
		status = EXIT_REFUSED;
	for (unsigned int i = 0; i < query.n_names && status != EXIT_REFUSED; i++)
		if (!query.found[i])
			status = not_loaded(&explain_command, query.names[i]);
	if (status < 0) {
		print(&config, &tunnels);
		status = status_healthy(&tunnels) ? EXIT_DONE : EXIT_UNHEALTHY;
		if (config.json)
			json_end(status);
	}
	status_free(&tunnels);
	return status;
}
