/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Waits for changes of links, addresses, routes, rules and qdiscs, and leaves out early the events
 * that cannot matter: a router on the Internet has a million routes, and some change all the
 * time. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "macros.h"
#include "nl_core.h"

static int join_groups(int fd, const uint32_t *groups, unsigned int n)
{
	/* Without a separate address (port 0) a socket gets next to nothing: the kernel leaves out
	 * 0 when a message is nobody's echo (do_one_broadcast()). */
	const struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int err = bind(fd, (const struct sockaddr *)&local, sizeof(local));

	for (unsigned int i = 0; i < n && !err; i++)
		err = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
				 sizeof(groups[i]));
	return err;
}

int nl_open_groups(int protocol, const uint32_t *groups, unsigned int n, struct nl_error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), ret;

	if (fd < 0)
		return nl_fail(err, -errno, "%s", strerror(errno));
	if (!join_groups(fd, groups, n))
		return fd;
	ret = nl_fail(err, -errno, "%s", strerror(errno));
	close(fd);
	return ret;
}

int nl_events_open(struct nl_error *err)
{
	static const uint32_t groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,	 RTNLGRP_IPV6_RULE,   RTNLGRP_TC,
	};

	return nl_open_groups(NETLINK_ROUTE, groups, ARRAY_SIZE(groups), err);
}

/* Destinations that a route was looked up for since nl_events_forget(), if that was called at
 * all. */
static struct nl_endpoints asked;
static bool keeps, lost; /* lost: there was no memory for one */

void nl_events_forget(void)
{
	asked.n = 0;
	lost = false;
	keeps = true;
}

void nl_events_keep(const struct nl_endpoint *to)
{
	if (!keeps || (asked.n && !memcmp(&asked.list[asked.n - 1], to, sizeof(*to))))
		return;
	if (nl_endpoints_add(&asked, to))
		lost = true;
}

/* A change of a route matters to destinations behind it. */
static bool route_matters(const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[RTA_DST + 1];
	uint8_t prefix[16] = { 0 };

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) || route->rtm_dst_len > 128 ||
	    lost || !keeps)
		return true;
	nl_attrs(message, sizeof(*route), attrs, RTA_DST);
	if (attrs[RTA_DST] && mnl_attr_get_payload_len(attrs[RTA_DST]) <= sizeof(prefix))
		memcpy(prefix, mnl_attr_get_payload(attrs[RTA_DST]),
		       mnl_attr_get_payload_len(attrs[RTA_DST]));
	for (unsigned int i = 0; i < asked.n; i++)
		if (asked.list[i].family == route->rtm_family &&
		    nl_has_prefix(&asked.list[i], prefix, route->rtm_dst_len))
			return true;
	return false;
}

/* A qdisc at the root of a device, and its classes, are no position for a program: a script that
 * sets CAKE's bandwidth ten times a second is not followed. */
static bool matters(const struct nlmsghdr *message)
{
	const struct tcmsg *fixed = mnl_nlmsg_get_payload(message);

	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_matters(message);
	case RTM_NEWTCLASS:
	case RTM_DELTCLASS:
		return false;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
		return mnl_nlmsg_get_payload_len(message) < sizeof(*fixed) ||
		       fixed->tcm_parent == TC_H_INGRESS; /* and clsact */
	default:
		return true;
	}
}

/* An event that has not fit in matters. */
static bool any_matters(const struct nlmsghdr *message, int len,
			bool (*is_one)(const struct nlmsghdr *message))
{
	for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
		if (is_one(message))
			return true;
	return len > 0;
}

/* Their content does not matter else, nor do lost events (ENOBUFS): all is looked at anew. */
bool nl_read_groups(int fd, bool (*is_one)(const struct nlmsghdr *message))
{
	struct nlmsghdr buffer[512];
	bool any = false;
	ssize_t len;

	for (;;) {
		len = recv(fd, buffer, sizeof(buffer), 0);
		if (len > 0)
			any |= any_matters(buffer, len, is_one);
		else if (len < 0 && errno == ENOBUFS)
			any = true;
		else if (!len || errno != EINTR)
			return any;
	}
}

bool nl_events_read(int fd)
{
	return nl_read_groups(fd, matters);
}
