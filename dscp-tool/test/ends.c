/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the addresses to test: the peer's in the tunnel, and the one that outer packets go to. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "state/present.h"
#include "test/test.h"
#include "tunnel/kinds.h"
#include "tunnel/uplinks.h"
#include "util/netns.h"
#include "util/reason.h"

/* If the device is a port of a bridge, the bridge has the addresses, and neighbours answer it. */
static int device_of(const struct nl_link *link)
{
	struct nl_link master;
	struct nl_error why;

	if (link->master && !nl_link_by_index(link->master, &master, &why) &&
	    !strcmp(master.kind, "bridge"))
		return link->master;
	return link->ifindex;
}

/* The allowed IPs lead from an address in the tunnel to a peer. */
static int find_peer(const char *kind, struct test *test)
{
	struct nl_wireguard_peer peer = { .inner = test->inner };
	struct nl_error why;
	int err = nl_wireguard_peer(kind, test->tunnel_device, &peer, &why);

	if (err)
		return failed(err == -ENOENT ? TUNNEL_USAGE : err, "%s: %s", test->tunnel,
			      why.text);
	test->inner = peer.inner;
	test->outer.to = peer.outer;
	test->outer.mark = peer.fwmark;
	return 0;
}

/* Takes the address of an ovpn's peer, if there is only one. */
static int find_only_peer(const struct nl_link *link, struct test *test)
{
	__attribute__((cleanup(nl_peers_free))) struct nl_peers peers;
	struct nl_error why;
	int err = nl_ovpn_peers(link->kind, link->ifindex, &peers, &why);

	if (err)
		return failed(err, "%s: %s", test->tunnel, why.text);
	if (peers.to.n == 1)
		test->outer.to = peers.to.list[0];
	return 0;
}

int test_find_ends(const struct pins *pins, uint32_t slot, struct test *test)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	struct nl_error why;
	struct nl_link link;
	int err = nl_link_by_index(present_number(pins, slot), &link, &why);

	if (err)
		return failed(err, "%s: %s", test->tunnel,
			      err == -ENODEV ? "its device is gone" : why.text);
	test->tunnel_device = link.ifindex;
	test->device = device_of(&link);
	test->outer = uplinks_flow(tunnel, &link, link.fwmark);
	test->outer.to = uplinks_remote(&link);
	test->outer_netns = tunnel->uplink_netns;
	if (kinds_peers(tunnel->kind) == PEERS_OF_WIREGUARD)
		err = find_peer(link.kind, test);
	else if (kinds_peers(tunnel->kind) == PEERS_OF_OVPN)
		err = find_only_peer(&link, test);
	if (err)
		return err;
	test->inner.scope_id = test->device; /* of a link-local address */
	test->outer.oif = test->outer.to.scope_id;
	if (!test->inner.family)
		return failed(TUNNEL_USAGE, "%s: say who answers in the tunnel, --peer ADDRESS",
			      test->tunnel);
	if (test->has_path && !test->outer.to.family)
		return failed(TUNNEL_USAGE,
			      "%s: --path: no address is known that its packets go to",
			      test->tunnel);
	return 0;
}
