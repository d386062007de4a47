/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "state/change.h"
#include "command.h"
#include "state/peers.h"
#include "state/state.h"
#include "tunnel/discover.h"
#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/log.h"
#include "util/netns.h"

#define MIN_FLOWS 256
#define MAX_FLOWS (16 * 1024 * 1024)

struct load_config {
	struct tunnel_request request;
	struct peer_maps peers;
	const char *uplink_netns; /* NULL: not given */
	uint32_t flows; /* 0: as it is */
	bool egress_mapped, ingress_mapped, hook_asked; /* that option was given */
};

static int set_uplink(void *config, const char *value, char *err, size_t err_len)
{
	struct tunnel_request *request = &((struct load_config *)config)->request;

	if (request->n_uplinks == DSCP_MAX_UPLINKS) {
		snprintf(err, err_len, "at most %d", DSCP_MAX_UPLINKS);
		return -EINVAL;
	}
	request->uplinks[request->n_uplinks++] = value;
	return 0;
}

static int set_uplink_netns(void *config, const char *value, char *err, size_t err_len)
{
	(void)err;
	(void)err_len;
	((struct load_config *)config)->uplink_netns = value;
	return 0;
}

static int set_port(void *config, const char *value, char *err, size_t err_len)
{
	struct tunnel_request *request = &((struct load_config *)config)->request;
	unsigned long port;

	if (args_number(value, 1, 65535, &port, err, err_len))
		return -EINVAL;
	if (request->n_ports == DSCP_MAX_PORTS) {
		snprintf(err, err_len, "at most %d", DSCP_MAX_PORTS);
		return -EINVAL;
	}
	request->ports[request->n_ports++] = port;
	return 0;
}

static int set_direction(void *config, const char *value, char *err, size_t err_len)
{
	struct tunnel_request *request = &((struct load_config *)config)->request;
	bool both = !strcmp(value, "both");

	request->egress = both || !strcmp(value, "egress");
	request->ingress = both || !strcmp(value, "ingress");
	if (request->egress || request->ingress)
		return 0;
	snprintf(err, err_len, "'%s' is none of egress, ingress, both", value);
	return -EINVAL;
}

static int set_egress_map(void *config, const char *value, char *err, size_t err_len)
{
	struct load_config *load = config;

	load->egress_mapped = true;
	return dscp_policy_parse(&load->request.egress_map, value, err, err_len);
}

static int set_peer_map(void *config, const char *value, char *err, size_t err_len)
{
	struct load_config *load = config;

	load->request.peer_maps = true;
	return peers_parse(&load->peers, value, err, err_len);
}

static int set_ingress_map(void *config, const char *value, char *err, size_t err_len)
{
	struct load_config *load = config;

	load->ingress_mapped = true;
	return dscp_policy_parse(&load->request.ingress_map, value, err, err_len);
}

static int set_ingress_hook(void *config, const char *value, char *err, size_t err_len)
{
	struct load_config *load = config;
	enum dscp_way *way = &load->request.way;

	load->hook_asked = true;
	for (*way = DSCP_WAY_NONE; *way <= DSCP_WAY_XDP; (*way)++)
		if (!strcmp(value, method_name(*way)))
			return 0;
	snprintf(err, err_len, "'%s' is none of auto, tc, peek, xdp", value);
	return -EINVAL;
}

static int set_outer_dscp(void *config, const char *value, char *err, size_t err_len)
{
	struct tunnel_request *request = &((struct load_config *)config)->request;
	int dscp = dscp_parse(value);

	if (dscp < 0) {
		snprintf(err, err_len,
			 "'%s' is no DSCP: a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF) or a "
			 "number from 0 to 63",
			 value);
		return -EINVAL;
	}
	request->fixed = true;
	request->outer_dscp = dscp;
	return 0;
}

static int set_attach(void *config, const char *value, char *err, size_t err_len)
{
	enum attach_kind *attach = &((struct load_config *)config)->request.attach;

	for (*attach = ATTACH_AUTO; *attach <= ATTACH_CLSACT; (*attach)++)
		if (!strcmp(value, attach_kind_name(*attach)))
			return 0;
	snprintf(err, err_len, "'%s' is none of auto, tcx, clsact", value);
	return -EINVAL;
}

static int set_flows(void *config, const char *value, char *err, size_t err_len)
{
	unsigned long flows;

	if (args_number(value, MIN_FLOWS, MAX_FLOWS, &flows, err, err_len))
		return -EINVAL;
	((struct load_config *)config)->flows = flows;
	return 0;
}

static const struct arg_option load_options[] = {
	{ "uplink", 'u', "DEV", "the device that the outer packets leave by (several: repeat)",
	  set_uplink, ARG_REPEATS },
	{ "uplink-netns", 'n', "NETNS", "the uplinks' network namespace: a name, PID or path",
	  set_uplink_netns, ARG_ONCE },
	{ "direction", 'd', "DIRECTION", "egress (the default), ingress or both", set_direction,
	  ARG_ONCE },
	{ "egress-map", 'm', "MAP", "what a DSCP becomes outside: FROM=TO[,FROM=TO...]",
	  set_egress_map, ARG_REPEATS },
	{ "peer-map", 'P', "PREFIX:MAP", "the same for an inner destination (several: repeat)",
	  set_peer_map, ARG_REPEATS },
	{ "ingress-map", 'i', "MAP", "what an outer DSCP becomes inside: FROM=TO[,FROM=TO...]",
	  set_ingress_map, ARG_REPEATS },
	{ "ingress-hook", 'H', "HOW", "how the outer DSCP is found: auto, tc, peek or xdp",
	  set_ingress_hook, ARG_ONCE },
	{ "outer-dscp", 'o', "DSCP", "this DSCP for every outer packet", set_outer_dscp, ARG_ONCE },
	{ "attach", 'a', "HOW", "auto, tcx or clsact", set_attach, ARG_ONCE },
	{ "port", 'p', "PORT", "the tunnel's UDP port (several: repeat)", set_port, ARG_REPEATS },
	{ "flows", 'f', "N", "how many flows are remembered (for all tunnels)", set_flows,
	  ARG_ONCE },
	VERBOSE_OPTION,
	{},
};

_Static_assert(sizeof(load_options) / sizeof(*load_options) <= ARGS_MAX_OPTIONS + 1,
	       "args_parse() has no room for so many options");

const struct arg_command load_command = {
	.name = "load",
	.synopsis = "TUNNEL",
	.help = "mark the packets of a tunnel, or change how",
	.options = load_options,
	.min_args = 1,
	.max_args = 1,
};

/* Options that mean nothing together. */
static bool contradiction(const struct load_config *config)
{
	const struct tunnel_request *request = &config->request;
	const char *reason = NULL;

	if (config->egress_mapped && request->fixed)
		reason = "--outer-dscp leaves nothing to map: it excludes --egress-map";
	else if (request->peer_maps && request->fixed)
		reason = "--outer-dscp leaves nothing to map: it excludes --peer-map";
	else if (!request->egress && (config->egress_mapped || request->fixed))
		reason = "--egress-map and --outer-dscp need --direction egress or both";
	else if (!request->egress && request->peer_maps)
		reason = "--peer-map needs --direction egress or both";
	else if (!request->ingress && (config->ingress_mapped || config->hook_asked))
		reason = "--ingress-map and --ingress-hook need --direction ingress or both";
	if (reason)
		log_error("%s", reason);
	return reason;
}

int run_load(int argc, char **argv)
{
	struct load_config config = {};
	struct dscp_tunnel tunnel;
	unsigned int n_args;
	int status, err;

	config.request.egress = true;
	dscp_policy_identity(&config.request.egress_map);
	/* A network that sets all to CS0 is not to erase what is inside. */
	dscp_policy_identity(&config.request.ingress_map);
	config.request.ingress_map.to[0] = DSCP_KEEP;
	status = parsed(
		args_parse(&load_command, argc, argv, &config, &config.request.name, &n_args));
	if (status >= 0)
		return status;
	if (contradiction(&config))
		return EXIT_USAGE;
	/* --egress-map may come behind --peer-map. */
	peers_complete(&config.peers, &config.request.egress_map);
	err = state_lock();
	if (err >= 0 && config.uplink_netns)
		err = netns_by_name("--uplink-netns", config.uplink_netns,
				    &config.request.uplink_netns);
	if (err >= 0)
		err = discover_tunnel(&config.request, &tunnel);
	if (err == TUNNEL_USAGE)
		return EXIT_USAGE;
	if (!err)
		err = apply_tunnel(&tunnel, &config.peers, config.flows);
	return err ? EXIT_REFUSED : EXIT_DONE;
}
