/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the peer of WireGuard that a packet goes to, and the device that it leaves by. */
#include "explain/explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "status/problems.h"
#include "tunnel/kinds.h"
#include "tunnel/uplinks.h"
#include "util/log.h"

/* Finds the device by the look-up of WireGuard's socket. */
static bool find_device(struct explanation *e, struct tunnel_status *status,
			const struct nl_flow *flow)
{
	struct explain_uplink *uplink = &e->uplinks[0];
	NETNS_VISIT(status->tunnel.uplink_netns);
	char address[INET6_ADDRSTRLEN];
	struct nl_route route;
	struct nl_link link;
	struct nl_error why;

	inet_ntop(flow->to.family, &flow->to.v6, address, sizeof(address));
	if (nl_route(flow, &route, &why) || nl_link_by_index(route.oif, &link, &why)) {
		problems_add(status, "no way to %s, the endpoint: %s", address, why.text);
		return false;
	}
	log_printable(link.name);
	uplink->ifindex = link.ifindex;
	memcpy(uplink->dev, link.name, sizeof(uplink->dev));
	return true;
}

/* Asks for the peer with the address among its allowed IPs: WireGuard drops a packet to any other.
 */
static bool find_endpoint(struct explanation *e, struct tunnel_status *status, struct nl_flow *flow)
{
	const struct dscp_prefix *to = &e->query->to;
	struct nl_wireguard_peer peer = { .inner.family = to->family == 4 ? AF_INET : AF_INET6 };
	char address[INET6_ADDRSTRLEN];
	struct nl_error why;
	struct nl_link link;
	int err = nl_link_by_name(status->name, &link, &why);

	memcpy(&peer.inner.v6, to->address, sizeof(peer.inner.v6));
	inet_ntop(peer.inner.family, &peer.inner.v6, address, sizeof(address));
	if (!err)
		err = nl_wireguard_peer(link.kind, link.ifindex, &peer, &why);
	if (err == -ENOENT)
		problems_add(status, "no peer has %s among its allowed IPs, so %s drops the packet",
			     address, status->name);
	else if (err)
		problems_add(status, "the peer with %s: %s", address, why.text);
	else if (!peer.outer.family)
		problems_add(status, "the peer with %s has no endpoint, so %s cannot send to it",
			     address, status->name);
	if (err || !peer.outer.family)
		return false;
	*flow = uplinks_flow(&status->tunnel, &link, peer.fwmark | link.fwmark);
	flow->to = peer.outer;
	flow->oif = peer.outer.scope_id;
	return true;
}

bool explain_find_peer(struct explanation *e, struct tunnel_status *status)
{
	struct nl_flow flow;

	e->endpoint.family = AF_UNSPEC;
	if (!e->query->has_to || status->device_gone ||
	    kinds_peers(status->tunnel.kind) != PEERS_OF_WIREGUARD)
		return false;
	if (find_endpoint(e, status, &flow)) {
		e->endpoint = flow.to;
		e->n_uplinks = find_device(e, status, &flow);
	}
	return true;
}
