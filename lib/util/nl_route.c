/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the devices that packets leave by: route look-ups, as the kernel's own sockets make them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "nl_core.h"

/* The next hops of a route. */
struct hops {
	struct nl_devices devices;
	/* Next-hop objects in place of devices. Of a group the members are added while the list is
	 * walked; groups do not nest, so it ends. */
	uint32_t objects[2 * NL_MAX_DEVICES];
	unsigned int n_objects;
};

bool nl_has_device(const struct nl_devices *devices, int ifindex)
{
	for (unsigned int i = 0; i < devices->n; i++)
		if (devices->list[i] == ifindex)
			return true;
	return false;
}

void nl_add_device(struct nl_devices *devices, int ifindex)
{
	if (ifindex && devices->n < NL_MAX_DEVICES && !nl_has_device(devices, ifindex))
		devices->list[devices->n++] = ifindex;
}

static void add_object(struct hops *hops, uint32_t id)
{
	if (hops->n_objects < sizeof(hops->objects) / sizeof(*hops->objects))
		hops->objects[hops->n_objects++] = id;
}

static int read_route(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[RTA_ENCAP_TYPE + 1];
	struct nl_route *route = ctx;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, RTA_ENCAP_TYPE);
	route->type = fixed->rtm_type;
	route->oif = fixed->rtm_type == RTN_LOCAL ? NL_LOOPBACK : (int)nl_u32(attrs[RTA_OIF]);
	route->encap = nl_u16(attrs[RTA_ENCAP_TYPE]);
	return 0;
}

static int read_hops(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[RTA_NH_ID + 1];
	const struct rtnexthop *hop;
	struct hops *hops = ctx;
	int left;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	nl_attrs(message, sizeof(struct rtmsg), attrs, RTA_NH_ID);
	nl_add_device(&hops->devices, nl_u32(attrs[RTA_OIF]));
	if (attrs[RTA_MULTIPATH]) {
		hop = mnl_attr_get_payload(attrs[RTA_MULTIPATH]);
		left = mnl_attr_get_payload_len(attrs[RTA_MULTIPATH]);
		for (; RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
			nl_add_device(&hops->devices, hop->rtnh_ifindex);
			left -= RTNH_ALIGN(hop->rtnh_len);
		}
	} else if (attrs[RTA_NH_ID])
		add_object(hops, nl_u32(attrs[RTA_NH_ID]));
	return 0;
}

static int read_object(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[NHA_OIF + 1];
	const struct nexthop_grp *members = NULL;
	struct hops *hops = ctx;
	size_t n = 0;

	if (message->nlmsg_type != RTM_NEWNEXTHOP)
		return 0;
	nl_attrs(message, sizeof(struct nhmsg), attrs, NHA_OIF);
	nl_add_device(&hops->devices, nl_u32(attrs[NHA_OIF]));
	if (attrs[NHA_GROUP]) {
		members = mnl_attr_get_payload(attrs[NHA_GROUP]);
		n = mnl_attr_get_payload_len(attrs[NHA_GROUP]) / sizeof(*members);
	}
	for (size_t i = 0; i < n; i++)
		add_object(hops, members[i].id);
	return 0;
}

static void put_ports(struct nlmsghdr *header, const struct nl_flow *flow)
{
	mnl_attr_put_u8(header, RTA_IP_PROTO, IPPROTO_UDP);
	if (flow->sport)
		mnl_attr_put_u16(header, RTA_SPORT, htons(flow->sport));
	if (flow->to.port)
		mnl_attr_put_u16(header, RTA_DPORT, htons(flow->to.port));
}

/* flags: RTM_F_*. The kernel takes no other protocols that have to do with tunnels than UDP. */
static void put_flow(struct nl_request *request, const struct nl_flow *flow, unsigned int flags)
{
	struct nlmsghdr *header = nl_request(request, RTM_GETROUTE, 0);
	struct rtmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));
	size_t len = flow->to.family == AF_INET ? sizeof(flow->to.v4) : sizeof(flow->to.v6);
	uint32_t oif = flow->oif ? (uint32_t)flow->oif : flow->to.scope_id;

	fixed->rtm_family = flow->to.family;
	fixed->rtm_dst_len = 8 * len;
	fixed->rtm_flags = flags;
	mnl_attr_put(header, RTA_DST, len, &flow->to.v6);
	if (flow->from.family == flow->to.family) {
		fixed->rtm_src_len = 8 * len;
		mnl_attr_put(header, RTA_SRC, len, &flow->from.v6);
	}
	if (flow->mark)
		mnl_attr_put_u32(header, RTA_MARK, flow->mark);
	if (oif)
		mnl_attr_put_u32(header, RTA_OIF, oif);
	if (flow->udp)
		put_ports(header, flow);
}

/* Routes show the devices of next-hop objects too, unless net.ipv4.nexthop_compat_mode is 0. */
/* Any answer is good: there may be no such route, or object. */
static int ask(struct nl_request *request, const struct nl_reader *reader, struct nl_error *err)
{
	int ret = nl_exchange(NETLINK_ROUTE, request, reader, err);

	return ret && err->unanswered ? ret : 0;
}

int nl_next_hops(const struct nl_flow *flow, struct nl_devices *devices, struct nl_error *err)
{
	struct hops hops = { 0 };
	struct nl_reader reader = { .message = read_hops, .ctx = &hops };
	struct nl_request request;
	struct nlmsghdr *header;
	int ret;

	put_flow(&request, flow, RTM_F_FIB_MATCH);
	ret = ask(&request, &reader, err);
	reader.message = read_object;
	for (unsigned int i = 0; i < hops.n_objects && !ret; i++) {
		header = nl_request(&request, RTM_GETNEXTHOP, 0);
		mnl_nlmsg_put_extra_header(header, sizeof(struct nhmsg));
		mnl_attr_put_u32(header, NHA_ID, hops.objects[i]);
		ret = ask(&request, &reader, err);
	}
	*devices = hops.devices;
	return ret;
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

int nl_route(const struct nl_flow *flow, struct nl_route *route, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_route, .ctx = route };
	struct nl_request request;
	int ret;

	memset(route, 0, sizeof(*route));
	nl_events_keep(&flow->to);
	put_flow(&request, flow, 0);
	ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
	ret = no_route(ret, ret ? RTN_UNSPEC : route->type, err);
	if (!ret && !route->oif)
		ret = nl_fail(err, -ENETUNREACH, "the route names no device");
	return ret;
}

static int read_rule(const struct nlmsghdr *message, void *ctx)
{
	const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(message);
	bool *by_source = ctx;

	*by_source |= message->nlmsg_type == RTM_NEWRULE && rule->src_len;
	return 0;
}

bool nl_rules_by_source(void)
{
	bool by_source = false;
	struct nl_reader reader = { .message = read_rule, .ctx = &by_source };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(header, sizeof(*rule));

	rule->family = AF_INET;
	return nl_exchange(NETLINK_ROUTE, &request, &reader, NULL) || by_source;
}
