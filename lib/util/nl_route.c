/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the device of a route, and the devices of the default routes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "nl_core.h"

#define LOOPBACK_IFINDEX 1 /* in every network namespace */

/* A device that default routes use; with a next-hop object instead of a device, until resolved. */
struct default_route {
	uint32_t metric;
	unsigned int order; /* in which the kernel listed them */
	int oif;
	uint32_t nexthop;
};

struct default_routes {
	struct default_route *routes;
	unsigned int n;
	unsigned int room;
};

struct lookup {
	int oif;
	unsigned char type; /* RTN_* */
};

static int read_route(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[RTA_OIF + 1];
	struct lookup *lookup = ctx;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, RTA_OIF);
	lookup->oif = nl_u32(attrs[RTA_OIF]);
	lookup->type = fixed->rtm_type;
	return 0;
}

/* IPv4 answers a look-up that ends in such a route with an errno (fib_props in the kernel), IPv6
 * with the errno or with the route, depending on the kernel. */
static int no_route(int error, unsigned char type, struct nl_error *err)
{
	if (error == -EINVAL || type == RTN_BLACKHOLE)
		return nl_fail(err, -ENETUNREACH, "the route is a blackhole");
	if (error == -EACCES || type == RTN_PROHIBIT)
		return nl_fail(err, -ENETUNREACH, "the route prohibits it");
	if (error == -EHOSTUNREACH || type == RTN_UNREACHABLE)
		return nl_fail(err, -ENETUNREACH, "the route says that it is unreachable");
	if (error == -EAGAIN || type == RTN_THROW)
		return nl_fail(err, -ENETUNREACH, "the route throws it away");
	return error;
}

static void put_destination(struct nlmsghdr *header, const struct nl_endpoint *dst)
{
	struct rtmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));
	size_t len = dst->family == AF_INET ? sizeof(dst->v4) : sizeof(dst->v6);

	fixed->rtm_family = dst->family;
	fixed->rtm_dst_len = 8 * len;
	mnl_attr_put(header, RTA_DST, len, &dst->v6);
}

int nl_route_oif(const struct nl_endpoint *dst, uint32_t fwmark, int *oif, struct nl_error *err)
{
	struct lookup lookup = { 0 };
	struct nl_reader reader = { .message = read_route, .ctx = &lookup };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETROUTE, 0);
	uint32_t from = *oif ? (uint32_t)*oif : dst->scope_id;
	int ret;

	put_destination(header, dst);
	if (fwmark)
		mnl_attr_put_u32(header, RTA_MARK, fwmark);
	if (from)
		mnl_attr_put_u32(header, RTA_OIF, from);
	ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
	if (!ret)
		ret = no_route(0, lookup.type, err);
	else
		ret = no_route(ret, RTN_UNSPEC, err);
	if (ret)
		return ret;
	if (!lookup.oif)
		return nl_fail(err, -ENETUNREACH, "the route names no device");
	*oif = lookup.oif;
	return 0;
}

static int add_route(struct default_routes *list, uint32_t metric, int oif, uint32_t nexthop)
{
	if (list->n == list->room) {
		unsigned int room = list->room ? 2 * list->room : 16;
		struct default_route *more = realloc(list->routes, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->routes = more;
		list->room = room;
	}
	list->routes[list->n] = (struct default_route){ metric, list->n, oif, nexthop };
	list->n++;
	return 0;
}

static int add_multipath(struct default_routes *list, uint32_t metric, const struct nlattr *attr)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);
	int ret = 0;

	while (!ret && RTNH_OK(hop, left)) {
		ret = add_route(list, metric, hop->rtnh_ifindex, 0);
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return ret;
}

static int read_default_route(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[RTA_NH_ID + 1];
	uint32_t metric;

	if (message->nlmsg_type != RTM_NEWROUTE || fixed->rtm_dst_len ||
	    fixed->rtm_type != RTN_UNICAST || fixed->rtm_flags & RTM_F_CLONED)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, RTA_NH_ID);
	if (nl_u32(attrs[RTA_TABLE]) == RT_TABLE_LOCAL)
		return 0;
	metric = nl_u32(attrs[RTA_PRIORITY]);
	if (attrs[RTA_MULTIPATH])
		return add_multipath(ctx, metric, attrs[RTA_MULTIPATH]);
	if (attrs[RTA_OIF])
		return add_route(ctx, metric, nl_u32(attrs[RTA_OIF]), 0);
	if (attrs[RTA_NH_ID])
		return add_route(ctx, metric, 0, nl_u32(attrs[RTA_NH_ID]));
	return 0;
}

struct nexthop_reading {
	struct default_routes *list;
	uint32_t metric;
};

/* The next hop's device; of a group, its members, which are looked up later like any other. */
static int read_nexthop(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[NHA_OIF + 1];
	const struct nexthop_reading *reading = ctx;
	const struct nexthop_grp *members;
	size_t n;
	int ret = 0;

	if (message->nlmsg_type != RTM_NEWNEXTHOP)
		return 0;
	nl_attrs(message, sizeof(struct nhmsg), attrs, NHA_OIF);
	if (attrs[NHA_OIF])
		return add_route(reading->list, reading->metric, nl_u32(attrs[NHA_OIF]), 0);
	if (!attrs[NHA_GROUP])
		return 0;
	members = mnl_attr_get_payload(attrs[NHA_GROUP]);
	n = mnl_attr_get_payload_len(attrs[NHA_GROUP]) / sizeof(*members);
	for (size_t i = 0; i < n && !ret; i++)
		ret = add_route(reading->list, reading->metric, 0, members[i].id);
	return ret;
}

/* Routes show the devices of next-hop objects too, unless net.ipv4.nexthop_compat_mode is 0. The
 * list grows while it is walked; groups do not nest, so it ends. */
static int resolve_nexthops(struct default_routes *list, struct nl_error *err)
{
	struct nexthop_reading reading = { .list = list };
	struct nl_reader reader = { .message = read_nexthop, .ctx = &reading };
	struct nl_request request;
	struct nlmsghdr *header;
	int ret;

	for (unsigned int i = 0; i < list->n; i++) {
		if (!list->routes[i].nexthop)
			continue;
		reading.metric = list->routes[i].metric;
		header = nl_request(&request, RTM_GETNEXTHOP, 0);
		mnl_nlmsg_put_extra_header(header, sizeof(struct nhmsg));
		mnl_attr_put_u32(header, NHA_ID, list->routes[i].nexthop);
		ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
		/* -ENOENT: it went away since the route was listed. */
		if (ret && ret != -ENOENT)
			return ret;
	}
	return 0;
}

static void restart_routes(void *ctx)
{
	struct default_routes *list = ctx;

	list->n = 0;
}

static int dump_default_routes(unsigned char family, struct default_routes *list,
			       struct nl_error *err)
{
	struct default_routes part = { 0 };
	struct nl_reader reader = {
		.message = read_default_route,
		.restart = restart_routes,
		.ctx = &part,
	};
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));
	int ret;

	fixed->rtm_family = family;
	ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
	for (unsigned int i = 0; i < part.n && !ret; i++)
		ret = add_route(list, part.routes[i].metric, part.routes[i].oif,
				part.routes[i].nexthop);
	free(part.routes);
	return ret;
}

static int compare_routes(const void *a, const void *b)
{
	const struct default_route *one = a;
	const struct default_route *other = b;

	if (one->metric != other->metric)
		return one->metric < other->metric ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

static unsigned int list_oifs(const struct default_routes *list, int *oifs, unsigned int max)
{
	unsigned int n = 0;
	unsigned int j;

	for (unsigned int i = 0; i < list->n && n < max; i++) {
		int oif = list->routes[i].oif;

		for (j = 0; j < n && oifs[j] != oif; j++)
			;
		if (j == n && oif && oif != LOOPBACK_IFINDEX)
			oifs[n++] = oif;
	}
	return n;
}

int nl_default_oifs(int *oifs, unsigned int max, struct nl_error *err)
{
	struct default_routes list = { 0 };
	int ret;

	ret = dump_default_routes(AF_INET, &list, err);
	if (!ret)
		ret = dump_default_routes(AF_INET6, &list, err);
	if (!ret)
		ret = resolve_nexthops(&list, err);
	if (!ret && list.n) {
		qsort(list.routes, list.n, sizeof(*list.routes), compare_routes);
		ret = list_oifs(&list, oifs, max);
	}
	free(list.routes);
	return ret;
}
