/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the ports and the addresses of the peers of an ovpn device, the data channel of OpenVPN in
 * the kernel, and waits for notifications about them. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "nl_core.h"

/* From <linux/ovpn.h>, which systems with headers before Linux 6.16 lack. */
#define OVPN_FAMILY "ovpn"
#define OVPN_VERSION 1
enum { OVPN_PEER_GET = 3, OVPN_PEER_DEL_NTF = 5, OVPN_PEER_FLOAT_NTF = 11 };
enum { OVPN_IFINDEX = 1, OVPN_PEER = 2 };
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
	const struct nlattr *v4 = attrs[PEER_REMOTE_IPV4], *v6 = attrs[PEER_REMOTE_IPV6];

	/* Zeroed as a whole, so that memcmp() tells whether two are equal. */
	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->port = ntohs(nl_u16(attrs[PEER_REMOTE_PORT]));
	if (v4 && mnl_attr_get_payload_len(v4) == sizeof(endpoint->v4)) {
		endpoint->family = AF_INET;
		memcpy(&endpoint->v4, mnl_attr_get_payload(v4), sizeof(endpoint->v4));
	} else if (v6 && mnl_attr_get_payload_len(v6) == sizeof(endpoint->v6)) {
		endpoint->family = AF_INET6;
		memcpy(&endpoint->v6, mnl_attr_get_payload(v6), sizeof(endpoint->v6));
		endpoint->scope_id = nl_u32(attrs[PEER_SCOPE_ID]);
	}
	return endpoint->family != AF_UNSPEC;
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

static void restart_peers(void *ctx)
{
	nl_peers_free(ctx);
}

int nl_ovpn_peers(const char *kind, int ifindex, struct nl_peers *peers, struct nl_error *err)
{
	const struct nl_reader reader = {
		.message = read_peer,
		.restart = restart_peers,
		.ctx = peers,
	};
	struct nl_family family = {};
	struct nl_request request;
	struct nlmsghdr *header;
	int ret = nl_family(kind, &family, err);

	memset(peers, 0, sizeof(*peers));
	if (ret)
		return ret;
	header = nl_request(&request, family.id, NLM_F_DUMP);
	nl_command(header, OVPN_PEER_GET, OVPN_VERSION);
	mnl_attr_put_u32(header, OVPN_IFINDEX, ifindex);
	ret = nl_exchange(NETLINK_GENERIC, &request, &reader, err);
	if (ret)
		nl_peers_free(peers);
	else
		nl_endpoints_sort(&peers->to);
	return ret;
}

static int join_group(int fd, uint32_t group)
{
	/* Without an address of its own (port 0) a socket gets next to nothing, see nl_events.c. */
	const struct sockaddr_nl local = { .nl_family = AF_NETLINK };

	return bind(fd, (const struct sockaddr *)&local, sizeof(local)) ||
	       setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
}

int nl_ovpn_events_open(struct nl_error *err)
{
	struct nl_family family = {}; /* with one group, "peers" */
	int ret = nl_family(OVPN_FAMILY, &family, err), fd;

	if (ret)
		return ret;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
	if (fd < 0)
		return nl_fail(err, -errno, "%s", strerror(errno));
	if (!join_group(fd, family.group))
		return fd;
	ret = nl_fail(err, -errno, "%s", strerror(errno));
	close(fd);
	return ret;
}

/* A key that is used up changes no packet's header. */
bool nl_ovpn_event_matters(const struct nlmsghdr *message)
{
	const struct genlmsghdr *generic = mnl_nlmsg_get_payload(message);

	return mnl_nlmsg_get_payload_len(message) < sizeof(*generic) ||
	       generic->cmd == OVPN_PEER_DEL_NTF || generic->cmd == OVPN_PEER_FLOAT_NTF;
}
