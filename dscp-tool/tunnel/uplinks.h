/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The uplinks of a tunnel: the devices that its outer packets leave by. */
#ifndef TUNNEL_UPLINKS_H
#define TUNNEL_UPLINKS_H

#include <stdbool.h>

#include <dscp/abi.h>

#include "tunnel/request.h"
#include "util/netlink.h"

/* The sentence of load, monitor and status; for the name of one that is awaited. */
#define UPLINK_ABSENT "uplink %s does not exist (yet): reload when it appears, or run monitor"

/* Finds the uplinks of a tunnel, in the network namespace that it names. had: as of
 * discover_tunnel(). link: its device. peers: empty for a kind whose link tells it all. Returns 0,
 * TUNNEL_USAGE or a negative errno, with its reason. */
int uplinks_find(const struct request *request, const struct request *had,
		 const struct nl_link *link, const struct nl_peers *peers,
		 struct dscp_tunnel *tunnel);

/* Returns the part that all outer packets of a tunnel have in common, as the kernel's socket sends
 * them. mark: of the device. */
struct nl_flow uplinks_flow(const struct dscp_tunnel *tunnel, const struct nl_link *link,
			    uint32_t mark);

/* The remote address of a device, if the link has one; of family AF_UNSPEC: none that is a host. */
struct nl_endpoint uplinks_remote(const struct nl_link *link);

/* False if no program of the tunnel is at an uplink. */
bool uplinks_needed(const struct dscp_tunnel *tunnel);

/* Tells whether the tunnel is registered with the uplink of that number. */
bool uplinks_has(const struct dscp_tunnel *tunnel, __u32 ifindex);

#endif
