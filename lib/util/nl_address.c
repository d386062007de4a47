/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Lists the addresses of this host, and the addresses that a VXLAN sends to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "nl_core.h"

#define FIRST_ROOM 16

/* There is room for a power of two. */
int nl_endpoints_add(struct nl_endpoints *all, const struct nl_endpoint *one)
{
	struct nl_endpoint *more;

	if (!all->n || (all->n >= FIRST_ROOM && !(all->n & (all->n - 1)))) {
		more = realloc(all->list, (all->n ? 2 * all->n : FIRST_ROOM) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		all->list = more;
	}
	all->list[all->n++] = *one;
	return 0;
}

static int compare_endpoints(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nl_endpoint));
}

void nl_endpoints_sort(struct nl_endpoints *all)
{
	struct nl_endpoint *e = all->list;
	unsigned int kept = 0;

	if (!all->n)
		return;
	qsort(e, all->n, sizeof(*e), compare_endpoints);
	for (unsigned int i = 1; i < all->n; i++)
		if (compare_endpoints(&e[kept], &e[i]))
			e[++kept] = e[i];
	all->n = kept + 1;
}

void nl_endpoints_free(struct nl_endpoints *all)
{
	free(all->list);
	memset(all, 0, sizeof(*all));
}

void nl_peers_add_port(struct nl_peers *peers, uint16_t port)
{
	unsigned int i = peers->n_ports;

	for (unsigned int j = 0; j < peers->n_ports; j++)
		if (peers->ports[j] == port)
			return;
	if (!port)
		return;
	peers->more_ports |= i == NL_MAX_PORTS;
	if (i == NL_MAX_PORTS && port > peers->ports[--i])
		return;
	for (; i && peers->ports[i - 1] > port; i--)
		peers->ports[i] = peers->ports[i - 1];
	peers->ports[i] = port;
	peers->n_ports += peers->n_ports < NL_MAX_PORTS;
}

void nl_peers_free(struct nl_peers *peers)
{
	nl_endpoints_free(&peers->to);
	memset(peers, 0, sizeof(*peers));
}

bool nl_has_prefix(const struct nl_endpoint *address, const uint8_t *prefix, unsigned int bits)
{
	const uint8_t *bytes = (const uint8_t *)&address->v6;

	for (; bits >= 8; bits -= 8)
		if (*bytes++ != *prefix++)
			return false;
	return !bits || !((*bytes ^ *prefix) >> (8 - bits));
}

bool nl_take_address(const struct nlattr *attr, struct nl_endpoint *endpoint)
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	memset(endpoint, 0, sizeof(*endpoint));
	if (len != sizeof(endpoint->v4) && len != sizeof(endpoint->v6))
		return false;
	endpoint->family = len == sizeof(endpoint->v4) ? AF_INET : AF_INET6;
	memcpy(&endpoint->v6, mnl_attr_get_payload(attr), len);
	return true;
}

static void restart(void *ctx)
{
	nl_endpoints_free(ctx);
}

static int finish(int ret, struct nl_endpoints *all)
{
	if (ret)
		nl_endpoints_free(all);
	else
		nl_endpoints_sort(all);
	return ret;
}

/* An address of a tunnel with two ends (IFA_ADDRESS is the other one then) has IFA_LOCAL. */
static int read_address(const struct nlmsghdr *message, void *ctx)
{
	const struct ifaddrmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[IFA_LOCAL + 1];
	struct nl_endpoint address;

	if (message->nlmsg_type != RTM_NEWADDR || fixed->ifa_scope == RT_SCOPE_HOST)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, IFA_LOCAL);
	if (!nl_take_address(attrs[attrs[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS], &address))
		return 0;
	address.scope_id = fixed->ifa_index;
	return nl_endpoints_add(ctx, &address);
}

int nl_addresses(struct nl_endpoints *all, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_address, .restart = restart, .ctx = all };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(header, sizeof(struct ifaddrmsg));
	memset(all, 0, sizeof(*all));
	return finish(nl_exchange(NETLINK_ROUTE, &request, &reader, err), all);
}

/* Many entries in a row have the same destination. */
static int read_fdb(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[NDA_IFINDEX + 1];
	struct nl_endpoints *all = ctx;
	struct nl_endpoint to;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	nl_attrs(message, sizeof(struct ndmsg), attrs, NDA_IFINDEX);
	if (!nl_take_address(attrs[NDA_DST], &to))
		return 0;
	to.port = ntohs(nl_u16(attrs[NDA_PORT]));
	to.scope_id = nl_u32(attrs[NDA_IFINDEX]);
	if (all->n && !compare_endpoints(&all->list[all->n - 1], &to))
		return 0;
	return nl_endpoints_add(all, &to);
}

int nl_fdb(int ifindex, struct nl_endpoints *all, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_fdb, .restart = restart, .ctx = all };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETNEIGH, NLM_F_DUMP);
	struct ndmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));

	fixed->ndm_family = AF_BRIDGE;
	fixed->ndm_ifindex = ifindex;
	memset(all, 0, sizeof(*all));
	return finish(nl_exchange(NETLINK_ROUTE, &request, &reader, err), all);
}
