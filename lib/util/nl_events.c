/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Waits for changes of links, addresses, routes, rules and qdiscs. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "macros.h"
#include "nl_core.h"

static const int groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,	 RTNLGRP_IPV6_RULE,   RTNLGRP_TC,
};

static int join_groups(int fd)
{
	/* Without an address of its own (port 0) a socket gets next to nothing: 0 is what the
	 * kernel leaves out when a message is nobody's echo (do_one_broadcast()). */
	const struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int err = bind(fd, (const struct sockaddr *)&local, sizeof(local));

	for (unsigned int i = 0; i < ARRAY_SIZE(groups) && !err; i++)
		err = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
				 sizeof(groups[i]));
	return err;
}

int nl_events_open(struct nl_error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), ret;

	if (fd < 0)
		return nl_fail(err, -errno, "%s", strerror(errno));
	if (!join_groups(fd))
		return fd;
	ret = nl_fail(err, -errno, "%s", strerror(errno));
	close(fd);
	return ret;
}

/* What is in them does not matter, nor that some got lost (ENOBUFS): all is looked at anew. */
void nl_events_clear(int fd)
{
	char buffer[8192];

	while (recv(fd, buffer, sizeof(buffer), 0) > 0 || errno == EINTR || errno == ENOBUFS)
		;
}
