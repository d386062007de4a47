/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Fuzzes the kernel's answers to netlink. The first byte chooses the question; then come the
 * datagrams, each with its length in front (fuzz.h).
 */
#include <errno.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <util/netlink.h>

#include "fuzz.h"
#include "tunnel/kinds.h"

static void check_link(const struct nl_link *link)
{
	CHECK_TERMINATED(link->name);
	CHECK_TERMINATED(link->kind);
	CHECK(link->family == AF_UNSPEC || link->family == AF_INET || link->family == AF_INET6,
	      "family %u", link->family);
	check_printable(link->kind, strlen(link->kind));
}

static int link_by(bool name, struct nl_error *err)
{
	struct nl_link link;
	int ret = name ? nl_link_by_name("wg0", &link, err) : nl_link_by_index(DEVICE, &link, err);

	check_link(&link);
	return ret;
}

static void check_endpoints(const struct nl_endpoints *all)
{
	for (unsigned int i = 0; i < all->n; i++) {
		const struct nl_endpoint *e = &all->list[i];

		CHECK(e->family == AF_INET || e->family == AF_INET6, "family %d", e->family);
		CHECK(!i || memcmp(e, e - 1, sizeof(*e)), "the same endpoint twice");
	}
}

static int peers(bool ovpn, struct nl_error *err)
{
	struct nl_peers peers;
	int ret = ovpn ? nl_ovpn_peers("ovpn", DEVICE, &peers, err)
		       : nl_wireguard_peers("wireguard", DEVICE, &peers, err);

	CHECK(!ret || (!peers.to.list && !peers.to.n), "endpoints after an error");
	check_endpoints(&peers.to);
	CHECK(peers.n_ports <= NL_MAX_PORTS, "%u ports", peers.n_ports);
	for (unsigned int i = 1; i < peers.n_ports; i++)
		CHECK(peers.ports[i] > peers.ports[i - 1], "port %u", peers.ports[i]);
	nl_peers_free(&peers);
	return ret;
}

static int addresses(bool fdb, struct nl_error *err)
{
	struct nl_endpoints all;
	int ret = fdb ? nl_fdb(DEVICE, &all, err) : nl_addresses(&all, err);

	CHECK(!ret || (!all.list && !all.n), "addresses after an error");
	check_endpoints(&all);
	nl_endpoints_free(&all);
	return ret;
}

static int route(struct nl_error *err)
{
	const struct nl_flow flow = { .to = { .family = AF_INET, .v4 = { 0x0100000a } },
				      .mark = 51820 };
	struct nl_route route;
	int ret = nl_route(&flow, &route, err);

	CHECK(ret || route.oif, "no device %d", route.oif);
	return ret;
}

static int next_hops(struct nl_error *err)
{
	const struct nl_flow flow = { .to = { .family = AF_INET6 }, .oif = DEVICE };
	struct nl_devices hops;
	int ret = nl_next_hops(&flow, &hops, err);

	CHECK(hops.n <= NL_MAX_DEVICES, "%u devices", hops.n);
	for (unsigned int i = 0; i < hops.n; i++)
		for (unsigned int j = 0; j < i; j++)
			CHECK(hops.list[i] && hops.list[i] != hops.list[j], "device %d",
			      hops.list[i]);
	nl_rules_by_source();
	return ret;
}

static int qdisc(bool root, struct nl_error *err)
{
	char kind[IFNAMSIZ];
	int ret = root ? nl_root_qdisc(DEVICE, kind, err) : nl_ingress_qdisc(DEVICE, kind, err);

	CHECK_TERMINATED(kind);
	check_printable(kind, strlen(kind));
	return ret;
}

static int qdiscs(struct nl_error *err)
{
	struct nl_qdisc list[4];
	int n = nl_qdiscs(DEVICE, list, ARRAY_SIZE(list), err);

	CHECK(n && n <= (int)ARRAY_SIZE(list), "%d qdiscs", n);
	for (int i = 0; i < n; i++) {
		CHECK_TERMINATED(list[i].kind);
		check_printable(list[i].kind, strlen(list[i].kind));
		CHECK(list[i].root == !i, "%d is the root", i);
	}
	return n < 0 ? n : 0;
}

static int check_filter(const struct nl_filter *filter, void *ctx)
{
	(void)ctx;
	CHECK_TERMINATED(filter->kind);
	CHECK_TERMINATED(filter->name);
	check_printable(filter->kind, strlen(filter->kind));
	check_printable(filter->name, strlen(filter->name));
	CHECK(!strcmp(filter->kind, "bpf") || (!filter->prog_id && !*filter->name), "%s",
	      filter->kind);
	return 0;
}

static int filters(uint32_t minor, struct nl_error *err)
{
	return nl_filters(DEVICE, TC_H_MAKE(TC_H_CLSACT, minor), check_filter, NULL, err);
}

static int flowtables(struct nl_error *err)
{
	struct nl_flowtable list[4];
	int n = nl_flowtables("eth0", list, ARRAY_SIZE(list), err);

	CHECK(n <= (int)ARRAY_SIZE(list), "%d flowtables", n);
	for (int i = 0; i < n; i++) {
		CHECK_TERMINATED(list[i].table);
		CHECK_TERMINATED(list[i].name);
		check_printable(list[i].table, strlen(list[i].table));
		check_printable(list[i].name, strlen(list[i].name));
	}
	return n < 0 ? n : 0;
}

static int flow_rules(struct nl_error *err)
{
	const struct nl_flowtable flowtable = { .family = AF_INET, .table = "t", .name = "f" };
	int ret = nl_flowtable_adds(&flowtable, "wg0", DEVICE, err);

	CHECK(ret <= 1, "%d", ret);
	return ret < 0 ? ret : 0;
}

static int ask(unsigned int what, struct nl_error *err)
{
	switch (what % 15) {
	case 0:
	case 1:
		return link_by(what % 15, err);
	case 2:
		return peers(false, err);
	case 3:
		return route(err);
	case 4:
		return next_hops(err);
	case 5:
	case 6:
		return qdisc(what % 15 == 6, err);
	case 7:
		return filters(TC_H_MIN_INGRESS, err);
	case 9:
		return flowtables(err);
	case 10:
		return flow_rules(err);
	case 11:
	case 12:
		return addresses(what % 15 == 12, err);
	case 13:
		return qdiscs(err);
	case 14:
		return peers(true, err);
	}
	return filters(TC_H_MIN_EGRESS, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nl_error err;
	int ret;

	if (!size)
		return 0;
	nl_link_kinds(kinds_link);
	memset(&err, 0xa5, sizeof(err));
	fuzz_answers = data + 1;
	fuzz_answers_len = size - 1;
	ret = ask(data[0], &err);
	if (!ret)
		return 0;
	CHECK(ret < 0, "%d", ret);
	CHECK_TERMINATED(err.text);
	CHECK(*err.text, "error %d without a word", ret);
	check_printable(err.text, strlen(err.text));
	return 0;
}
