/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks the kernel about a tunnel device: its kind, and the features of its outer packets. */
#ifndef TUNNEL_DISCOVER_H
#define TUNNEL_DISCOVER_H

#include <stdbool.h>

#include <dscp/abi.h>

#include "tunnel/request.h"

struct nl_link;

/* Fills in a tunnel from the kernel's answers. had: the request that the tunnel has been loaded
 * with until now, or NULL. The uplinks that had names may be absent. Returns 0; TUNNEL_USAGE: the
 * request does not fit this tunnel; a negative errno. The reason is kept. */
int discover_tunnel(const struct request *request, const struct request *had,
		    struct dscp_tunnel *tunnel);

/* The same for a loaded tunnel with a device that has that name now, as if egress alone were asked
 * for. */
int discover_egress(const struct request *asked, const char *name, struct dscp_tunnel *now);

/* Fills in the features of the outer packets of a device that is not loaded. False: the device is
 * not a tunnel in clear text, or has another header in front. In external mode a GRE or IPIP tunnel
 * has DSCP_TUNNEL_ANY_ID too, and any addresses. */
bool discover_link(const struct nl_link *link, struct dscp_tunnel *tunnel);

/* Tells, with a sentence, whether the packets of a device are where none of the programs finds
 * them. */
bool discover_unservable(const struct nl_link *link, char *text, unsigned int len);

/* Tells, with a sentence, whether the ports that a loaded WireGuard tunnel was registered with are
 * no longer the ones it uses. name: the present one of the device. */
bool discover_port_changed(const struct dscp_tunnel *tunnel, const char *name, char *text,
			   unsigned int len);

/* Tells, with a sentence, whether the addresses or the key of a loaded GRE or IPIP tunnel are no
 * longer those that it was registered with. link: its device. */
bool discover_ends_changed(const struct dscp_tunnel *tunnel, const struct nl_link *link, char *text,
			   unsigned int len);

/* Tells, with a sentence, whether a load would now find an uplink that the tunnel is not registered
 * with. name: the present name of the device. */
bool discover_uplinks_changed(const struct request *asked, const struct dscp_tunnel *tunnel,
			      const char *name, char *text, unsigned int len);

#endif
