/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Tests which uplinks are found for the kernel's answers about a tunnel: a kernel with WireGuard is
 * not needed, only its routes are. Each test has a network namespace with two providers, u0 and u1.
 * Kinds of links that this kernel lacks are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "capture.h"
#include "commands.h"
#include "tunnel/uplinks.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

/* A tunnel, and the kernel's answers about it. */
static struct nl_link link_of;
static struct nl_peers wg;
static struct dscp_tunnel tunnel;

/* u1 has a default route in the table 100 only, which no rule leads to yet. */
static int two_providers(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	reason_clear();
	memset(&link_of, 0, sizeof(link_of));
	memset(&wg, 0, sizeof(wg));
	run_ip("link set lo up\n"
	       "link add u0 type veth peer name p0\nlink add u1 type veth peer name p1\n"
	       "link set u0 up\nlink set u1 up\nlink set p0 up\nlink set p1 up\n"
	       "addr add 192.0.2.1/24 dev u0\naddr add 198.51.100.1/24 dev u1\n"
	       "addr add 2001:db8:1::1/64 dev u0 nodad\naddr add 2001:db8:2::1/64 dev u1 nodad\n"
	       "route add default via 192.0.2.2\n"
	       "route add default via 198.51.100.2 table 100\n");
	return 0;
}

static int forget(void **state)
{
	(void)state;
	nl_peers_free(&wg);
	return 0;
}

static void add_peer(const char *address)
{
	struct nl_endpoint peer = { .family = strchr(address, ':') ? AF_INET6 : AF_INET,
				    .port = 51820 };

	assert_int_equal(inet_pton(peer.family, address, &peer.v6), 1);
	assert_int_equal(nl_endpoints_add(&wg.to, &peer), 0);
}

/* The tunnel t, without a device. */
static int find(enum dscp_kind kind)
{
	static const struct request request;

	memset(&tunnel, 0, sizeof(tunnel));
	strcpy(tunnel.name, "t");
	tunnel.ifindex = 9999;
	tunnel.kind = kind;
	tunnel.flags = DSCP_TUNNEL_EGRESS;
	tunnel.ports[0] = kind == DSCP_KIND_WIREGUARD ? 51820 : 4789;
	tunnel.netns = netns_own();
	tunnel.uplink_netns = tunnel.netns;
	return uplinks_find(&request, NULL, &link_of, &wg, &tunnel);
}

/* The names of the uplinks, in their order, with blanks. */
static void assert_found(enum dscp_kind kind, const char *names)
{
	char text[256] = "";
	int err = find(kind);

	if (err)
		fail_msg("%d: %s", err, reason_first());
	for (int i = 0; i < tunnel.n_uplinks; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, tunnel.uplink_names[i]);
		assert_int_equal(tunnel.uplinks[i], if_nametoindex(tunnel.uplink_names[i]));
	}
	assert_string_equal(text, names);
}

static void assert_not_found(enum dscp_kind kind, const char *text)
{
	int err = find(kind);

	assert_true(err < 0);
	if (!strstr(reason_first(), text))
		fail_msg("'%s' lacks '%s'", reason_first(), text);
	reason_clear();
}

/* The sentences, also about something that succeeds. */
static void assert_said(const char *text)
{
	struct capture errors = capture(stderr);
	char said[1024];

	reason_print();
	end_capture(&errors, said, sizeof(said));
	if (*text ? !strstr(said, text) : *said)
		fail_msg("'%s' is not '%s'", said, text);
}

/* WireGuard */

static void wireguard_by_source(void **state)
{
	(void)state;
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	/* A peer that has called by the second provider is answered by it. */
	run_ip("rule add from 198.51.100.1 table 100\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0 u1");
	/* The other kinds have one source. */
	assert_found(DSCP_KIND_VXLAN, "u0");
	assert_said("");
}

static void wireguard_by_source_ipv6(void **state)
{
	(void)state;
	if (!try("ip route add default from 2001:db8:1::/48 via 2001:db8:1::2 &&"
		 "ip route add default from 2001:db8:2::/48 via 2001:db8:2::2"))
		skip();
	add_peer("2001:db8:9::1");
	assert_found(DSCP_KIND_WIREGUARD, "u0 u1");
	assert_said("");
}

/* The peer of 203.0.113.9 could be reached by the table 100, but for its source. */
static void wireguard_not_by_inner_source(void **state)
{
	(void)state;
	if (!try("ip tuntap add tun0 mode tun"))
		skip();
	run_ip("addr add 10.8.0.1/24 dev tun0\nlink set tun0 up\n"
	       "rule add from 10.8.0.1 table 100\n");
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
}

/* The hosts behind u1, with this machine as their router, reach others by another VPN. */
static void wireguard_not_by_another_vpn(void **state)
{
	(void)state;
	if (!try("ip tuntap add tun0 mode tun"))
		skip();
	run_ip("link set tun0 up\nroute add default dev tun0 table 300\n"
	       "rule add from 198.51.100.0/24 table 300\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	/* But if no other way is left. */
	run_ip("route del default\nroute add default dev tun0\n");
	assert_found(DSCP_KIND_WIREGUARD, "tun0");
}

static void wireguard_by_port_and_mark(void **state)
{
	(void)state;
	add_peer("203.0.113.9");
	run_ip("rule add fwmark 7 table 100\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	wg.fwmark = 7;
	assert_found(DSCP_KIND_WIREGUARD, "u1");
	wg.fwmark = 8;
	/* 17 is UDP: its name takes /etc/protocols, a file that a small system lacks. */
	run_ip("rule add ipproto 17 sport 51820 table 100\n");
	assert_found(DSCP_KIND_WIREGUARD, "u1");
}

static void no_peer(void **state)
{
	(void)state;
	/* A table that nothing leads to, or only other traffic. */
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	run_ip("rule add fwmark 7 table 100\nrule add from 10.0.0.0/8 table 100\n"
	       "rule add iif u0 table 100\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	/* A second provider. */
	run_ip("rule add from 198.51.100.1 table 100\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0 u1");
	assert_said("");
}

/* The route that is used when the first one is gone, but for another VPN. */
static void no_peer_and_a_spare_route(void **state)
{
	(void)state;
	if (!try("ip tuntap add tun0 mode tun"))
		skip();
	run_ip("addr add 10.8.0.1/24 dev tun0\nlink set tun0 up\n"
	       "route add default dev tun0 metric 30\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	run_ip("route add default via 198.51.100.2 metric 20\n");
	assert_found(DSCP_KIND_WIREGUARD, "u0 u1");
	run_ip("route del default via 192.0.2.2\nroute del default via 198.51.100.2\n"
	       "route add default via 2001:db8:2::2\n");
	/* Now all packets over IPv4 leave by it. */
	assert_found(DSCP_KIND_WIREGUARD, "tun0 u1");
}

static void no_peer_and_no_route(void **state)
{
	(void)state;
	run_ip("route del default\n");
	assert_not_found(DSCP_KIND_WIREGUARD, "it has no peer's address, and there is no default "
					      "route");
	run_ip("route add blackhole default\n");
	assert_not_found(DSCP_KIND_WIREGUARD, "no default route");
	/* WireGuard may send from where it was made: no device here would do. */
	assert_not_found(
		DSCP_KIND_WIREGUARD,
		"(say --uplink DEV, or --uplink-netns NETNS if the device was made there)");
	assert_not_found(DSCP_KIND_VXLAN, "(say --uplink DEV)");
}

static void some_peers_without_a_way(void **state)
{
	(void)state;
	add_peer("192.0.2.9");
	add_peer("2001:db8:9::1");
	assert_found(DSCP_KIND_WIREGUARD, "u0");
	assert_said("t: no uplink for some of its peers: no way to 2001:db8:9::1: Network is "
		    "unreachable");
}

static void no_way(void **state)
{
	(void)state;
	run_ip("route del default\n");
	add_peer("203.0.113.9");
	assert_not_found(DSCP_KIND_WIREGUARD, "no way to 203.0.113.9: Network is unreachable");
	run_ip("link add name t0 index 9999 type veth peer name p2\nlink set t0 up\n"
	       "route add 203.0.113.9 dev t0\n");
	assert_not_found(DSCP_KIND_WIREGUARD,
			 "no way to 203.0.113.9: the route leads into the tunnel itself");
}

/* Other kinds */

static void set_local(const char *address)
{
	link_of.family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, address, link_of.local), 1);
}

static void local_address(void **state)
{
	(void)state;
	set_local("198.51.100.1");
	/* Nobody to ask a route for. */
	assert_found(DSCP_KIND_VXLAN, "u1");
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_VXLAN, "u0");
	run_ip("rule add from 198.51.100.1 table 100\n");
	assert_found(DSCP_KIND_VXLAN, "u1");
	set_local("198.51.100.77");
	assert_not_found(DSCP_KIND_VXLAN, "no device has its local address");
}

/* A question that fails is no reason to leave uplinks out: here there is no room for a socket. */
static void addresses_not_readable(void **state)
{
	struct rlimit usual, full;
	int free_one = dup(STDIN_FILENO);

	(void)state;
	assert_return_code(close(free_one), errno);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &usual), errno);
	full = (struct rlimit){ .rlim_cur = free_one, .rlim_max = usual.rlim_max };
	assert_return_code(setrlimit(RLIMIT_NOFILE, &full), errno);
	assert_not_found(DSCP_KIND_WIREGUARD, "t: cannot read the addresses of this host: ");
	assert_return_code(setrlimit(RLIMIT_NOFILE, &usual), errno);
}

/* As on routers with an address behind each of their devices. */
static void local_address_on_lo(void **state)
{
	(void)state;
	run_ip("addr add 203.0.113.1/32 dev lo\n");
	set_local("203.0.113.1");
	assert_found(DSCP_KIND_VXLAN, "u0");
	run_ip("rule add from 203.0.113.1 table 100\n");
	assert_found(DSCP_KIND_VXLAN, "u1");
}

static void bound_to_a_device(void **state)
{
	(void)state;
	link_of.lower = if_nametoindex("u1");
	assert_found(DSCP_KIND_VXLAN, "u1");
	add_peer("192.0.2.9");
	assert_found(DSCP_KIND_VXLAN, "u0");
	/* Floods go to a group. */
	link_of.family = AF_INET;
	link_of.multicast = true;
	assert_int_equal(inet_pton(AF_INET, "239.1.1.1", link_of.remote), 1);
	assert_found(DSCP_KIND_VXLAN, "u0 u1");
}

static void bound_to_a_vrf(void **state)
{
	(void)state;
	if (!try("ip link add v0 type vrf table 100"))
		skip();
	run_ip("link set v0 up\nlink set u1 master v0\n"
	       "route replace default via 198.51.100.2 table 100\n");
	link_of.lower = if_nametoindex("v0");
	assert_found(DSCP_KIND_VXLAN, "u1");
	add_peer("203.0.113.9");
	wg.to.list->scope_id = link_of.lower;
	assert_found(DSCP_KIND_VXLAN, "u1");
}

/* Where packets are not found */

static void to_this_machine(void **state)
{
	(void)state;
	add_peer("192.0.2.1");
	assert_found(DSCP_KIND_GRE, "lo");
	assert_said("t: the route to 192.0.2.1 leads to this machine itself (lo)");
}

static void behind_other_headers(void **state)
{
	(void)state;
	if (!try("ip route add 203.0.113.9 encap mpls 100 via 192.0.2.2"))
		skip();
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_GRE, "u0");
	assert_said("t: the route to 203.0.113.9 puts MPLS or SRv6 headers in front");
}

/* A tap that says it is of another type. */
static int make_tap(int type)
{
	struct ifreq ifr = { .ifr_name = "x0", .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETLINK, type))
		skip();
	run_ip("addr add 203.0.113.1/24 dev x0\nlink set x0 up\n");
	return fd;
}

static void by_infiniband(void **state)
{
	int fd = make_tap(ARPHRD_INFINIBAND);

	(void)state;
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_VXLAN, "x0");
	assert_said("t: uplink x0 is IPoIB, and packets are not found behind its header");
	close(fd);
}

static int find_for_xdp(void)
{
	static const struct request request;

	tunnel.n_uplinks = 0;
	tunnel.method = DSCP_METHOD_XDP;
	return uplinks_find(&request, NULL, &link_of, &wg, &tunnel);
}

/* One that has no Ethernet frames does not keep the others from being served. */
static void xdp_without_ethernet(void **state)
{
	int fd = make_tap(ARPHRD_NONE);

	(void)state;
	add_peer("192.0.2.9");
	add_peer("203.0.113.9");
	assert_found(DSCP_KIND_WIREGUARD, "u0 x0");
	assert_int_equal(find_for_xdp(), 0);
	assert_int_equal(tunnel.n_uplinks, 1);
	assert_string_equal(tunnel.uplink_names[0], "u0");
	assert_said("t: not at its uplink x0, which is not an Ethernet device");
	nl_peers_free(&wg);
	add_peer("203.0.113.9");
	assert_int_equal(find_for_xdp(), -EOPNOTSUPP);
	assert_non_null(strstr(reason_first(), "x0 is not an Ethernet device"));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_providers, forget)

static const struct CMUnitTest tests[] = {
	TEST(wireguard_by_source),
	TEST(wireguard_by_source_ipv6),
	TEST(wireguard_not_by_inner_source),
	TEST(wireguard_not_by_another_vpn),
	TEST(wireguard_by_port_and_mark),
	TEST(no_peer),
	TEST(no_peer_and_a_spare_route),
	TEST(no_peer_and_no_route),
	TEST(some_peers_without_a_way),
	TEST(no_way),
	TEST(local_address),
	TEST(addresses_not_readable),
	TEST(local_address_on_lo),
	TEST(bound_to_a_device),
	TEST(bound_to_a_vrf),
	TEST(to_this_machine),
	TEST(behind_other_headers),
	TEST(by_infiniband),
	TEST(xdp_without_ethernet),
};

int main(void)
{
	if (geteuid()) {
		printf("ok - uplinks # SKIP needs root, to make network namespaces\n");
		return 0;
	}
	return cmocka_run_group_tests_name("uplinks", tests, NULL, NULL);
}
