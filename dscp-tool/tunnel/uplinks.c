/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the devices that a tunnel's outer packets leave by: by their names, by the routes to its
 * peers, or by the default routes. */
#include "tunnel/uplinks.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "state/sane.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/netns.h"

bool uplinks_has(const struct dscp_tunnel *tunnel, __u32 ifindex)
{
	for (int i = 0; i < tunnel->n_uplinks; i++)
		if (tunnel->uplinks[i] == ifindex)
			return true;
	return false;
}

/* peek alone has nothing to attach to an uplink. */
bool uplinks_needed(const struct dscp_tunnel *tunnel)
{
	return tunnel->flags & DSCP_TUNNEL_EGRESS || tunnel->way != DSCP_WAY_PEEK;
}

/* In the order of their names, so that the same devices always are the same list: peers and routes
 * come in any order. */
static int insert_uplink(struct dscp_tunnel *tunnel, __u32 ifindex, const char *name)
{
	int at = 0, behind;

	if (!sane_name(name)) {
		log_error("uplink %s: there are control characters in its name: rename it", name);
		return -EINVAL;
	}
	while (at < tunnel->n_uplinks && strcmp(tunnel->uplink_names[at], name) < 0)
		at++;
	if (at < tunnel->n_uplinks && !strcmp(tunnel->uplink_names[at], name))
		return 0;
	if (tunnel->n_uplinks == DSCP_MAX_UPLINKS) {
		log_error("%s: more than %d uplinks", tunnel->name, DSCP_MAX_UPLINKS);
		return -E2BIG;
	}
	behind = tunnel->n_uplinks++ - at;
	memmove(&tunnel->uplinks[at + 1], &tunnel->uplinks[at], behind * sizeof(*tunnel->uplinks));
	memmove(&tunnel->uplink_names[at + 1], &tunnel->uplink_names[at],
		behind * sizeof(*tunnel->uplink_names));
	tunnel->uplinks[at] = ifindex;
	memset(tunnel->uplink_names[at], 0, DSCP_IFNAMSIZ);
	snprintf(tunnel->uplink_names[at], DSCP_IFNAMSIZ, "%s", name);
	return 0;
}

static int add_uplink(struct dscp_tunnel *tunnel, int ifindex)
{
	struct nl_link link;
	struct nl_error why;
	int err = nl_link_by_index(ifindex, &link, &why);

	if (err) {
		log_error("%s: uplink %d: %s", tunnel->name, ifindex, why.text);
		return err;
	}
	if (tunnel->way == DSCP_WAY_XDP && link.type != ARPHRD_ETHER) {
		log_error("%s: uplink %s is no Ethernet device, and --ingress-hook xdp reads "
			  "Ethernet frames: use peek or tc",
			  tunnel->name, link.name);
		return -EOPNOTSUPP;
	}
	return insert_uplink(tunnel, ifindex, link.name);
}

/* In two network namespaces a number is of two devices. */
static bool is_itself(const struct dscp_tunnel *tunnel, int ifindex)
{
	return ifindex == (int)tunnel->ifindex && tunnel->uplink_netns == tunnel->netns;
}

static int uplinks_by_name(const struct tunnel_request *request, struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (unsigned int i = 0; i < request->n_uplinks && !err; i++) {
		struct nl_link link;
		struct nl_error why;

		err = nl_link_by_name(request->uplinks[i], &link, &why);
		if (err == -ENODEV && request->uplinks_may_be_absent)
			err = insert_uplink(tunnel, DSCP_UPLINK_ABSENT, request->uplinks[i]);
		else if (err)
			log_error("uplink %s: %s", request->uplinks[i], why.text);
		else if (is_itself(tunnel, link.ifindex)) {
			log_error("uplink %s: that is the tunnel itself", link.name);
			err = TUNNEL_USAGE;
		} else {
			err = add_uplink(tunnel, link.ifindex);
		}
	}
	return err;
}

/* The uplink of one peer, restricted to oif if that is not 0. A peer without a route is no reason
 * to fail if others have one. */
static int uplink_by_route(struct dscp_tunnel *tunnel, const struct nl_endpoint *peer,
			   uint32_t fwmark, int oif, struct nl_error *why)
{
	int err = nl_route_oif(peer, fwmark, &oif, why);

	if (err)
		return err;
	if (is_itself(tunnel, oif)) {
		snprintf(why->text, sizeof(why->text),
			 "the route to a peer leads into the tunnel itself");
		return -ELOOP;
	}
	return add_uplink(tunnel, oif);
}

static int no_uplink(const struct dscp_tunnel *tunnel, int err, const char *reason)
{
	log_error("%s: no uplink found: %s (say --uplink DEV)", tunnel->name, reason);
	return err;
}

/* Nobody to ask a route for: a server whose peers have not called yet. */
static int uplinks_by_default(struct dscp_tunnel *tunnel)
{
	int oifs[DSCP_MAX_UPLINKS + 1], err = 0;
	struct nl_error why;
	int n = nl_default_oifs(oifs, DSCP_MAX_UPLINKS + 1, &why);

	if (n < 0)
		return no_uplink(tunnel, n, why.text);
	for (int i = 0; i < n && !err; i++)
		if (!is_itself(tunnel, oifs[i]))
			err = add_uplink(tunnel, oifs[i]);
	if (!err && !tunnel->n_uplinks)
		return no_uplink(tunnel, -ENETUNREACH,
				 "it has no peer's address, and there is no default route");
	return err;
}

static int uplinks_by_peers(struct dscp_tunnel *tunnel, const struct nl_endpoint *peers,
			    unsigned int n, uint32_t fwmark, int oif)
{
	struct nl_error why = {};
	int err = 0, last = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct nl_error one = {};

		err = uplink_by_route(tunnel, &peers[i], fwmark, oif, &one);
		if (err && !*one.text)
			return err; /* add_uplink() has said why */
		if (err) {
			last = err;
			why = one;
		}
	}
	if (!tunnel->n_uplinks)
		return no_uplink(tunnel, last, why.text);
	if (last)
		log_warning("%s: no uplink for some of its peers: %s", tunnel->name, why.text);
	return 0;
}

/* VXLAN, geneve, GRE, IPIP: one remote address, or a device to send by. */
static int uplinks_by_link(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	static const uint8_t none[16];
	struct nl_endpoint peer = { .family = link->family };

	if (link->family == AF_UNSPEC || link->multicast ||
	    !memcmp(link->remote, none, sizeof(none)))
		return link->lower ? add_uplink(tunnel, link->lower) : uplinks_by_default(tunnel);
	/* The device it is bound to may be a VRF, which no packet leaves by. */
	memcpy(&peer.v6, link->remote, link->family == AF_INET ? 4 : 16);
	return uplinks_by_peers(tunnel, &peer, 1, link->fwmark, link->lower);
}

/* True where the uplinks are; else it says why not. */
static bool uplinks_in_reach(const struct dscp_tunnel *tunnel)
{
	char path[NETNS_PATH];

	if (netns_own() == tunnel->uplink_netns)
		return true;
	if (netns_path(tunnel->uplink_netns, path))
		log_error("%s: %s, the network namespace of its uplinks, cannot be entered",
			  tunnel->name, path);
	else
		log_error("%s: the network namespace of its uplinks is gone (number %llu)",
			  tunnel->name, tunnel->uplink_netns);
	return false;
}

/* wg: NULL for other kinds. */
int uplinks_find(const struct tunnel_request *request, const struct nl_link *link,
		 const struct nl_wireguard *wg, struct dscp_tunnel *tunnel)
{
	NETNS_VISIT(tunnel->uplink_netns);

	if (!uplinks_in_reach(tunnel))
		return -ENODEV;
	if (request->n_uplinks)
		return uplinks_by_name(request, tunnel);
	if (!wg)
		return uplinks_by_link(link, tunnel);
	if (!uplinks_needed(tunnel))
		return 0;
	if (wg->n_endpoints)
		return uplinks_by_peers(tunnel, wg->endpoints, wg->n_endpoints, wg->fwmark, 0);
	return uplinks_by_default(tunnel);
}
