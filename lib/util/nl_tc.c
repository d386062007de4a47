/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads qdiscs and the filters at the hooks of clsact. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "nl_core.h"

struct qdisc_reading {
	int ifindex;
	char *kind;
};

struct filters {
	struct nl_filter *list;
	unsigned int n;
	unsigned int room;
};

static struct tcmsg *put_tcmsg(struct nlmsghdr *header, int ifindex)
{
	struct tcmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));

	fixed->tcm_ifindex = ifindex;
	return fixed;
}

/* The kernel lists the qdiscs of all devices, whatever index the request names. */
static int read_qdisc(const struct nlmsghdr *message, void *ctx)
{
	const struct tcmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[TCA_KIND + 1];
	struct qdisc_reading *reading = ctx;

	if (message->nlmsg_type != RTM_NEWQDISC || fixed->tcm_ifindex != reading->ifindex ||
	    fixed->tcm_parent != TC_H_INGRESS)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, TCA_KIND);
	nl_string(attrs[TCA_KIND], reading->kind, IFNAMSIZ);
	return 0;
}

static void restart_qdisc(void *ctx)
{
	struct qdisc_reading *reading = ctx;

	reading->kind[0] = '\0';
}

#define QDISC_READER(reading)                                                                      \
	{                                                                                          \
		.message = read_qdisc, .restart = restart_qdisc, .ctx = (reading)                  \
	}

static struct nl_request *ask_qdisc(struct nl_request *request, int ifindex)
{
	put_tcmsg(nl_request(request, RTM_GETQDISC, NLM_F_DUMP), ifindex);
	return request;
}

int nl_ingress_qdisc(int ifindex, char kind[static IFNAMSIZ], struct nl_error *err)
{
	struct qdisc_reading reading = { .ifindex = ifindex, .kind = kind };
	struct nl_reader reader = QDISC_READER(&reading);
	struct nl_request request;

	return nl_exchange(NETLINK_ROUTE, ask_qdisc(&request, ifindex), &reader, err);
}

struct qdiscs {
	int ifindex;
	struct nl_qdisc *list;
	unsigned int n, max;
};

static void read_cake(const struct nlattr *nest, struct nl_qdisc *qdisc)
{
	const struct nlattr *options[TCA_CAKE_FWMARK + 1];

	nl_nested_attrs(nest, options, TCA_CAKE_FWMARK);
	qdisc->diffserv = nl_u32(options[TCA_CAKE_DIFFSERV_MODE]);
	qdisc->fwmark = nl_u32(options[TCA_CAKE_FWMARK]);
	qdisc->wash = nl_u32(options[TCA_CAKE_WASH]);
}

static void add_qdisc(struct qdiscs *all, const struct nl_qdisc *qdisc)
{
	unsigned int i = !qdisc->root;

	while (i && i < all->n && memcmp(&all->list[i], qdisc, sizeof(*qdisc)))
		i++;
	if (i < all->max)
		memcpy(&all->list[i], qdisc, sizeof(*qdisc));
	all->n += i == all->n && i < all->max;
}

/* The one at ffff: is not for packets that leave. */
static int read_leaving(const struct nlmsghdr *message, void *ctx)
{
	const struct tcmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[TCA_OPTIONS + 1];
	struct nl_qdisc qdisc;
	struct qdiscs *all = ctx;

	if (message->nlmsg_type != RTM_NEWQDISC || fixed->tcm_ifindex != all->ifindex ||
	    fixed->tcm_parent == TC_H_INGRESS)
		return 0;
	memset(&qdisc, 0, sizeof(qdisc));
	qdisc.root = fixed->tcm_parent == TC_H_ROOT;
	nl_attrs(message, sizeof(*fixed), attrs, TCA_OPTIONS);
	nl_string(attrs[TCA_KIND], qdisc.kind, sizeof(qdisc.kind));
	if (!strncmp(qdisc.kind, "cake", 4))
		read_cake(attrs[TCA_OPTIONS], &qdisc);
	add_qdisc(all, &qdisc);
	return 0;
}

static void restart_qdiscs(void *ctx)
{
	struct qdiscs *all = ctx;

	all->n = 1;
}

/* A device that is down has a root that no list has. */
int nl_qdiscs(int ifindex, struct nl_qdisc *list, unsigned int max, struct nl_error *err)
{
	struct qdiscs all = { .ifindex = ifindex, .list = list, .max = max };
	struct nl_reader reader = { .message = read_leaving,
				    .restart = restart_qdiscs,
				    .ctx = &all };
	struct nl_request request;
	int ret;

	memset(list, 0, sizeof(*list));
	list->root = true;
	ret = nl_root_qdisc(ifindex, list->kind, err);
	if (!ret)
		ret = nl_exchange(NETLINK_ROUTE, ask_qdisc(&request, ifindex), &reader, err);
	return ret ? ret : (int)all.n;
}

/* Some messages are not of a filter: one heads each priority (no options), and each u32 hash
 * table has one (node number 0). */
static bool is_filter(const struct nl_filter *filter, const struct nlattr *options)
{
	return options && (strcmp(filter->kind, "u32") || TC_U32_NODE(filter->handle));
}

static int read_filter(const struct nlmsghdr *message, void *ctx)
{
	const struct tcmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[TCA_CHAIN + 1], *options[TCA_BPF_ID + 1];
	struct filters *filters = ctx;
	struct nl_filter *filter;

	if (message->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	if (filters->n == filters->room) {
		filters->room = filters->room ? 2 * filters->room : 16;
		filter = realloc(filters->list, filters->room * sizeof(*filter));
		if (!filter)
			return -ENOMEM;
		filters->list = filter;
	}
	filter = &filters->list[filters->n];
	memset(filter, 0, sizeof(*filter));
	nl_attrs(message, sizeof(*fixed), attrs, TCA_CHAIN);
	nl_string(attrs[TCA_KIND], filter->kind, sizeof(filter->kind));
	filter->handle = fixed->tcm_handle;
	filter->priority = TC_H_MAJ(fixed->tcm_info) >> 16;
	filter->protocol = TC_H_MIN(fixed->tcm_info);
	filter->chain = nl_u32(attrs[TCA_CHAIN]);
	if (!strcmp(filter->kind, "bpf")) {
		nl_nested_attrs(attrs[TCA_OPTIONS], options, TCA_BPF_ID);
		filter->prog_id = nl_u32(options[TCA_BPF_ID]);
		nl_string(options[TCA_BPF_NAME], filter->name, sizeof(filter->name));
	}
	filters->n += is_filter(filter, attrs[TCA_OPTIONS]);
	return 0;
}

static void restart_filters(void *ctx)
{
	struct filters *filters = ctx;

	filters->n = 0;
}

int nl_filters(int ifindex, uint32_t parent, int (*each)(const struct nl_filter *filter, void *ctx),
	       void *ctx, struct nl_error *err)
{
	struct filters filters = { 0 };
	struct nl_reader reader = {
		.message = read_filter,
		.restart = restart_filters,
		.ctx = &filters,
	};
	struct qdisc_reading qdisc = { .ifindex = ifindex, .kind = (char[IFNAMSIZ]){ "clsact" } };
	struct nl_reader qdisc_reader = QDISC_READER(&qdisc);
	struct nl_request request;
	int ret = 0;

	/* The "ingress" qdisc has one list, and shows it whichever minor number is asked for. */
	if (parent == TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS))
		ret = nl_exchange(NETLINK_ROUTE, ask_qdisc(&request, ifindex), &qdisc_reader, err);
	if (ret || strcmp(qdisc.kind, "clsact"))
		return ret;
	/* Collected first: an interrupted dump starts anew, and each must not see a filter twice.
	 */
	put_tcmsg(nl_request(&request, RTM_GETTFILTER, NLM_F_DUMP), ifindex)->tcm_parent = parent;
	ret = nl_exchange(NETLINK_ROUTE, &request, &reader, err);
	for (unsigned int i = 0; i < filters.n && !ret; i++)
		ret = each(&filters.list[i], ctx);
	free(filters.list);
	return ret;
}
