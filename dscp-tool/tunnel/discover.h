/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What the kernel says of a tunnel device: its kind, and how to know its outer packets. */
#ifndef DISCOVER_H
#define DISCOVER_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "hook/hook.h"

/* What the command line asks for. */
struct tunnel_request {
	const char *name;
	const char *uplinks[DSCP_MAX_UPLINKS];
	unsigned int n_uplinks; /* 0: find them */
	bool uplinks_may_be_absent; /* those that are named here */
	uint64_t uplink_netns; /* inode of their network namespace; 0: the tunnel's */
	uint16_t ports[DSCP_MAX_PORTS];
	unsigned int n_ports; /* 0: find them */
	bool egress, ingress; /* directions */
	struct dscp_policy egress_map, ingress_map;
	bool peer_maps; /* more policies, by destination */
	enum dscp_way way; /* NONE: the best there is */
	bool fixed;
	uint8_t outer_dscp; /* with fixed */
	enum attach_kind attach;
};

#define TUNNEL_USAGE 1

/* Fills in a tunnel from the kernel's answers. Returns 0; TUNNEL_USAGE: the request does not fit
 * this tunnel; a negative errno. The reason has been logged. */
int tunnel_discover(const struct tunnel_request *request, struct dscp_tunnel *tunnel);

struct nl_link;

/* How the outer packets of a device look that is not loaded. False: it is no tunnel in clear text.
 * In external mode a GRE or IPIP tunnel has DSCP_TUNNEL_ANY_ID too, and any addresses. */
bool tunnel_of_link(const struct nl_link *link, struct dscp_tunnel *tunnel);

/* True if the tunnel is registered with the uplink of that number. */
bool tunnel_has_uplink(const struct dscp_tunnel *tunnel, __u32 ifindex);

/* The request that a loaded tunnel came from. name: its device's present one. The names in it are
 * those of tunnel and name. */
struct tunnel_request tunnel_request_of(const struct dscp_tunnel *tunnel, const char *name);

/* Why a tunnel with DSCP_TUNNEL_AUTO_WAY does ingress the way it does. */
const char *tunnel_way_reason(const struct dscp_tunnel *tunnel);
const char *tunnel_way_name(enum dscp_way way);

/* True, with a sentence, if the ports that a loaded WireGuard tunnel was registered with are no
 * longer the ones it uses. */
bool tunnel_port_changed(const struct dscp_tunnel *tunnel, char *text, unsigned int len);

/* The same, if a load would now find an uplink that it is not registered with. name: its device's
 * present one. */
bool tunnel_uplinks_changed(const struct dscp_tunnel *tunnel, const char *name, char *text,
			    unsigned int len);

#endif
