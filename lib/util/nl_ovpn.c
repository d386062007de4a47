/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the ports and the addresses of the peers of an ovpn device, the data channel of OpenVPN in
 * the kernel, and waits for notifications about them. */
#include <arpa/inet.h>

#include <linux/genetlink.h>

#include "nl_core.h"

/* From <linux/ovpn.h>, which systems with headers before Linux 6.16 lack. */
#define OVPN_FAMILY "ovpn"
enum { OVPN_PEER_GET = 3, OVPN_PEER_DEL_NTF = 5, OVPN_PEER_FLOAT_NTF = 11 };
enum { OVPN_PEER = 2 };
enum {
	PEER_REMOTE_IPV4 = 2,
	PEER_REMOTE_IPV6 = 3,
	PEER_SCOPE_ID = 4,
	PEER_REMOTE_PORT = 5,
	PEER_NETNSID = 7,
	PEER_LOCAL_PORT = 12,
};

static bool take_remote(const struct nlattr **attrs, struct nl_endpoint *endpoint)
{
	const struct nlattr *v4 = attrs[PEER_REMOTE_IPV4];
	const int family = v4 ? AF_INET : AF_INET6;

	if (!nl_take_address(v4 ? v4 : attrs[PEER_REMOTE_IPV6], endpoint) ||
	    endpoint->family != family)
		return false;
	endpoint->port = ntohs(nl_u16(attrs[PEER_REMOTE_PORT]));
	if (family == AF_INET6)
		endpoint->scope_id = nl_u32(attrs[PEER_SCOPE_ID]);
	return true;
}

/* A peer over TCP has no remote address here, as ovpn_nl_peer_new_doit() wants it. */
static int read_peer(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[OVPN_PEER + 1], *peer[PEER_LOCAL_PORT + 1];
	struct nl_peers *peers = ctx;
	struct nl_endpoint endpoint;

	nl_attrs(message, GENL_HDRLEN, attrs, OVPN_PEER);
	if (!attrs[OVPN_PEER])
		return 0;
	nl_nested_attrs(attrs[OVPN_PEER], peer, PEER_LOCAL_PORT);
	if (!take_remote(peer, &endpoint)) {
		peers->by_tcp = true;
		return 0;
	}
	if (peer[PEER_NETNSID])
		peers->elsewhere = true;
	nl_peers_add_port(peers, ntohs(nl_u16(peer[PEER_LOCAL_PORT])));
	return nl_endpoints_add(&peers->to, &endpoint);
}

int nl_ovpn_peers(const char *kind, int ifindex, struct nl_peers *peers, struct nl_error *err)
{
	const struct nl_reader reader = nl_peers_reader(read_peer, peers);

	return nl_peers_finish(nl_ask_device(kind, OVPN_PEER_GET, ifindex, &reader, err), peers);
}

int nl_ovpn_events_open(struct nl_error *err)
{
	struct nl_family family = {}; /* with one group, "peers" */
	int ret = nl_family(OVPN_FAMILY, &family, err);

	return ret ? ret : nl_open_groups(NETLINK_GENERIC, &family.group, 1, err);
}

/* A key that is used up changes no packet's header. */
static bool matters(const struct nlmsghdr *message)
{
	const struct genlmsghdr *generic = mnl_nlmsg_get_payload(message);

	return mnl_nlmsg_get_payload_len(message) < sizeof(*generic) ||
	       generic->cmd == OVPN_PEER_DEL_NTF || generic->cmd == OVPN_PEER_FLOAT_NTF;
}

bool nl_ovpn_events_read(int fd)
{
	return nl_read_groups(fd, matters);
}
