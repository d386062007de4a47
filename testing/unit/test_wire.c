/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The wire harness: it builds right packets, and its judge says no when something is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <compat/cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <util/macros.h>

#include "impair.h"
#include "judge.h"
#include "options.h"
#include "packet.h"
#include "pattern.h"
#include "seen.h"

#define WG_PORT 51820
#define VXLAN_PORT 4789
#define GENEVE_PORT 6081
#define AF41 34
#define ETH_P_4 0x0800
#define ETH_P_6 0x86dd

static const struct address from4 = { AF_INET, { 192, 0, 2, 1 } };
static const struct address to4 = { AF_INET, { 192, 0, 2, 2 } };
static const struct address from6 = { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
static const struct address to6 = { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 } };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

static struct ip_spec spec(bool v6, uint8_t ds)
{
	return (struct ip_spec){
		.src = v6 ? from6 : from4, .dst = v6 ? to6 : to4, .ds = ds, .ttl = 64, .id = 7
	};
}

static struct pattern pattern(enum pattern_proto proto, bool v6)
{
	return (struct pattern){ .proto = proto,
				 .src = v6 ? from6 : from4,
				 .dst = v6 ? to6 : to4,
				 .dscp = CYCLE,
				 .rule = RULE_AS_DSCP,
				 .sport = WG_PORT,
				 .dport = 1234 };
}

/*
 * Packets
 */

static void test_checksum_known_value(void **state)
{
	/* The example of RFC 1071, section 3: the sum is ddf2. */
	static const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(packet_checksum(0, data, sizeof(data)), 0xffff & ~0xddf2);
	/* An odd byte counts as the high half of a word. */
	assert_int_equal(packet_checksum(0, data + 2, 1), 0xffff & ~0xf200);
}

static void test_known_ip_header(void **state)
{
	static const uint8_t want[] = { 0x45, 0xb8, 0,	 24, 0, 7, 0,	0, 64, 50,
					0xf5, 0xf1, 192, 0,  2, 1, 192, 0, 2,  2 };
	struct ip_spec ip = spec(false, 0xb8);
	struct packet p;

	(void)state;
	packet_init(&p);
	packet_append_pattern(&p, 4, 0);
	packet_push_ip(&p, &ip, IPPROTO_ESP);
	assert_int_equal(packet_len(&p), 24);
	assert_memory_equal(packet_data(&p), want, sizeof(want));
}

static void test_rule(void **state)
{
	unsigned int d;

	(void)state;
	for (d = 0; d < 64; d++) {
		assert_int_equal(rule_dscp(rule_length(d)), d);
		assert_int_equal(rule_dscp(rule_length(d) - 15), d);
	}
	assert_int_equal(rule_dscp(80), -1);
	assert_int_equal(rule_dscp(rule_length(63) + 1), -1);
}

/* Every protocol and family: parses, checksums right, length by the rule, DS field as asked. */
static void check_built(const struct pattern *pat, unsigned int i)
{
	struct packet out[PATTERN_PACKETS];
	unsigned int k, n = pattern_build(pat, i, out);
	struct parsed p;

	for (k = 0; k < n; k++) {
		assert_int_equal(packet_parse(packet_data(&out[k]), packet_len(&out[k]), false, &p),
				 0);
		assert_int_equal(p.ip_len, packet_len(&out[k]));
		assert_int_equal(rule_dscp(p.ip_len), i % 64);
		assert_int_equal(p.ds, (i % 64) << 2 | (unsigned int)pat->ecn);
		assert_false(p.ip_checksum_bad);
		assert_false(packet_l4_checksum_bad(packet_data(&out[k]), packet_len(&out[k]), &p));
		assert_int_equal(p.fragment, n == 2);
		assert_int_equal(p.more, n == 2 && k == 0);
		assert_true(address_equal(&p.src, &pat->src) && address_equal(&p.dst, &pat->dst));
	}
}

static void test_patterns(void **state)
{
	static const enum pattern_proto protos[] = { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_ESP,
						     PROTO_FRAG };
	struct pattern pat;
	unsigned int k, i;

	(void)state;
	for (k = 0; k < 2 * ARRAY_SIZE(protos); k++) {
		pat = pattern(protos[k / 2], k & 1);
		pat.ecn = (int)(k % 4);
		for (i = 0; i < 128; i++)
			check_built(&pat, i);
	}
}

static void test_fragments_make_the_datagram(void **state)
{
	struct pattern pat = pattern(PROTO_FRAG, false);
	struct packet out[PATTERN_PACKETS], whole;
	struct ip_spec ip = spec(false, 0);
	struct parsed first, second, p;

	(void)state;
	pattern_build(&pat, 5, out);
	packet_parse(packet_data(&out[0]), packet_len(&out[0]), false, &first);
	packet_parse(packet_data(&out[1]), packet_len(&out[1]), false, &second);
	assert_int_equal(second.frag_offset, first.l4_len);
	assert_int_equal(first.frag_id, second.frag_id);
	assert_true(first.ports && !second.ports);
	packet_init(&whole);
	packet_append(&whole, packet_data(&out[0]) + first.l4, first.l4_len);
	packet_append(&whole, packet_data(&out[1]) + second.l4, second.l4_len);
	packet_push_ip(&whole, &ip, IPPROTO_UDP);
	assert_int_equal(packet_parse(packet_data(&whole), packet_len(&whole), false, &p), 0);
	assert_int_equal(p.payload_len + 8, p.l4_len);
	assert_false(packet_l4_checksum_bad(packet_data(&whole), packet_len(&whole), &p));
}

static void test_vlan_and_options(void **state)
{
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];
	struct parsed p;

	(void)state;
	pat.ethernet = true;
	pat.n_vlans = 2;
	pat.vlans[0] = 7;
	pat.vlans[1] = 8;
	pat.options_len = 12;
	pattern_build(&pat, 3, out);
	assert_int_equal(packet_parse(packet_data(&out[0]), packet_len(&out[0]), true, &p), 0);
	assert_int_equal(p.vlans, 2);
	assert_int_equal(p.l3, 14 + 8);
	assert_int_equal(p.l4, p.l3 + 32);
	assert_int_equal(p.ip_len, rule_length(3));
	assert_int_equal(p.sport, WG_PORT);
}

static void test_extension_headers(void **state)
{
	struct ip_spec ip = spec(true, 0xb9);
	struct packet p;
	struct parsed out;

	(void)state;
	packet_init(&p);
	packet_append_pattern(&p, 32, 1);
	packet_push_udp(&p, &ip, 1, 2);
	packet_push_ext(&p, IPPROTO_UDP);
	packet_push_ext(&p, IPPROTO_DSTOPTS);
	packet_push_ip(&p, &ip, IPPROTO_HOPOPTS);
	assert_int_equal(packet_parse(packet_data(&p), packet_len(&p), false, &out), 0);
	assert_int_equal(out.proto, IPPROTO_UDP);
	assert_int_equal(out.l4, 56);
	assert_int_equal(out.payload_len, 32);
	assert_int_equal(out.ds, 0xb9);
	assert_false(packet_l4_checksum_bad(packet_data(&p), packet_len(&p), &out));
}

/* Each shorter piece either parses or is refused; a sanitizer finds reads beyond it. */
static void test_truncated(void **state)
{
	struct pattern pat = pattern(PROTO_FRAG, true);
	struct packet out[PATTERN_PACKETS];
	struct parsed p;
	uint8_t *copy;
	size_t len;

	(void)state;
	pat.ethernet = true;
	pat.n_vlans = 1;
	pattern_build(&pat, 1, out);
	for (len = 0; len < packet_len(&out[0]); len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, packet_data(&out[0]), len);
		/* Ethernet, a tag, IPv6, fragment header, UDP. */
		assert_int_equal(packet_parse(copy, len, true, &p) == 0,
				 len >= 14 + 4 + 40 + 8 + 8);
		free(copy);
	}
}

static void test_malformed(void **state)
{
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];
	struct parsed p;
	uint8_t *h;

	(void)state;
	pattern_build(&pat, 1, out);
	h = packet_data(&out[0]);
	h[0] = 0x44; /* header shorter than 20 */
	assert_int_not_equal(packet_parse(h, packet_len(&out[0]), false, &p), 0);
	h[0] = 0x55; /* version 5 */
	assert_int_not_equal(packet_parse(h, packet_len(&out[0]), false, &p), 0);
	h[0] = 0x45;
	h[2] = h[3] = 0; /* length 0 */
	assert_int_not_equal(packet_parse(h, packet_len(&out[0]), false, &p), 0);
}

/*
 * The judge
 */

static struct judge_config config(enum tunnel tunnel, bool v6)
{
	struct judge_config cfg = { .tunnel = tunnel,
				    .from = v6 ? from6 : from4,
				    .ecn = ECN_ANY,
				    .handshake = AF41,
				    .l4 = true,
				    .min = 1 };
	unsigned int i;

	if (tunnel == TUNNEL_WIREGUARD)
		cfg.port = WG_PORT;
	else
		cfg.port = tunnel == TUNNEL_VXLAN ? VXLAN_PORT : GENEVE_PORT;
	for (i = 0; i < 64; i++)
		cfg.map[i] = (uint8_t)i;
	return cfg;
}

static struct judge *start(const struct judge_config *cfg)
{
	struct judge *j = malloc(sizeof(*j));

	assert_non_null(j);
	judge_init(j, cfg);
	return j;
}

static bool finish(struct judge *j)
{
	bool ok = judge_verdict(j);

	free(j);
	return ok;
}

static void feed(struct judge *j, struct packet *p)
{
	judge_packet(j, packet_data(p), packet_len(p), false);
}

/* Feeds WireGuard data messages; the length tells i % 64 and the outer header has dscp. */
static void feed_wireguard(struct judge *j, bool v6, unsigned int n, int dscp, int ecn)
{
	struct pattern pat = pattern(PROTO_UDP, v6);
	struct packet out[PATTERN_PACKETS];
	unsigned int i;

	pat.wireguard = WG_DATA;
	pat.dscp = dscp;
	pat.rule = CYCLE;
	pat.ecn = ecn;
	for (i = 0; i < n; i++) {
		pattern_build(&pat, i, out);
		feed(j, &out[0]);
	}
}

static void feed_message(struct judge *j, unsigned int type, int dscp)
{
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];

	pat.wireguard = type;
	pat.dscp = dscp;
	pattern_build(&pat, 0, out);
	feed(j, &out[0]);
}

static void test_judge_right(void **state)
{
	struct judge_config cfg;
	struct judge *j;
	int v6;

	(void)state;
	for (v6 = 0; v6 < 2; v6++) {
		cfg = config(TUNNEL_WIREGUARD, v6);
		cfg.each = 2;
		cfg.ecn = 1;
		j = start(&cfg);
		feed_wireguard(j, v6, 128, CYCLE, 1);
		assert_int_equal(j->data, 128);
		assert_int_equal(j->right, 128);
		assert_int_equal(j->inner[63].right, 2);
		assert_int_equal(j->outer[46], 2);
		assert_int_equal(j->outer_ecn[1], 128);
		assert_true(finish(j));
	}
}

/* The same messages with OpenVPN's opcode in front: the header has 24 bytes and no tag behind. */
static void feed_ovpn(struct judge *j, unsigned int n, uint8_t opcode)
{
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];

	pat.wireguard = WG_DATA;
	pat.dscp = pat.rule = CYCLE;
	for (unsigned int i = 0; i < n; i++) {
		pattern_build(&pat, i, out);
		packet_data(&out[0])[28] = opcode << 3;
		feed(j, &out[0]);
	}
}

static void test_judge_ovpn(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j;

	(void)state;
	cfg.tunnel = TUNNEL_OVPN;
	cfg.overhead = WG_KEEPALIVE_LEN - OVPN_HEADER_LEN;
	cfg.l4 = false;
	cfg.handshake = DSCP_ANY;
	cfg.each = 1;
	j = start(&cfg);
	feed_ovpn(j, 64, OVPN_DATA);
	feed_ovpn(j, 3, 4);
	assert_int_equal(j->right, 64);
	assert_int_equal(j->handshake, 3);
	assert_int_equal(j->other, 0);
	assert_true(finish(j));
}

static void test_judge_nothing_seen(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j = start(&cfg);

	(void)state;
	assert_false(finish(j));
	/* Packets of somebody else are nothing seen, too. */
	j = start(&cfg);
	feed_wireguard(j, true, 64, CYCLE, 0);
	assert_int_equal(j->other, 64);
	assert_false(finish(j));
	cfg.port++;
	j = start(&cfg);
	feed_wireguard(j, false, 64, CYCLE, 0);
	assert_int_equal(j->other, 64);
	assert_false(finish(j));
}

static void test_judge_not_enough(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j;

	(void)state;
	cfg.each = 2;
	j = start(&cfg);
	feed_wireguard(j, false, 127, CYCLE, 0);
	assert_int_equal(j->wrong, 0);
	assert_false(finish(j));
	cfg.each = 0;
	cfg.min = 128;
	j = start(&cfg);
	feed_wireguard(j, false, 127, CYCLE, 0);
	assert_false(finish(j));
}

static void test_judge_wrong_dscp(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j = start(&cfg);

	(void)state;
	feed_wireguard(j, false, 64, 0, 0);
	assert_int_equal(j->right, 1);
	assert_int_equal(j->wrong_dscp, 63);
	assert_false(finish(j));
}

static void test_judge_wrong_ecn(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j;

	(void)state;
	cfg.ecn = 2;
	j = start(&cfg);
	feed_wireguard(j, false, 64, CYCLE, CYCLE);
	assert_int_equal(j->wrong_ecn, 48);
	assert_int_equal(j->wrong_dscp, 0);
	assert_int_equal(j->wrong, 48);
	assert_false(finish(j));
}

static void test_judge_fixed_none_and_map(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j;

	(void)state;
	cfg.expect = EXPECT_FIXED;
	cfg.fixed = 46;
	j = start(&cfg);
	feed_wireguard(j, false, 64, 46, 0);
	assert_true(finish(j));
	j = start(&cfg);
	feed_wireguard(j, false, 64, 45, 0);
	assert_false(finish(j));
	cfg.expect = EXPECT_NONE;
	j = start(&cfg);
	feed_wireguard(j, false, 64, 45, 0);
	assert_true(finish(j));
	cfg.expect = EXPECT_INNER;
	memset(cfg.map, 9, sizeof(cfg.map));
	j = start(&cfg);
	feed_wireguard(j, false, 64, 9, 0);
	assert_true(finish(j));
	cfg.map[63] = 8;
	j = start(&cfg);
	feed_wireguard(j, false, 64, 9, 0);
	assert_int_equal(j->wrong, 1);
	assert_false(finish(j));
}

static void test_judge_wrong_checksum(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];
	struct judge *j = start(&cfg);

	(void)state;
	pat.wireguard = WG_DATA;
	pat.dscp = 46;
	pattern_build(&pat, 0, out);
	feed(j, &out[0]);
	packet_data(&out[0])[10] ^= 1;
	feed(j, &out[0]);
	assert_int_equal(j->right, 2);
	assert_int_equal(j->bad_ip_checksums, 1);
	assert_int_equal(j->bad_l4_checksums, 0);
	assert_false(finish(j));
	packet_data(&out[0])[10] ^= 1;
	packet_data(&out[0])[packet_len(&out[0]) - 1] ^= 1;
	j = start(&cfg);
	feed(j, &out[0]);
	assert_int_equal(j->bad_ip_checksums, 0);
	assert_int_equal(j->bad_l4_checksums, 1);
	assert_false(finish(j));
}

/* Somebody else's bad checksum counts as well: all headers of the wire have to be right. */
static void test_judge_foreign_checksum(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct pattern pat = pattern(PROTO_TCP, false);
	struct packet out[PATTERN_PACKETS];
	struct judge *j;

	(void)state;
	cfg.min = 0;
	pat.src = to4;
	pattern_build(&pat, 0, out);
	j = start(&cfg);
	feed(j, &out[0]);
	assert_true(finish(j));
	packet_data(&out[0])[11] ^= 4;
	j = start(&cfg);
	feed(j, &out[0]);
	assert_int_equal(j->other, 1);
	assert_false(finish(j));
}

static void test_judge_messages(void **state)
{
	static const struct {
		unsigned int type;
		int dscp;
		bool ok;
	} cases[] = {
		{ WG_INITIATION, AF41, true }, { WG_RESPONSE, AF41, true },
		{ WG_COOKIE, 0, true },	       { WG_KEEPALIVE, 0, true },
		{ WG_INITIATION, 0, false },   { WG_RESPONSE, 46, false },
		{ WG_COOKIE, AF41, false },    { WG_KEEPALIVE, 46, false },
	};
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j;
	unsigned int i;

	(void)state;
	cfg.min = 0;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		j = start(&cfg);
		feed_message(j, cases[i].type, cases[i].dscp);
		assert_int_equal(j->handshake + j->keepalive, 1);
		assert_int_equal(j->keepalive, cases[i].type == WG_KEEPALIVE);
		assert_int_equal(j->data, 0);
		assert_int_equal(finish(j), cases[i].ok);
	}
}

static void test_judge_unknown_length(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct ip_spec ip = spec(false, 0);
	struct judge *j = start(&cfg);
	struct packet p;

	(void)state;
	packet_init(&p);
	packet_append_pattern(&p, 64 + WG_TAG_LEN, 1);
	packet_push_wireguard(&p, WG_DATA, 1, 1);
	packet_push_udp(&p, &ip, WG_PORT, 5);
	packet_push_ip(&p, &ip, IPPROTO_UDP);
	feed(j, &p);
	assert_int_equal(j->data, 1);
	assert_int_equal(j->unknown_length, 1);
	assert_int_equal(j->right + j->wrong, 0);
	assert_false(finish(j));
}

/* A WireGuard data message for DSCP 10, in two outer fragments with the given DS fields. */
static void feed_outer_fragments(struct judge *j, bool v6, uint8_t ds1, uint8_t ds2)
{
	struct ip_spec ip = spec(v6, ds1);
	struct packet whole, p;

	packet_init(&whole);
	packet_append_pattern(&whole, rule_length(10) + WG_TAG_LEN, 1);
	packet_push_wireguard(&whole, WG_DATA, 1, 1);
	packet_push_udp(&whole, &ip, WG_PORT, 5);
	ip.fragment = true;
	ip.more = true;
	packet_slice(&p, &whole, 0, 128);
	packet_push_ip(&p, &ip, IPPROTO_UDP);
	feed(j, &p);
	ip.ds = ds2;
	ip.more = false;
	ip.frag_offset = 128;
	packet_slice(&p, &whole, 128, packet_len(&whole) - 128);
	packet_push_ip(&p, &ip, IPPROTO_UDP);
	feed(j, &p);
	/* A following fragment of nobody we know. */
	ip.id++;
	packet_slice(&p, &whole, 128, packet_len(&whole) - 128);
	packet_push_ip(&p, &ip, IPPROTO_UDP);
	feed(j, &p);
	assert_int_equal(j->fragments_first, 1);
	assert_int_equal(j->fragments_following, 1);
	assert_int_equal(j->other, 1);
}

static void test_judge_outer_fragments(void **state)
{
	struct judge_config cfg;
	struct judge *j;
	int v6;

	(void)state;
	for (v6 = 0; v6 < 2; v6++) {
		cfg = config(TUNNEL_WIREGUARD, v6);
		j = start(&cfg);
		feed_outer_fragments(j, v6, 10 << 2, 10 << 2);
		assert_int_equal(j->right, 2);
		assert_true(finish(j));
		j = start(&cfg);
		feed_outer_fragments(j, v6, 10 << 2, 0);
		assert_int_equal(j->wrong, 1);
		assert_false(finish(j));
	}
}

/* One inner packet with inner_ds in each kind of tunnel that can be read. */
static void build_tunnel(struct packet *p, enum tunnel tunnel, bool v6, uint8_t inner_ds,
			 uint8_t outer_ds)
{
	struct pattern pat = pattern(PROTO_UDP, v6);
	struct ip_spec ip = spec(v6, outer_ds);
	uint16_t ethertype = v6 ? ETH_P_6 : ETH_P_4;
	struct packet out[PATTERN_PACKETS];

	pat.dscp = inner_ds >> 2;
	pat.ecn = inner_ds & 3;
	pattern_build(&pat, 0, out);
	*p = out[0];
	if (tunnel == TUNNEL_VXLAN || tunnel == TUNNEL_GENEVE) {
		packet_push_eth(p, mac, mac, ethertype);
		if (tunnel == TUNNEL_VXLAN)
			packet_push_vxlan(p, 5);
		else
			packet_push_geneve(p, 5);
		packet_push_udp(p, &ip, 33333, tunnel == TUNNEL_VXLAN ? VXLAN_PORT : GENEVE_PORT);
		packet_push_ip(p, &ip, IPPROTO_UDP);
	} else if (tunnel == TUNNEL_GRE) {
		packet_push_gre(p, ethertype);
		packet_push_ip(p, &ip, IPPROTO_GRE);
	} else {
		packet_push_ip(p, &ip, v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
	}
}

static bool judge_tunnel_packet(enum tunnel tunnel, bool v6, uint8_t inner_ds, uint8_t outer_ds)
{
	struct judge_config cfg = config(tunnel, v6);
	struct packet p;
	struct judge *j;

	cfg.ecn = ECN_INNER;
	cfg.rule = true;
	j = start(&cfg);
	build_tunnel(&p, tunnel, v6, inner_ds, outer_ds);
	feed(j, &p);
	assert_int_equal(j->data, 1);
	return finish(j);
}

static void test_judge_readable_tunnels(void **state)
{
	enum tunnel tunnel;
	int v6;

	(void)state;
	for (tunnel = TUNNEL_VXLAN; tunnel <= TUNNEL_IPIP; tunnel++)
		for (v6 = 0; v6 < 2; v6++) {
			assert_true(judge_tunnel_packet(tunnel, v6, 0xb9, 0xb9));
			/* CE stays inside. */
			assert_true(judge_tunnel_packet(tunnel, v6, 0xbb, 0xba));
			assert_false(judge_tunnel_packet(tunnel, v6, 0xb9, 0xb8));
			assert_false(judge_tunnel_packet(tunnel, v6, 0xb9, 0x01));
		}
}

static void test_judge_rule(void **state)
{
	struct judge_config cfg = config(TUNNEL_IPIP, false);
	struct ip_spec ip = spec(false, 46 << 2);
	struct packet p;
	struct judge *j;

	(void)state;
	cfg.rule = true;
	j = start(&cfg);
	packet_init(&p);
	packet_append_pattern(&p, rule_length(45) - 20, 1);
	packet_push_ip(&p, &ip, IPPROTO_ESP);
	packet_push_ip(&p, &ip, IPPROTO_IPIP);
	feed(j, &p);
	assert_int_equal(j->right, 1);
	assert_int_equal(j->wrong_rule, 1);
	assert_false(finish(j));
}

/* Plain packets of all lengths with this DSCP, and their verdict. */
static struct judge *feed_plain(const struct judge_config *cfg, enum pattern_proto proto, int dscp)
{
	struct pattern pat = pattern(proto, false);
	struct judge *j = start(cfg);
	struct packet out[PATTERN_PACKETS];
	unsigned int i, k, n;

	pat.rule = CYCLE;
	pat.dscp = dscp;
	for (i = 0; i < 64; i++) {
		n = pattern_build(&pat, i, out);
		for (k = 0; k < n; k++)
			feed(j, &out[k]);
	}
	return j;
}

static void test_judge_plain(void **state)
{
	static const enum pattern_proto protos[] = { PROTO_UDP, PROTO_ICMP, PROTO_ESP, PROTO_FRAG };
	struct judge_config cfg = config(TUNNEL_NONE, false);
	struct judge *j;
	unsigned int i;

	(void)state;
	cfg.port = 0;
	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		cfg.each = protos[i] == PROTO_FRAG ? 2 : 1;
		j = feed_plain(&cfg, protos[i], CYCLE);
		assert_int_equal(j->right, 64 * cfg.each);
		assert_true(finish(j));
		j = feed_plain(&cfg, protos[i], 46);
		assert_int_equal(j->wrong, 63 * cfg.each);
		assert_int_equal(j->unmarked, 0);
		assert_false(finish(j));
	}
	/* Another port is somebody else's. */
	cfg.port = 4321;
	j = feed_plain(&cfg, PROTO_UDP, CYCLE);
	assert_int_equal(j->other, 64);
	assert_false(finish(j));
}

static void test_judge_unmarked(void **state)
{
	struct judge_config cfg = config(TUNNEL_NONE, false);
	struct judge *j;

	(void)state;
	cfg.port = 0;
	j = feed_plain(&cfg, PROTO_UDP, 0);
	assert_int_equal(j->unmarked, 63);
	assert_int_equal(j->wrong, 63);
	assert_false(finish(j));
	cfg.unmarked_ok = true;
	cfg.min = 64;
	j = feed_plain(&cfg, PROTO_UDP, 0);
	assert_int_equal(j->unmarked, 63);
	assert_int_equal(j->right, 1);
	assert_int_equal(j->wrong, 0);
	assert_true(finish(j));
	/* Any other DSCP stays wrong. */
	j = feed_plain(&cfg, PROTO_UDP, 1);
	assert_int_equal(j->wrong, 63);
	assert_false(finish(j));
	/* And so does the ECN of a packet without a DSCP. */
	cfg.ecn = 1;
	j = feed_plain(&cfg, PROTO_UDP, 0);
	assert_int_equal(j->wrong_ecn, 64);
	assert_int_equal(j->right, 0);
	assert_false(finish(j));
}

/* A socket's answer: length and DS field. */
static void test_judge_received(void **state)
{
	struct judge_config cfg = config(TUNNEL_NONE, false);
	struct judge *j;
	unsigned int d;

	(void)state;
	cfg.each = 1;
	cfg.ecn = 2;
	j = start(&cfg);
	for (d = 0; d < 64; d++)
		judge_received(j, rule_length(d), (uint8_t)(d << 2 | 2), d);
	assert_int_equal(j->right, 64);
	judge_received(j, 80, 2, 0);
	assert_int_equal(j->unknown_length, 1);
	assert_int_equal(j->judged, 64);
	assert_true(finish(j));
	j = start(&cfg);
	judge_received(j, rule_length(46), 45 << 2 | 2, 0);
	assert_int_equal(j->wrong_dscp, 1);
	assert_false(finish(j));
}

static void test_judge_malformed(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct judge *j = start(&cfg);
	static const uint8_t junk[20] = { 0x43 };

	(void)state;
	feed_wireguard(j, false, 64, CYCLE, 0);
	judge_packet(j, junk, sizeof(junk), false);
	assert_int_equal(j->unparsable, 1);
	assert_false(finish(j));
}

/* The number of each packet, in the clear and inside a tunnel. */
static void check_numbers(const struct pattern *pat, unsigned int i)
{
	struct packet out[PATTERN_PACKETS];
	unsigned int k, n = pattern_build(pat, i, out);
	struct parsed p;
	uint32_t number;

	for (k = 0; k < n; k++) {
		packet_parse(packet_data(&out[k]), packet_len(&out[k]), false, &p);
		assert_true(packet_number(packet_data(&out[k]), packet_len(&out[k]), &p, &number));
		assert_int_equal(number, n == 2 ? 2 * i + k : i);
	}
}

static void test_numbers_of_packets(void **state)
{
	static const enum pattern_proto protos[] = { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_ESP,
						     PROTO_FRAG };
	struct pattern pat;
	unsigned int k, i;

	(void)state;
	for (k = 0; k < 2 * ARRAY_SIZE(protos); k++) {
		pat = pattern(protos[k / 2], k & 1);
		for (i = 0; i < 640; i++)
			check_numbers(&pat, i);
	}
}

/* A marker is counted and not judged; a TCP stream may have a packet of that length. */
static void test_judge_marker(void **state)
{
	struct judge_config cfg = config(TUNNEL_NONE, false);
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];
	struct judge *j;

	(void)state;
	cfg.port = 0;
	cfg.min = 0;
	cfg.expect = EXPECT_FIXED;
	cfg.fixed = 46;
	pat.dscp = 0;
	pat.rule = 64;
	j = start(&cfg);
	pattern_build(&pat, MARKER_NUMBER, out);
	feed(j, &out[0]);
	assert_true(j->last.marker && !j->last.data);
	assert_int_equal(j->markers, 1);
	assert_int_equal(j->judged, 0);
	/* The length alone does not make one where more can be read. */
	pattern_build(&pat, 7, out);
	feed(j, &out[0]);
	assert_false(j->last.marker);
	assert_int_equal(j->wrong, 1);
	assert_false(finish(j));
	cfg.tcp = true;
	j = start(&cfg);
	pattern_build(&pat, MARKER_NUMBER, out);
	feed(j, &out[0]);
	assert_int_equal(j->markers, 0);
	assert_int_equal(j->wrong, 1);
	assert_false(finish(j));
}

/* For WireGuard's data the length makes it, and the counter is the number. */
static void test_judge_marker_of_wireguard(void **state)
{
	struct judge_config cfg = config(TUNNEL_WIREGUARD, false);
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet out[PATTERN_PACKETS];
	struct judge *j = start(&cfg);
	uint64_t first;

	(void)state;
	pat.wireguard = WG_DATA;
	pattern_build(&pat, 1, out);
	feed(j, &out[0]);
	assert_true(j->last.data && !j->last.numbered);
	assert_int_equal(j->last.dscp, 1);
	first = j->last.number;
	pattern_build(&pat, 65, out);
	feed(j, &out[0]);
	assert_int_equal(j->last.dscp, 1);
	assert_true(j->last.number != first);
	pat.dscp = 0;
	pat.rule = 64;
	pattern_build(&pat, 2, out);
	feed(j, &out[0]);
	assert_int_equal(j->markers, 1);
	assert_int_equal(j->data, 2);
	feed_message(j, WG_KEEPALIVE, 0);
	assert_false(j->last.data || j->last.marker);
	assert_true(finish(j));
}

/*
 * Packets that are seen exactly once
 */

static void see(struct seen *s, bool numbered, uint64_t number, int dscp)
{
	struct judge_last last = {
		.data = true, .numbered = numbered, .number = number, .dscp = dscp
	};

	seen_packet(s, &last);
}

static struct seen *start_seen(unsigned int count)
{
	struct seen *s = malloc(sizeof(*s));
	unsigned int i;

	assert_non_null(s);
	assert_int_equal(seen_init(s, count), 0);
	for (i = 0; i < count; i++)
		seen_sent(s, i % 64, 1);
	return s;
}

static bool finish_seen(struct seen *s)
{
	bool exactly = seen_exactly(s);

	seen_free(s);
	free(s);
	return exactly;
}

/* Any order will do, but each has to be there. */
static void test_seen_each_once(void **state)
{
	struct seen *s;
	unsigned int i;
	int numbered;

	(void)state;
	for (numbered = 0; numbered < 2; numbered++) {
		s = start_seen(130);
		for (i = 130; i-- > 1;)
			see(s, numbered, i, (int)i % 64);
		assert_int_equal(seen_in_flight(s), 1);
		assert_false(seen_exactly(s));
		see(s, numbered, 0, 0);
		assert_int_equal(seen_in_flight(s), 0);
		assert_true(finish_seen(s));
	}
	s = start_seen(0);
	assert_true(finish_seen(s));
}

static void test_seen_twice(void **state)
{
	struct seen *s;
	int numbered;

	(void)state;
	for (numbered = 0; numbered < 2; numbered++) {
		/* One is lost and another of its DSCP comes twice: the sum is right. */
		s = start_seen(128);
		see(s, numbered, 5, 5);
		see(s, numbered, 5, 5);
		assert_int_equal(s->seen, 1);
		assert_int_equal(s->twice, 1);
		see(s, numbered, 69, 5);
		assert_int_equal(s->seen, 2);
		/* And more of a DSCP than were sent. */
		see(s, numbered, 70, 5);
		assert_int_equal(s->twice, 2);
		assert_false(finish_seen(s));
	}
}

static void test_seen_strange(void **state)
{
	struct seen *s = start_seen(64);
	unsigned int i;

	(void)state;
	see(s, true, 64, 0);
	see(s, true, MARKER_NUMBER, 0);
	assert_int_equal(s->strange, 2);
	assert_int_equal(s->seen, 0);
	for (i = 0; i < 64; i++)
		see(s, true, i, (int)i);
	assert_int_equal(s->seen, 64);
	assert_false(finish_seen(s));
	/* Seen before it was sent. */
	s = malloc(sizeof(*s));
	assert_non_null(s);
	assert_int_equal(seen_init(s, 64), 0);
	see(s, true, 0, 0);
	assert_int_equal(s->strange, 1);
	assert_false(finish_seen(s));
}

/*
 * Values
 */

static void test_numbers(void **state)
{
	static const char *const bad[] = { "",	 " 1",	"+1", "-1", "1x",
					   "0x", "0xg", "64", "1 ", "99999999999999999999" };
	unsigned long n;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(parse_number(bad[i], 0, 63, &n), 0);
	assert_int_equal(parse_number("63", 0, 63, &n), 0);
	assert_int_equal(n, 63);
	assert_int_equal(parse_number("0x2e", 0, 63, &n), 0);
	assert_int_equal(n, 46);
	assert_int_not_equal(parse_number("0", 1, 63, &n), 0);
}

static void test_hex_and_addresses(void **state)
{
	uint8_t bytes[2];
	struct address a;

	(void)state;
	assert_int_equal(parse_hex("0aFf", bytes, 2), 2);
	assert_int_equal(bytes[1], 0xff);
	assert_true(parse_hex("0af", bytes, 2) < 0);
	assert_true(parse_hex("0g", bytes, 2) < 0);
	assert_true(parse_hex("010203", bytes, 2) < 0);
	assert_int_equal(parse_address("192.0.2.1", &a), 0);
	assert_true(address_equal(&a, &from4));
	assert_int_equal(parse_address("2001:db8::1", &a), 0);
	assert_true(address_equal(&a, &from6));
	assert_int_not_equal(parse_address("192.0.2", &a), 0);
	assert_int_not_equal(parse_address("::g", &a), 0);
}

/*
 * A wire that damages, doubles and delays
 */

#define ARRIVED_MAX 4096
/* A frame's number; it is where WireGuard has its counter. */
#define NUMBER_AT (14 + 20 + 8 + 8)

struct arrivals {
	unsigned int n, good;
	unsigned int times[ARRIVED_MAX]; /* undamaged, by number */
	unsigned int last; /* the number of the one before */
	unsigned int late; /* undamaged ones with a lower number than the one before */
	bool marker_last;
};

static void arrive(void *to, const uint8_t *frame, size_t len)
{
	struct arrivals *a = to;
	struct parsed p;
	unsigned int number = frame[NUMBER_AT] | (unsigned int)frame[NUMBER_AT + 1] << 8;

	a->n++;
	a->marker_last = false;
	if (packet_parse(frame, len, true, &p) || p.ip_checksum_bad ||
	    packet_l4_checksum_bad(frame, len, &p))
		return;
	a->marker_last = rule_marker(p.payload_len - WG_KEEPALIVE_LEN);
	if (a->marker_last)
		return;
	assert_true(number < ARRIVED_MAX);
	a->good++;
	a->times[number]++;
	a->late += number < a->last;
	a->last = number;
}

static struct impair *start_impaired(struct arrivals *a, const char *conditions)
{
	struct impair *imp = calloc(1, sizeof(*imp));

	assert_non_null(imp);
	memset(a, 0, sizeof(*a));
	imp->put = arrive;
	imp->to = a;
	assert_int_equal(impair_set(imp, conditions), 0);
	return imp;
}

/* Sends data of WireGuard, or with that length by the rule. */
static void send_impaired(struct impair *imp, unsigned int i, int rule)
{
	struct pattern pat = pattern(PROTO_UDP, false);
	struct packet p[PATTERN_PACKETS];

	pat.ethernet = pat.eth_dst.set = true;
	pat.wireguard = WG_DATA;
	pat.rule = rule;
	assert_int_equal(pattern_build(&pat, i, p), 1);
	impair_frame(imp, packet_data(&p[0]), packet_len(&p[0]));
}

static void test_impair_nothing(void **state)
{
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "\n");
	unsigned int i;

	(void)state;
	for (i = 0; i < 128; i++)
		send_impaired(imp, i, RULE_AS_DSCP);
	assert_int_equal(a.n, 128);
	assert_int_equal(a.good, 128);
	assert_int_equal(a.late, 0);
	assert_int_equal(imp->frames, 128);
	free(imp);
}

/* Each frame comes undamaged, in one copy or two, or is among the lost ones. */
static void test_impair_counts(void **state)
{
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "damage 7 double 5 hold 5:17\n");
	unsigned int i, lost = 0;

	(void)state;
	for (i = 0; i < 1920; i++)
		send_impaired(imp, i, RULE_AS_DSCP);
	impair_release(imp);
	assert_int_equal(imp->frames, 1920);
	assert_int_equal(imp->n_doubled, 384);
	assert_int_equal(imp->n_damaged, 2304 / 7);
	assert_int_equal(imp->n_held, 2304 / 5);
	assert_int_equal(a.n, 2304);
	assert_int_equal(a.good, 2304 - 2304 / 7);
	/* 65 of 460 that are held are damaged, and the last ones come in order. */
	assert_uint_in_range(a.late, 390, 395);
	for (i = 0; i < 1920; i++) {
		assert_true(a.times[i] <= 1U + ((i + 1) % 5 == 0));
		if (a.times[i])
			continue;
		assert_true(lost < imp->n_lost);
		assert_int_equal(imp->lost[lost++], i);
	}
	assert_int_equal(lost, imp->n_lost);
	free(imp);
}

/* Each of 384 bits has its turn, except in the UDP checksum, and none goes unnoticed. */
static void test_impair_each_bit(void **state)
{
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "damage 1\n");
	unsigned int i;

	(void)state;
	for (i = 0; i < 384; i++)
		send_impaired(imp, i, RULE_AS_DSCP);
	assert_int_equal(a.n, 384);
	assert_int_equal(a.good, 0);
	assert_int_equal(imp->n_lost, 384);
	free(imp);
}

static void arrive_forged(void *to, const uint8_t *frame, size_t len)
{
	/* The 2nd one has a forged one in front of it, the 4th behind it: the DSCP is 7 more. */
	static const uint8_t order[] = { 0, 8, 1, 2, 3, 10 };
	struct arrivals *a = to;
	struct parsed p;

	assert_true(a->n < sizeof(order));
	assert_int_equal(packet_parse(frame, len, true, &p), 0);
	assert_false(p.ip_checksum_bad);
	assert_false(packet_l4_checksum_bad(frame, len, &p));
	assert_int_equal(p.ds >> 2, order[a->n++]);
}

/* A forged frame has the right checksums of headers. */
static void test_impair_forged(void **state)
{
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "forge 2\n");
	unsigned int i;

	(void)state;
	imp->put = arrive_forged;
	for (i = 0; i < 4; i++)
		send_impaired(imp, i, RULE_AS_DSCP);
	assert_int_equal(a.n, 6);
	assert_int_equal(imp->frames, 4);
	assert_int_equal(imp->n_forged, 2);
	assert_int_equal(imp->n_lost, 0);
	free(imp);
}

/* Behind a marker nothing is on its way, and to markers nothing happens. */
static void test_impair_marker(void **state)
{
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "hold 1:63\n");
	unsigned int i;

	(void)state;
	for (i = 0; i < 65; i++)
		send_impaired(imp, i, RULE_AS_DSCP);
	assert_int_equal(a.n, 2);
	send_impaired(imp, i, 64);
	assert_int_equal(a.n, 66);
	assert_true(a.marker_last);
	assert_int_equal(a.late, 0);
	assert_int_equal(impair_set(imp, "damage 1 double 1"), 0);
	send_impaired(imp, 66, 64);
	assert_int_equal(a.n, 67);
	assert_true(a.marker_last);
	assert_int_equal(imp->frames, 0);
	free(imp);
}

static void test_impair_words(void **state)
{
	static const char *const bad[] = { "damage",	"damage 0", "lose 3",	  "hold 3",
					   "hold 3:64", "hold 3:0", "double 2 3", "damage x" };
	struct arrivals a;
	struct impair *imp = start_impaired(&a, "");
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(impair_set(imp, bad[i]), -EINVAL);
	assert_int_equal(impair_set(imp, "  double 3\n"), 0);
	assert_int_equal(imp->doubled, 3);
	assert_int_equal(imp->damage, 0);
	free(imp);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_checksum_known_value),
	cmocka_unit_test(test_known_ip_header),
	cmocka_unit_test(test_rule),
	cmocka_unit_test(test_patterns),
	cmocka_unit_test(test_fragments_make_the_datagram),
	cmocka_unit_test(test_vlan_and_options),
	cmocka_unit_test(test_extension_headers),
	cmocka_unit_test(test_truncated),
	cmocka_unit_test(test_malformed),
	cmocka_unit_test(test_judge_right),
	cmocka_unit_test(test_judge_ovpn),
	cmocka_unit_test(test_judge_nothing_seen),
	cmocka_unit_test(test_judge_not_enough),
	cmocka_unit_test(test_judge_wrong_dscp),
	cmocka_unit_test(test_judge_wrong_ecn),
	cmocka_unit_test(test_judge_fixed_none_and_map),
	cmocka_unit_test(test_judge_wrong_checksum),
	cmocka_unit_test(test_judge_foreign_checksum),
	cmocka_unit_test(test_judge_messages),
	cmocka_unit_test(test_judge_unknown_length),
	cmocka_unit_test(test_judge_outer_fragments),
	cmocka_unit_test(test_judge_readable_tunnels),
	cmocka_unit_test(test_judge_rule),
	cmocka_unit_test(test_judge_plain),
	cmocka_unit_test(test_judge_unmarked),
	cmocka_unit_test(test_judge_received),
	cmocka_unit_test(test_judge_malformed),
	cmocka_unit_test(test_numbers_of_packets),
	cmocka_unit_test(test_judge_marker),
	cmocka_unit_test(test_judge_marker_of_wireguard),
	cmocka_unit_test(test_seen_each_once),
	cmocka_unit_test(test_seen_twice),
	cmocka_unit_test(test_seen_strange),
	cmocka_unit_test(test_numbers),
	cmocka_unit_test(test_hex_and_addresses),
	cmocka_unit_test(test_impair_nothing),
	cmocka_unit_test(test_impair_counts),
	cmocka_unit_test(test_impair_each_bit),
	cmocka_unit_test(test_impair_marker),
	cmocka_unit_test(test_impair_words),
	cmocka_unit_test(test_impair_forged),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
