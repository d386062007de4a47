/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool load: marks the packets of a tunnel, or changes how. */
#include <errno.h>
#include <stdio.h>

#include "command.h"
#include "state/change.h"
#include "state/peers.h"
#include "state/pins.h"
#include "tunnel/discover.h"
#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/policy.h"

#define MIN_FLOWS 256
#define MAX_FLOWS (16 * 1024 * 1024)

enum direction { EGRESS, INGRESS, BOTH };

struct load_config {
	struct tunnel_request request;
	struct peer_maps peers;
	enum direction direction;
	const char *uplink_netns; /* NULL: not given */
	uint32_t flows; /* 0: as it is */
};

static int set_map(void *member, const char *value, char *err, size_t err_len)
{
	return policy_parse(member, value, err, err_len);
}

static int set_peer_map(void *member, const char *value, char *err, size_t err_len)
{
	return peers_parse(member, value, err, err_len);
}

static int set_outer_dscp(void *member, const char *value, char *err, size_t err_len)
{
	struct tunnel_request *request = member;
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

static const char *direction_name(unsigned int direction)
{
	static const char *const names[] = {
		[EGRESS] = "egress", [INGRESS] = "ingress", [BOTH] = "both"
	};

	return direction <= BOTH ? names[direction] : NULL;
}

static const char *way_name(unsigned int way)
{
	return way <= DSCP_WAY_XDP ? method_name(way) : NULL;
}

/* Those that can be asked for. */
static const char *attach_name(unsigned int attach)
{
	return attach <= ATTACH_CLSACT ? hook_kind_name(attach) : NULL;
}

/* --peer-map has a sentence of its own. */
#define NEED_EGRESS                                                                                \
	{                                                                                          \
		offsetof(struct load_config, direction), INGRESS, "--direction egress or both"     \
	}
static const struct arg_need egress = NEED_EGRESS, egress_by_peer = NEED_EGRESS;
static const struct arg_need ingress = { offsetof(struct load_config, direction), EGRESS,
					 "--direction ingress or both" };

#define TO(member) ARG_TO(struct load_config, member)
#define LIST(array, n) ARG_LIST(struct load_config, array, n)
#define EXCLUDED .excluded = { "outer-dscp", " leaves nothing to map: it" }

static const struct arg_option load_options[] = {
	{ "uplink", 'u', "DEV", "the device that the outer packets leave by (several: repeat)",
	  ARG_STRING, LIST(request.uplinks, request.n_uplinks) },
	{ "uplink-netns", 'n', "NETNS", "the uplinks' network namespace: a name, PID or path",
	  ARG_STRING, TO(uplink_netns) },
	{ "direction", 'd', "DIRECTION", "egress (the default), ingress or both", ARG_WORD,
	  TO(direction), .word = direction_name },
	{ "egress-map", 'm', "MAP", "what a DSCP becomes outside: FROM=TO[,FROM=TO...]", ARG_SET,
	  .repeats = true, TO(request.egress_map), .set = set_map, .word = policy_word,
	  .needs = &egress, EXCLUDED },
	{ "peer-map", 'P', "PREFIX:MAP", "the same for an inner destination (several: repeat)",
	  ARG_SET, .repeats = true, TO(peers), .set = set_peer_map, .word = policy_word,
	  .needs = &egress_by_peer, EXCLUDED },
	{ "ingress-map", 'i', "MAP", "what an outer DSCP becomes inside: FROM=TO[,FROM=TO...]",
	  ARG_SET, .repeats = true, TO(request.ingress_map), .set = set_map, .word = policy_word,
	  .needs = &ingress },
	{ "ingress-hook", 'H', "HOW", "how the outer DSCP is found: auto, tc, peek or xdp",
	  ARG_WORD, TO(request.way), .word = way_name, .needs = &ingress },
	{ "outer-dscp", 'o', "DSCP", "this DSCP for every outer packet", ARG_SET, TO(request),
	  .set = set_outer_dscp, .word = dscp_word, .needs = &egress },
	{ "attach", 'a', "HOW", "auto, tcx or clsact", ARG_WORD, TO(request.attach),
	  .word = attach_name },
	{ "port", 'p', "PORT", "the tunnel's UDP port (several: repeat)", ARG_NUMBER,
	  LIST(request.ports, request.n_ports), .min = 1, .max = 65535 },
	{ "flows", 'f', "N", "how many flows are remembered (for all tunnels)", ARG_NUMBER,
	  TO(flows), .min = MIN_FLOWS, .max = MAX_FLOWS },
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
static void prepare(struct load_config *config)
{
	policy_identity(&config->request.egress_map);
	/* A network that sets all to CS0 is not to erase what is inside. */
	policy_identity(&config->request.ingress_map);
	config->request.ingress_map.to[0] = DSCP_KEEP;
}

static void complete(struct load_config *config)
{
	config->request.egress = config->direction != INGRESS;
	config->request.ingress = config->direction != EGRESS;
	config->request.peer_maps = config->peers.n;
	/* --egress-map may come behind --peer-map. */
	peers_complete(&config->peers, &config->request.egress_map);
}

/* The exit status. */
static int load(struct load_config *config)
{
	_cleanup_close_ int lock = pins_lock();
	struct dscp_tunnel tunnel;
	int err = 0;

	if (lock < 0)
		return EXIT_REFUSED;
	if (config->uplink_netns)
		err = netns_by_name("--uplink-netns", config->uplink_netns,
				    &config->request.uplink_netns);
	if (!err)
		err = discover_tunnel(&config->request, &tunnel);
	if (err == TUNNEL_USAGE)
		return EXIT_USAGE;
	if (!err)
		err = change_tunnel(&tunnel, &config->peers, config->flows);
	return err ? EXIT_REFUSED : EXIT_DONE;
}

int run_load(int argc, char **argv)
{
	struct load_config config = {};
	unsigned int n_args;
	int status;

	prepare(&config);
	status = parsed(
		args_parse(&load_command, argc, argv, &config, &config.request.name, &n_args));
	if (status >= 0)
		return status;
	complete(&config);
	return load(&config);
}
