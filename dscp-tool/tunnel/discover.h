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

/* Makes the request for the uplinks of a loaded tunnel that has that name now: ingress has the same
 * ones, and would ask the kernel by loading a program. */
void discover_egress_of(const struct request *asked, const char *name, struct request *request);

/* Fills in the features of the outer packets of a device that is not loaded. False: the device is
 * not a tunnel in clear text, or has another header in front. In external mode a GRE or IPIP tunnel
 * has DSCP_TUNNEL_ANY_ID too, and any addresses. */
bool discover_link(const struct nl_link *link, struct dscp_tunnel *tunnel);

/* Tells, with a sentence, whether the packets of a device are where none of the programs finds
 * them. */
bool discover_unservable(const struct nl_link *link, char *text, unsigned int len);

/* Each tells, with a sentence, whether a load would now find what a loaded tunnel is not registered
 * with: a port that an encrypted tunnel sends from, or the addresses or the key of GRE and IPIP;
 * and an uplink. link: the tunnel's device. */
bool discover_features_changed(const struct dscp_tunnel *tunnel, const struct nl_link *link,
			       char *text, unsigned int len);
bool discover_uplinks_changed(const struct request *asked, const struct dscp_tunnel *tunnel,
			      const struct nl_link *link, char *text, unsigned int len);

#endif
