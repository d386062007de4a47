// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 The dscp-tool authors
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl_core.h"

static const int groups[] = {
	RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,	 RTNLGRP_IPV6_RULE,   RTNLGRP_TC,
};

int nl_events_open(struct nl_error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return nl_fail(err, -errno, "%s", strerror(errno));
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i]))) {
			int ret = nl_fail(err, -errno, "%s", strerror(errno));

			close(fd);
			return ret;
		}
	return fd;
}

/* What is in them does not matter, nor that some got lost (ENOBUFS): all is looked at anew. */
void nl_events_clear(int fd)
{
	char buffer[8192];

	while (recv(fd, buffer, sizeof(buffer), 0) > 0 || errno == EINTR || errno == ENOBUFS)
		;
}
