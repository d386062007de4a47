/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds a family of generic netlink, whose number changes from boot to boot. */
#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

#include "nl_core.h"

static int read_family(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[CTRL_ATTR_MCAST_GROUPS + 1], *groups[2];
	const struct nlattr *group[CTRL_ATTR_MCAST_GRP_ID + 1];
	struct nl_family *family = ctx;

	nl_attrs(message, GENL_HDRLEN, attrs, CTRL_ATTR_MCAST_GROUPS);
	family->id = nl_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	nl_nested_attrs(attrs[CTRL_ATTR_MCAST_GROUPS], groups, 1);
	nl_nested_attrs(groups[1], group, CTRL_ATTR_MCAST_GRP_ID);
	family->group = nl_u32(group[CTRL_ATTR_MCAST_GRP_ID]);
	return 0;
}

void nl_command(struct nlmsghdr *header, uint8_t command, uint8_t version)
{
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));

	generic->cmd = command;
	generic->version = version;
}

int nl_family(const char *name, struct nl_family *family, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_family, .ctx = family };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, GENL_ID_CTRL, 0);
	int ret;

	nl_command(header, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(header, CTRL_ATTR_FAMILY_NAME, name);
	ret = nl_exchange(NETLINK_GENERIC, &request, &reader, err);
	if (ret == -ENOENT || (!ret && !family->id))
		return nl_fail(err, -ENOENT, "this kernel has no %s", name);
	return ret;
}

bool nl_family_present(const char *name)
{
	struct nl_family family = {};

	return !nl_family(name, &family, NULL);
}
