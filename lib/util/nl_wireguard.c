/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the port, the mark and the endpoints of a WireGuard device. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

#include "nl_core.h"

/* From <linux/wireguard.h>, which systems with headers before Linux 5.6 lack. */
#define WG_FAMILY "wireguard"
#define WG_VERSION 1
#define WG_GET_DEVICE 0
enum {
	WG_DEVICE_IFINDEX = 1,
	WG_DEVICE_LISTEN_PORT = 6,
	WG_DEVICE_FWMARK = 7,
	WG_DEVICE_PEERS = 8
};
enum { WG_PEER_ENDPOINT = 4 };

static int read_family(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[CTRL_ATTR_FAMILY_ID + 1];
	uint16_t *id = ctx;

	nl_attrs(message, GENL_HDRLEN, attrs, CTRL_ATTR_FAMILY_ID);
	*id = nl_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	return 0;
}

static void put_command(struct nlmsghdr *header, uint8_t command, uint8_t version)
{
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));

	generic->cmd = command;
	generic->version = version;
}

/* The number changes from boot to boot. Asking makes the kernel load the module, if it may. */
static int find_family(uint16_t *id, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_family, .ctx = id };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, GENL_ID_CTRL, 0);
	int ret;

	*id = 0;
	put_command(header, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(header, CTRL_ATTR_FAMILY_NAME, WG_FAMILY);
	ret = nl_exchange(NETLINK_GENERIC, &request, &reader, err);
	if (ret == -ENOENT || (!ret && !*id))
		return nl_fail(err, -ENOENT, "this kernel has no WireGuard");
	return ret;
}

bool nl_wireguard_present(void)
{
	uint16_t id;

	return !find_family(&id, NULL);
}

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
	struct nl_wireguard *wg = ctx;
	struct nl_endpoint endpoint;
	const struct nlattr *peer;
	int ret = 0;

	nl_attrs(message, GENL_HDRLEN, attrs, WG_DEVICE_PEERS);
	if (attrs[WG_DEVICE_LISTEN_PORT])
		wg->port = nl_u16(attrs[WG_DEVICE_LISTEN_PORT]);
	if (attrs[WG_DEVICE_FWMARK])
		wg->fwmark = nl_u32(attrs[WG_DEVICE_FWMARK]);
	if (!attrs[WG_DEVICE_PEERS])
		return 0;
	mnl_attr_for_each_nested (peer, attrs[WG_DEVICE_PEERS]) {
		nl_nested_attrs(peer, peer_attrs, WG_PEER_ENDPOINT);
		if (!ret && peer_attrs[WG_PEER_ENDPOINT] &&
		    take_sockaddr(peer_attrs[WG_PEER_ENDPOINT], &endpoint))
			ret = nl_endpoints_add(&wg->peers, &endpoint);
	}
	return ret;
}

static void restart_device(void *ctx)
{
	nl_wireguard_free(ctx);
}

int nl_wireguard_get(int ifindex, struct nl_wireguard *wg, struct nl_error *err)
{
	struct nl_reader reader = {
		.message = read_device,
		.restart = restart_device,
		.ctx = wg,
	};
	struct nl_request request;
	struct nlmsghdr *header;
	uint16_t family;
	int ret;

	memset(wg, 0, sizeof(*wg));
	ret = find_family(&family, err);
	if (ret)
		return ret;
	header = nl_request(&request, family, NLM_F_DUMP);
	put_command(header, WG_GET_DEVICE, WG_VERSION);
	mnl_attr_put_u32(header, WG_DEVICE_IFINDEX, ifindex);
	ret = nl_exchange(NETLINK_GENERIC, &request, &reader, err);
	if (ret)
		nl_wireguard_free(wg);
	else
		nl_endpoints_sort(&wg->peers);
	return ret;
}

void nl_wireguard_free(struct nl_wireguard *wg)
{
	nl_endpoints_free(&wg->peers);
	memset(wg, 0, sizeof(*wg));
}
