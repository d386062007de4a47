/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks about neighbours and IPsec, which may stop packets on their way, or change them. */
#include <netinet/in.h> /* before xfrm.h, or musl defines in6_addr again */
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include "nl_core.h"

struct neighbours {
	void (*each)(const struct nl_neighbour *neighbour, void *ctx);
	void *ctx;
};

static int read_neighbour(const struct nlmsghdr *message, void *ctx)
{
	const struct ndmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[NDA_CACHEINFO + 1];
	const struct nda_cacheinfo *cache;
	const struct neighbours *all = ctx;
	struct nl_neighbour neighbour;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, NDA_CACHEINFO);
	if (!attrs[NDA_CACHEINFO] ||
	    mnl_attr_get_payload_len(attrs[NDA_CACHEINFO]) < sizeof(*cache))
		return 0;
	cache = mnl_attr_get_payload(attrs[NDA_CACHEINFO]);
	neighbour = (struct nl_neighbour){ .ifindex = fixed->ndm_ifindex,
					   .state = fixed->ndm_state,
					   .age = cache->ndm_updated / sysconf(_SC_CLK_TCK) };
	all->each(&neighbour, all->ctx);
	return 0;
}

void nl_neighbours(void (*each)(const struct nl_neighbour *neighbour, void *ctx), void *ctx)
{
	struct neighbours all = { .each = each, .ctx = ctx };
	struct nl_reader reader = { .message = read_neighbour, .ctx = &all };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, RTM_GETNEIGH, NLM_F_DUMP);
	struct ndmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));

	fixed->ndm_family = AF_UNSPEC;
	nl_exchange(NETLINK_ROUTE, &request, &reader, NULL);
}

static int read_count(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[XFRMA_SAD_CNT + 1];

	if (message->nlmsg_type != XFRM_MSG_NEWSADINFO)
		return 0;
	nl_attrs(message, sizeof(uint32_t), attrs, XFRMA_SAD_CNT);
	*(uint32_t *)ctx = nl_u32(attrs[XFRMA_SAD_CNT]);
	return 0;
}

uint32_t nl_security_associations(void)
{
	uint32_t n = 0;
	struct nl_reader reader = { .message = read_count, .ctx = &n };
	struct nl_request request;
	struct nlmsghdr *header = nl_request(&request, XFRM_MSG_GETSADINFO, 0);

	mnl_nlmsg_put_extra_header(header, sizeof(uint32_t)); /* flags */
	return nl_exchange(NETLINK_XFRM, &request, &reader, NULL) ? 0 : n;
}
