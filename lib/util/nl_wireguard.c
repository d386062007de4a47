/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the port, the mark and the endpoints of a WireGuard device, or of one of AmneziaWG, whose
 * family of generic netlink has the same attributes under another name. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

#include "nl_core.h"

/* From <linux/wireguard.h>, which systems with headers before Linux 5.6 lack. */
#define WG_GET_DEVICE 0
enum { WG_DEVICE_LISTEN_PORT = 6, WG_DEVICE_FWMARK = 7, WG_DEVICE_PEERS = 8 };
enum { WG_PEER_ENDPOINT = 4, WG_PEER_KEEPALIVE = 5, WG_PEER_ALLOWED_IPS = 9 };
enum { WG_ALLOWED_FAMILY = 1, WG_ALLOWED_ADDRESS = 2, WG_ALLOWED_LENGTH = 3 };

static bool take_sockaddr(const struct nlattr *attr, struct nl_endpoint *endpoint)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const void *payload = mnl_attr_get_payload(attr);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	/* Zeroed as a whole, so that memcmp() tells whether two are equal. */
	memset(endpoint, 0, sizeof(*endpoint));
	if (len == sizeof(v4)) {
		memcpy(&v4, payload, sizeof(v4));
		endpoint->family = AF_INET;
		endpoint->v4 = v4.sin_addr;
		endpoint->port = ntohs(v4.sin_port);
	} else if (len == sizeof(v6)) {
		memcpy(&v6, payload, sizeof(v6));
		endpoint->family = AF_INET6;
		endpoint->v6 = v6.sin6_addr;
		endpoint->port = ntohs(v6.sin6_port);
		endpoint->scope_id = v6.sin6_scope_id;
	}
	return endpoint->family != AF_UNSPEC;
}

/* Long lists of peers, or of one peer's addresses, come in several messages; only the first
 * carries the device's attributes, and the endpoint of a peer. */
static int read_device(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[WG_DEVICE_PEERS + 1];
	const struct nlattr *peer_attrs[WG_PEER_ENDPOINT + 1];
	struct nl_peers *peers = ctx;
	struct nl_endpoint endpoint;
	const struct nlattr *peer;
	int ret = 0;

	nl_attrs(message, GENL_HDRLEN, attrs, WG_DEVICE_PEERS);
	if (attrs[WG_DEVICE_LISTEN_PORT])
		nl_peers_add_port(peers, nl_u16(attrs[WG_DEVICE_LISTEN_PORT]));
	if (attrs[WG_DEVICE_FWMARK])
		peers->fwmark = nl_u32(attrs[WG_DEVICE_FWMARK]);
	if (!attrs[WG_DEVICE_PEERS])
		return 0;
	mnl_attr_for_each_nested (peer, attrs[WG_DEVICE_PEERS]) {
		nl_nested_attrs(peer, peer_attrs, WG_PEER_ENDPOINT);
		if (!ret && peer_attrs[WG_PEER_ENDPOINT] &&
		    take_sockaddr(peer_attrs[WG_PEER_ENDPOINT], &endpoint))
			ret = nl_endpoints_add(&peers->to, &endpoint);
	}
	return ret;
}

int nl_wireguard_peers(const char *kind, int ifindex, struct nl_peers *peers, struct nl_error *err)
{
	const struct nl_reader reader = nl_peers_reader(read_device, peers);

	return nl_peers_finish(nl_ask_device(kind, WG_GET_DEVICE, ifindex, &reader, err), peers);
}

/* A search for a peer. */
struct search {
	struct nl_wireguard_peer peer;
	struct nl_endpoint wanted; /* of family AF_UNSPEC: the host of the only peer */
	struct nl_endpoint endpoint; /* of the peer that is read */
	unsigned int n_peers;
	int length; /* of the prefix that was found; -1: none was */
};

static void take_prefix(struct search *s, int family, const struct nlattr *address, int length)
{
	const uint8_t *bytes = mnl_attr_get_payload(address);
	const int size = mnl_attr_get_payload_len(address);

	if (size != (family == AF_INET ? 4 : 16) || length > 8 * size || length <= s->length)
		return;
	if (s->wanted.family
		    ? s->wanted.family != family || !nl_has_prefix(&s->wanted, bytes, length)
		    : length != 8 * size)
		return;
	s->length = length;
	s->peer.outer = s->endpoint;
	s->peer.inner = s->wanted;
	if (s->wanted.family)
		return;
	s->peer.inner.family = family;
	memcpy(&s->peer.inner.v6, bytes, size);
}

/* The rest of a long list of allowed IPs comes without the peer's other attributes. */
static void take_peer(struct search *s, const struct nlattr *peer)
{
	const struct nlattr *attrs[WG_PEER_ALLOWED_IPS + 1], *allowed;
	const struct nlattr *ip[WG_ALLOWED_LENGTH + 1];

	nl_nested_attrs(peer, attrs, WG_PEER_ALLOWED_IPS);
	if (attrs[WG_PEER_KEEPALIVE]) {
		s->n_peers++;
		s->endpoint.family = AF_UNSPEC;
	}
	if (attrs[WG_PEER_ENDPOINT])
		take_sockaddr(attrs[WG_PEER_ENDPOINT], &s->endpoint);
	if (!attrs[WG_PEER_ALLOWED_IPS])
		return;
	mnl_attr_for_each_nested (allowed, attrs[WG_PEER_ALLOWED_IPS]) {
		nl_nested_attrs(allowed, ip, WG_ALLOWED_LENGTH);
		if (ip[WG_ALLOWED_ADDRESS])
			take_prefix(s, nl_u16(ip[WG_ALLOWED_FAMILY]), ip[WG_ALLOWED_ADDRESS],
				    nl_u8(ip[WG_ALLOWED_LENGTH]));
	}
}

static int read_peers(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[WG_DEVICE_PEERS + 1], *peer;
	struct search *s = ctx;

	nl_attrs(message, GENL_HDRLEN, attrs, WG_DEVICE_PEERS);
	if (attrs[WG_DEVICE_FWMARK])
		s->peer.fwmark = nl_u32(attrs[WG_DEVICE_FWMARK]);
	if (attrs[WG_DEVICE_PEERS])
		mnl_attr_for_each_nested (peer, attrs[WG_DEVICE_PEERS])
			take_peer(s, peer);
	return 0;
}

static void restart_search(void *ctx)
{
	struct search *s = ctx;

	*s = (struct search){ .wanted = s->wanted, .length = -1 };
}

int nl_wireguard_peer(const char *kind, int ifindex, struct nl_wireguard_peer *peer,
		      struct nl_error *err)
{
	struct search s = { .wanted = peer->inner };
	const struct nl_reader reader = {
		.message = read_peers,
		.restart = restart_search,
		.ctx = &s,
	};
	int ret = nl_ask_device(kind, WG_GET_DEVICE, ifindex, &reader, err);

	*peer = s.peer;
	if (!ret && (s.length < 0 || (!s.wanted.family && s.n_peers > 1)))
		ret = nl_fail(
			err, -ENOENT,
			"no peer is known by an address among its allowed IPs, --peer ADDRESS");
	return ret;
}
