/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* egress_outer: the outcome of each packet. The oracle judges alone where packets are random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>

#include <dscp/mix.h>
#include <util/macros.h>

#include "egress_cases.h"
#include "egress_random.h"
#include "effort.h"

#define FRAMES 200000 /* random ones */
#define DEVICE_PACKETS 20000
#define NOTES_KEPT 256 /* so many random packets: there is room for the notes of all */

/*
 * egress_outer: foreign packets
 */

static void outer_others(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6,
					     IPPROTO_ESP, IPPROTO_SCTP, IPPROTO_MPLS };
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int i = 0; i < sizeof(protocols); i++) {
			p = ip_packet(family, protocols[i], 100);
			set16(p.bytes + p.len - 100, WG_PORT);
			set_ds(&p, i << 2);
			expect_not_ours(&p);
		}
		p = udp_packet(family, OTHER_PORT, WG_PORT, 0x04000000, 64);
		expect_not_ours(&p);
		p = udp_packet(family, VXLAN_PORT, OTHER_PORT, 0x04000000, 64);
		expect_not_ours(&p);
	}
}

static void outer_not_ip(void **state)
{
	struct packet p = wireguard_packet(4), tagged;

	(void)state;
	for (unsigned int i = 0; i < N_OTHER_TYPES; i++) {
		for (unsigned int tags = 0; tags <= 2; tags++) {
			tagged = with_tags(&p, tags);
			put_type(&tagged, other_types[i]);
			expect_not_ours(&tagged);
			tagged.bytes[0] = 0x45;
			expect_not_ours(&tagged);
		}
	}
}

static void outer_forwarded(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		expect_marked(&p, WG);
		how.ingress = 5;
		expect_not_ours(&p);
		/* Over IPv6 one that was encapsulated looks like that. */
		p = udp_packet(family, OVPN_PORT, OTHER_PORT, 0x48000000, 64);
		expect(&p, stamp_of(EF), MARKED, OVPN, EF);
		expect(&p, STRANGE, NOT_OURS, NO_SLOT, 0);
		expect(&p, 0, NOT_OURS, NO_SLOT, 0);
		p = udp_packet(family, OVPN_PORT, OTHER_PORT, 0x20000000, 64);
		expect(&p, STRANGE, NOT_OURS, NO_SLOT, 0);
		p = udp_packet(family, AMNEZIAWG_PORT, OTHER_PORT, 0x20000000, 64);
		expect_not_ours(&p);
		how.ingress = 0;
	}
}

static void outer_bad_version(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (int version = 0; version < 16; version++) {
			p = wireguard_packet(family);
			p.bytes[p.ip] = version << 4 | (p.bytes[p.ip] & 0xf);
			if (version != family && !how.raw)
				expect_not_ours(&p);
		}
	}
}

/*
 * egress_outer: WireGuard
 */

static void outer_every_ds(void **state)
{
	unsigned long turn = 0;
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		for (int dscp = 0; dscp < DSCP_VALUES; dscp++) {
			for (int ds = 0; ds < 256; ds += 1 + dscp % 5) {
				if (!effort_chosen(turn++))
					continue;
				set_ds(&p, ds);
				expect(&p, stamp_of(dscp), ds >> 2 == dscp ? UNCHANGED : MARKED, WG,
				       dscp);
			}
		}
	}
}

static void outer_wireguard_data(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (size_t len = 0; len <= 100; len++) {
			p = udp_packet(family, WG_PORT, OTHER_PORT, 0x04000000, len);
			if (len > 32)
				expect_marked(&p, WG);
			else if (len >= 8)
				expect(&p, stamp_of(EF), SKIPPED, WG, 0);
			else
				expect_not_ours(&p);
		}
	}
}

static void outer_wireguard_other_messages(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (uint32_t type = 1; type <= 3; type++) {
			p = udp_packet(family, WG_PORT, OTHER_PORT, type << 24, 148);
			set_ds(&p, 0x88);
			expect(&p, stamp_of(EF), SKIPPED, WG, 0);
			p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, type << 24, 148);
			expect(&p, stamp_of(EF), SKIPPED, WG_FIXED, 0);
		}
	}
}

/* Handshakes and keepalives get one DSCP, ECN stays; told without the oracle. */
static void expect_handshake(struct packet *p, uint8_t ds)
{
	struct packet want = *p, out;

	set_ds(p, ds);
	set_ds(&want, HANDSHAKE << 2 | (ds & 3));
	expect(p, stamp_of(EF), SKIPPED, WG_POLICY, 0);
	assert_true(transmit("test_outer", p, STRANGE, &out));
	assert_same(p, &want, &out);
	assert_int_equal(knobs->priority_after, priority_to(HANDSHAKE) - 1);
	expected[WG_POLICY].skipped++;
	expected[WG_POLICY].passed++;
}

static void outer_handshake_dscp(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (uint32_t type = 1; type <= 4; type++) {
			p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, type << 24,
				       type == 4 ? 32 : 148);
			for (int ds = 0; ds < 256; ds += how.device ? 7 : 1)
				expect_handshake(&p, ds);
		}
		/* Others of that port, and data, have nothing of it. */
		p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x05000000, 148);
		expect_not_ours(&p);
		p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
		expect(&p, stamp_of(EF), MARKED, WG_POLICY, CS1);
	}
	assert_counters();
}

static void change_priority(uint32_t slot, uint32_t flag, uint8_t all)
{
	struct dscp_tunnel t = world.tunnels[slot];

	t.flags = (t.flags & ~DSCP_TUNNEL_PRIORITY) | flag;
	memset(t.priority.to, all, sizeof(t.priority.to));
	world.tunnels[slot] = t;
	assert_int_equal(bpf_map_update_elem(egress_map("tunnels"), &slot, &t, BPF_ANY), 0);
}

static void expect_priority(const struct packet *p, uint32_t hash, enum verdict verdict,
			    uint8_t dscp)
{
	uint8_t to = priority_to(dscp);

	expect(p, hash, verdict, WG, dscp);
	assert_int_equal(knobs->priority_after, to ? to - 1u : OTHER_PRIORITY);
}

/* By the DSCP that a packet leaves with: rewritten, there before, unknown, and of a fragment. Told
 * without the oracle. */
static void outer_priority(void **state)
{
	struct packet p, f;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		for (int dscp = 0; dscp < DSCP_VALUES; dscp++) {
			set_ds(&p, (63 - dscp) << 2);
			expect_priority(&p, stamp_of(dscp), MARKED, dscp);
			set_ds(&p, dscp << 2 | 1);
			expect_priority(&p, stamp_of(dscp), UNCHANGED, dscp);
			expect_priority(&p, STRANGE, UNKNOWN, dscp);
		}
		f = fragment_of(&p, 0, true);
		expect_priority(&f, stamp_of(45), MARKED, 45);
		f = fragment_of(&p, 100, false);
		expect_priority(&f, STRANGE, MARKED, 45);
		p = udp_packet(family, WG_PORT, OTHER_PORT, 0x01000000, 148);
		set_ds(&p, AF41 << 2);
		expect_priority(&p, STRANGE, SKIPPED, AF41);
	}
}

/* 0 is a priority too, and a map that is not in force is not looked at. */
static void outer_priority_changes(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		uint32_t slot = family == 4 ? GENEVE : GENEVE6;

		p = vni_packet(family, GENEVE_PORT, 7);
		for (uint8_t all = 1; all <= DSCP_PRIORITIES; all++) {
			change_priority(slot, DSCP_TUNNEL_PRIORITY, all);
			expect_marked(&p, slot);
			assert_int_equal(knobs->priority_after, all - 1);
			change_priority(slot, 0, all);
			expect_marked(&p, slot);
			assert_int_equal(knobs->priority_after, OTHER_PRIORITY);
		}
	}
}

/* From WireGuard's port, but nothing that WireGuard sends: not even counted. */
static void outer_wireguard_not_its_message(void **state)
{
	static const uint32_t words[] = { 0x00000000, 0x05000000, 0x04010000, 0x04000100,
					  0x04000001, 0x01000001, 0x01010000, 0x00000001,
					  0x00000004, 0x84000000, 0xff000000, 0x00ffffff };
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
			p = udp_packet(family, WG_PORT, OTHER_PORT, words[i], 148);
			set_ds(&p, 0x88);
			expect_not_ours(&p);
			p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, words[i], 148);
			expect_not_ours(&p);
		}
	}
}

static void outer_unknown(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		set_ds(&p, 0x2a);
		expect(&p, STRANGE, UNKNOWN, WG, 0);
		expect(&p, stamp_of(EF) ^ 1, UNKNOWN, WG, 0);
		/* In the same bucket of the cache. */
		expect(&p, stamp_of(EF) ^ DSCP_STAMP_CACHE, UNKNOWN, WG, 0);
		/* No hash at all: how empty buckets of the cache look. */
		expect(&p, 0, UNKNOWN, WG, 0);
	}
}

static void outer_policy(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
		set_ds(&p, 0x57);
		expect(&p, stamp_of(EF), MARKED, WG_POLICY, CS1);
		expect(&p, stamp_of(AF41), UNCHANGED, WG_POLICY, 0);
		expect(&p, stamp_of(1), MARKED, WG_POLICY, 0);
		set_ds(&p, CS1 << 2);
		expect(&p, stamp_of(EF), UNCHANGED, WG_POLICY, 0);
		expect(&p, STRANGE, UNKNOWN, WG_POLICY, 0);
	}
}

static void outer_fixed(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, 0x04000000, 64);
		expect(&p, STRANGE, MARKED, WG_FIXED, AF41);
		expect(&p, 0, MARKED, WG_FIXED, AF41);
		expect(&p, stamp_of(EF), MARKED, WG_FIXED, AF41);
		set_ds(&p, AF41 << 2 | 3);
		expect(&p, STRANGE, UNCHANGED, WG_FIXED, 0);
	}
}

static void outer_user_tunnel(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (size_t len = 0; len < 50; len++) {
			p = udp_packet(family, USER_PORT, OTHER_PORT, 0x01000000, len);
			expect_marked(&p, USER);
		}
	}
}

/* Opcode 9 is data, unless it is a keepalive. */
static void outer_ovpn_lengths(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (size_t len = 0; len <= 100; len++) {
			p = udp_packet(family, OVPN_PORT, OTHER_PORT, 0x49000007, len);
			if (len > 40)
				expect_marked(&p, OVPN);
			else if (len >= 8)
				expect(&p, stamp_of(EF), SKIPPED, OVPN, 0);
			else
				expect_not_ours(&p);
		}
	}
}

/* Each opcode with each key's number. */
static void outer_ovpn_opcodes(void **state)
{
	struct packet p;

	(void)state;
	for (uint32_t first = 0; first <= 0xff; first++) {
		p = udp_packet(first % 2 ? 4 : 6, OVPN_PORT, OTHER_PORT, first << 24 | 7, 100);
		if (first / 8 == 9)
			expect_marked(&p, OVPN);
		else if (first / 8 >= 1 && first / 8 <= 11)
			expect(&p, stamp_of(EF), SKIPPED, OVPN, 0);
		else
			expect_not_ours(&p);
	}
}

/* Any header and any length, and the stamp tells data from the rest. */
static void outer_amneziawg(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (size_t len = 0; len < 150; len++) {
			p = udp_packet(family, AMNEZIAWG_PORT, OTHER_PORT, len * 0x01234567u, len);
			expect(&p, stamp_of(EF), MARKED, AMNEZIAWG, EF);
			expect(&p, STRANGE, SKIPPED, AMNEZIAWG, 0);
			expect(&p, 0, SKIPPED, AMNEZIAWG, 0);
			set_ds(&p, 0x88);
			expect(&p, 0, SKIPPED, AMNEZIAWG, 0);
		}
	}
}

/* The installed program itself; the fixed mode needs no hash. */
static void outer_program(void **state)
{
	struct packet p;
	struct outcome o;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, 0x04000000, 64);
		set_ds(&p, 0x03);
		o = ask(&p, 0);
		assert_int_equal(o.verdict, MARKED);
		check_outer("egress_outer", &p, 0, &o);
		p = ip_packet(family, IPPROTO_TCP, 64);
		o = ask(&p, 0);
		assert_int_equal(o.verdict, NOT_OURS);
		check_outer("egress_outer", &p, 0, &o);
	}
}

/*
 * egress_outer: link-layer headers, IP headers
 */

static void outer_tags(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		for (unsigned int tags = 0; tags <= 4; tags++) {
			tagged = with_tags(&p, tags);
			if (tags <= 2)
				expect_marked(&tagged, WG);
			else
				expect_not_ours(&tagged);
		}
	}
}

static void outer_metadata_tags(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		for (unsigned int tags = 0; tags <= 1; tags++) {
			tagged = with_tags(&p, tags);
			knobs->vlan_tags = 1;
			expect_marked(&tagged, WG);
			knobs->vlan_tags = 2;
			expect_marked(&tagged, WG);
		}
	}
	knobs->vlan_tags = 0;
}

static void outer_mac_like_ip(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		for (unsigned int i = 0; i < 3 * 0x30; i++) {
			tagged = with_tags(&p, i / 0x30);
			tagged.bytes[0] = 0x40 + i % 0x30;
			for (unsigned int n = 0; n <= 1; n++) {
				knobs->vlan_tags = n;
				expect_marked(&tagged, WG);
			}
		}
	}
	knobs->vlan_tags = 0;
}

static void outer_ip4_options(void **state)
{
	struct packet p;

	(void)state;
	for (unsigned int words = 5; words <= 15; words++) {
		begin(&p, 0);
		put_ip4(&p, IPPROTO_UDP, words);
		put_udp(&p, WG_PORT, OTHER_PORT);
		set32(put(&p, NULL, 64), 0x04000000);
		finish(&p);
		expect_marked(&p, WG);
	}
	for (unsigned int words = 0; words < 5; words++) {
		p = wireguard_packet(4);
		p.bytes[p.ip] = 0x40 | words;
		expect_not_ours(&p);
		p = ip_packet(4, IPPROTO_IPIP, 60);
		p.bytes[p.ip] = 0x40 | words;
		expect_not_ours(&p);
	}
}

/* Options longer than the packet. */
static void outer_ip4_options_beyond_the_end(void **state)
{
	struct packet p, shorter;

	(void)state;
	begin(&p, 0);
	put_ip4(&p, IPPROTO_UDP, 15);
	put_udp(&p, WG_PORT, OTHER_PORT);
	set32(put(&p, NULL, 8), 0x04000000);
	finish(&p);
	expect(&p, stamp_of(EF), SKIPPED, WG, 0);
	for (size_t len = p.ip + 1; len < p.len; len++) {
		shorter = cut(&p, len);
		expect_not_ours(&shorter);
	}
}

/* The length fields are the kernel's own work and are not looked at. */
static void outer_wrong_length(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 19, 28, 1500, 65535 };
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		p = wireguard_packet(4);
		set16(p.bytes + p.ip + 2, lengths[i]);
		set_ds(&p, 0);
		expect_marked(&p, WG);
		p = wireguard_packet(6);
		set16(p.bytes + p.ip + 4, lengths[i]);
		expect_marked(&p, WG);
	}
}

static void outer_wrong_checksum(void **state)
{
	struct packet p = wireguard_packet(4);

	(void)state;
	for (int sum = 0; sum <= 0xffff; sum += 257) {
		set16(p.bytes + p.ip + 10, sum);
		expect_marked(&p, WG);
	}
}

/* Every checksum a header can have, by its identification. */
static void outer_every_checksum(void **state)
{
	struct packet p = wireguard_packet(4);
	unsigned long turn = 0;

	(void)state;
	for (int id = 0; id <= 0xffff; id += how.device ? 101 : 7) {
		if (!effort_chosen(turn++))
			continue;
		set16(p.bytes + p.ip + 4, id);
		set_ds(&p, id & 0xff);
		expect(&p, stamp_of(id % 63), (id & 0xff) >> 2 == id % 63 ? UNCHANGED : MARKED, WG,
		       id % 63);
	}
}

static void outer_truncated(void **state)
{
	const struct packet whole[] = {
		wireguard_packet(4),
		wireguard_packet(6),
		vni_packet(4, VXLAN_PORT, 42),
		vni_packet(6, GENEVE_PORT, 7),
		gre_packet(4, 0xa0, 77),
		gre_packet(6, 0xa0, 77),
		ip_packet(4, IPPROTO_IPIP, 60),
	};
	struct packet shorter;
	struct outcome o;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(whole); i++) {
		for (size_t len = whole[i].link + 1; len <= whole[i].len; len++) {
			shorter = cut(&whole[i], len);
			o = ask(&shorter, stamp_of(EF));
			check_outer("test_outer", &shorter, stamp_of(EF), &o);
		}
		assert_int_equal(o.verdict, MARKED);
	}
}

static uint32_t vxlan_slot(int family)
{
	return family == 4 ? VXLAN_42 : VXLAN6_42;
}

/* How much of it has to be there, told without the oracle: of clear text two bytes of the inner
 * header. */
static void truncated_clear(int family)
{
	struct packet vxlan = vni_packet(family, VXLAN_PORT, 42), p;
	struct packet gre = gre_packet(family, 0xa0, 77);
	uint32_t gre_slot = family == 4 ? GRE_KEY : GRE6_KEY;
	size_t payload = gre.ip + (family == 4 ? 20 : 40);

	p = cut(&vxlan, payload + 15);
	expect_not_ours(&p);
	for (size_t len = 16; len < 16 + ETHERNET + 2; len++) {
		p = cut(&vxlan, payload + len);
		expect(&p, stamp_of(EF), UNKNOWN, vxlan_slot(family), 0);
	}
	p = cut(&vxlan, payload + 16 + ETHERNET + 2);
	expect_marked(&p, vxlan_slot(family));
	p = cut(&gre, payload + 11);
	expect_not_ours(&p);
	p = cut(&gre, payload + 12);
	expect(&p, stamp_of(EF), UNKNOWN, gre_slot, 0);
	p = cut(&gre, payload + 13);
	expect(&p, stamp_of(EF), UNKNOWN, gre_slot, 0);
	p = cut(&gre, payload + 14);
	expect_marked(&p, gre_slot);
}

static void outer_truncated_at_the_edge(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		struct packet wg = wireguard_packet(family);
		struct packet handshake = udp_packet(family, WG_PORT, OTHER_PORT, 0x01000000, 148);
		struct packet user = udp_packet(family, USER_PORT, OTHER_PORT, 0, 64);
		size_t payload = wg.ip + (family == 4 ? 20 : 40);

		p = cut(&wg, payload + 15);
		expect_not_ours(&p);
		p = cut(&wg, payload + 16);
		expect_marked(&p, WG);
		p = cut(&handshake, payload + 15);
		expect_not_ours(&p);
		p = cut(&handshake, payload + 16);
		expect(&p, stamp_of(EF), SKIPPED, WG, 0);
		p = cut(&user, payload + 7);
		expect_not_ours(&p);
		p = cut(&user, payload + 8);
		expect_marked(&p, USER);
		truncated_clear(family);
	}
}

static void outer_lookalikes(void **state)
{
	struct packet p, shorter;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int type = 0; type < 4; type++) {
			p = lookalike(family, type);
			set_ds(&p, 2);
			for (size_t len = p.len - 60; len <= p.len; len++) {
				shorter = cut(&p, len);
				expect_marked(&shorter, WG);
			}
		}
	}
}

static void outer_paged(void **state)
{
	struct packet p, q;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_PORT, OTHER_PORT, 0x04000000, 5000);
		q = vni_packet(family, VXLAN_PORT, 42);
		set16(q.bytes + q.len - 70 - 8, WG_PORT);
		put(&q, NULL, 4000);
		finish(&q);
		for (how.linear = 1; how.linear <= 130; how.linear++) {
			expect_marked(&p, WG);
			expect_marked(&q, vxlan_slot(family));
		}
		how.linear = 0;
	}
}

/*
 * egress_outer: IPv6 extension headers
 */

#define HOP_BY_HOP 0
#define ROUTING 43

static void outer_ip6_extensions(void **state)
{
	static const struct {
		uint8_t headers[3];
		unsigned int n;
		bool ours;
	} cases[] = {
		{ { IPPROTO_DSTOPTS }, 1, true },
		{ { IPPROTO_FRAGMENT }, 1, true },
		{ { HOP_BY_HOP }, 1, true },
		{ { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT }, 2, true },
		{ { HOP_BY_HOP, IPPROTO_FRAGMENT }, 2, true },
		{ { HOP_BY_HOP, IPPROTO_DSTOPTS }, 2, true },
		{ { HOP_BY_HOP, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT }, 3, true },
		/* Another header, another order, or two of one. */
		{ { ROUTING }, 1, false },
		{ { HOP_BY_HOP, ROUTING }, 2, false },
		{ { HOP_BY_HOP, HOP_BY_HOP }, 2, false },
		{ { IPPROTO_DSTOPTS, HOP_BY_HOP }, 2, false },
		{ { IPPROTO_FRAGMENT, HOP_BY_HOP }, 2, false },
		{ { IPPROTO_DSTOPTS, IPPROTO_DSTOPTS }, 2, false },
		{ { IPPROTO_FRAGMENT, IPPROTO_DSTOPTS }, 2, false },
		{ { IPPROTO_FRAGMENT, IPPROTO_FRAGMENT }, 2, false },
	};
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		p = chain(cases[i].headers, cases[i].n);
		if (cases[i].ours)
			expect_marked(&p, WG);
		else
			expect_not_ours(&p);
	}
	/* Version 1 is PPTP's, with other fields where the key is. */
	p = gre_packet(4, 0x20, 77);
	p.bytes[p.ip + 20 + 1] = 1;
	expect_not_ours(&p);
}

static void outer_ip6_extensions_truncated(void **state)
{
	static const uint8_t headers[] = { HOP_BY_HOP, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };

	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		unsigned int n = ARRAY_SIZE(headers) - first;
		struct packet p = chain(headers + first, n), shorter;
		size_t whole = p.ip + 40 + n * 8 + 16;

		for (size_t len = p.ip + 40; len < whole; len++) {
			shorter = cut(&p, len);
			expect_not_ours(&shorter);
		}
		shorter = cut(&p, whole);
		expect_marked(&shorter, WG);
	}
}

/* Options of every length; beyond the linear part they may, but need not, be passed over. */
static void outer_ip6_long_options(void **state)
{
	struct packet p;
	uint8_t *option;

	(void)state;
	for (unsigned int units = 0; units <= 255; units++) {
		begin(&p, 0);
		put_ip6(&p, IPPROTO_DSTOPTS);
		option = put(&p, NULL, 8 * (units + 1));
		option[0] = IPPROTO_UDP;
		option[1] = units;
		put_udp(&p, WG_PORT, OTHER_PORT);
		set16(p.bytes + p.len - 4, 8 + 64);
		set32(put(&p, NULL, 64), 0x04000000);
		finish(&p);
		expect_marked(&p, WG);
		option[1] = 255;
		if (units < 200)
			expect_not_ours(&p);
	}
}

/* As ip6tnl and ip6gre send it: the encapsulation limit. fragment: NULL or the eight bytes of that
 * header, behind it. */
static struct packet limited(const uint8_t *fragment, uint8_t next)
{
	struct packet p;
	uint8_t *option;

	begin(&p, 0);
	put_ip6(&p, IPPROTO_DSTOPTS);
	option = put(&p, "\0\0\4\1\4\1\0", 8);
	option[0] = next;
	if (fragment) {
		option[0] = IPPROTO_FRAGMENT;
		*put(&p, fragment, 8) = next;
	}
	if (next == IPPROTO_GRE)
		put(&p, "\0\0\x86\xdd", 4);
	p = with_inner(&p, NULL, 0, false, 0, next == IPPROTO_IPIP ? 4 : 6, EF << 2);
	return p;
}

static void outer_encap_limit(void **state)
{
	static const uint8_t next[] = { IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_GRE };
	static const uint8_t first[8] = { 0, 0, 0x00, 0x01 }, later[8] = { 0, 0, 0x05, 0xa9 };
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < sizeof(next); i++) {
		uint32_t slot = next[i] == IPPROTO_GRE ? GRE6 : IPIP6;

		p = limited(NULL, next[i]);
		expect_marked(&p, slot);
		/* No tunnel's until the first one was seen. */
		p = limited(later, next[i]);
		expect(&p, stamp_of(45), NOT_OURS, 0, 0);
		p = limited(first, next[i]);
		expect_marked(&p, slot);
		expect(&p, STRANGE, MARKED, slot, EF);
		p = limited(later, next[i]);
		expect(&p, stamp_of(45), MARKED, slot, EF);
		expect(&p, STRANGE, MARKED, slot, EF);
		forget_notes();
	}
}

/*
 * egress_outer: fragments
 */

/* The port can be read, so the tunnel is known without a note. */
static void outer_first_fragments(void **state)
{
	struct packet p, f;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		f = fragment_of(&p, 0, true);
		expect_marked(&f, WG);
		assert_int_equal(world.n_notes, 1);
		expect(&f, STRANGE, UNKNOWN, WG, 0);
		assert_int_equal(world.n_notes, 1);
		p = udp_packet(family, OTHER_PORT, OTHER_PORT, 0x04000000, 64);
		f = fragment_of(&p, 0, true);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
		/* No data inside, and so none behind. */
		p = udp_packet(family, WG_PORT, OTHER_PORT, 0x01000000, 148);
		f = fragment_of(&p, 0, true);
		expect(&f, stamp_of(EF), SKIPPED, WG, 0);
		assert_int_equal(world.n_notes, 0);
	}
}

/* Without a note they are nobody's, whatever their hash; with one it does not matter. */
static void outer_later_fragments(void **state)
{
	static const uint16_t offsets[] = { 1, 8, 0x0fff, 0x1000, 0x1fff };
	struct packet p, f, first;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		/* The bytes where the port was are anything. */
		p = udp_packet(family, WG_FIXED_PORT, VXLAN_PORT, 0x04000000, 64);
		first = wireguard_packet(family);
		first = fragment_of(&first, 0, true);
		for (unsigned int i = 0; i < 2 * ARRAY_SIZE(offsets); i++) {
			bool more = i % 2;

			f = fragment_of(&p, offsets[i / 2], more);
			expect_not_ours(&f);
			expect(&first, stamp_of(45), MARKED, WG, 45);
			expect(&f, stamp_of(EF), MARKED, WG, 45);
			expect(&f, 0, more ? MARKED : NOT_OURS, WG, 45);
			expect(&f, STRANGE, more ? MARKED : NOT_OURS, WG, 45);
			/* The others are not known by a property that the first one was not known
			 * by. */
			expect(&first, STRANGE, UNKNOWN, WG, 0);
			expect(&f, stamp_of(45), UNKNOWN, WG, 0);
			forget_notes();
		}
	}
}

/* "Don't fragment" and the reserved bit do not make one. */
static void outer_fragment_flags(void **state)
{
	struct packet p = wireguard_packet(4);

	(void)state;
	set16(p.bytes + p.ip + 6, 0x4000);
	set_ds(&p, 0);
	expect_marked(&p, WG);
	expect(&p, STRANGE, UNKNOWN, WG, 0);
	set16(p.bytes + p.ip + 6, 0x8000);
	set_ds(&p, 0);
	expect_marked(&p, WG);
	p = ip_packet(4, IPPROTO_IPIP, 60);
	set16(p.bytes + p.ip + 6, 0x4000);
	set_ds(&p, 0);
	expect_marked(&p, IPIP);
	p = wireguard_packet(6);
	p = fragment_of(&p, 0, false);
	p.bytes[p.ip + 43] |= 6; /* reserved */
	expect_marked(&p, WG);
}

/* Fragments of another packet: something that tells two packets apart is not the same. */
static void outer_fragments_of_others(void **state)
{
	static const size_t places4[] = { 4, 5, 9, 12, 15, 16, 19 };
	static const size_t places6[] = { 8, 23, 24, 39, 40, 44, 47 };
	struct packet p, f;
	struct note note;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		f = fragment_of(&p, 0, true);
		expect_marked(&f, WG);
		for (unsigned int i = 0; i < ARRAY_SIZE(places4); i++) {
			f = fragment_of(&p, 20, i % 2);
			f.bytes[f.ip + (family == 4 ? places4[i] : places6[i])] ^= 1;
			set_ds(&f, 0x2b);
			expect_not_ours(&f);
		}
		/* It left by another device. */
		assert_int_equal(world.n_notes, 1);
		note = world.notes[0];
		forget_notes();
		note.uplink++;
		add_note(&note);
		f = fragment_of(&p, 20, true);
		expect_not_ours(&f);
		note.uplink--;
		add_note(&note);
		expect_marked(&f, WG);
		forget_notes();
	}
}

/* The last fragment was lost, or never passed here, and the identification is used again. */
static void outer_fragment_id_again(void **state)
{
	struct packet p, f, later;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		later = fragment_of(&p, 20, true);
		f = fragment_of(&p, 0, true);
		expect_marked(&f, WG);
		expect(&f, stamp_of(45), MARKED, WG, 45);
		expect(&later, 0, MARKED, WG, 45);
		p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, 0x04000000, 64);
		f = fragment_of(&p, 0, true);
		expect(&f, 0, MARKED, WG_FIXED, AF41);
		expect(&later, stamp_of(EF), MARKED, WG_FIXED, AF41);
		/* By a packet that is nobody's. */
		p = udp_packet(family, OTHER_PORT, OTHER_PORT, 0x04000000, 64);
		f = fragment_of(&p, 0, true);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
		expect_not_ours(&later);
	}
}

/* A whole packet says nothing of fragments, even with the same identification: an atomic fragment
 * of IPv6 has one. Nor does a forwarded packet. */
static void outer_fragment_and_whole(void **state)
{
	struct packet p, whole, f, later;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		later = fragment_of(&p, 20, true);
		f = fragment_of(&p, 0, true);
		expect_marked(&f, WG);
		whole = fragment_of(&p, 0, false);
		expect(&whole, stamp_of(45), MARKED, WG, 45);
		p = udp_packet(family, OTHER_PORT, OTHER_PORT, 0x04000000, 64);
		whole = fragment_of(&p, 0, false);
		expect_not_ours(&whole);
		expect_not_ours(&p);
		assert_int_equal(world.n_notes, 1);
		if (!how.device) {
			f = fragment_of(&p, 0, true);
			how.ingress = 5;
			expect_not_ours(&f);
			expect_not_ours(&later);
			how.ingress = 0;
		}
		expect_marked(&later, WG);
		forget_notes();
	}
}

/* Fixed mode, and a policy that keeps the present DSCP. */
static void outer_fragment_policy(void **state)
{
	struct packet p, f, later;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, 0x04000000, 64);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 7, false);
		expect(&f, STRANGE, MARKED, WG_FIXED, AF41);
		expect(&later, STRANGE, MARKED, WG_FIXED, AF41);
		p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
		set_ds(&p, 0x57);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 7, true);
		expect(&f, stamp_of(AF41), UNCHANGED, WG_POLICY, 0);
		expect(&later, 0, UNCHANGED, WG_POLICY, 0);
		expect(&f, stamp_of(EF), MARKED, WG_POLICY, CS1);
		expect(&later, stamp_of(1), MARKED, WG_POLICY, CS1);
		expect(&f, stamp_of(1), MARKED, WG_POLICY, 0);
		expect(&later, stamp_of(EF), MARKED, WG_POLICY, 0);
		forget_notes();
	}
}

static void set_flags(uint32_t slot, uint32_t flags)
{
	struct dscp_tunnel tunnel = world.tunnels[slot];

	tunnel.flags = flags;
	add_tunnel(slot, &tunnel);
}

/* A tunnel that has no egress, or not any more. */
static void outer_no_egress(void **state)
{
	struct packet p, f, later;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 7, true);
		expect_marked(&f, WG);
		expect_marked(&later, WG);
		set_flags(WG, DSCP_TUNNEL_INGRESS);
		expect_not_ours(&later);
		assert_int_equal(world.n_notes, 1);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
		expect_not_ours(&p);
		set_flags(WG, DSCP_TUNNEL_EGRESS);
	}
}

/* A packet that looks like a tunnel's outer packet where it leaves by the tunnel's own device is
 * inside. */
static void outer_own_device(void **state)
{
	struct dscp_tunnel own = world.tunnels[WG], other = world.tunnels[VXLAN_42];
	struct packet p, f, later, vxlan = vni_packet(4, VXLAN_PORT, 42);

	(void)state;
	own.ifindex = other.ifindex = world.uplink;
	for (int family = 4; family <= 6; family += 2) {
		/* The number is another device's, in the namespace of the uplinks. */
		own.netns = 1;
		own.uplink_netns = 2;
		add_tunnel(WG, &own);
		p = wireguard_packet(family);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 7, true);
		expect_marked(&p, WG);
		expect_marked(&f, WG);
		expect_marked(&later, WG);
		own.uplink_netns = 1;
		add_tunnel(WG, &own);
		expect_not_ours(&later);
		expect_not_ours(&p);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
	}
	expect_marked(&vxlan, VXLAN_42);
	add_tunnel(VXLAN_42, &other);
	expect_not_ours(&vxlan);
}

/* A socket's own hash, with the stamps that its packets have had. */
static void add_socket_stamps(uint32_t hash, const uint8_t *values, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		add_stamp(&(struct stamp){ .hash = dscp_stamp(hash, values[i]),
					   .ifindex = IFINDEX(WG),
					   .value = values[i],
					   .in_flows = i % 2,
					   .in_recent = i % 2 == 0 });
}

#define KEPT (DSCP_STAMP_FINAL | DSCP_STAMP_KEEP)

/* skb_set_owner_w() puts it there for the fragments of local traffic, and for these alone. */
static void outer_socket_hash(void **state)
{
	static const uint8_t one[] = { EF }, two[] = { EF, 0 };
	static const uint8_t finals[] = { DSCP_STAMP_FINAL | 63, DSCP_STAMP_FINAL | CS1 };
	struct packet p, f, later;

	(void)state;
	add_socket_stamps(0x10000, one, 1);
	add_socket_stamps(0x20000, two, 2);
	add_socket_stamps(0x30000, one, 1);
	add_socket_stamps(0x30000, finals, 2);
	for (int family = 4; family <= 6; family += 2) {
		p = wireguard_packet(family);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 100, true);
		for (uint32_t hash = 0x10000; hash <= 0x40000; hash += 0x10000) {
			bool known = hash == 0x10000 || hash == 0x30000;

			expect(&p, hash + 7, UNKNOWN, WG, 0);
			expect(&f, hash + 7, known ? MARKED : UNKNOWN, WG, EF);
			expect(&later, hash + 7, known ? MARKED : UNKNOWN, WG, EF);
			expect(&later, STRANGE, known ? MARKED : UNKNOWN, WG, EF);
		}
		/* Only those that have stamps. */
		p = udp_packet(family, USER_PORT, OTHER_PORT, 0, 64);
		f = fragment_of(&p, 0, true);
		expect(&f, 0x10007, UNKNOWN, USER, 0);
		forget_notes();
	}
}

/* With a policy by prefix the stamps have the outer DSCP, and the others are of before. */
static void outer_socket_hash_of_peers(void **state)
{
	static const uint8_t one[] = { EF, DSCP_STAMP_FINAL | CS1 }, kept[] = { 1, 2, KEPT };
	static const uint8_t two[] = { DSCP_STAMP_FINAL | CS1, KEPT }, none[] = { EF };
	struct packet p, f, later;

	(void)state;
	set_flags(WG_POLICY, DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_PREFIXES);
	add_socket_stamps(0x10000, one, 2);
	add_socket_stamps(0x20000, kept, 3);
	add_socket_stamps(0x30000, two, 2);
	add_socket_stamps(0x40000, none, 1);
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
		set_ds(&p, 0x57);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 100, false);
		expect(&f, 0x10000, MARKED, WG_POLICY, CS1);
		expect(&later, 0, MARKED, WG_POLICY, CS1);
		expect(&f, 0x20000, UNCHANGED, WG_POLICY, 0);
		expect(&later, 0, UNCHANGED, WG_POLICY, 0);
		expect(&f, 0x30000, UNKNOWN, WG_POLICY, 0);
		expect(&later, 0x10000, UNKNOWN, WG_POLICY, 0);
		expect(&f, 0x40000, UNKNOWN, WG_POLICY, 0);
		expect(&later, 0x10000, UNKNOWN, WG_POLICY, 0);
	}
}

/* Stamps of egress_inner_peers, in either map: the tunnel's policy is not applied once more. */
static void outer_final(void **state)
{
	static const uint8_t values[] = { EF, AF41, 0, 63 };
	struct packet p, f;

	(void)state;
	for (uint32_t where = 1; where <= 3; where++) {
		for (uint32_t i = 0; i < 5; i++) {
			uint8_t value = DSCP_STAMP_FINAL | (i < 4 ? values[i] : DSCP_STAMP_KEEP);
			uint32_t stamp = dscp_stamp(where << 8, value);

			add_stamp(&(struct stamp){ stamp, IFINDEX(WG_POLICY), value, where & 1,
						   where & 2 });
			p = udp_packet(4 + i % 2 * 2, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
			set_ds(&p, 0x57);
			expect(&p, stamp, i < 4 ? MARKED : UNCHANGED, WG_POLICY, values[i % 4]);
			f = fragment_of(&p, 0, true);
			expect(&f, stamp, i < 4 ? MARKED : UNCHANGED, WG_POLICY, values[i % 4]);
			f = fragment_of(&p, 10, true);
			expect(&f, 0, i < 4 ? MARKED : UNCHANGED, WG_POLICY, values[i % 4]);
		}
	}
}

/*
 * egress_outer: the other tunnels
 */

/* Two tunnels of one port and VNI, told apart by the family of the outer header. */
static uint32_t slot_over(int family, uint32_t slot)
{
	if (family == 4)
		return slot;
	switch (slot) {
	case VXLAN_42:
		return VXLAN6_42;
	case VXLAN_43:
		return NO_SLOT;
	case VXLAN_9:
		return VXLAN_ANY;
	case GENEVE:
		return GENEVE6;
	default:
		return slot;
	}
}

static void outer_vni(void **state)
{
	static const struct {
		uint16_t port;
		uint32_t vni;
		uint32_t slot;
	} cases[] = {
		{ VXLAN_PORT, 42, VXLAN_42 },	  { VXLAN_PORT, 0xabcdef, VXLAN_43 },
		{ VXLAN_PORT, 44, NO_SLOT },	  { VXLAN_PORT, 42 << 8, NO_SLOT },
		{ VXLAN_PORT, 0, NO_SLOT },	  { VXLAN_ANY_PORT, 42, VXLAN_ANY },
		{ VXLAN_ANY_PORT, 0, VXLAN_ANY }, { VXLAN_ANY_PORT, 0xffffff, VXLAN_ANY },
		{ VXLAN_ANY_PORT, 9, VXLAN_9 },	  { GENEVE_PORT, 7, GENEVE },
		{ GENEVE_PORT, 42, NO_SLOT },	  { OTHER_PORT, 42, NO_SLOT },
	};
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			uint32_t slot = slot_over(family, cases[i].slot);

			p = vni_packet(family, cases[i].port, cases[i].vni);
			if (slot)
				expect_marked(&p, slot);
			else
				expect_not_ours(&p);
		}
	}
}

/* WireGuard's messages come first, then VXLAN's and geneve's VNIs, then user space. */
static const struct {
	uint16_t source, dest;
	uint32_t first, vni;
	enum verdict verdict;
	uint32_t slot;
} two_ports[] = {
	{ WG_PORT, VXLAN_PORT, 0x08000000, 42, MARKED, VXLAN_42 },
	{ WG_PORT, VXLAN_PORT, 0x08000000, 44, NOT_OURS, NO_SLOT },
	{ WG_PORT, VXLAN_PORT, 0x01000000, 42, SKIPPED, WG },
	{ WG_PORT, VXLAN_PORT, 0x04000000, 42, MARKED, WG },
	{ WG_PORT, VXLAN_PORT, 0x04000000, 44, MARKED, WG },
	{ WG_PORT, VXLAN_PORT, 0x04000001, 42, UNKNOWN, VXLAN_42 }, /* GPE: IPv4 */
	{ WG_PORT, VXLAN_PORT, 0x0c000003, 42, MARKED, VXLAN_42 },
	{ WG_PORT, VXLAN_ANY_PORT, 0x08000000, 44, MARKED, VXLAN_ANY },
	{ WG_PORT, GENEVE_PORT, 0x00006558, 7, MARKED, GENEVE },
	{ WG_PORT, GENEVE_PORT, 0x00006558, 8, NOT_OURS, NO_SLOT },
	{ WG_PORT, WG_FIXED_PORT, 0x08000000, 42, NOT_OURS, NO_SLOT },
	{ WG_PORT, WG_FIXED_PORT, 0x04000000, 42, MARKED, WG },
	{ WG_PORT, USER_PORT, 0x08000000, 42, NOT_OURS, NO_SLOT },
	{ WG_FIXED_PORT, VXLAN_PORT, 0x08000000, 42, MARKED, VXLAN_42 },
	{ USER_PORT, VXLAN_PORT, 0x08000000, 42, MARKED, VXLAN_42 },
	{ USER_PORT, VXLAN_PORT, 0x04000000, 42, UNKNOWN, VXLAN_42 }, /* GPE: nothing */
	{ USER_PORT, VXLAN_PORT, 0x08000000, 44, MARKED, USER },
	{ USER_PORT, VXLAN_ANY_PORT, 0x08000000, 9, MARKED, VXLAN_9 },
	{ USER_PORT, GENEVE_PORT, 0x00006558, 7, MARKED, GENEVE },
	{ USER_PORT, GENEVE_PORT, 0x00006558, 8, MARKED, USER },
	{ USER_PORT, WG_PORT, 0x04000000, 42, MARKED, USER },
	{ OVPN_PORT, VXLAN_PORT, 0x08000000, 42, MARKED, VXLAN_42 },
	{ OVPN_PORT, VXLAN_PORT, 0x08000000, 44, NOT_OURS, NO_SLOT },
	{ OVPN_PORT, VXLAN_PORT, 0x48000000, 42, MARKED, OVPN },
	{ OVPN_PORT, GENEVE_PORT, 0x00006558, 7, MARKED, GENEVE },
	{ OVPN_PORT, WG_PORT, 0x20000000, 42, SKIPPED, OVPN },
	{ AMNEZIAWG_PORT, VXLAN_PORT, 0x08000000, 42, MARKED, VXLAN_42 },
	{ AMNEZIAWG_PORT, GENEVE_PORT, 0x00006558, 8, MARKED, AMNEZIAWG },
	{ VXLAN_PORT, GENEVE_PORT, 0x00006558, 7, MARKED, GENEVE },
};

static void outer_two_ports(void **state)
{
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(two_ports); i++) {
		p = vni_packet(i % 2 ? 6 : 4, two_ports[i / 2].dest, two_ports[i / 2].vni);
		set16(p.bytes + p.len - 70 - 8, two_ports[i / 2].source);
		set32(p.bytes + p.len - 70, two_ports[i / 2].first);
		expect(&p, stamp_of(EF), two_ports[i / 2].verdict,
		       slot_over(i % 2 ? 6 : 4, two_ports[i / 2].slot), EF);
		/* Where the VNI would be, there is nothing. */
		p = cut(&p, p.len - 70 + 7);
		if (two_ports[i / 2].source == USER_PORT)
			expect_marked(&p, USER);
		else if (two_ports[i / 2].source == AMNEZIAWG_PORT)
			expect(&p, stamp_of(EF), MARKED, AMNEZIAWG, EF);
		else
			expect_not_ours(&p);
	}
}

static void outer_gre(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t key;
		const uint8_t *local, *remote;
		uint32_t slot;
	} cases[] = {
		{ 0x00, 0, local4, remote4, GRE },
		{ 0x80, 0, local4, remote4, GRE },
		{ 0x10, 0, local4, remote4, GRE },
		{ 0x00, 0, local4, other4, NO_SLOT },
		{ 0x00, 0, other4, remote4, NO_SLOT },
		{ 0x00, 0, remote4, local4, NO_SLOT },
		{ 0x20, 0, local4, remote4, GRE },
		/* Both are right: the remote address comes first, as in the kernel. */
		{ 0x20, 77, local4, remote4, GRE_KEY },
		{ 0xa0, 77, local4, remote4, GRE_KEY },
		{ 0xb0, 77, other4, remote4, GRE_KEY },
		{ 0x20, 77, local4, other4, GRE_LOCAL },
		{ 0x20, 77, other4, other4, NO_SLOT },
		{ 0x20, 5, other4, local4, GRE_ANY },
		{ 0xa0, 5, local4, remote4, GRE_ANY },
		{ 0x20, 6, local4, remote4, NO_SLOT },
		{ 0x20, 77 << 8, local4, remote4, NO_SLOT },
	};
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		p = gre_packet(4, cases[i].flags, cases[i].key);
		set_addresses(&p, cases[i].local, cases[i].remote);
		if (cases[i].slot)
			expect_marked(&p, cases[i].slot);
		else
			expect_not_ours(&p);
	}
}

static void outer_gre6(void **state)
{
	struct packet p;

	(void)state;
	p = gre_packet(6, 0, 0);
	expect_marked(&p, GRE6);
	set_addresses(&p, local6, other6);
	expect_not_ours(&p);
	p = gre_packet(6, 0xa0, 77);
	expect_marked(&p, GRE6_KEY);
	set_addresses(&p, other6, remote6);
	expect_marked(&p, GRE6_KEY);
	set_addresses(&p, other6, local6);
	expect_not_ours(&p);
	/* IPv4 has a tunnel for it, IPv6 has none. */
	p = gre_packet(6, 0x20, 5);
	expect_not_ours(&p);
}

static void outer_ipip(void **state)
{
	static const uint8_t inside[] = { IPPROTO_IPIP, IPPROTO_IPV6 };
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < sizeof(inside); i++) {
		p = ip_packet(4, inside[i], 60);
		expect_marked(&p, IPIP);
		set_addresses(&p, other4, remote4);
		expect_marked(&p, IPIP_ANY);
		p = ip_packet(6, inside[i], 60);
		expect_marked(&p, IPIP6);
		set_addresses(&p, local6, other6);
		expect_marked(&p, IPIP6_REMOTE);
		set_addresses(&p, other6, remote6);
		expect_not_ours(&p);
	}
}

static void outer_first_fragments_of_others(void **state)
{
	struct packet p = gre_packet(4, 0x20, 77), f = fragment_of(&p, 0, true);

	(void)state;
	expect_marked(&f, GRE_KEY);
	p = ip_packet(6, IPPROTO_IPIP, 100);
	f = fragment_of(&p, 0, true);
	expect_marked(&f, IPIP6);
	p = vni_packet(4, VXLAN_PORT, 42);
	f = fragment_of(&p, 0, true);
	expect_marked(&f, VXLAN_42);
	f = fragment_of(&p, 9, false);
	expect_marked(&f, VXLAN_42);
	p = gre_packet(4, 0x20, 77);
	f = fragment_of(&p, 9, false);
	expect(&f, 0, MARKED, GRE_KEY, EF);
	p = ip_packet(6, IPPROTO_IPIP, 100);
	f = fragment_of(&p, 9, true);
	expect(&f, 0, MARKED, IPIP6, EF);
}

/* No tunnel of that kind is registered, whatever endpoints says. */
static void outer_kind_not_registered(void **state)
{
	struct dscp_endpoint key = { .kind = DSCP_KIND_GRE, .family = 4 };
	struct packet p = gre_packet(4, 0, 0);
	uint32_t slot = GRE;

	(void)state;
	add_stamps(IFINDEX(WG));
	add_by_port(WG, DSCP_KIND_WIREGUARD, WG_PORT);
	assert_int_equal(bpf_map_update_elem(egress_map("endpoints"), &key, &slot, BPF_ANY), 0);
	expect_not_ours(&p);
	p = ip_packet(6, IPPROTO_IPV6, 60);
	expect_not_ours(&p);
	add_by_address(IPIP6, DSCP_KIND_IPIP, 6, local6, remote6, 0);
	expect_marked(&p, IPIP6);
}

/*
 * egress_outer: counting, and no tool at all
 */

static void outer_segments(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (how.segments = 0; how.segments < 50; how.segments++) {
			p = udp_packet(family, USER_PORT, OTHER_PORT, 0, 1 + how.segments * 40);
			expect_marked(&p, USER);
			expect(&p, STRANGE, UNKNOWN, USER, 0);
			set_ds(&p, EF << 2);
			expect(&p, stamp_of(EF), UNCHANGED, USER, 0);
			p = udp_packet(family, WG_PORT, OTHER_PORT, 0x01000000, 1000);
			expect(&p, stamp_of(EF), SKIPPED, WG, 0);
		}
	}
	/* 0 is one. */
	assert_int_equal(expected[USER].marked, 2 * (1 + 49 * 50 / 2));
}

static void plain_udp(void **state)
{
	struct packet p, f;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, OTHER_PORT, OTHER_PORT, 0, 0);
		expect_marked(&p, 0);
		expect(&p, STRANGE, UNKNOWN, 0, 0);
		expect(&p, 0, UNKNOWN, 0, 0);
		p = udp_packet(family, OTHER_PORT, VXLAN_PORT, 0x01020304, 70);
		set_ds(&p, 0x2b);
		for (int dscp = 0; dscp < DSCP_VALUES; dscp++)
			expect(&p, stamp_of(dscp), dscp == 10 ? UNCHANGED : MARKED, 0, dscp);
		f = fragment_of(&p, 100, true);
		expect_not_ours(&f);
		p = fragment_of(&p, 0, true);
		expect(&p, stamp_of(47), MARKED, 0, 47);
		expect(&f, STRANGE, MARKED, 0, 47);
		/* Without a stamp nothing says that it is a tunnel's, nor do the stamps that the
		 * socket has had: it has sent through the tunnel then. */
		expect(&p, HASH, UNKNOWN, 0, 0);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
	}
}

static void plain_others(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_GRE, IPPROTO_IPIP,
					     IPPROTO_IPV6 };
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int i = 0; i < sizeof(protocols); i++) {
			p = ip_packet(family, protocols[i], 60);
			expect_not_ours(&p);
		}
	}
}

/* A tool was here, and has no tunnel: no packet is a tunnel's, whatever its stamp. */
static void no_tunnel_udp(void **state)
{
	struct packet p, f;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		const struct packet packets[] = {
			wireguard_packet(family),
			udp_packet(family, OTHER_PORT, OTHER_PORT, 0, 0),
			udp_packet(family, USER_PORT, OTHER_PORT, 0x01020304, 70),
			vni_packet(family, VXLAN_PORT, 42),
		};

		for (unsigned int i = 0; i < ARRAY_SIZE(packets); i++) {
			p = packets[i];
			set_ds(&p, 0x2b);
			for (int dscp = 0; dscp < DSCP_VALUES; dscp++)
				expect(&p, stamp_of(dscp), NOT_OURS, 0, 0);
			f = fragment_of(&p, 0, true);
			expect(&f, stamp_of(47), NOT_OURS, 0, 0);
			f = fragment_of(&p, 100, true);
			expect(&f, stamp_of(47), NOT_OURS, 0, 0);
		}
	}
}

/* One program after the other, with the hash that the first has left. */
static void inner_to_outer(void **state)
{
	struct packet inner = udp_packet(4, 4000, 5000, 0, 100), outer;
	struct outcome o;

	(void)state;
	for (int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		for (int family = 4; family <= 6; family += 2) {
			set_ds(&inner, dscp << 2);
			assert_true(
				transmit("test_inner", &inner, HASH + dscp * 64 * family, &outer));
			account_inner(&inner);
			outer = udp_packet(family, OTHER_PORT, OTHER_PORT, 0, 100);
			set_ds(&outer, (63 - dscp) << 2);
			o = (struct outcome){ .verdict = MARKED, .dscp = dscp, .ip = outer.ip };
			o.ip6 = outer.ip6;
			check_outer("test_outer", &outer, knobs->after, &o);
		}
	}
}

/*
 * Random packets
 */

static void random_packets(unsigned int n)
{
	unsigned int seen[MARKED + 1] = { 0 };

	make_templates();
	add_stamp(&(struct stamp){ dscp_stamp(SOCKET, EF), IFINDEX(WG_POLICY), EF, true, false });
	for (unsigned int i = 0; i < n; i++) {
		struct packet p;
		uint32_t hash;
		struct outcome o;

		random_round(i);
		p = random_packet();
		hash = random_hash();
		how.ingress = !how.device && one_in(50) ? 7 : 0;
		how.segments = !how.device && one_in(8) ? next_random() % 40 : 0;
		o = ask(&p, hash);
		seen[o.verdict]++;
		check_packet("test_outer", &p, hash, &o);
		if (i % 10 == 0)
			assert_counters();
		if (i % NOTES_KEPT == 0)
			forget_notes();
	}
	random_end();
	assert_counters();
	/* The mutations are neither too few nor too many. */
	for (int verdict = NOT_OURS; verdict <= MARKED; verdict++)
		assert_uint_in_range(seen[verdict], n / 200, n * 3 / 4);
}

static void outer_random(void **state)
{
	(void)state;
	random_packets(effort_rounds(how.device ? DEVICE_PACKETS : FRAMES));
}

/* Frames, and packets without a link-layer header. */
#define ALL_MEDIA                                                                                  \
	OUTER(outer_others), OUTER(outer_bad_version), OUTER(outer_every_ds),                      \
		OUTER(outer_wireguard_data), OUTER(outer_wireguard_other_messages),                \
		OUTER(outer_wireguard_not_its_message), OUTER(outer_handshake_dscp),               \
		OUTER(outer_priority), OUTER(outer_priority_changes), OUTER(outer_unknown),        \
		OUTER(outer_policy), OUTER(outer_final), OUTER(outer_fixed),                       \
		OUTER(outer_ovpn_lengths), OUTER(outer_ovpn_opcodes), OUTER(outer_amneziawg),      \
		OUTER(outer_no_egress), OUTER(outer_user_tunnel), OUTER(outer_program),            \
		OUTER(outer_ip4_options), OUTER(outer_ip4_options_beyond_the_end),                 \
		OUTER(outer_wrong_length), OUTER(outer_wrong_checksum),                            \
		OUTER(outer_every_checksum), OUTER(outer_truncated),                               \
		OUTER(outer_truncated_at_the_edge), OUTER(outer_ip6_extensions),                   \
		OUTER(outer_ip6_extensions_truncated), OUTER(outer_ip6_long_options),              \
		OUTER(outer_encap_limit), OUTER(outer_first_fragments),                            \
		OUTER(outer_later_fragments), OUTER(outer_fragment_flags),                         \
		OUTER(outer_fragments_of_others), OUTER(outer_fragment_id_again),                  \
		OUTER(outer_fragment_and_whole), OUTER(outer_fragment_policy),                     \
		OUTER(outer_own_device), OUTER(outer_socket_hash),                                 \
		OUTER(outer_socket_hash_of_peers), OUTER(outer_vni), OUTER(outer_two_ports),       \
		OUTER(outer_gre), OUTER(outer_gre6), OUTER(outer_ipip),                            \
		OUTER(outer_first_fragments_of_others), INNER(outer_kind_not_registered),          \
		PLAIN(plain_udp), PLAIN(plain_others), NO_TUNNEL(no_tunnel_udp),                   \
		INNER(inner_to_outer), OUTER(outer_random)

int main(void)
{
	const struct CMUnitTest frames[] = {
		ALL_MEDIA,
		OUTER(outer_not_ip),
		OUTER(outer_forwarded),
		OUTER(outer_tags),
		OUTER(outer_metadata_tags),
		OUTER(outer_mac_like_ip),
		OUTER(outer_segments),
	};
	/* Cases that BPF_PROG_TEST_RUN does not do, or not in every kernel. */
	const struct CMUnitTest tap[] = {
		OUTER(outer_program),
		OUTER(outer_tags),
		OUTER(outer_metadata_tags),
		OUTER(outer_mac_like_ip),
		OUTER(outer_ip4_options_beyond_the_end),
		OUTER(outer_truncated),
		OUTER(outer_truncated_at_the_edge),
		OUTER(outer_paged),
		OUTER(outer_random),
	};
	const struct CMUnitTest tun[] = {
		ALL_MEDIA,
		OUTER(outer_lookalikes),
		OUTER(outer_paged),
	};

	return run_groups("egress_outer", GROUP(frames), GROUP(tap), GROUP(tun));
}
