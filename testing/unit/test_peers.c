/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ports and peers of encrypted tunnels, from answers that a kernel has given once, or that are made
 * here: libmnl's sockets are replaced, so that no kernel with ovpn or AmneziaWG is needed. What is
 * asked is compared too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>

#include <util/macros.h>
#include <util/netlink.h>
#include <util/reason.h>

#include "tunnel/discover.h"
#include "tunnel/kinds.h"

#define FAMILY 0x25
#define DEVICE 7

/* From <linux/ovpn.h>; linux/wireguard.h: OVPN_CMD_*, OVPN_A_*, WG_CMD_*, WGDEVICE_A_*... */
enum { PEER_GET = 3, DEL_NTF = 5, SWAP_NTF = 9, FLOAT_NTF = 11 };
enum { A_IFINDEX = 1, A_PEER = 2 };
enum { REMOTE4 = 2, REMOTE6 = 3, SCOPE = 4, REMOTE_PORT = 5, NETNSID = 7, LOCAL_PORT = 12 };
enum { DEVICE_PORT = 6, DEVICE_FWMARK = 7, DEVICE_PEERS = 8, DEVICE_H1 = 14, DEVICE_S4 = 20 };
enum { ENDPOINT = 4, KEEPALIVE = 5, ALLOWED = 9, ALLOWED_FAMILY = 1, ALLOWED_IP = 2, ALLOWED_LEN };

/* The kernel's answers, one datagram after the other, and the questions. */
static char answers[16][4096];
static size_t answer_len[ARRAY_SIZE(answers)];
static unsigned int n_answers, n_given;
static struct {
	char name[16]; /* of the family */
	uint16_t type;
	uint8_t command;
	uint32_t ifindex;
} asked;
static struct nl_peers peers;
static struct nl_error err;

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	assert_true(bus == NETLINK_GENERIC || bus == NETLINK_ROUTE);
	(void)flags;
	return (struct mnl_socket *)answers;
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket;
	(void)groups;
	(void)pid;
	return 0;
}

int mnl_socket_setsockopt(const struct mnl_socket *socket, int type, void *value, socklen_t len)
{
	(void)socket;
	(void)type;
	(void)value;
	(void)len;
	return 0;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *request, size_t len)
{
	const struct nlmsghdr *header = request;
	const struct genlmsghdr *generic = mnl_nlmsg_get_payload(header);
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(header, GENL_HDRLEN);

	(void)socket;
	assert_int_equal(len, header->nlmsg_len);
	if (header->nlmsg_type == RTM_GETLINK)
		return len;
	if (header->nlmsg_type == GENL_ID_CTRL) {
		assert_int_equal(generic->cmd, CTRL_CMD_GETFAMILY);
		assert_int_equal(mnl_attr_get_type(attr), CTRL_ATTR_FAMILY_NAME);
		snprintf(asked.name, sizeof(asked.name), "%s", mnl_attr_get_str(attr));
		return len;
	}
	assert_int_equal(header->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_int_equal(mnl_attr_get_type(attr), A_IFINDEX);
	asked.type = header->nlmsg_type;
	asked.command = generic->cmd;
	asked.ifindex = mnl_attr_get_u32(attr);
	return len;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	(void)socket;
	assert_true(n_given < n_answers && answer_len[n_given] <= size);
	memcpy(buffer, answers[n_given], answer_len[n_given]);
	return answer_len[n_given++];
}

static int begin(void **state)
{
	(void)state;
	n_answers = n_given = 0;
	nl_link_kinds(kinds_link);
	reason_clear();
	memset(&asked, 0, sizeof(asked));
	memset(&peers, 0, sizeof(peers));
	return 0;
}

static int end(void **state)
{
	(void)state;
	nl_peers_free(&peers);
	return n_given == n_answers ? 0 : -1;
}

static struct nlmsghdr *new_answer(uint16_t type, uint8_t command)
{
	struct nlmsghdr *header;
	struct genlmsghdr *generic;

	memset(answers[n_answers], 0, sizeof(*answers));
	header = mnl_nlmsg_put_header(answers[n_answers]);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_MULTI;
	generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));
	generic->cmd = command;
	generic->version = 1;
	return header;
}

static void answer(const struct nlmsghdr *header)
{
	answer_len[n_answers++] = header->nlmsg_len;
}

/* The end of an answer, and the verdict. */
static void answer_end(uint16_t type, int verdict)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(answers[n_answers]);
	struct nlmsgerr *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));

	header->nlmsg_type = type;
	body->error = verdict;
	answer(header);
}

static void answer_family(const char *name)
{
	struct nlmsghdr *header = new_answer(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);

	mnl_attr_put_strz(header, CTRL_ATTR_FAMILY_NAME, name);
	mnl_attr_put_u16(header, CTRL_ATTR_FAMILY_ID, FAMILY);
	answer(header);
	answer_end(NLMSG_ERROR, 0);
}

/* A datagram, as a kernel has sent it. */
static void answer_bytes(const char *hex)
{
	unsigned int byte, n = 0;

	for (; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		answers[n_answers][n] = byte;
	answer_len[n_answers++] = n;
}

/* ovpn */

static void answer_peer(const char *address, uint16_t port, uint16_t local_port, bool elsewhere)
{
	struct nlmsghdr *header = new_answer(FAMILY, PEER_GET);
	struct nlattr *peer = mnl_attr_nest_start(header, A_PEER);
	uint8_t bytes[16];
	bool ip6 = address && strchr(address, ':');

	mnl_attr_put_u32(header, 1, n_answers);
	if (elsewhere)
		mnl_attr_put_u32(header, NETNSID, 1);
	if (address) {
		assert_int_equal(inet_pton(ip6 ? AF_INET6 : AF_INET, address, bytes), 1);
		mnl_attr_put(header, ip6 ? REMOTE6 : REMOTE4, ip6 ? 16 : 4, bytes);
		if (ip6)
			mnl_attr_put_u32(header, SCOPE, 3);
		mnl_attr_put_u16(header, REMOTE_PORT, htons(port));
	}
	mnl_attr_put_u16(header, LOCAL_PORT, htons(local_port));
	mnl_attr_nest_end(header, peer);
	answer(header);
}

static void ask_ovpn(int want)
{
	assert_int_equal(nl_ovpn_peers("ovpn", DEVICE, &peers, &err), want);
	assert_string_equal(asked.name, "ovpn");
	if (!asked.type)
		return;
	assert_int_equal(asked.type, FAMILY);
	assert_int_equal(asked.command, PEER_GET);
	assert_int_equal(asked.ifindex, DEVICE);
}

static void assert_peer(unsigned int i, const char *address, uint16_t port)
{
	const struct nl_endpoint *e = &peers.to.list[i];
	char text[INET6_ADDRSTRLEN];

	assert_true(i < peers.to.n);
	assert_string_equal(inet_ntop(e->family, &e->v6, text, sizeof(text)), address);
	assert_int_equal(e->port, port);
	assert_int_equal(e->scope_id, e->family == AF_INET6 ? 3 : 0);
}

static void ovpn_both_families(void **state)
{
	(void)state;
	answer_family("ovpn");
	answer_peer("2001:db8::7", 5000, 1195, false);
	answer_peer("192.0.2.9", 5001, 1194, false);
	answer_peer("192.0.2.9", 5001, 1194, false);
	answer_end(NLMSG_DONE, 0);
	ask_ovpn(0);
	assert_int_equal(peers.n_ports, 2);
	assert_int_equal(peers.ports[0], 1194);
	assert_int_equal(peers.ports[1], 1195);
	assert_int_equal(peers.to.n, 2);
	assert_peer(0, "192.0.2.9", 5001);
	assert_peer(1, "2001:db8::7", 5000);
	assert_false(peers.by_tcp || peers.elsewhere || peers.more_ports);
}

/* A peer over TCP has a local port, and no address. */
static void ovpn_by_tcp(void **state)
{
	(void)state;
	answer_family("ovpn");
	answer_peer(NULL, 0, 443, true);
	answer_end(NLMSG_DONE, 0);
	ask_ovpn(0);
	assert_true(peers.by_tcp);
	assert_int_equal(peers.n_ports, 0);
	assert_int_equal(peers.to.n, 0);
	assert_false(peers.elsewhere);
}

static void ovpn_without_peers(void **state)
{
	(void)state;
	answer_family("ovpn");
	answer_end(NLMSG_DONE, 0);
	ask_ovpn(0);
	assert_int_equal(peers.n_ports, 0);
	assert_false(peers.by_tcp);
}

static void ovpn_elsewhere(void **state)
{
	(void)state;
	answer_family("ovpn");
	answer_peer("192.0.2.9", 1, 1194, true);
	answer_end(NLMSG_DONE, 0);
	ask_ovpn(0);
	assert_true(peers.elsewhere);
}

static void ovpn_refused(void **state)
{
	(void)state;
	answer_end(NLMSG_ERROR, -ENOENT);
	ask_ovpn(-ENOENT);
	assert_string_equal(err.text, "this kernel has no ovpn");
	begin(NULL);
	answer_family("ovpn");
	answer_end(NLMSG_ERROR, -EPERM);
	ask_ovpn(-EPERM);
	assert_null(peers.to.list);
}

/* In whichever order they come, the lowest are kept. */
static void many_ports(void **state)
{
	struct nl_peers few = {};

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		nl_peers_add_port(&few, 100 + i * 37 % 50);
	assert_int_equal(few.n_ports, NL_MAX_PORTS);
	assert_true(few.more_ports);
	for (unsigned int i = 0; i < NL_MAX_PORTS; i++)
		assert_int_equal(few.ports[i], 100 + i);
	memset(&few, 0, sizeof(few));
	for (unsigned int i = NL_MAX_PORTS; i--;)
		nl_peers_add_port(&few, 1 + i);
	nl_peers_add_port(&few, 0);
	assert_int_equal(few.n_ports, NL_MAX_PORTS);
	assert_false(few.more_ports);
	assert_int_equal(few.ports[0], 1);
}

/* The command of a notification alone says whether it matters. */
static void ovpn_events(void **state)
{
	static const struct {
		uint8_t command;
		bool matters;
	} rows[] = { { DEL_NTF, true }, { FLOAT_NTF, true }, { SWAP_NTF, false } };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_false(nl_ovpn_events_read(fds[0]));
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nlmsghdr *header = new_answer(FAMILY, rows[i].command);

		assert_int_equal(write(fds[1], header, header->nlmsg_len), header->nlmsg_len);
		assert_int_equal(nl_ovpn_events_read(fds[0]), rows[i].matters);
		/* One without a header of generic netlink is none that is known. */
		header->nlmsg_len = NLMSG_HDRLEN;
		assert_int_equal(write(fds[1], header, header->nlmsg_len), header->nlmsg_len);
		assert_true(nl_ovpn_events_read(fds[0]));
	}
	close(fds[0]);
	close(fds[1]);
}

/* AmneziaWG: attributes of WireGuard, and others between and behind them */

static void answer_device(const char *name)
{
	const struct sockaddr_in endpoint = { .sin_family = AF_INET,
					      .sin_port = htons(51821),
					      .sin_addr.s_addr = htonl(0xc0000209) };
	struct nlmsghdr *header;
	struct nlattr *list, *peer, *ips, *ip;

	answer_family(name);
	header = new_answer(FAMILY, 0);
	mnl_attr_put_u16(header, DEVICE_PORT, 51823);
	mnl_attr_put_u32(header, DEVICE_FWMARK, 77);
	/* Version 1 has numbers here, version 2 ranges, as text. */
	mnl_attr_put_strz(header, DEVICE_H1, "100-200");
	mnl_attr_put_u16(header, DEVICE_S4, 12);
	list = mnl_attr_nest_start(header, DEVICE_PEERS);
	peer = mnl_attr_nest_start(header, 0);
	mnl_attr_put(header, ENDPOINT, sizeof(endpoint), &endpoint);
	mnl_attr_put_u16(header, KEEPALIVE, 0);
	ips = mnl_attr_nest_start(header, ALLOWED);
	ip = mnl_attr_nest_start(header, 0);
	mnl_attr_put_u16(header, ALLOWED_FAMILY, AF_INET);
	mnl_attr_put_u32(header, ALLOWED_IP, htonl(0x0a000002));
	mnl_attr_put_u8(header, ALLOWED_LEN, 32);
	mnl_attr_nest_end(header, ip);
	mnl_attr_nest_end(header, ips);
	mnl_attr_nest_end(header, peer);
	mnl_attr_nest_end(header, list);
	answer(header);
	answer_end(NLMSG_DONE, 0);
}

static void wireguard_by_name(void **state)
{
	static const char *const names[] = { "wireguard", "amneziawg" };
	struct nl_wireguard_peer peer = {};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		begin(NULL);
		answer_device(names[i]);
		assert_int_equal(nl_wireguard_peers(names[i], DEVICE, &peers, &err), 0);
		assert_string_equal(asked.name, names[i]);
		assert_int_equal(asked.type, FAMILY);
		assert_int_equal(asked.command, 0);
		assert_int_equal(peers.n_ports, 1);
		assert_int_equal(peers.ports[0], 51823);
		assert_int_equal(peers.fwmark, 77);
		assert_peer(0, "192.0.2.9", 51821);
		nl_peers_free(&peers);
		answer_device(names[i]);
		memset(&peer, 0, sizeof(peer));
		assert_int_equal(nl_wireguard_peer(names[i], DEVICE, &peer, &err), 0);
		assert_int_equal(ntohl(peer.inner.v4.s_addr), 0x0a000002);
		assert_int_equal(peer.outer.port, 51821);
	}
}

/* The answers of Linux 7.3 about the family, and a server with two clients, by OpenVPN 2.7.8. */
static const char recorded_family[] =
	"000100001000000000000000ed00000001020000090002006f76706e0000000006000100250000000800"
	"03000100000008000400000000000800050000000000a400060014000100080001000100000008000200"
	"0b000000140002000800010002000000080002000b000000140003000800010003000000080002000f00"
	"0000140004000800010004000000080002000b000000140005000800010006000000080002000b000000"
	"140006000800010007000000080002000b000000140007000800010008000000080002000b0000001400"
	"0800080001000a000000080002000b0000001c0007001800010008000200130000000a00010070656572"
	"73000000";
static const char recorded_peers[] =
	"a00000002500020000000000ed000000030100008c000280080001000000000008001800000000000800"
	"08000a08000208000d003c00000008000e00b004000008000200c000020206000540b87b000008000a00"
	"c000020106000c4004aa0000080010005400000008001200010000000800110054000000080013000100"
	"0000080014006c0000000800160001000000080015006c0000000800170001000000a000000025000200"
	"00000000ed000000030100008c00028008000100010000000800180001000000080008000a0800030800"
	"0d003c00000008000e00b004000008000200c633640206000540ed52000008000a00c633640106000c40"
	"04aa00000800100054000000080012000100000008001100540000000800130001000000080014006c00"
	"00000800160001000000080015006c0000000800170001000000";

static void ovpn_recorded(void **state)
{
	(void)state;
	answer_bytes(recorded_family);
	answer_end(NLMSG_ERROR, 0);
	answer_bytes(recorded_peers);
	answer_end(NLMSG_DONE, 0);
	ask_ovpn(0);
	assert_int_equal(peers.n_ports, 1);
	assert_int_equal(peers.ports[0], 1194);
	assert_int_equal(peers.to.n, 2);
	assert_peer(0, "192.0.2.2", 47227);
	assert_peer(1, "198.51.100.2", 60754);
	assert_false(peers.by_tcp || peers.elsewhere);
}

/* The tunnel that load makes of it */

static void answer_link(const char *name, const char *kind, int ifindex)
{
	struct nlmsghdr *header;
	struct ifinfomsg *fixed;
	struct nlattr *info;

	memset(answers[n_answers], 0, sizeof(*answers));
	header = mnl_nlmsg_put_header(answers[n_answers]);
	header->nlmsg_type = RTM_NEWLINK;
	fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));
	fixed->ifi_index = ifindex;
	fixed->ifi_type = *kind ? ARPHRD_NONE : ARPHRD_ETHER;
	mnl_attr_put_strz(header, IFLA_IFNAME, name);
	if (*kind) {
		info = mnl_attr_nest_start(header, IFLA_LINKINFO);
		mnl_attr_put_strz(header, IFLA_INFO_KIND, kind);
		mnl_attr_nest_end(header, info);
	}
	answer(header);
	answer_end(NLMSG_ERROR, 0);
}

static const struct request plain = {
	.direction = DIRECTION_EGRESS, .name = "t0", .n_uplinks = 1, .uplinks = { "eth0" }
};

/* Loads a device that there are answers for, with the uplink eth0 or before the look for one. */
static struct dscp_tunnel load(const struct request *request, int want, const char *sentence)
{
	struct dscp_tunnel tunnel;

	if (!want)
		answer_link("eth0", "", 2);
	assert_int_equal(discover_tunnel(request, NULL, &tunnel), want);
	if (sentence)
		assert_non_null(strstr(reason_first(), sentence));
	reason_clear();
	return tunnel;
}

static void load_amneziawg(void **state)
{
	struct request request = plain;
	struct dscp_tunnel tunnel;

	(void)state;
	answer_link("t0", "amneziawg", DEVICE);
	answer_device("amneziawg");
	tunnel = load(&request, 0, NULL);
	assert_int_equal(tunnel.kind, DSCP_KIND_AMNEZIAWG);
	assert_int_equal(tunnel.n_ports, 1);
	assert_int_equal(tunnel.ports[0], 51823);
	request.handshake = 1;
	answer_link("t0", "amneziawg", DEVICE);
	load(&request, TUNNEL_USAGE, "no handshakes of amneziawg are known");
	n_answers = n_given = 0;
	request.handshake = 0;
	request.direction = DIRECTION_BOTH;
	answer_link("t0", "amneziawg", DEVICE);
	load(&request, TUNNEL_USAGE, "--direction egress is all there is");
}

static void load_ovpn(void **state)
{
	struct request request = plain;
	struct dscp_tunnel tunnel;

	(void)state;
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_peer("192.0.2.9", 5001, 1195, false);
	answer_peer("192.0.2.8", 5001, 1194, false);
	answer_end(NLMSG_DONE, 0);
	tunnel = load(&request, 0, NULL);
	assert_int_equal(tunnel.kind, DSCP_KIND_OVPN);
	assert_int_equal(tunnel.n_ports, 2);
	assert_int_equal(tunnel.ports[0], 1194);
	begin(NULL);
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_end(NLMSG_DONE, 0);
	tunnel = load(&request, 0, NULL);
	assert_int_equal(tunnel.n_ports, 0);
	/* The port of a server may be known before. */
	begin(NULL);
	request.n_ports = 1;
	request.ports[0] = 1194;
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_end(NLMSG_DONE, 0);
	assert_int_equal(load(&request, 0, NULL).ports[0], 1194);
}

static void load_ovpn_refused(void **state)
{
	(void)state;
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_peer(NULL, 0, 443, false);
	answer_end(NLMSG_DONE, 0);
	load(&plain, -EOPNOTSUPP, "OpenVPN sends by TCP");
	begin(NULL);
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_peer("192.0.2.9", 5001, 1194, true);
	answer_end(NLMSG_DONE, 0);
	load(&plain, TUNNEL_USAGE, "where OpenVPN has its socket, and not in this one");
	begin(NULL);
	answer_link("t0", "ovpn", DEVICE);
	answer_family("ovpn");
	answer_end(NLMSG_ERROR, -EPERM);
	load(&plain, -EPERM, "cannot read whom it sends to");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ovpn_both_families), CASE(ovpn_by_tcp),	   CASE(ovpn_without_peers),
		CASE(ovpn_elsewhere),	  CASE(ovpn_refused),	   CASE(ovpn_recorded),
		CASE(ovpn_events),	  CASE(many_ports),	   CASE(load_amneziawg),
		CASE(load_ovpn),	  CASE(load_ovpn_refused), CASE(wireguard_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
