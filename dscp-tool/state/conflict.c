/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds tunnels with indistinguishable outer packets. */
#include "state/conflict.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "state/present.h"
#include "state/registry.h"
#include "state/sane.h"
#include "tunnel/discover.h"
#include "tunnel/kinds.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

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
	return a->kind == b->kind && kinds_key(a->kind) == KIND_BY_DEST_PORT_ID;
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

/* Tells whether both can send packets with the same addresses and number. A tunnel without a local
 * address takes a route's, which may be the other one's. If one alone has a remote address, that
 * one comes first, for the kernel too when it receives. */
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
	return t->flags & DSCP_TUNNEL_PREFIXES && !dscp_kind_is_clear(t->kind);
}

static bool same_number(const struct dscp_tunnel *a, const struct dscp_tunnel *b)
{
	return a->ifindex == b->ifindex && (goes_by_number(a) || goes_by_number(b));
}

static int check_two(const struct dscp_tunnel *new, const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *t = &pins->tunnels[slot];
	int port = common_port(new, t);
	char name[DSCP_IFNAMSIZ];

	if (same_number(new, t))
		return failed(-EADDRINUSE,
			      "%s: has the number %u (ifindex), as has %s of another network "
			      "namespace: no --peer-map with either (make one anew with "
			      "another number: ip link add index N)",
			      new->name, new->ifindex, registry_name(pins, slot, name));
	if (port && !shares_ports(new, t))
		return failed(-EADDRINUSE, "%s: port %d is %s's already (unload %s first)",
			      new->name, port, registry_name(pins, slot, name), name);
	if (port && any_id(new, t))
		return failed(-EADDRINUSE,
			      "%s: its outer packets look like those of %s, since in external "
			      "mode a device has each VNI of port %d (unload %s first)",
			      new->name, registry_name(pins, slot, name), port, name);
	if (same_endpoint(&new->endpoint, &t->endpoint))
		return failed(-EADDRINUSE,
			      "%s: its outer packets look like those of %s (unload %s first)",
			      new->name, registry_name(pins, slot, name), name);
	return 0;
}

/* A look at all devices of the namespaces of uplinks, where egress_outer runs. */
struct look {
	const struct pins *pins;
	uint32_t slot; /* of a tunnel that is going to be loaded, or 0 */
	const struct dscp_tunnel *new; /* that one */
	bool marked[DSCP_MAX_TUNNELS]; /* outwards, also if its device is gone */
	void (*each)(void *ctx, uint32_t slot, const char *device);
	void *ctx;
};

static const struct dscp_tunnel *tunnel_in(const struct look *look, uint32_t slot)
{
	return look->slot && slot == look->slot ? look->new : &look->pins->tunnels[slot];
}

static bool address_fits(const __u8 of_tunnel[16], const __u8 of_device[16])
{
	return is_any(of_tunnel) || !memcmp(of_tunnel, of_device, 16);
}

/* Tells whether egress_outer takes packets of that device for the tunnel's. */
static bool taken_for(const struct dscp_tunnel *device, const struct dscp_tunnel *t)
{
	const struct dscp_endpoint *a = &device->endpoint, *b = &t->endpoint;

	if (device->kind != t->kind)
		return false;
	if (kinds_key(t->kind) == KIND_BY_DEST_PORT_ID)
		return common_port(device, t) && (any_id(device, t) || !memcmp(a, b, sizeof(*a)));
	if (a->family != b->family)
		return false;
	if (device->flags & DSCP_TUNNEL_ANY_ID)
		return is_any(b->remote);
	return a->id == b->id && address_fits(b->remote, a->remote) &&
	       (is_any(a->local) || address_fits(b->local, a->local));
}

/* A tunnel with a device that was made anew since is not its own stranger. */
static bool is_made_anew(const struct look *look, uint32_t slot, const struct nl_link *link)
{
	return slot != look->slot && !present_is(look->pins, slot, PRESENT_DEVICE) &&
	       !strncmp(tunnel_in(look, slot)->name, link->name, DSCP_IFNAMSIZ);
}

static void look_at(const struct nl_link *link, void *ctx)
{
	const struct look *look = ctx;
	struct dscp_tunnel device;
	uint32_t own;

	if (!link->up || link->elsewhere || !discover_link(link, &device))
		return;
	own = registry_find_ifindex(look->pins, link->ifindex);
	if (look->new && look->new->ifindex == (__u32)link->ifindex &&
	    look->new->netns == netns_own())
		own = look->slot;
	if (own && look->marked[own])
		return;
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (look->marked[slot] && !is_made_anew(look, slot, link) &&
		    taken_for(&device, tunnel_in(look, slot)))
			look->each(look->ctx, slot, sane_name(link->name) ? link->name : "?");
}

static void find_marked(struct look *look)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		const struct dscp_tunnel *t = tunnel_in(look, slot);

		look->marked[slot] = t->ifindex && t->flags & DSCP_TUNNEL_EGRESS;
	}
}

/* The first tunnel with uplinks in that namespace. */
static uint32_t first_of_netns(const struct look *look, uint64_t netns)
{
	uint32_t slot = 1;

	while (slot < DSCP_MAX_TUNNELS &&
	       (!look->marked[slot] || tunnel_in(look, slot)->uplink_netns != netns))
		slot++;
	return slot;
}

/* A namespace that cannot be entered is left out. */
static void look_around(struct look *look)
{
	struct nl_error why;

	find_marked(look);
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		uint64_t netns = tunnel_in(look, slot)->uplink_netns;

		if (!look->marked[slot] || first_of_netns(look, netns) != slot)
			continue;
		NETNS_VISIT(netns);
		if (netns_own() == netns)
			nl_links(look_at, look, &why);
	}
}

void conflict_strangers(const struct pins *pins,
			void (*each)(void *ctx, uint32_t slot, const char *device), void *ctx)
{
	look_around(&(struct look){ .pins = pins, .each = each, .ctx = ctx });
}

/* A device, and the tunnel that its packets are taken for. */
struct stranger {
	const struct dscp_tunnel *new; /* the tunnel that is going to be loaded */
	uint32_t slot;
	bool new_netns; /* its uplinks are the first ones of their namespace */
	uint32_t taken_for; /* 0: nothing is wrong */
	char device[DSCP_IFNAMSIZ];
};

static void keep_stranger(void *ctx, uint32_t slot, const char *device)
{
	struct stranger *stranger = ctx;

	if (slot != stranger->slot &&
	    !(stranger->new_netns && netns_own() == stranger->new->uplink_netns))
		return;
	stranger->taken_for = slot;
	snprintf(stranger->device, sizeof(stranger->device), "%s", device);
}

/* False: a load changes nothing of it, be it good or bad. */
static bool looks_different(const struct dscp_tunnel *old, const struct dscp_tunnel *new)
{
	return !(old->flags & DSCP_TUNNEL_EGRESS) || old->kind != new->kind ||
	       (old->flags ^ new->flags) & DSCP_TUNNEL_ANY_ID ||
	       memcmp(old->ports, new->ports, sizeof(old->ports)) ||
	       memcmp(&old->endpoint, &new->endpoint, sizeof(old->endpoint));
}

static bool is_new_netns(const struct pins *pins, uint64_t netns)
{
	for_each_tunnel (slot, pins)
		if (pins->tunnels[slot].flags & DSCP_TUNNEL_EGRESS &&
		    pins->tunnels[slot].uplink_netns == netns)
			return false;
	return true;
}

/* egress_outer reads the bytes behind the outer header, whichever device has sent it. */
static int check_strangers(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *new)
{
	struct stranger stranger = { .new = new,
				     .slot = slot,
				     .new_netns = is_new_netns(pins, new->uplink_netns) };
	struct look look = {
		.pins = pins, .slot = slot, .new = new, .each = keep_stranger, .ctx = &stranger
	};
	char name[DSCP_IFNAMSIZ];

	if (!(new->flags &DSCP_TUNNEL_EGRESS))
		return 0;
	if (!stranger.new_netns &&
	    !(dscp_kind_is_clear(new->kind) && looks_different(&pins->tunnels[slot], new)))
		return 0;
	look_around(&look);
	if (!stranger.taken_for)
		return 0;
	return failed(-EADDRINUSE,
		      "%s: packets of %s, which is not loaded, would be marked like those of %s: "
		      "load %s first, or give it another port, key or address",
		      new->name, stranger.device,
		      stranger.taken_for == slot ? new->name
						 : registry_name(pins, stranger.taken_for, name),
		      stranger.device);
}

int conflict_check(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *new)
{
	int err = 0;

	for_each_tunnel (other, pins)
		if (other != slot && !err)
			err = check_two(new, pins, other);
	return err ? err : check_strangers(pins, slot, new);
}
