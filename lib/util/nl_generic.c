/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks the families of generic netlink, whose numbers change from boot to boot. */
#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

#include "nl_core.h"

#define IFINDEX 1 /* WGDEVICE_A_IFINDEX, OVPN_A_IFINDEX */

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

/* Puts the header of a command into a request. All have version 1; amneziawg's family has another
 * number, which generic netlink does not compare. */
static void put_command(struct nlmsghdr *header, uint8_t command)
{
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));

	generic->cmd = command;
	generic->version = 1;
}

int nl_family(const char *name, struct nl_family *family, struct nl_error *err)
{
	struct nl_reader reader = { .message = read_family, .ctx = family };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, GENL_ID_CTRL, 0);
	int ret;

	put_command(header, CTRL_CMD_GETFAMILY);
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

int nl_ask_device(const char *family, uint8_t command, int ifindex, const struct nl_reader *reader,
		  struct nl_error *err)
{
	struct nl_family numbers = {};
	struct nl_request request;
	struct nlmsghdr *header;
	int ret = nl_family(family, &numbers, err);

	if (ret)
		return ret;
	header = nl_request(&request, numbers.id, NLM_F_DUMP);
	put_command(header, command);
	mnl_attr_put_u32(header, IFINDEX, ifindex);
	return nl_exchange(NETLINK_GENERIC, &request, reader, err);
}

static void restart_peers(void *ctx)
{
	nl_peers_free(ctx);
}

struct nl_reader nl_peers_reader(int (*message)(const struct nlmsghdr *message, void *ctx),
				 struct nl_peers *peers)
{
	memset(peers, 0, sizeof(*peers));
	return (struct nl_reader){ .message = message, .restart = restart_peers, .ctx = peers };
}

int nl_peers_finish(int ret, struct nl_peers *peers)
{
	if (ret)
		nl_peers_free(peers);
	else
		nl_endpoints_sort(&peers->to);
	return ret;
}
