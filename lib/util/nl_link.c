/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks rtnetlink for devices: their kind, and the settings of a tunnel device. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "nl_core.h"

#define GRE_FLAG_KEY 0x2000 /* from <linux/if_tunnel.h>, in host order */
#define IP6_TNL_F_IGN_ENCAP_LIMIT 1u /* from <linux/ip6_tunnel.h> */

#define INFO_DATA_MAX 63 /* above every attribute of a layout */

static const struct nl_kind *(*find_kind)(const char *name);

void nl_link_kinds(const struct nl_kind *(*find)(const char *name))
{
	find_kind = find;
}

/* Takes an address of 4 or 16 bytes that is not zero ("any"). */
static void take_address(const struct nlattr *attr, struct nl_link *link, uint8_t address[16])
{
	static const uint8_t any[16];
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if ((len != 4 && len != 16) || !memcmp(mnl_attr_get_payload(attr), any, len))
		return;
	memcpy(address, mnl_attr_get_payload(attr), len);
	link->family = len == 4 ? AF_INET : AF_INET6;
}

static bool is_multicast(uint8_t family, const uint8_t address[16])
{
	return family == AF_INET ? (address[0] & 0xf0) == 0xe0
				 : family == AF_INET6 && address[0] == 0xff;
}

/* A flag for most kinds, a byte for vxlan. */
static bool is_set(const struct nlattr *attr)
{
	return attr && (!mnl_attr_get_payload_len(attr) || nl_u8(attr));
}

/* attrs[0] is NULL: the kernel uses no attribute of type 0. */
static void read_id(const struct nlattr **attrs, const struct nl_layout *layout,
		    struct nl_link *link)
{
	bool has_key = ntohs(nl_u16(attrs[layout->key_flags])) & GRE_FLAG_KEY;

	if (link->external)
		return;
	if (layout->vni) {
		link->id = nl_u32(attrs[layout->vni]);
		link->has_id = attrs[layout->vni];
	} else if (has_key) {
		link->id = nl_be32(attrs[layout->key]);
		link->has_id = true;
	}
}

/* The meaning of each attribute is in the layout of the kind. */
static void read_info(const struct nlattr *info, struct nl_link *link)
{
	const struct nlattr *about[IFLA_INFO_DATA + 1], *attrs[INFO_DATA_MAX + 1];
	const struct nl_layout *layout;
	const struct nl_kind *kind;

	nl_nested_attrs(info, about, IFLA_INFO_DATA);
	nl_string(about[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	kind = find_kind ? find_kind(link->kind) : NULL;
	if (!kind)
		return;
	layout = &kind->layout;
	link->family = kind->family;
	nl_nested_attrs(about[IFLA_INFO_DATA], attrs, INFO_DATA_MAX);
	attrs[0] = NULL;
	link->port = ntohs(nl_u16(attrs[layout->port]));
	link->external = is_set(attrs[layout->external]);
	link->lower = nl_u32(attrs[layout->lower]);
	link->fwmark = nl_u32(attrs[layout->fwmark]);
	link->encap = nl_u16(attrs[layout->encap]);
	link->encap_limit = layout->ip6_flags &&
			    !(nl_u32(attrs[layout->ip6_flags]) & IP6_TNL_F_IGN_ENCAP_LIMIT);
	read_id(attrs, layout, link);
	for (int i = 0; i < 2; i++) {
		take_address(attrs[layout->local[i]], link, link->local);
		take_address(attrs[layout->remote[i]], link, link->remote);
	}
	link->multicast = is_multicast(link->family, link->remote);
}

static void read_packets(const struct nlattr *attr, struct nl_link *link)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	/* Not aligned, and longer in a newer kernel. */
	if (len)
		memcpy(&stats, mnl_attr_get_payload(attr),
		       len < sizeof(stats) ? len : sizeof(stats));
	link->sent = stats.tx_packets;
	link->received = stats.rx_packets;
}

static int read_link(const struct nlmsghdr *message, void *ctx)
{
	const struct ifinfomsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[IFLA_LINK_NETNSID + 1];
	struct nl_link *link = ctx;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, IFLA_LINK_NETNSID);
	link->ifindex = fixed->ifi_index;
	link->type = fixed->ifi_type;
	link->up = fixed->ifi_flags & IFF_UP;
	nl_name(attrs[IFLA_IFNAME], link->name, sizeof(link->name));
	link->elsewhere = attrs[IFLA_LINK_NETNSID];
	link->netnsid = (int)nl_u32(attrs[IFLA_LINK_NETNSID]);
	read_packets(attrs[IFLA_STATS64], link);
	read_info(attrs[IFLA_LINKINFO], link);
	link->master = nl_u32(attrs[IFLA_MASTER]);
	if (!link->elsewhere && (!strcmp(link->kind, "vlan") || !strcmp(link->kind, "macvlan")))
		link->real = nl_u32(attrs[IFLA_LINK]);
	if (!strcmp(link->kind, "vlan"))
		link->below = link->real;
	return 0;
}

/* By its name, or by its number if that is NULL. */
static struct nl_request *ask_link(struct nl_request *request, const char *name, int ifindex)
{
	struct nlmsghdr *header = nl_request(request, RTM_GETLINK, 0);
	struct ifinfomsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));

	fixed->ifi_index = ifindex;
	if (name)
		mnl_attr_put_strz(header, IFLA_IFNAME, name);
	return request;
}

int nl_link_by_name(const char *name, struct nl_link *link, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_link, .ctx = link };
	struct nl_request request;
	int ret = -ENODEV;

	memset(link, 0, sizeof(*link));
	if (*name && strlen(name) < IFNAMSIZ)
		ret = nl_exchange(NETLINK_ROUTE, ask_link(&request, name, 0), &reader, err);
	return ret == -ENODEV ? nl_fail(err, ret, "there is no such device") : ret;
}

static int no_index(int ret, int ifindex, struct nl_error *err)
{
	return ret == -ENODEV ? nl_fail(err, ret, "there is no device with index %d", ifindex)
			      : ret;
}

int nl_link_by_index(int ifindex, struct nl_link *link, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_link, .ctx = link };
	struct nl_request request;
	int ret = -ENODEV;

	memset(link, 0, sizeof(*link));
	if (ifindex > 0)
		ret = nl_exchange(NETLINK_ROUTE, ask_link(&request, NULL, ifindex), &reader, err);
	return no_index(ret, ifindex, err);
}

static int read_netnsid(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[NETNSA_NSID + 1];

	if (message->nlmsg_type != RTM_NEWNSID)
		return 0;
	nl_attrs(message, sizeof(struct rtgenmsg), attrs, NETNSA_NSID);
	if (attrs[NETNSA_NSID])
		*(int *)ctx = (int)nl_u32(attrs[NETNSA_NSID]);
	return 0;
}

int nl_netnsid(int netns)
{
	int id = NETNSA_NSID_NOT_ASSIGNED;
	struct nl_reader reader = { .message = read_netnsid, .ctx = &id };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETNSID, 0);

	mnl_nlmsg_put_extra_header(header, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(header, NETNSA_FD, netns);
	return nl_exchange(NETLINK_ROUTE, &request, &reader, NULL) ? NETNSA_NSID_NOT_ASSIGNED : id;
}

struct links {
	struct nl_link *list;
	unsigned int n;
	unsigned int room;
};

static int read_one_of_links(const struct nlmsghdr *message, void *ctx)
{
	struct links *links = ctx;
	struct nl_link *more;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (links->n == links->room) {
		links->room = links->room ? 2 * links->room : 64;
		more = realloc(links->list, links->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		links->list = more;
	}
	memset(&links->list[links->n], 0, sizeof(*links->list));
	return read_link(message, &links->list[links->n++]);
}

static void restart_links(void *ctx)
{
	struct links *links = ctx;

	links->n = 0;
}

/* Collected first: an interrupted dump starts anew. */
int nl_links(void (*each)(const struct nl_link *link, void *ctx), void *ctx, struct nl_error *err)
{
	struct links links = { 0 };
	struct nl_reader reader = {
		.message = read_one_of_links,
		.restart = restart_links,
		.ctx = &links,
	};
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETLINK, NLM_F_DUMP);
	int ret;

	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
	for (unsigned int i = 0; i < links.n && !ret; i++)
		each(&links.list[i], ctx);
	free(links.list);
	return ret;
}

static int read_qdisc_name(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[IFLA_QDISC + 1];

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	nl_attrs(message, sizeof(struct ifinfomsg), attrs, IFLA_QDISC);
	nl_string(attrs[IFLA_QDISC], ctx, IFNAMSIZ);
	return 0;
}

/* The link says it too, and for a device that is down ("noop") only the link does. */
int nl_root_qdisc(int ifindex, char kind[static IFNAMSIZ], struct nl_error *err)
{
	struct nl_reader reader = { .message = read_qdisc_name, .ctx = kind };
	struct nl_request request;
	int ret;

	kind[0] = '\0';
	ret = nl_exchange(NETLINK_ROUTE, ask_link(&request, NULL, ifindex), &reader, err);
	return no_index(ret, ifindex, err);
}
