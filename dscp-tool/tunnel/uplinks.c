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
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

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

	if (!sane_name(name))
		return failed(-EINVAL,
			      "uplink %s: there are control characters in its name: rename it",
			      name);
	while (at < tunnel->n_uplinks && strcmp(tunnel->uplink_names[at], name) < 0)
		at++;
	if (at < tunnel->n_uplinks && !strcmp(tunnel->uplink_names[at], name))
		return 0;
	if (tunnel->n_uplinks == DSCP_MAX_UPLINKS)
		return failed(-E2BIG, "%s: more than %d uplinks", tunnel->name, DSCP_MAX_UPLINKS);
	behind = tunnel->n_uplinks++ - at;
	memmove(&tunnel->uplinks[at + 1], &tunnel->uplinks[at], behind * sizeof(*tunnel->uplinks));
	memmove(&tunnel->uplink_names[at + 1], &tunnel->uplink_names[at],
		behind * sizeof(*tunnel->uplink_names));
	tunnel->uplinks[at] = ifindex;
	memset(tunnel->uplink_names[at], 0, DSCP_IFNAMSIZ);
	snprintf(tunnel->uplink_names[at], DSCP_IFNAMSIZ, "%s", name);
	return 0;
}

static int add_link(struct dscp_tunnel *tunnel, const struct nl_link *link)
{
	if (tunnel->way == DSCP_WAY_XDP && link->type != ARPHRD_ETHER)
		return failed(-EOPNOTSUPP,
			      "%s: uplink %s is no Ethernet device, and --ingress-hook xdp reads "
			      "Ethernet frames: use peek or tc",
			      tunnel->name, link->name);
	return insert_uplink(tunnel, link->ifindex, link->name);
}

static int add_uplink(struct dscp_tunnel *tunnel, int ifindex)
{
	struct nl_link link;
	struct nl_error why;
	int err = nl_link_by_index(ifindex, &link, &why);

	return err ? failed(err, "%s: uplink %d: %s", tunnel->name, ifindex, why.text)
		   : add_link(tunnel, &link);
}

/* In two network namespaces a number is of two devices. */
static bool is_itself(const struct dscp_tunnel *tunnel, int ifindex)
{
	return ifindex == (int)tunnel->ifindex && tunnel->uplink_netns == tunnel->netns;
}

static int uplinks_by_name(const struct request *request, bool may_be_absent,
			   struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (unsigned int i = 0; i < request->n_uplinks && !err; i++) {
		struct nl_link link;
		struct nl_error why;

		err = nl_link_by_name(request->uplinks[i], &link, &why);
		if (err == -ENODEV && may_be_absent)
			err = insert_uplink(tunnel, DSCP_UPLINK_ABSENT, request->uplinks[i]);
		else if (err)
			failed(err, "uplink %s: %s", request->uplinks[i], why.text);
		else if (is_itself(tunnel, link.ifindex))
			err = failed(TUNNEL_USAGE, "uplink %s: that is the tunnel itself",
				     link.name);
		else
			err = add_link(tunnel, &link);
	}
	return err;
}

/* Devices, each once. One more than a tunnel can have shows that there are too many. */
struct devices {
	int list[DSCP_MAX_UPLINKS + 1];
	int n;
};

static void add_device(struct devices *devices, int ifindex)
{
	for (int i = 0; i < devices->n; i++)
		if (devices->list[i] == ifindex)
			return;
	if (devices->n <= DSCP_MAX_UPLINKS)
		devices->list[devices->n++] = ifindex;
}

static int no_uplink(const struct dscp_tunnel *tunnel, int err, const char *reason)
{
	/* WireGuard sends where the device was made, and the kernel does not tell where that is. */
	const bool made_elsewhere =
		tunnel->kind == DSCP_KIND_WIREGUARD && tunnel->netns == tunnel->uplink_netns;

	return failed(err, "%s: no uplink found: %s (say --uplink DEV%s)", tunnel->name, reason,
		      made_elsewhere ? ", or --uplink-netns NETNS if the device was made there"
				     : "");
}

/* Nobody to ask a route for: a server whose peers have not called yet. */
static int devices_by_default(const struct dscp_tunnel *tunnel, struct devices *devices)
{
	int oifs[DSCP_MAX_UPLINKS + 1];
	struct nl_error why;
	int n = nl_default_oifs(oifs, ARRAY_SIZE(oifs), &why);

	if (n < 0)
		return no_uplink(tunnel, n, why.text);
	for (int i = 0; i < n; i++)
		if (!is_itself(tunnel, oifs[i]))
			add_device(devices, oifs[i]);
	if (!devices->n)
		return no_uplink(tunnel, -ENETUNREACH,
				 "it has no peer's address, and there is no default route");
	return 0;
}

/* The peers that a tunnel sends to. */
struct peers {
	const struct nl_endpoint *list;
	unsigned int n;
	uint32_t fwmark;
	int oif; /* the device to restrict the routes to, or 0 */
	struct nl_error why; /* the last one that has no route has none */
};

/* A peer without a route is no reason to fail if others have one. */
static int devices_by_route(const struct dscp_tunnel *tunnel, struct peers *peers,
			    struct devices *devices)
{
	int last = 0;

	for (unsigned int i = 0; i < peers->n; i++) {
		struct nl_error why = {};
		int oif = peers->oif;
		int err = nl_route_oif(&peers->list[i], peers->fwmark, &oif, &why);

		if (!err && is_itself(tunnel, oif)) {
			snprintf(why.text, sizeof(why.text),
				 "the route to a peer leads into the tunnel itself");
			err = -ELOOP;
		}
		if (!err) {
			add_device(devices, oif);
			continue;
		}
		last = err;
		peers->why = why;
	}
	return devices->n ? 0 : no_uplink(tunnel, last, peers->why.text);
}

/* True, with its address, if all packets of a VXLAN, geneve, GRE or IPIP device go to one host. */
static bool one_remote(const struct nl_link *link, struct nl_endpoint *peer)
{
	static const uint8_t none[16];

	if (link->family == AF_UNSPEC || link->multicast ||
	    !memcmp(link->remote, none, sizeof(none)))
		return false;
	*peer = (struct nl_endpoint){ .family = link->family };
	memcpy(&peer->v6, link->remote, link->family == AF_INET ? 4 : 16);
	return true;
}

/* Fails where the uplinks are out of reach. */
static int check_reach(const struct dscp_tunnel *tunnel)
{
	char path[NETNS_PATH];

	if (netns_own() == tunnel->uplink_netns)
		return 0;
	if (netns_path(tunnel->uplink_netns, path))
		return failed(-ENODEV,
			      "%s: %s, the network namespace of its uplinks, cannot be entered",
			      tunnel->name, path);
	return failed(-ENODEV, "%s: the network namespace of its uplinks is gone (number %llu)",
		      tunnel->name, tunnel->uplink_netns);
}

/* Adds the devices by which packets go to the peers of a WireGuard device, or to the remote address
 * of another one, or else the device that it is bound to. That device may be a VRF, which no packet
 * leaves by, if there is a remote address. */
int uplinks_find(const struct request *request, bool may_be_absent, const struct nl_link *link,
		 const struct nl_wireguard *wg, struct dscp_tunnel *tunnel)
{
	NETNS_VISIT(tunnel->uplink_netns);
	struct peers peers = { wg->endpoints, wg->n_endpoints, wg->fwmark, link->lower, {} };
	struct devices devices = {};
	struct nl_endpoint remote;
	int err = check_reach(tunnel);

	if (err || request->n_uplinks)
		return err ? err : uplinks_by_name(request, may_be_absent, tunnel);
	if (!uplinks_needed(tunnel))
		return 0;
	if (one_remote(link, &remote))
		peers = (struct peers){ &remote, 1, link->fwmark, link->lower, {} };
	if (peers.n)
		err = devices_by_route(tunnel, &peers, &devices);
	else if (link->lower)
		add_device(&devices, link->lower);
	else
		err = devices_by_default(tunnel, &devices);
	for (int i = 0; i < devices.n && !err; i++)
		err = add_uplink(tunnel, devices.list[i]);
	if (!err && *peers.why.text)
		advise("%s: no uplink for some of its peers: %s", tunnel->name, peers.why.text);
	return err;
}
