/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include "conflict.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "state.h"
#include "util/log.h"

/* A UDP port that both tunnels have, or 0. */
static int common_port(const struct dscp_tunnel *a, const struct dscp_tunnel *b)
{
	for (int i = 0; i < a->n_ports * b->n_ports; i++)
		if (a->ports[i / b->n_ports] == b->ports[i % b->n_ports])
			return a->ports[i / b->n_ports];
	return 0;
}

/* VXLAN and geneve share a port with others of their kind, and are told apart by family and VNI. */
static bool shares_ports(const struct dscp_tunnel *a, const struct dscp_tunnel *b)
{
	return a->kind == b->kind && a->kind != DSCP_KIND_WIREGUARD && a->kind != DSCP_KIND_UDP;
}

static bool any_id(const struct dscp_tunnel *a, const struct dscp_tunnel *b)
{
	return (a->flags | b->flags) & DSCP_TUNNEL_ANY_ID;
}

static bool is_any(const __u8 address[16])
{
	static const __u8 any[16];

	return !memcmp(address, any, sizeof(any));
}

/* True if both can send packets of the same addresses and number. A tunnel without a local address
 * takes that of a route, which may be the other one's. If one alone has a remote address, that one
 * comes first, for the kernel too when it receives. */
static bool same_endpoint(const struct dscp_endpoint *a, const struct dscp_endpoint *b)
{
	if (!a->kind || a->kind != b->kind || a->family != b->family || a->port != b->port ||
	    a->id != b->id || memcmp(a->remote, b->remote, sizeof(a->remote)))
		return false;
	return is_any(a->local) || is_any(b->local) ||
	       !memcmp(a->local, b->local, sizeof(a->local));
}

/* egress_inner_peers knows its tunnel by the number of the device. */
static bool goes_by_number(const struct dscp_tunnel *t)
{
	return t->flags & DSCP_TUNNEL_PEERS && !dscp_kind_is_clear(t->kind);
}

static bool same_number(const struct dscp_tunnel *a, const struct dscp_tunnel *b)
{
	return a->ifindex == b->ifindex && (goes_by_number(a) || goes_by_number(b));
}

static int check_two(const struct dscp_tunnel *new, const struct dscp_tunnel *t)
{
	int port = common_port(new, t);

	if (same_number(new, t))
		log_error("%s: has the number %u (ifindex), as has %s of another network "
			  "namespace: no --peer-map with either (make one anew with "
			  "another number: ip link add index N)",
			  new->name, new->ifindex, t->name);
	else if (port && !shares_ports(new, t))
		log_error("%s: port %d is %s's already (unload %s first)", new->name, port, t->name,
			  t->name);
	else if (port && any_id(new, t))
		log_error("%s: its outer packets look like those of %s, since in external mode a "
			  "device has each VNI of port %d (unload %s first)",
			  new->name, t->name, port, t->name);
	else if (same_endpoint(&new->endpoint, &t->endpoint))
		log_error("%s: its outer packets look like those of %s (unload %s first)",
			  new->name, t->name, t->name);
	else
		return 0;
	return -EADDRINUSE;
}

int conflict_check(const struct state *state, uint32_t slot, const struct dscp_tunnel *new)
{
	int err = 0;

	for (uint32_t other = 1; other < DSCP_MAX_TUNNELS && !err; other++)
		if (state->tunnels[other].ifindex && other != slot)
			err = check_two(new, &state->tunnels[other]);
	return err;
}
