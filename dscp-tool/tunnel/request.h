/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The request for a tunnel: the options of load (options.c). A request is stored as it is, and
 * all that is done with the tunnel later begins with the stored request. A tool of another version
 * reads it too: new members go to the end, zero means that nobody has asked for them,
 * and no member changes its meaning. A new member needs a new DSCP_ABI_VERSION too, since the map
 * requests has values of this size.
 *
 * The prefixes of --peer-map are in the map prefixes, as the list that the request names. The list
 * is complete before a request names it, and stays as long as a request or a tunnel does.
 */
#ifndef TUNNEL_REQUEST_H
#define TUNNEL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

enum direction { DIRECTION_EGRESS, DIRECTION_INGRESS, DIRECTION_BOTH };

#define REQUEST_NETNS 256

struct request {
	uint32_t size; /* of this struct where it was stored */
	uint32_t direction; /* enum direction */
	uint32_t method; /* enum dscp_method; NONE: the best there is */
	uint32_t attach; /* enum attach_kind */
	uint32_t n_uplinks; /* 0: find them */
	uint32_t n_ports; /* 0: find them */
	uint32_t flows; /* 0: as many as there are, or the default */
	uint8_t fixed; /* outer_dscp for all packets */
	uint8_t outer_dscp;
	uint8_t prefixes; /* more policies, by destination */
	uint8_t list; /* number of their list in the map prefixes; without any, the tunnel's */
	uint64_t netns; /* inode of the network namespace that the tunnel is in */
	uint64_t uplink_netns; /* of its uplinks; 0: the same */
	char uplink_netns_name[REQUEST_NETNS]; /* as it was given; "": not at all */
	char name[DSCP_IFNAMSIZ];
	char uplinks[DSCP_MAX_UPLINKS][DSCP_IFNAMSIZ];
	uint16_t ports[DSCP_MAX_PORTS];
	struct dscp_policy egress_map, ingress_map;
	struct dscp_policy priority_map; /* as dscp_tunnel.priority */
	uint8_t handshake; /* as dscp_tunnel.handshake */
	uint8_t pad[7];
};

static inline bool request_egress(const struct request *request)
{
	return request->direction != DIRECTION_INGRESS;
}

static inline bool request_ingress(const struct request *request)
{
	return request->direction != DIRECTION_EGRESS;
}

/* The request does not fit the tunnel. No errno has this number. */
#define TUNNEL_USAGE (-4096)

#endif
