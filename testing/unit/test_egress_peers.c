/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* egress_inner_peers: the policy that a packet gets by its destination, and the stamp with its
 * result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include <dscp/mix.h>
#include <util/macros.h>

#include "egress_cases.h"
#include "egress_random.h"
#include "effort.h"

#define FRAMES 40000 /* random ones */
#define DEVICE_PACKETS 10000
#define SLOT 5
#define CS2 16
#define FINAL(dscp) ((int)DSCP_STAMP_FINAL | (dscp))
#define KEEP (int)(DSCP_STAMP_FINAL | DSCP_STAMP_KEEP)

static uint32_t own_ifindex(void)
{
	return how.device ? device_ifindex() : 1;
}

/* Everything becomes that. */
static struct dscp_policy all(uint8_t to)
{
	struct dscp_policy policy;

	memset(policy.to, to, sizeof(policy.to));
	return policy;
}

static struct dscp_prefix prefix_of(uint16_t slot, const char *address, unsigned int length)
{
	struct dscp_prefix prefix = { .prefixlen = DSCP_PREFIX_BITS + length, .slot = slot };

	prefix.family = strchr(address, ':') ? 6 : 4;
	assert_int_equal(
		inet_pton(prefix.family == 4 ? AF_INET : AF_INET6, address, prefix.address), 1);
	return prefix;
}

static void add_peer(uint16_t slot, const char *address, unsigned int length, uint8_t to)
{
	struct dscp_prefix prefix = prefix_of(slot, address, length);
	struct dscp_policy policy = all(to);

	assert_int_equal(bpf_map_update_elem(egress_map("prefixes"), &prefix, &policy, BPF_ANY), 0);
}

/* The present device is a tunnel with a policy that makes AF41 of everything. */
static int set_tunnel(void **state)
{
	struct dscp_tunnel tunnel = { .kind = DSCP_KIND_WIREGUARD, .flags = DSCP_TUNNEL_PREFIXES };

	set_nothing(state);
	tunnel.ifindex = own_ifindex();
	tunnel.egress = all(AF41);
	add_tunnel(SLOT, &tunnel);
	return 0;
}

static struct packet packet_to(const char *address)
{
	struct packet p = udp_packet(strchr(address, ':') ? 6 : 4, 4000, 5000, 0, 20);

	assert_int_equal(
		inet_pton(p.ip6 ? AF_INET6 : AF_INET, address, p.bytes + p.ip + (p.ip6 ? 24 : 16)),
		1);
	set_ds(&p, EF << 2 | 1);
	return p;
}

static void expect_to(const char *address, int value)
{
	struct packet p = packet_to(address);

	expect_stamped("test_peers", &p, HASH, value);
}

static void peers_longest_match(void **state)
{
	(void)state;
	expect_to("10.0.0.5", FINAL(AF41));
	expect_to("fd00:7::1", FINAL(AF41));
	add_peer(SLOT, "::", 0, 1);
	expect_to("10.0.0.5", FINAL(AF41));
	expect_to("0.0.0.0", FINAL(AF41));
	expect_to("::ffff:10.0.0.5", FINAL(1));
	add_peer(SLOT, "0.0.0.0", 0, 2);
	add_peer(SLOT, "10.0.0.0", 8, 3);
	add_peer(SLOT, "10.0.0.4", 31, 4);
	add_peer(SLOT, "10.0.0.5", 32, 5);
	add_peer(SLOT, "fd00:7::", 64, 6);
	add_peer(SLOT, "fd00:7::", 127, 7);
	add_peer(SLOT, "fd00:7::1", 128, 8);
	/* One of our bytes that reads as the other family's is none. */
	add_peer(SLOT, "a00:5::", 32, 9);
	expect_to("10.0.0.5", FINAL(5));
	expect_to("10.0.0.4", FINAL(4));
	expect_to("10.0.0.6", FINAL(3));
	expect_to("11.0.0.5", FINAL(2));
	expect_to("fd00:7::1", FINAL(8));
	expect_to("fd00:7::", FINAL(7));
	expect_to("fd00:7::2", FINAL(6));
	expect_to("fd00:7:0:1::1", FINAL(1));
}

static void peers_of_others(void **state)
{
	uint32_t ifindex = own_ifindex(), slot = SLOT;

	(void)state;
	add_peer(SLOT - 1, "10.0.0.5", 32, 1);
	add_peer(SLOT + 1, "10.0.0.5", 32, 1);
	add_peer(SLOT + 0x100, "10.0.0.5", 32, 1);
	add_peer(0, "0.0.0.0", 0, 1);
	expect_to("10.0.0.5", FINAL(AF41));
	add_peer(SLOT, "10.0.0.5", 32, 2);
	expect_to("10.0.0.5", FINAL(2));
	/* Not registered: nobody's. */
	assert_int_equal(bpf_map_delete_elem(egress_map("devices"), &ifindex), 0);
	expect_to("10.0.0.5",
		  FINAL(2)); /* the remembered slot holds as long as the tunnel says so */
	world.tunnels[SLOT].ifindex = 0;
	assert_int_equal(
		bpf_map_update_elem(egress_map("tunnels"), &slot, &world.tunnels[SLOT], BPF_ANY),
		0);
	expect_to("10.0.0.5", -1);
	expect_to("10.0.0.6", -1);
}

/* Puts a prefix into a list; length -8: all the rest. */
static void add_listed(uint8_t list, const char *address, int length, uint8_t to)
{
	struct dscp_prefix prefix = prefix_of(SLOT, address, length);
	struct dscp_policy policy = all(to);

	prefix.list = list;
	if (prefix.prefixlen == DSCP_PREFIX_REST)
		prefix.family = 0;
	assert_int_equal(bpf_map_update_elem(egress_map("prefixes"), &prefix, &policy, BPF_ANY), 0);
}

/* The list of the tunnel says it for all destinations, and from one number to another all change.
 */
static void prefixes_lists(void **state)
{
	struct dscp_tunnel tunnel = world.tunnels[SLOT];

	(void)state;
	add_listed(0, "0.0.0.0", -8, 1);
	add_listed(0, "10.0.0.5", 32, 2);
	add_listed(255, "0.0.0.0", -8, 3);
	add_listed(255, "10.0.0.0", 8, 4);
	add_listed(255, "fd00::", 16, DSCP_KEEP);
	expect_to("10.0.0.5", FINAL(2));
	expect_to("10.0.0.6", FINAL(1));
	expect_to("fd00:7::1", FINAL(1));
	tunnel.list = 255;
	add_tunnel(SLOT, &tunnel);
	expect_to("10.0.0.5", FINAL(4));
	expect_to("11.0.0.5", FINAL(3));
	expect_to("fd00:7::1", KEEP);
	expect_to("fe00:7::1", FINAL(3));
	/* None: the tunnel's own. */
	tunnel.list = 4;
	add_tunnel(SLOT, &tunnel);
	expect_to("10.0.0.5", FINAL(AF41));
	expect_to("fd00:7::1", FINAL(AF41));
}

/* Every DS field, with a policy that turns them round, and keeps one. */
static void peers_every_ds(void **state)
{
	struct dscp_prefix prefixes[] = { prefix_of(SLOT, "10.0.0.5", 32),
					  prefix_of(SLOT, "fd00::5", 128) };
	struct packet p[] = { packet_to("10.0.0.5"), packet_to("fd00::5") };
	struct dscp_policy policy;

	(void)state;
	for (int dscp = 0; dscp < DSCP_VALUES; dscp++)
		policy.to[dscp] = 63 - dscp;
	policy.to[EF] = DSCP_KEEP;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			bpf_map_update_elem(egress_map("prefixes"), &prefixes[i], &policy, BPF_ANY),
			0);
		for (int ds = 0; ds < 256; ds++) {
			set_ds(&p[i], ds);
			expect_stamped("test_peers", &p[i], HASH,
				       ds >> 2 == EF ? KEEP : FINAL(63 - (ds >> 2)));
		}
	}
}

/* Two flows of one hash, more or less: one stamp if they get the same value, else two. And never a
 * stamp of egress_inner. */
static void peers_collisions(void **state)
{
	struct packet p;
	uint32_t first;

	(void)state;
	add_peer(SLOT, "10.0.0.1", 32, EF);
	add_peer(SLOT, "10.0.0.2", 32, EF);
	add_peer(SLOT, "10.0.0.3", 32, CS1);
	expect_to("10.0.0.1", FINAL(EF));
	first = knobs->after;
	expect_to("10.0.0.2", FINAL(EF));
	assert_int_equal(knobs->after, first);
	expect_to("10.0.0.3", FINAL(CS1));
	assert_int_not_equal(knobs->after, first);
	p = packet_to("10.0.0.1");
	expect_stamped("test_inner", &p, HASH, EF);
	assert_int_not_equal(knobs->after, first);
	for (int bit = 0; bit < 8; bit++) {
		expect_stamped("test_peers", &p, HASH ^ 1 << bit, FINAL(EF));
		assert_int_equal(knobs->after, first);
	}
}

static bool is_flow(uint32_t hash)
{
	struct dscp_stamp flow;

	return !bpf_map_lookup_elem(egress_map("stamps"), &hash, &flow);
}

static void forget_recent(uint32_t stamp)
{
	uint32_t bucket = stamp % DSCP_STAMP_CACHE, none = 0;

	assert_int_equal(bpf_map_update_elem(egress_map("stamp_cache"), &bucket, &none, BPF_ANY),
			 0);
}

/* The socket's own hash is never noted. */
static void peers_socket_hash(void **state)
{
	(void)state;
	add_peer(SLOT, "10.0.0.1", 32, EF);
	add_peer(SLOT, "10.0.0.2", 32, EF);
	add_peer(SLOT, "10.0.0.3", 32, CS1);
	expect_to("10.0.0.1", FINAL(EF));
	expect_to("10.0.0.2", FINAL(EF));
	assert_int_equal(count_flows(), 1);
	expect_to("10.0.0.3", FINAL(CS1));
	assert_int_equal(count_flows(), 2);
	assert_false(is_flow(HASH));
}

/* After a change of policy the same flow has another stamp; the old one stays known, since packets
 * are on their way with it. */
static void peers_policy_changes(void **state)
{
	uint32_t old = dscp_stamp(HASH, FINAL(EF)), plain = dscp_stamp(HASH, EF);
	struct packet p = packet_to("10.0.0.1");

	(void)state;
	expect_stamped("test_inner", &p, HASH, EF);
	add_peer(SLOT, "10.0.0.1", 32, EF);
	expect_to("10.0.0.1", FINAL(EF));
	assert_true(is_flow(plain));
	add_peer(SLOT, "10.0.0.1", 32, CS1);
	expect_to("10.0.0.1", FINAL(CS1));
	assert_true(is_flow(old));
	forget_recent(old);
	add_peer(SLOT, "10.0.0.1", 32, EF);
	expect_to("10.0.0.1", FINAL(EF));
	forget_recent(plain);
	expect_stamped("test_inner", &p, HASH, EF);
	assert_int_equal(count_flows(), 3);
}

/* More flows than there is room for: each is noted at its first packet. */
static void peers_many_flows(void **state)
{
	struct packet p = packet_to("10.0.0.1");

	(void)state;
	for (uint32_t flow = 1; flow <= 6000; flow++)
		expect_stamped("test_peers", &p, flow << 8, FINAL(AF41));
	expect_stamped("test_peers", &p, 1 << 8, FINAL(AF41));
}

/* The installed program itself, with the hash the kernel computes. */
static void peers_program(void **state)
{
	struct packet p = packet_to("fd00:7::1"), out;
	uint32_t stamp;

	(void)state;
	add_peer(SLOT, "fd00:7::", 16, CS2);
	assert_true(transmit("egress_inner_peers", &p, 0, &out));
	assert_same(&p, &p, &out);
	assert_int_equal(count_flows(), 1);
	assert_int_equal(bpf_map_get_next_key(egress_map("stamps"), NULL, &stamp), 0);
	assert_int_equal(dscp_unmix(stamp) & DSCP_STAMP_BITS, FINAL(CS2));
}

/* Frames that are no IP packet, or are cut off. */
static void peers_not_ip(void **state)
{
	struct packet p, shorter;

	(void)state;
	add_peer(SLOT, "0.0.0.0", 0, EF);
	add_peer(SLOT, "::", 0, EF);
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 60);
		for (size_t len = p.link + 1; len <= p.link + 60; len++) {
			shorter = cut(&p, len);
			expect_stamped("test_peers", &shorter, HASH,
				       len >= p.ip + (family == 4 ? 20 : 40) ? FINAL(EF) : -1);
		}
		p.bytes[p.ip] ^= 0x20;
		expect_stamped("test_peers", &p, HASH, -1);
	}
	/* The header that GRE without a remote address shows. */
	for (knobs->prototype = 4; knobs->prototype <= 6; knobs->prototype += 2) {
		p = ip_packet(4, IPPROTO_TCP, 100);
		assert_true(transmit("test_peers", &p, HASH, &shorter));
		assert_int_equal(knobs->after, HASH);
	}
	knobs->prototype = 0;
}

static void peers_tags(void **state)
{
	const char *const to[] = { "10.0.0.1", "fd00:7::1" };
	struct packet p, tagged;

	(void)state;
	add_peer(SLOT, "10.0.0.1", 32, EF);
	add_peer(SLOT, "fd00:7::1", 128, EF);
	for (int i = 0; i < 2; i++) {
		p = packet_to(to[i]);
		for (unsigned int tags = 0; tags <= 3; tags++) {
			tagged = with_tags(&p, tags);
			expect_stamped("test_peers", &tagged, HASH, tags <= 2 ? FINAL(EF) : -1);
		}
	}
}

/* The headers are not in the linear part of the skb, or in part. */
static void peers_paged(void **state)
{
	const char *const to[] = { "10.0.0.1", "fd00:7::1" };
	struct packet p, part;

	(void)state;
	add_peer(SLOT, "10.0.0.1", 32, EF);
	add_peer(SLOT, "fd00:7::1", 128, EF);
	for (int i = 0; i < 2; i++) {
		part = packet_to(to[i]);
		p = ip_packet(i ? 6 : 4, IPPROTO_TCP, 5000);
		memcpy(p.bytes + p.ip + (i ? 24 : 16), part.bytes + part.ip + (i ? 24 : 16),
		       i ? 16 : 4);
		for (how.linear = 1; how.linear <= 70; how.linear++)
			expect_stamped("test_peers", &p, HASH, FINAL(EF));
	}
}

/* Prefixes that the destinations of random packets are in, and their policy's result for all. */
static const struct {
	const char *address;
	unsigned int length;
	uint8_t to;
} prefixes[] = {
	{ "192.0.2.2", 32, EF },
	{ "192.0.2.0", 25, 1 },
	{ "192.0.0.0", 7, DSCP_KEEP },
	{ "2001:db8::2", 128, 2 },
	{ "2001:db8::", 33, 3 },
	{ "2000::", 3, DSCP_KEEP },
	{ "::", 1, 5 },
};

#define N_PREFIXES ARRAY_SIZE(prefixes)

static bool is_in(const uint8_t *address, const uint8_t *prefix, unsigned int length)
{
	for (unsigned int i = 0; i < length; i++)
		if ((address[i / 8] ^ prefix[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* The longest prefix says it, or the tunnel. */
static int value_by_prefix(const struct inner *inner)
{
	unsigned int longest = 0;
	uint8_t to = AF41, prefix[16];

	for (unsigned int i = 0; i < N_PREFIXES; i++) {
		int family = strchr(prefixes[i].address, ':') ? AF_INET6 : AF_INET;

		if ((family == AF_INET6) != inner->ip6 || prefixes[i].length <= longest)
			continue;
		inet_pton(family, prefixes[i].address, prefix);
		if (!is_in(inner->dest, prefix, prefixes[i].length))
			continue;
		longest = prefixes[i].length;
		to = prefixes[i].to;
	}
	return to == DSCP_KEEP ? KEEP : FINAL(to);
}

static void peers_random(void **state)
{
	unsigned int rounds = effort_rounds(how.device ? DEVICE_PACKETS : FRAMES);

	(void)state;
	make_templates();
	for (unsigned int i = 0; i < N_PREFIXES; i++)
		add_peer(SLOT, prefixes[i].address, prefixes[i].length, prefixes[i].to);
	for (unsigned int i = 0; i < rounds; i++) {
		struct packet p;
		struct inner inner;

		random_round(i);
		p = random_packet();
		inner = ask_inner(&p);
		expect_stamped("test_peers", &p, next_random() % 16 << 8,
			       inner.ip ? value_by_prefix(&inner) : -1);
	}
	random_end();
}

#define PEERS(name) cmocka_unit_test_setup_teardown(name, set_tunnel, end_case)

int main(void)
{
	const struct CMUnitTest frames[] = {
		PEERS(peers_longest_match),  PEERS(peers_of_others),  PEERS(peers_every_ds),
		PEERS(prefixes_lists),	     PEERS(peers_collisions), PEERS(peers_socket_hash),
		PEERS(peers_policy_changes), PEERS(peers_many_flows), PEERS(peers_program),
		PEERS(peers_not_ip),	     PEERS(peers_tags),	      PEERS(peers_random),
	};
	const struct CMUnitTest tap[] = { PEERS(peers_paged), PEERS(peers_random) };
	const struct CMUnitTest tun[] = {
		PEERS(peers_longest_match), PEERS(peers_of_others), PEERS(peers_every_ds),
		PEERS(peers_program),	    PEERS(peers_not_ip),    PEERS(peers_paged),
		PEERS(peers_random),
	};

	return run_groups("egress_peers", GROUP(frames), GROUP(tap), GROUP(tun));
}
