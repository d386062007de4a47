/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The netlink library against the running kernel: each test makes its objects with ip and tc in a
 * separate network namespace, and asks for them. Kinds that this kernel lacks are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/lwtunnel.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <util/macros.h>
#include <util/netlink.h>
#include <util/nl_core.h>

#include "commands.h"
#include "tunnel/kinds.h"

#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

static struct nl_error err;

/* Skips the running test, with the reason. */
#define SKIP(...)                                                                                  \
	do {                                                                                       \
		print_message("skipped: " __VA_ARGS__);                                            \
		print_message("\n");                                                               \
		skip();                                                                            \
	} while (0)

static int new_netns(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	if (unshare(CLONE_NEWNET)) {
		print_message("a network namespace cannot be made: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static struct nl_link get_link(const char *name)
{
	struct nl_link link;

	if (nl_link_by_name(name, &link, &err))
		fail_msg("%s: %s", name, err.text);
	return link;
}

static int index_of(const char *name)
{
	return get_link(name).ifindex;
}

/* A device t0 made with these words, or skip. */
static struct nl_link make_link(const char *words)
{
	char command[256];

	snprintf(command, sizeof(command), "ip link add t0 %s", words);
	if (!try(command))
		SKIP("this kernel cannot 'ip link add t0 %s'", words);
	return get_link("t0");
}

static void assert_address(const uint8_t address[16], const char *text)
{
	uint8_t want[16] = { 0 };

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, want), 1);
	assert_memory_equal(address, want, 16);
}

static struct nl_endpoint endpoint(const char *text)
{
	struct nl_endpoint dst = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	assert_int_equal(inet_pton(dst.family, text, &dst.v6), 1);
	return dst;
}

/* Links */

static void link_physical(void **state)
{
	struct nl_link link, again;

	(void)state;
	run("ip link add t0 type veth peer name t1 && ip link set t0 up");
	link = get_link("t0");
	assert_string_equal(link.name, "t0");
	assert_string_equal(link.kind, "veth");
	assert_int_equal(link.type, ARPHRD_ETHER);
	assert_true(link.up);
	assert_int_equal(link.family, AF_UNSPEC);
	assert_false(link.has_id);
	assert_false(get_link("t1").up);
	assert_int_equal(nl_link_by_index(link.ifindex, &again, &err), 0);
	assert_memory_equal(&link, &again, sizeof(link));
}

static void link_loopback(void **state)
{
	struct nl_link link = get_link("lo");

	(void)state;
	assert_int_equal(link.ifindex, 1);
	assert_string_equal(link.kind, "");
	assert_int_equal(link.type, ARPHRD_LOOPBACK);
}

static void link_missing(void **state)
{
	struct nl_link link;

	(void)state;
	assert_int_equal(nl_link_by_name("wg9", &link, &err), -ENODEV);
	assert_string_equal(err.text, "there is no such device");
	assert_int_equal(nl_link_by_name("", &link, &err), -ENODEV);
	assert_int_equal(nl_link_by_name("a-name-longer-than-fits", &link, &err), -ENODEV);
	assert_string_equal(err.text, "there is no such device");
	assert_int_equal(nl_link_by_index(12345, &link, &err), -ENODEV);
	assert_string_equal(err.text, "there is no device with index 12345");
	assert_int_equal(nl_link_by_index(0, &link, &err), -ENODEV);
	assert_int_equal(nl_link_by_index(-1, &link, &err), -ENODEV);
	assert_int_equal(nl_link_by_name("wg9", &link, NULL), -ENODEV);
}

static void link_altname(void **state)
{
	(void)state;
	run("ip link add t0 type dummy 2>/dev/null || ip link add t0 type veth peer name t1");
	if (!try("ip link property add dev t0 altname other"))
		SKIP("no alternative names");
	assert_string_equal(get_link("other").name, "t0");
}

static void link_vxlan(void **state)
{
	struct nl_link link = make_link("type vxlan id 4711 dstport 8472 local 192.0.2.1 "
					"remote 198.51.100.2");

	(void)state;
	assert_string_equal(link.kind, "vxlan");
	assert_int_equal(link.type, ARPHRD_ETHER);
	assert_int_equal(link.port, 8472);
	assert_true(link.has_id);
	assert_int_equal(link.id, 4711);
	assert_false(link.external);
	assert_int_equal(link.family, AF_INET);
	assert_address(link.local, "192.0.2.1");
	assert_address(link.remote, "198.51.100.2");
	assert_false(link.multicast);
	assert_int_equal(link.lower, 0);
}

static void link_vxlan_ipv6(void **state)
{
	struct nl_link link = make_link("type vxlan id 1 dstport 4789 local 2001:db8::1 "
					"remote 2001:db8::2");

	(void)state;
	assert_int_equal(link.family, AF_INET6);
	assert_address(link.local, "2001:db8::1");
	assert_address(link.remote, "2001:db8::2");
	assert_false(link.multicast);
}

static void link_vxlan_multicast(void **state)
{
	struct nl_link link;

	(void)state;
	run("ip link add t1 type veth peer name t2");
	link = make_link("type vxlan id 16777215 dstport 4789 group 239.1.1.1 dev t1");
	assert_int_equal(link.id, 16777215);
	assert_true(link.multicast);
	assert_address(link.remote, "239.1.1.1");
	assert_int_equal(link.lower, index_of("t1"));
	run("ip link del t0");
	link = make_link("type vxlan id 5 dstport 4789 group ff05::1 dev t1");
	assert_true(link.multicast);
	assert_int_equal(link.family, AF_INET6);
}

static void link_vxlan_external(void **state)
{
	struct nl_link link = make_link("type vxlan external dstport 4789");

	(void)state;
	assert_true(link.external);
	assert_false(link.has_id);
	assert_int_equal(link.id, 0);
	assert_int_equal(link.port, 4789);
	assert_int_equal(link.family, AF_UNSPEC);
}

static void link_geneve(void **state)
{
	struct nl_link link = make_link("type geneve id 77 dstport 6082 remote 2001:db8::9");

	(void)state;
	assert_string_equal(link.kind, "geneve");
	assert_int_equal(link.port, 6082);
	assert_true(link.has_id);
	assert_int_equal(link.id, 77);
	assert_int_equal(link.family, AF_INET6);
	assert_address(link.remote, "2001:db8::9");
	assert_false(link.external);
	run("ip link del t0 && ip link add t0 type geneve external");
	link = get_link("t0");
	assert_true(link.external);
	assert_false(link.has_id);
}

static void link_gre(void **state)
{
	struct nl_link link = make_link("type gre local 192.0.2.1 remote 192.0.2.2 okey 99 "
					"ikey 98 fwmark 0x51");

	(void)state;
	assert_string_equal(link.kind, "gre");
	assert_int_equal(link.type, ARPHRD_IPGRE);
	assert_true(link.has_id);
	assert_int_equal(link.id, 99);
	assert_int_equal(link.fwmark, 0x51);
	assert_int_equal(link.family, AF_INET);
	assert_address(link.local, "192.0.2.1");
	assert_address(link.remote, "192.0.2.2");
	run("ip link del t0 && ip link add t0 type gretap remote 192.0.2.2");
	link = get_link("t0");
	assert_false(link.has_id);
	assert_int_equal(link.type, ARPHRD_ETHER);
	run("ip link del t0 && ip link add t0 type gretap external");
	link = get_link("t0");
	assert_true(link.external);
	/* Nothing is set, but the outer header can only be IPv4. */
	assert_int_equal(link.family, AF_INET);
}

static void link_ip6gre(void **state)
{
	struct nl_link link;

	(void)state;
	run("ip link add t1 type veth peer name t2");
	link = make_link("type ip6gretap local 2001:db8::1 remote 2001:db8::2 key 7 dev t1");
	assert_true(link.has_id);
	assert_int_equal(link.id, 7);
	assert_int_equal(link.family, AF_INET6);
	assert_address(link.local, "2001:db8::1");
	assert_address(link.remote, "2001:db8::2");
	assert_int_equal(link.lower, index_of("t1"));
}

static void link_ipip(void **state)
{
	struct nl_link link = make_link("type ipip local 192.0.2.1 remote 192.0.2.2 fwmark 7");

	(void)state;
	assert_int_equal(link.type, ARPHRD_TUNNEL);
	assert_int_equal(link.family, AF_INET);
	assert_address(link.local, "192.0.2.1");
	assert_address(link.remote, "192.0.2.2");
	assert_int_equal(link.fwmark, 7);
	assert_false(link.has_id);
	assert_false(link.external);
}

static void link_sit(void **state)
{
	struct nl_link link = make_link("type sit remote 192.0.2.2");

	(void)state;
	assert_int_equal(link.family, AF_INET);
	assert_address(link.local, "0.0.0.0");
	assert_address(link.remote, "192.0.2.2");
}

static void link_ip6tnl(void **state)
{
	struct nl_link link = make_link("type ip6tnl local 2001:db8::1 remote 2001:db8::2");

	(void)state;
	assert_int_equal(link.type, ARPHRD_TUNNEL6);
	assert_int_equal(link.family, AF_INET6);
	assert_address(link.local, "2001:db8::1");
	assert_address(link.remote, "2001:db8::2");
	assert_true(link.encap_limit);
	run("ip link del t0");
	assert_false(make_link("type ip6tnl encaplimit none remote 2001:db8::2").encap_limit);
	run("ip link del t0");
	assert_false(make_link("type ipip remote 192.0.2.2").encap_limit);
}

/* WireGuard */

/* Each link is seen once, with the same answer as to a question for that link alone. */
static void count_link(const struct nl_link *link, void *ctx)
{
	struct nl_link again;

	assert_int_equal(nl_link_by_index(link->ifindex, &again, &err), 0);
	assert_memory_equal(link, &again, sizeof(*link));
	++*(unsigned int *)ctx;
}

static void link_list(void **state)
{
	unsigned int seen = 0, before = 0;

	(void)state;
	assert_int_equal(nl_links(count_link, &before, &err), 0);
	run("for n in $(seq 100); do echo link add t$n type vxlan id $n remote 192.0.2.$n \
		dstport 4789; done | ip -batch -");
	assert_int_equal(nl_links(count_link, &seen, &err), 0);
	assert_int_equal(seen, before + 100);
}

static void wireguard_absent(void **state)
{
	struct nl_peers wg;

	(void)state;
	if (nl_family_present("wireguard"))
		SKIP("this kernel has WireGuard");
	assert_int_equal(nl_wireguard_peers("wireguard", 1, &wg, &err), -ENOENT);
	assert_string_equal(err.text, "this kernel has no wireguard");
	assert_null(wg.to.list);
	nl_peers_free(&wg);
}

static void wireguard_device(void **state)
{
	struct nl_peers wg;

	(void)state;
	if (!nl_family_present("wireguard") || !try("ip link add t0 type wireguard"))
		SKIP("this kernel has no WireGuard");
	run("wg set t0 listen-port 51820 fwmark 0xca6c");
	assert_int_equal(nl_wireguard_peers("wireguard", index_of("t0"), &wg, &err), 0);
	assert_int_equal(wg.ports[0], 51820);
	assert_int_equal(wg.fwmark, 0xca6c);
	assert_int_equal(wg.to.n, 0);
	nl_peers_free(&wg);

	assert_int_equal(nl_wireguard_peers("wireguard", 1, &wg, &err), -EOPNOTSUPP);
	assert_int_equal(nl_wireguard_peers("wireguard", 12345, &wg, &err), -ENODEV);
}

/* A key of 32 bytes, the first of them 'k' and then the number. */
static void put_key(FILE *f, unsigned int number)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t key[33] = { 'k', number >> 8, number };

	for (int i = 0; i < 33; i += 3) {
		uint32_t bits = key[i] << 16 | key[i + 1] << 8 | key[i + 2];

		/* The last byte is not there. */
		fprintf(f, "%c%c%c%c", digits[bits >> 18], digits[bits >> 12 & 63],
			digits[bits >> 6 & 63], i < 30 ? digits[bits & 63] : '=');
	}
}

/* Enough peers and addresses for several messages, one peer split between two. */
static void put_peers(FILE *f)
{
	for (unsigned int i = 1; i <= 300; i++) {
		fprintf(f, "[Peer]\nPublicKey=");
		put_key(f, i);
		fprintf(f, "\nAllowedIPs=");
		for (int host = 1; host <= 40; host++)
			fprintf(f, "%s10.%u.%u.%d/32", host > 1 ? "," : "", i / 200, i % 200, host);
		/* The first one has none. */
		if (i > 1)
			fprintf(f, "\nEndpoint=192.0.2.%u:%u", i % 100, 1000 + i);
		fprintf(f, "\n");
	}
	fprintf(f, "[Peer]\nPublicKey=");
	put_key(f, 0);
	fprintf(f, "\nEndpoint=[2001:db8::1]:7\n");
}

static void wireguard_peers(void **state)
{
	bool seen[299] = { 0 };
	struct nl_peers wg;
	FILE *f;

	(void)state;
	if (!nl_family_present("wireguard") || !try("ip link add t0 type wireguard"))
		SKIP("this kernel has no WireGuard");
	f = popen("wg setconf t0 /proc/self/fd/0", "w");
	assert_non_null(f);
	put_peers(f);
	assert_int_equal(pclose(f), 0);
	assert_int_equal(nl_wireguard_peers("wireguard", index_of("t0"), &wg, &err), 0);
	/* Endpoints of one address differ by their ports; the first peer has none. */
	assert_int_equal(wg.to.n, 300);
	for (unsigned int i = 0; i < 299; i++) {
		const struct nl_endpoint *peer = &wg.to.list[i];

		assert_int_equal(peer->family, AF_INET);
		assert_uint_in_range(peer->port, 1002, 1300);
		assert_int_equal(ntohl(peer->v4.s_addr), 0xc0000200 + peer->port % 100);
		assert_false(seen[peer->port - 1002]);
		seen[peer->port - 1002] = true;
	}
	assert_int_equal(wg.to.list[299].family, AF_INET6);
	nl_peers_free(&wg);
	assert_null(wg.to.list);
}

/* Routes */

static void two_uplinks(void)
{
	FILE *f = fopen("/proc/sys/net/ipv6/conf/default/accept_dad", "w");

	if (f) {
		fputs("0", f);
		fclose(f);
	}
	run_ip("link add u0 type veth peer name p0\nlink add u1 type veth peer name p1\n"
	       "link set u0 up\nlink set u1 up\nlink set p0 up\nlink set p1 up\n"
	       "addr add 192.0.2.1/24 dev u0\naddr add 198.51.100.1/24 dev u1\n"
	       "addr add 2001:db8:1::1/64 dev u0 nodad\n"
	       "addr add 2001:db8:2::1/64 dev u1 nodad\n");
}

static struct nl_flow flow_to(const char *dst)
{
	return (struct nl_flow){ .to = endpoint(dst), .udp = true };
}

/* Such packets leave by these devices, and by no others. */
static void assert_ways(const struct nl_flow *flow, unsigned int n, const char *one,
			const char *other)
{
	struct nl_devices hops;
	struct nl_route route;

	if (nl_route(flow, &route, &err))
		fail_msg("no way: %s", err.text);
	assert_int_equal(route.encap, 0);
	assert_true(route.oif == index_of(one) || (n > 1 && route.oif == index_of(other)));
	assert_int_equal(nl_next_hops(flow, &hops, &err), 0);
	assert_int_equal(hops.n, n);
	assert_true(nl_has_device(&hops, index_of(one)));
	assert_true(n == 1 || nl_has_device(&hops, index_of(other)));
}

static void assert_way(const char *dst, uint32_t mark, const char *from, const char *name)
{
	struct nl_flow flow = flow_to(dst);

	flow.mark = mark;
	flow.oif = *from ? index_of(from) : 0;
	assert_ways(&flow, 1, name, NULL);
}

static void assert_no_way(const struct nl_flow *flow, const char *text)
{
	struct nl_devices hops;
	struct nl_route route;

	assert_int_equal(nl_route(flow, &route, &err), -ENETUNREACH);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
	assert_int_equal(nl_next_hops(flow, &hops, &err), 0);
	assert_int_equal(hops.n, 0);
}

static void assert_no_route(const char *dst, const char *text)
{
	struct nl_flow flow = flow_to(dst);

	assert_no_way(&flow, text);
}

/* An address of this host. */
static void assert_own(const char *dst)
{
	struct nl_flow flow = flow_to(dst);
	struct nl_route route;

	assert_int_equal(nl_route(&flow, &route, &err), 0);
	assert_int_equal(route.oif, NL_LOOPBACK);
}

static void route_lookup(void **state)
{
	(void)state;
	two_uplinks();
	assert_way("192.0.2.9", 0, "", "u0");
	assert_way("198.51.100.9", 0, "", "u1");
	assert_way("2001:db8:2::9", 0, "", "u1");
	assert_no_route("203.0.113.1", "unreachable");
	assert_no_route("2001:db8:9::1", "unreachable");
	run_ip("link set lo up\n");
	assert_own("192.0.2.1");
	assert_own("::1");
}

static void route_fwmark(void **state)
{
	(void)state;
	two_uplinks();
	run_ip("route add default via 192.0.2.2\n"
	       "route add default via 198.51.100.2 table 51820\n"
	       "rule add fwmark 0xca6c table 51820\n"
	       "route add default via 2001:db8:1::2\n"
	       "route add default via 2001:db8:2::2 table 51820\n");
	run("ip -6 rule add fwmark 0xca6c table 51820");
	assert_way("203.0.113.1", 0, "", "u0");
	assert_way("203.0.113.1", 0xca6c, "", "u1");
	assert_way("2001:db8:9::1", 0, "", "u0");
	assert_way("2001:db8:9::1", 0xca6c, "", "u1");
}

static void route_from_device(void **state)
{
	struct nl_route route;
	struct nl_flow flow;

	(void)state;
	two_uplinks();
	run_ip("route add default via 192.0.2.2\n"
	       "route add default via 198.51.100.2 metric 10\n");
	assert_way("203.0.113.1", 0, "", "u0");
	assert_way("203.0.113.1", 0, "u1", "u1");
	/* A link-local address says on which link. */
	flow = flow_to("fe80::1");
	flow.to.scope_id = index_of("u1");
	assert_int_equal(nl_route(&flow, &route, &err), 0);
	assert_int_equal(route.oif, flow.to.scope_id);
}

/* Two providers: the second one is for packets with its address. */
static void route_by_source(void **state)
{
	struct nl_flow flow = flow_to("203.0.113.1");

	(void)state;
	two_uplinks();
	assert_false(nl_rules_by_source());
	run_ip("route add default via 192.0.2.2\n"
	       "route add default via 198.51.100.2 table 100\n"
	       "rule add from 198.51.100.1 table 100\n");
	assert_true(nl_rules_by_source());
	assert_ways(&flow, 1, "u0", NULL);
	flow.from = endpoint("198.51.100.1");
	assert_ways(&flow, 1, "u1", NULL);
	flow.from = endpoint("192.0.2.1");
	assert_ways(&flow, 1, "u0", NULL);
	/* An address that no device has. */
	flow.from = endpoint("192.0.2.77");
	assert_no_way(&flow, "");
	/* The other family: not known. */
	flow.from = endpoint("2001:db8:2::1");
	assert_ways(&flow, 1, "u0", NULL);
}

/* As routers with two providers have it: no source, no way. */
static void route_for_source(void **state)
{
	struct nl_flow flow = flow_to("2001:db8:9::1");

	(void)state;
	two_uplinks();
	if (!try("ip route add default from 2001:db8:2::/48 via 2001:db8:2::2"))
		SKIP("no routes for a source (CONFIG_IPV6_SUBTREES)");
	assert_no_way(&flow, "unreachable");
	flow.from = endpoint("2001:db8:1::1");
	assert_no_way(&flow, "unreachable");
	flow.from = endpoint("2001:db8:2::1");
	assert_ways(&flow, 1, "u1", NULL);
}

/* A rule can ask for the protocol and the ports. */
static void route_by_port(void **state)
{
	struct nl_flow flow = flow_to("203.0.113.1");

	(void)state;
	two_uplinks();
	run_ip("route add default via 192.0.2.2\n"
	       "route add default via 198.51.100.2 table 100\n"
	       "rule add ipproto 17 sport 51820 table 100\n"
	       "rule add ipproto 17 dport 4789 table 100\n");
	assert_ways(&flow, 1, "u0", NULL);
	flow.sport = 51820;
	assert_ways(&flow, 1, "u1", NULL);
	flow.udp = false;
	assert_ways(&flow, 1, "u0", NULL);
	flow = flow_to("203.0.113.1");
	flow.to.port = 4789;
	assert_ways(&flow, 1, "u1", NULL);
}

static void route_refused(void **state)
{
	(void)state;
	two_uplinks();
	run_ip("route add blackhole 203.0.113.1\nroute add unreachable 203.0.113.2\n"
	       "route add prohibit 203.0.113.3\nroute add throw 203.0.113.4\n"
	       "route add blackhole 2001:db8:9::1\nroute add unreachable 2001:db8:9::2\n"
	       "route add prohibit 2001:db8:9::3\n");
	assert_no_route("203.0.113.1", "blackhole");
	assert_no_route("203.0.113.2", "unreachable");
	assert_no_route("203.0.113.3", "prohibit");
	assert_no_route("203.0.113.4", "unreachable");
	assert_no_route("2001:db8:9::1", "blackhole");
	assert_no_route("2001:db8:9::2", "unreachable");
	assert_no_route("2001:db8:9::3", "prohibit");
}

/* The encapsulation that a route to a device puts in front, where this kernel can do it. */
static void route_with_encap(void **state)
{
	struct nl_flow flow = flow_to("2001:db8:9::1");
	struct nl_route route;

	(void)state;
	two_uplinks();
	if (!try("ip route add 2001:db8:9::1 encap ip6 id 7 dst 2001:db8:1::9 dev u0"))
		SKIP("no encapsulation by routes");
	assert_int_equal(nl_route(&flow, &route, &err), 0);
	assert_int_equal(route.encap, LWTUNNEL_ENCAP_IP6);
}

static void route_multipath(void **state)
{
	struct nl_flow four = flow_to("203.0.113.1"), six = flow_to("2001:db8:9::1");
	struct nl_route route;

	(void)state;
	two_uplinks();
	if (!try("ip route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2"))
		SKIP("no multipath routes");
	assert_ways(&four, 2, "u0", "u1");
	run("ip -6 route add default nexthop via 2001:db8:1::2 nexthop via 2001:db8:2::2");
	assert_ways(&six, 2, "u0", "u1");
	four.oif = index_of("u1");
	assert_int_equal(nl_route(&four, &route, &err), 0);
	assert_int_equal(route.oif, four.oif);
}

static void route_nexthop_objects(void **state)
{
	struct nl_flow flow = flow_to("203.0.113.1");

	(void)state;
	two_uplinks();
	if (!try("ip nexthop add id 1 via 192.0.2.2 dev u0 &&"
		 "ip nexthop add id 2 via 198.51.100.2 dev u1 && ip nexthop add id 3 group 1/2 &&"
		 "ip route add default nhid 3"))
		SKIP("no next-hop objects");
	assert_ways(&flow, 2, "u0", "u1");
	if (!try("sysctl -qw net.ipv4.nexthop_compat_mode=0"))
		SKIP("no nexthop_compat_mode in this namespace");
	assert_ways(&flow, 2, "u0", "u1");
	run("ip route replace default nhid 2");
	assert_ways(&flow, 1, "u1", NULL);
}

static bool leaves_by(const char *dst, const char *dev)
{
	struct nl_flow flow = flow_to(dst);
	struct nl_devices hops;

	flow.oif = index_of(dev);
	assert_int_equal(nl_next_hops(&flow, &hops, &err), 0);
	return nl_has_device(&hops, flow.oif);
}

/* The kernel takes any device for one that reaches a neighbour, if it is told to; here it needs a
 * route, of any metric, in a table of this traffic. */
static void route_of_a_device(void **state)
{
	(void)state;
	two_uplinks();
	run_ip("route add default via 192.0.2.2 metric 10\n"
	       "route add default via 2001:db8:1::2 metric 10\n"
	       "route add default via 198.51.100.2 table 4242\n"
	       "route add default via 2001:db8:2::2 table 4242\n");
	assert_true(leaves_by("203.0.113.1", "u0"));
	assert_true(leaves_by("2001:db8:9::1", "u0"));
	assert_false(leaves_by("203.0.113.1", "u1"));
	assert_false(leaves_by("2001:db8:9::1", "u1"));
	run_ip("route add default via 198.51.100.2 metric 20\n"
	       "route add default via 2001:db8:2::2 metric 20\n");
	assert_true(leaves_by("203.0.113.1", "u1"));
	assert_true(leaves_by("2001:db8:9::1", "u1"));
	run_ip("route flush default\n");
	assert_false(leaves_by("203.0.113.1", "u1"));
	if (!try("ip route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2"))
		SKIP("no multipath routes");
	assert_true(leaves_by("203.0.113.1", "u0") && leaves_by("203.0.113.1", "u1"));
}

/* Addresses */

/* Tells whether the list has that address, of that device if there is one. */
static bool lists(const struct nl_endpoints *all, const char *address, const char *dev)
{
	struct nl_endpoint one = endpoint(address);
	bool found = false;

	for (unsigned int i = 0; i < all->n; i++)
		found |= all->list[i].family == one.family &&
			 !memcmp(&all->list[i].v6, &one.v6, sizeof(one.v6)) &&
			 all->list[i].scope_id == (dev ? (uint32_t)index_of(dev) : 0);
	return found;
}

static void addresses(void **state)
{
	struct nl_endpoints all;

	(void)state;
	two_uplinks();
	run_ip("link set lo up\naddr add 203.0.113.7/32 dev lo\n"
	       "addr add 10.0.0.1 peer 10.0.0.2 dev u1\n");
	assert_int_equal(nl_addresses(&all, &err), 0);
	assert_true(lists(&all, "192.0.2.1", "u0"));
	assert_true(lists(&all, "2001:db8:2::1", "u1"));
	assert_true(lists(&all, "203.0.113.7", "lo"));
	assert_true(lists(&all, "10.0.0.1", "u1"));
	assert_false(lists(&all, "10.0.0.2", "u1"));
	assert_false(lists(&all, "127.0.0.1", "lo"));
	nl_endpoints_free(&all);
	assert_null(all.list);
}

/* A dump of many takes several messages; others change them meanwhile. */
static void addresses_while_changing(void **state)
{
	struct nl_endpoints all;
	int good = 0;
	pid_t child;

	(void)state;
	two_uplinks();
	run("seq -f 'addr add 10.1.%g.1/24 dev u0' 250 | ip -batch -");
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		execlp("sh", "sh", "-c",
		       "while :; do ip addr add 10.2.0.1/24 dev u1;"
		       "ip addr del 10.2.0.1/24 dev u1; done",
		       NULL);
		_exit(127);
	}
	for (int i = 0; i < 200; i++) {
		int ret = nl_addresses(&all, &err);

		if (ret != -EINTR) {
			assert_int_equal(ret, 0);
			assert_true(lists(&all, "10.1.250.1", "u0"));
			good++;
		}
		nl_endpoints_free(&all);
	}
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
	assert_true(good > 100);
}

/* More than one message holds, and each destination once. */
static void fdb(void **state)
{
	struct nl_endpoints all;
	int t0;

	(void)state;
	two_uplinks();
	t0 = make_link("type vxlan id 7 dstport 4789").ifindex;
	run("ip link add t1 type vxlan id 8 dstport 4790 && ip link set t1 up &&"
	    "bridge fdb append 02:00:00:00:00:01 dev t1 dst 192.0.2.77");
	assert_int_equal(nl_fdb(t0, &all, &err), 0);
	assert_int_equal(all.n, 0);
	nl_endpoints_free(&all);
	run("ip link set t0 up && for n in $(seq 1000); do"
	    "  printf 'fdb append 02:00:00:00:%02x:%02x dev t0 dst 192.0.2.%d\n'"
	    "    $((n / 256)) $((n % 256)) $((n % 3 + 10)); done | bridge -batch - &&"
	    "bridge fdb append 00:00:00:00:00:00 dev t0 dst 192.0.2.10 via u1 &&"
	    "bridge fdb append 00:00:00:00:00:00 dev t0 dst 192.0.2.10 port 4444");
	assert_int_equal(nl_fdb(t0, &all, &err), 0);
	assert_int_equal(all.n, 5);
	assert_true(lists(&all, "192.0.2.12", NULL));
	assert_true(lists(&all, "192.0.2.10", "u1"));
	assert_false(lists(&all, "192.0.2.77", NULL));
	nl_endpoints_free(&all);
}

/* Events */

static bool event_of(int fd, const char *command)
{
	run(command);
	return nl_events_read(fd);
}

/* One uplink without later changes by the kernel itself: an IPv6 address, a carrier that comes. The
 * kernel has sent an event then when the command that caused it ends. */
static int quiet_events(void)
{
	int fd;

	run_ip("link add u0 type veth peer name p0\n"
	       "link set u0 addrgenmode none up\nlink set p0 addrgenmode none up\n"
	       "addr add 192.0.2.1/24 dev u0\n");
	run("for d in u0 p0; do until ip -o link show dev $d | grep -q 'state UP'; do :; done;"
	    "done; ip link set lo up");
	fd = nl_events_open(&err);
	assert_true(fd >= 0);
	return fd;
}

static void events_of_routes(void **state)
{
	struct nl_flow flow = flow_to("203.0.113.9");
	struct nl_route route;
	int fd;

	(void)state;
	fd = quiet_events();
	/* Nothing was asked for. */
	nl_events_forget();
	assert_false(event_of(fd, "ip route add default via 192.0.2.2"));
	assert_int_equal(nl_route(&flow, &route, &err), 0);
	assert_false(nl_events_read(fd));
	assert_false(event_of(fd, "ip route add 203.0.113.0/29 via 192.0.2.2"));
	assert_false(event_of(fd, "ip route add 203.0.113.10 via 192.0.2.2"));
	assert_false(event_of(fd, "ip route add 203.0.112.0/24 via 192.0.2.2"));
	assert_false(event_of(fd, "ip -6 route add default dev u0"));
	assert_true(event_of(fd, "ip route add 203.0.113.8/29 via 192.0.2.2"));
	assert_true(event_of(fd, "ip route add 203.0.113.9 via 192.0.2.2 table 7"));
	assert_true(event_of(fd, "ip route del default"));
	flow = flow_to("2001:db8:9::1");
	assert_int_equal(nl_route(&flow, &route, &err), 0);
	assert_true(event_of(fd, "ip -6 route add 2001:db8:8::/45 dev u0"));
	assert_false(event_of(fd, "ip -6 route add 2001:db8:8::/48 dev u0"));
	assert_true(event_of(fd, "ip rule add fwmark 7 lookup 7"));
	assert_true(event_of(fd, "ip address add 203.0.113.1/32 dev lo"));
	assert_true(event_of(fd, "ip link set u0 mtu 1400"));
	nl_events_forget();
	assert_false(event_of(fd, "ip route add default via 192.0.2.2"));
	close(fd);
}

/* Qdiscs and filters */

static void qdisc_ingress(void **state)
{
	char kind[IFNAMSIZ];

	(void)state;
	two_uplinks();
	run("tc qdisc add dev u1 clsact");
	assert_int_equal(nl_ingress_qdisc(index_of("u0"), kind, &err), 0);
	assert_string_equal(kind, "");
	assert_int_equal(nl_ingress_qdisc(index_of("u1"), kind, &err), 0);
	assert_string_equal(kind, "clsact");
	run("tc qdisc add dev u0 ingress");
	assert_int_equal(nl_ingress_qdisc(index_of("u0"), kind, &err), 0);
	assert_string_equal(kind, "ingress");
}

static void qdisc_root(void **state)
{
	char kind[IFNAMSIZ];

	(void)state;
	two_uplinks();
	assert_int_equal(nl_root_qdisc(index_of("u0"), kind, &err), 0);
	assert_string_equal(kind, "noqueue");
	run("ip link add t0 type veth peer name t1");
	assert_int_equal(nl_root_qdisc(index_of("t0"), kind, &err), 0);
	assert_string_equal(kind, "noop");
	assert_int_equal(nl_root_qdisc(12345, kind, &err), -ENODEV);
	assert_string_equal(err.text, "there is no device with index 12345");
	if (!try("tc qdisc add dev u0 root pfifo"))
		SKIP("no pfifo");
	run("tc qdisc add dev u0 clsact");
	assert_int_equal(nl_root_qdisc(index_of("u0"), kind, &err), 0);
	assert_string_equal(kind, "pfifo");
}

static void assert_qdisc(const struct nl_qdisc *qdisc, const char *kind, bool root)
{
	assert_string_equal(qdisc->kind, kind);
	assert_int_equal(qdisc->root, root);
}

/* Other devices' entries, and those for incoming packets, are left out, and of equals one is
 * there. */
static void qdiscs(void **state)
{
	struct nl_qdisc list[3];

	(void)state;
	two_uplinks();
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 3, &err), 1);
	assert_qdisc(&list[0], "noqueue", true);
	run("ip link add t0 type veth peer name t1");
	assert_int_equal(nl_qdiscs(index_of("t0"), list, 3, &err), 1);
	assert_qdisc(&list[0], "noop", true);
	assert_int_equal(nl_qdiscs(12345, list, 3, &err), -ENODEV);
	if (!try("tc qdisc add dev u0 root handle 1: htb && tc qdisc add dev u1 root pfifo"))
		SKIP("no htb, or no pfifo");
	run("tc qdisc add dev u0 clsact");
	/* The kernel lists them in the order of a hash of their handles. */
	for (int i = 1; i <= 3; i++) {
		char lines[256];

		snprintf(lines, sizeof(lines),
			 "tc class add dev u0 parent 1: classid 1:%d htb rate 1mbit && "
			 "tc qdisc add dev u0 parent 1:%d handle %d: %s",
			 i, i, i + 1, i < 3 ? "pfifo" : "bfifo");
		run(lines);
	}
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 3, &err), 3);
	assert_qdisc(&list[0], "htb", true);
	assert_qdisc(&list[1], "pfifo", false);
	assert_qdisc(&list[2], "bfifo", false);
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 2, &err), 2);
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 1, &err), 1);
	assert_qdisc(&list[0], "htb", true);
}

static void qdiscs_cake(void **state)
{
	struct nl_qdisc list[2];

	(void)state;
	two_uplinks();
	if (!try("tc qdisc add dev u0 root cake diffserv8 wash fwmark 0xf0"))
		SKIP("no CAKE");
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 2, &err), 1);
	assert_qdisc(&list[0], "cake", true);
	assert_int_equal(list[0].diffserv, CAKE_DIFFSERV_DIFFSERV8);
	assert_true(list[0].wash);
	assert_int_equal(list[0].fwmark, 0xf0);
	run("tc qdisc replace dev u0 root cake besteffort nowash");
	assert_int_equal(nl_qdiscs(index_of("u0"), list, 2, &err), 1);
	assert_int_equal(list[0].diffserv, CAKE_DIFFSERV_BESTEFFORT);
	assert_false(list[0].wash);
}

struct collected {
	struct nl_filter filters[8];
	int n;
	int stop_at;
};

static int collect(const struct nl_filter *filter, void *ctx)
{
	struct collected *collected = ctx;

	assert_true(collected->n < 8);
	collected->filters[collected->n++] = *filter;
	return collected->n == collected->stop_at ? 42 : 0;
}

static void filters_none(void **state)
{
	struct collected c = { .n = 0 };

	(void)state;
	two_uplinks();
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 0);
	assert_int_equal(nl_filters(index_of("u0"), INGRESS, collect, &c, &err), 0);
	run("tc qdisc add dev u0 clsact");
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 0);
	assert_int_equal(nl_filters(12345, INGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 0);
}

#define FILTER "bpf da bytecode '1,6 0 0 4294967295,'" /* classic BPF: every kernel has it */

static void add_filters(void)
{
	two_uplinks();
	run("tc qdisc add dev u0 clsact &&"
	    "tc filter add dev u0 egress prio 20 protocol ip " FILTER " &&"
	    "tc filter add dev u0 egress prio 10 protocol all " FILTER " &&"
	    "tc filter add dev u0 egress chain 7 prio 4 protocol all " FILTER " &&"
	    "tc filter add dev u0 ingress prio 5 protocol ipv6 " FILTER);
}

static void filters_listed(void **state)
{
	struct collected c = { .n = 0 };

	(void)state;
	add_filters();
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 3);
	assert_string_equal(c.filters[0].kind, "bpf");
	assert_int_equal(c.filters[0].priority, 10);
	assert_int_equal(c.filters[0].protocol, htons(ETH_P_ALL));
	assert_int_equal(c.filters[0].handle, 1);
	assert_int_equal(c.filters[0].chain, 0);
	assert_int_equal(c.filters[0].prog_id, 0);
	assert_string_equal(c.filters[0].name, "");
	assert_int_equal(c.filters[1].priority, 20);
	assert_int_equal(c.filters[1].protocol, htons(ETH_P_IP));
	assert_int_equal(c.filters[2].priority, 4);
	assert_int_equal(c.filters[2].chain, 7);

	memset(&c, 0, sizeof(c));
	assert_int_equal(nl_filters(index_of("u0"), INGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.filters[0].priority, 5);
	assert_int_equal(c.filters[0].protocol, htons(ETH_P_IPV6));
}

static void filters_stop(void **state)
{
	struct collected c = { .stop_at = 1 };

	(void)state;
	add_filters();
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 42);
	assert_int_equal(c.n, 1);
}

/* Two programs of one priority: cls_bpf runs, and lists, the one added last first. */
static void filters_ebpf(void **state)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = 2);
	struct collected c = { .n = 0 };
	uint32_t ids[2];

	(void)state;
	two_uplinks();
	run("tc qdisc add dev u0 clsact");
	hook.ifindex = index_of("u0");
	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nothing", "GPL", insns, 2, NULL);
	if (opts.prog_fd < 0)
		SKIP("BPF programs cannot be loaded: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		opts.handle = i + 1;
		opts.prog_id = opts.flags = 0;
		assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
		ids[i] = opts.prog_id;
	}
	close(opts.prog_fd);
	assert_int_equal(nl_filters(hook.ifindex, EGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(c.filters[i].handle, 2 - i);
		assert_int_not_equal(c.filters[i].prog_id, 0);
		assert_int_equal(c.filters[i].prog_id, ids[i]);
		assert_non_null(strstr(c.filters[i].name, "nothing"));
	}
}

/* The hash tables of u32 are listed, and are no filters. */
static void filters_u32(void **state)
{
	struct collected c = { .n = 0 };

	(void)state;
	two_uplinks();
	run("tc qdisc add dev u0 clsact");
	if (!try("tc filter add dev u0 egress prio 3 protocol ip "
		 "u32 match ip protocol 1 0xff flowid 1:1"))
		SKIP("no u32 filter");
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.filters[0].kind, "u32");
}

/* The kernel would show the filters of the ingress qdisc for the egress parent too. */
static void filters_ingress_qdisc(void **state)
{
	struct collected c = { .n = 0 };

	(void)state;
	two_uplinks();
	run("tc qdisc add dev u0 ingress && tc filter add dev u0 parent ffff: " FILTER);
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 0);
	assert_int_equal(nl_filters(index_of("u0"), INGRESS, collect, &c, &err), 0);
	assert_int_equal(c.n, 1);
}

static int count(const struct nl_filter *filter, void *ctx)
{
	unsigned int *n = ctx;

	assert_int_equal(filter->priority, ++*n);
	return 0;
}

/* More than one message carries. */
static void filters_many(void **state)
{
	unsigned int n = 0;

	(void)state;
	two_uplinks();
	run("tc qdisc add dev u0 clsact;"
	    "seq -f \"filter add dev u0 egress prio %g " FILTER "\" 500 | tc -batch -");
	assert_int_equal(nl_filters(index_of("u0"), EGRESS, count, &n, &err), 0);
	assert_int_equal(n, 500);
}

/* VLANs */

static void link_vlan(void **state)
{
	(void)state;
	run("ip link add t1 type veth peer name t2");
	if (!try("ip link add link t1 name t0 type vlan id 34"))
		SKIP("this kernel has no VLANs");
	assert_int_equal(get_link("t0").below, index_of("t1"));
	assert_int_equal(get_link("t1").below, 0);
}

/* Flowtables: t0 is the device of the tunnel, u0 the flowtables' */

struct rule {
	const char *text; /* in front of "flow add" */
	int adds;
};

static const struct rule rules[] = {
	{ "", 1 },
	{ "ct state established", 1 },
	{ "meta l4proto { tcp, udp }", 1 },
	{ "iifname != t0 oifname != t0", 0 },
	{ "ct state established oifname != t0 counter iifname != t0 meta mark 0", 0 },
	/* A flow has two directions, and a packet of either adds both. */
	{ "iifname != t0", 1 },
	{ "oifname != t0", 1 },
	{ "iifname t0", 1 },
	{ "iifname u1 oifname u0", 0 },
	{ "iifname u1", 1 },
	{ "iifname \"t*\" oifname u0", 1 },
	{ "iifname != \"t*\" oifname != \"t*\"", 0 },
	{ "iif != t0 oif != t0", 0 },
	{ "iif != u0 oif != u0", 1 },
	{ "iifname != { t0, t1 } oifname != { t0, t1 }", 0 },
	/* This zero is not the number of a device. */
	{ "iifname u1 ct mark 0", 1 },
};
#define N_RULES ARRAY_SIZE(rules)

/* A table for each rule: of one table two flowtables cannot have the same device. */
static void add_flowtables(void)
{
	FILE *f;

	run_ip("link add u0 type veth peer name u1\nlink add t0 type veth peer name t1\n");
	if (!try("nft add table inet t && nft add flowtable inet t f "
		 "'{ hook ingress priority 0; devices = { u1 }; }'"))
		SKIP("no nft here, or a kernel without flowtables");
	f = popen("nft -f -", "w");
	assert_non_null(f);
	for (size_t i = 0; i < N_RULES; i++)
		fprintf(f,
			"table inet r%zu {\n"
			"flowtable f { hook ingress priority 0; devices = { lo, u0 }; }\n"
			"chain c { type filter hook forward priority 0; %s flow add @f; }\n}\n",
			i, rules[i].text);
	/* Without a rule, and with one of another flowtable. */
	fprintf(f, "table ip n { flowtable f { hook ingress priority 0; devices = { u0 }; };\n"
		   "flowtable g { hook ingress priority 0; devices = { u1 }; };\n"
		   "chain c { type filter hook forward priority 0; flow add @g; }\n}\n");
	assert_int_equal(pclose(f), 0);
}

static void flowtables_listed(void **state)
{
	struct nl_flowtable list[N_RULES + 2];
	int n;

	(void)state;
	add_flowtables();
	assert_int_equal(nl_flowtables("u0", list, N_RULES + 2, &err), N_RULES + 1);
	assert_int_equal(nl_flowtables("u0", list, 2, &err), 2);
	assert_int_equal(nl_flowtables("t0", list, N_RULES + 2, &err), 0);
	n = nl_flowtables("u1", list, N_RULES + 2, &err);
	assert_int_equal(n, 2);
	for (int i = 0; i < n; i++) {
		bool inet = !strcmp(nl_flowtable_family(&list[i]), "inet");

		assert_string_equal(list[i].table, inet ? "t" : "n");
		assert_string_equal(list[i].name, inet ? "f" : "g");
		assert_int_equal(nl_flowtable_adds(&list[i], "t0", index_of("t0"), &err), !inet);
	}
}

static void flowtable_rules(void **state)
{
	struct nl_flowtable list[N_RULES + 2];
	int n, adds, want, t0;
	unsigned int rule;

	(void)state;
	add_flowtables();
	t0 = index_of("t0");
	n = nl_flowtables("u0", list, N_RULES + 2, &err);
	for (int i = 0; i < n; i++) {
		want = sscanf(list[i].table, "r%u", &rule) == 1 ? rules[rule].adds : 0;
		adds = nl_flowtable_adds(&list[i], "t0", t0, &err);
		if (adds != want)
			fail_msg("table %s ('%s'): %d", list[i].table,
				 *list[i].table == 'r' ? rules[rule].text : "", adds);
	}
}

static void flowtables_not_permitted(void **state)
{
	struct nl_flowtable list[1];
	int ret;

	(void)state;
	assert_int_equal(seteuid(65534), 0);
	ret = nl_flowtables("lo", list, 1, &err);
	assert_int_equal(seteuid(0), 0);
	assert_true(ret < 0);
}

static int refuse(const struct nlmsghdr *message, void *ctx)
{
	(void)message;
	return *(const int *)ctx;
}

/* A kernel without memory for its answer has said nothing of what was asked. */
static void unanswered(void **state)
{
	static const struct {
		int ret;
		bool unanswered;
	} cases[] = {
		{ -ENOMEM, true }, { -ENOBUFS, true }, { -ENODEV, false }, { -EPERM, false }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nl_reader reader = { .message = refuse, .ctx = (void *)&cases[i].ret };
		struct nl_request request;

		mnl_nlmsg_put_extra_header(nl_request(&request, RTM_GETLINK, NLM_F_DUMP),
					   sizeof(struct ifinfomsg));
		assert_int_equal(nl_exchange(NETLINK_ROUTE, &request, &reader, &err), cases[i].ret);
		assert_int_equal(err.unanswered, cases[i].unanswered);
		assert_string_equal(err.text, strerror(-cases[i].ret));
	}
}

/* Events that have come, since the kernel tells at once; of the root's qdisc and classes nothing
 * matters. */
static void events(void **state)
{
	int fd = nl_events_open(&err);

	(void)state;
	assert_true(fd >= 0);
	assert_false(nl_events_read(fd));
	run("ip link add u0 type veth peer name v0");
	assert_true(nl_events_read(fd));
	assert_false(nl_events_read(fd));
	run("tc qdisc add dev u0 root handle 1: pfifo limit 1");
	run("tc qdisc change dev u0 root pfifo limit 2");
	assert_false(nl_events_read(fd));
	run("tc qdisc change dev u0 root pfifo limit 3; tc qdisc add dev u0 clsact");
	assert_true(nl_events_read(fd));
	run("tc qdisc del dev u0 root");
	assert_false(nl_events_read(fd));
	run("tc qdisc del dev u0 clsact");
	assert_true(nl_events_read(fd));
	run("tc qdisc add dev u0 ingress");
	assert_true(nl_events_read(fd));
	run("ip link set lo up");
	assert_true(nl_events_read(fd));
	run("ip address add 192.0.2.9/32 dev lo");
	assert_true(nl_events_read(fd));
	close(fd);
	assert_false(nl_events_read(fd));
}

/* Events that do not fit into the socket's buffer may have been others. */
static void events_lost(void **state)
{
	int fd = nl_events_open(&err), bytes = 1;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	run("ip link add u0 type veth peer name v0");
	nl_events_read(fd);
	for (int i = 0; i < 32; i++)
		run("tc qdisc replace dev u0 root pfifo limit 2");
	assert_true(nl_events_read(fd));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup(name, new_netns)

static const struct CMUnitTest tests[] = {
	TEST(link_physical),
	TEST(link_loopback),
	TEST(link_missing),
	TEST(link_altname),
	TEST(link_vxlan),
	TEST(link_vxlan_ipv6),
	TEST(link_vxlan_multicast),
	TEST(link_vxlan_external),
	TEST(link_geneve),
	TEST(link_gre),
	TEST(link_ip6gre),
	TEST(link_ipip),
	TEST(link_sit),
	TEST(link_ip6tnl),
	TEST(link_list),
	TEST(wireguard_absent),
	TEST(wireguard_device),
	TEST(wireguard_peers),
	TEST(route_lookup),
	TEST(route_fwmark),
	TEST(route_from_device),
	TEST(route_by_source),
	TEST(route_for_source),
	TEST(route_by_port),
	TEST(route_refused),
	TEST(route_with_encap),
	TEST(route_multipath),
	TEST(route_nexthop_objects),
	TEST(route_of_a_device),
	TEST(addresses),
	TEST(addresses_while_changing),
	TEST(fdb),
	TEST(events_of_routes),
	TEST(qdisc_ingress),
	TEST(qdisc_root),
	TEST(qdiscs),
	TEST(qdiscs_cake),
	TEST(filters_none),
	TEST(filters_listed),
	TEST(filters_stop),
	TEST(filters_ebpf),
	TEST(filters_u32),
	TEST(filters_ingress_qdisc),
	TEST(filters_many),
	TEST(link_vlan),
	TEST(flowtables_listed),
	TEST(flowtable_rules),
	TEST(flowtables_not_permitted),
	TEST(unanswered),
	TEST(events),
	TEST(events_lost),
};

int main(void)
{
	if (geteuid()) {
		printf("ok - netlink # SKIP needs root, to make network namespaces\n");
		return 0;
	}
	nl_link_kinds(kinds_link);
	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
