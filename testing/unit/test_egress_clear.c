/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* egress_outer and tunnels in clear text: where it finds the inner header, and how it treats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <string.h>

#include <linux/if_ether.h>

#include <util/macros.h>

#include "egress_cases.h"
#include "egress_random.h"
#include "effort.h"

#define FRAMES 60000 /* random ones */
#define DEVICE_PACKETS 10000
#define NOTES_KEPT 256 /* so many random packets: there is room for the notes of all */
#define CS2 16

/* Headers of the tunnels, and the packets behind them. */
static const struct header {
	uint8_t protocol;
	uint16_t dest; /* UDP */
	uint8_t bytes[24];
	size_t len;
	uint32_t slot4, slot6; /* over IPv4, over IPv6 */
	int inner; /* 0: a frame; else the family of the packet; -1: nothing that is known */
} headers[] = {
	{ IPPROTO_UDP, VXLAN_PORT, "\x08\0\0\0\0\0\x2a", 8, VXLAN_42, VXLAN6_42, 0 },
	/* Next protocols that VXLAN has no name for, and group policy. */
	{ IPPROTO_UDP, VXLAN_PORT, "\xf8\xff\xff\xff\0\0\x2a\xff", 8, VXLAN_42, VXLAN6_42, 0 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x88\x08\x12\x01\0\0\x2a", 8, VXLAN_42, VXLAN6_42, 0 },
	/* GPE: no packet, IPv4, IPv6, frame, NSH, and others. */
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\0\0\0\x2a", 8, VXLAN_42, VXLAN6_42, -1 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\1\0\0\x2a", 8, VXLAN_42, VXLAN6_42, 4 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\2\0\0\x2a", 8, VXLAN_42, VXLAN6_42, 6 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\3\0\0\x2a", 8, VXLAN_42, VXLAN6_42, 0 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\4\0\0\x2a", 8, VXLAN_42, VXLAN6_42, -1 },
	{ IPPROTO_UDP, VXLAN_PORT, "\x0c\0\0\xff\0\0\x2a", 8, VXLAN_42, VXLAN6_42, -1 },
	{ IPPROTO_UDP, VXLAN_ANY_PORT, "\x08\0\0\0\0\0\x2a", 8, VXLAN_ANY, VXLAN_ANY, 0 },
	{ IPPROTO_UDP, GENEVE_PORT, "\0\0\x65\x58\0\0\7", 8, GENEVE, GENEVE6, 0 },
	{ IPPROTO_UDP, GENEVE_PORT, "\0\0\x08\0\0\0\7", 8, GENEVE, GENEVE6, 4 },
	{ IPPROTO_UDP, GENEVE_PORT, "\0\x40\x86\xdd\0\0\7", 8, GENEVE, GENEVE6, 6 },
	{ IPPROTO_UDP, GENEVE_PORT, "\0\0\x08\6\0\0\7", 8, GENEVE, GENEVE6, -1 },
	{ IPPROTO_UDP, GENEVE_PORT, "\0\0\0\0\0\0\7", 8, GENEVE, GENEVE6, -1 },
	/* Options, the flags, and the version, which nobody asks for. */
	{ IPPROTO_UDP, GENEVE_PORT, "\1\x80\x65\x58\0\0\7\0\1\2\3\4", 12, GENEVE, GENEVE6, 0 },
	{ IPPROTO_UDP, GENEVE_PORT, "\xc4\xff\x08\0\0\0\7\0\1\2\3\4\5", 24, GENEVE, GENEVE6, 4 },
	{ IPPROTO_GRE, 0, "\0\0\x08\0", 4, GRE, GRE6, 4 },
	{ IPPROTO_GRE, 0, "\0\0\x86\xdd", 4, GRE, GRE6, 6 },
	{ IPPROTO_GRE, 0, "\0\0\x65\x58", 4, GRE, GRE6, 0 },
	{ IPPROTO_GRE, 0, "\x80\0\x08\0\1\2\3\4", 8, GRE, GRE6, 4 },
	{ IPPROTO_GRE, 0, "\x10\0\x86\xdd\1\2\3\4", 8, GRE, GRE6, 6 },
	{ IPPROTO_GRE, 0, "\x20\0\x65\x58\0\0\0\x4d", 8, GRE_KEY, GRE6_KEY, 0 },
	{ IPPROTO_GRE, 0, "\xb0\0\x08\0\1\2\3\4\0\0\0\x4d\5\6\7\x08", 16, GRE_KEY, GRE6_KEY, 4 },
	{ IPPROTO_GRE, 0, "\x90\0\x08\0\1\2\3\4\5\6\7\x08", 12, GRE, GRE6, 4 },
	/* Routing (RFC 1701), and payloads that are neither IP nor a frame. */
	{ IPPROTO_GRE, 0, "\x40\0\x08\0", 4, GRE, GRE6, -1 },
	{ IPPROTO_GRE, 0, "\0\0\x88\x47", 4, GRE, GRE6, -1 },
	{ IPPROTO_GRE, 0, "\0\0\x88\x0b", 4, GRE, GRE6, -1 },
	{ IPPROTO_IPIP, 0, "", 0, IPIP, IPIP6, 4 },
	{ IPPROTO_IPV6, 0, "", 0, IPIP, IPIP6, 6 },
};

#define N_HEADERS ARRAY_SIZE(headers)

static uint32_t slot_of(const struct header *h, int family)
{
	return family == 4 ? h->slot4 : h->slot6;
}

static struct packet packet_of(const struct header *h, int family, int inner, uint8_t ds)
{
	struct packet p = outer_packet(family, h->protocol, h->dest);

	return with_inner(&p, h->bytes, h->len, h->inner <= 0, 0, h->inner > 0 ? h->inner : inner,
			  ds);
}

/* No stamp is asked for, not even one that is known. */
static void clear_every_header(void **state)
{
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < 4 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 4];
		int family = i % 2 ? 6 : 4;

		p = packet_of(h, family, i & 2 ? 6 : 4, EF << 2 | 2);
		set_ds(&p, 0x2b);
		expect(&p, STRANGE, h->inner < 0 ? UNKNOWN : MARKED, slot_of(h, family), EF);
		expect(&p, stamp_of(45), h->inner < 0 ? UNKNOWN : MARKED, slot_of(h, family), EF);
		set_ds(&p, EF << 2 | 1);
		expect(&p, 0, h->inner < 0 ? UNKNOWN : UNCHANGED, slot_of(h, family), EF);
	}
}

/* Six bits of the inner header count, with either version. */
static void clear_every_ds(void **state)
{
	unsigned long turn = 0;
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < 2 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 2];

		for (int ds = 0; ds < 256; ds++) {
			int family = ds % 2 ? 6 : 4;

			if (h->inner < 0 || !effort_chosen(turn++))
				continue;
			p = packet_of(h, family, i % 2 ? 6 : 4, ds);
			set_ds(&p, ds << 1);
			expect(&p, STRANGE, ds >> 2 == (ds << 1 & 0xff) >> 2 ? UNCHANGED : MARKED,
			       slot_of(h, family), ds >> 2);
		}
	}
}

static void clear_tags(void **state)
{
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < 4 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 4];
		int family = i % 2 ? 6 : 4;

		for (unsigned int tags = 0; tags <= 4 && !h->inner; tags++) {
			p = outer_packet(family, h->protocol, h->dest);
			p = with_inner(&p, h->bytes, h->len, true, tags, i & 2 ? 6 : 4, EF << 2);
			expect(&p, STRANGE, tags <= 2 ? MARKED : UNKNOWN, slot_of(h, family), EF);
		}
	}
}

/* The content of the frame is not IP, or says that it is and is not. */
static void clear_not_ip(void **state)
{
	struct packet p;
	size_t ip;

	(void)state;
	for (unsigned int i = 0; i < 2 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 2];
		int family = i % 2 ? 6 : 4;

		if (h->inner < 0)
			continue;
		for (int version = 0; version < 16; version++) {
			p = packet_of(h, family, 4, EF << 2);
			ip = p.len - (h->inner == 6 ? 48 : 28);
			p.bytes[ip] = version << 4 | (p.bytes[ip] & 0xf);
			expect(&p, STRANGE, version == (h->inner == 6 ? 6 : 4) ? MARKED : UNKNOWN,
			       slot_of(h, family), EF);
		}
		for (unsigned int type = 0; type < N_OTHER_TYPES && !h->inner; type++) {
			p = packet_of(h, family, 4, EF << 2);
			set16(p.bytes + p.len - 30, other_types[type]);
			expect(&p, stamp_of(EF), UNKNOWN, slot_of(h, family), 0);
		}
	}
}

/* Two bytes of the inner header have to be there. */
static void clear_truncated(void **state)
{
	struct packet p, shorter;

	(void)state;
	for (unsigned int i = 0; i < 4 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 4];
		int family = i % 2 ? 6 : 4, inner = h->inner > 0 ? h->inner : i & 2 ? 6 : 4;

		if (h->inner < 0)
			continue;
		p = packet_of(h, family, inner, EF << 2);
		for (size_t cut_off = 0; cut_off < 60; cut_off++) {
			size_t needed = p.len - (inner == 4 ? 28 : 48) + 2;
			struct outcome o;

			shorter = cut(&p, p.len - cut_off);
			if (shorter.len <
			    p.ip + (family == 4 ? 20 : 40) + h->len + (h->dest ? 8 : 0))
				break;
			o = ask(&shorter, STRANGE);
			assert_int_equal(o.verdict, shorter.len < needed ? UNKNOWN : MARKED);
			check_outer("test_outer", &shorter, STRANGE, &o);
		}
	}
}

/* Outer IPv4 options, the encapsulation limit, VLAN tags of the uplink. */
static void clear_behind_options(void **state)
{
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < N_HEADERS; i++) {
		const struct header *h = &headers[i];

		for (unsigned int words = 6; words <= 15 && h->inner >= 0; words++) {
			begin(&p, 0);
			put_ip4(&p, h->protocol, words);
			if (h->dest)
				put_udp(&p, OTHER_PORT, h->dest);
			p = with_inner(&p, h->bytes, h->len, !h->inner, 0, h->inner ? h->inner : 4,
				       EF << 2);
			expect_marked(&p, h->slot4);
		}
		for (uint8_t units = 0; units < 4 && h->inner >= 0; units++) {
			begin(&p, 0);
			put_ip6(&p, IPPROTO_DSTOPTS);
			put(&p, NULL, 8 * (units + 1))[0] = h->protocol;
			p.bytes[p.len - 8 * (units + 1) + 1] = units;
			if (h->dest)
				put_udp(&p, OTHER_PORT, h->dest);
			p = with_inner(&p, h->bytes, h->len, !h->inner, 0, h->inner ? h->inner : 6,
				       EF << 2);
			expect_marked(&p, h->slot6);
		}
	}
}

/* Geneve's options, of every length: the longest are 252 bytes, and the inner packet far behind. */
static void clear_geneve_options(void **state)
{
	struct packet p;
	uint8_t header[8 + 252];

	(void)state;
	for (unsigned int words = 0; words < 64; words++) {
		memset(header, 0x77, sizeof(header));
		set32(header, words << 24 | (words % 3 ? ETH_P_TEB : ETH_P_IP));
		set32(header + 4, 7 << 8);
		p = outer_packet(words % 2 ? 6 : 4, IPPROTO_UDP, GENEVE_PORT);
		p = with_inner(&p, header, 8 + words * 4, words % 3, 0, 4, EF << 2);
		expect_marked(&p, words % 2 ? GENEVE6 : GENEVE);
		/* The inner packet begins elsewhere, or is not there. */
		p.bytes[p.ip + (words % 2 ? 40 : 20) + 8] ^= 0x20;
		expect(&p, stamp_of(EF), UNKNOWN, words % 2 ? GENEVE6 : GENEVE, 0);
	}
}

/* ERSPAN, types I, II and III: an erspan device can have the addresses of a GRE tunnel without key.
 */
static void clear_erspan(void **state)
{
	static const struct header erspan[] = {
		{ IPPROTO_GRE, 0, "\0\0\x88\xbe", 4, 0, 0, 0 },
		{ IPPROTO_GRE, 0, "\x10\0\x88\xbe\0\0\0\1\x10\0\0\1\0\0\0\1", 16, 0, 0, 0 },
		{ IPPROTO_GRE, 0, "\x10\0\x22\xeb\0\0\0\1\x20\0\0\1\0\0\0\1", 20, 0, 0, 0 },
		{ IPPROTO_GRE, 0, "\x20\0\x88\xbe\0\0\0\x4d", 8, 0, 0, 0 },
	};
	struct packet p, f;

	(void)state;
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(erspan); i++) {
		p = packet_of(&erspan[i / 2], i % 2 ? 6 : 4, 4, EF << 2);
		expect_not_ours(&p);
		f = fragment_of(&p, 0, true);
		expect_not_ours(&f);
		assert_int_equal(world.n_notes, 0);
	}
}

/* The first fragment has the inner header; the others have its DSCP. */
static void clear_fragments(void **state)
{
	struct packet p, f, later;

	(void)state;
	for (unsigned int i = 0; i < 2 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 2];
		int family = i % 2 ? 6 : 4;
		uint32_t slot = slot_of(h, family);

		p = packet_of(h, family, 4, EF << 2);
		f = fragment_of(&p, 0, true);
		later = fragment_of(&p, 9, true);
		expect(&later, stamp_of(EF), NOT_OURS, 0, 0);
		expect(&f, stamp_of(45), h->inner < 0 ? UNKNOWN : MARKED, slot, EF);
		expect(&later, stamp_of(45), h->inner < 0 ? UNKNOWN : MARKED, slot, EF);
		/* The inner header is not in it any more: the rest are unknown, not others'. */
		f.len = f.ip + (family == 4 ? 20 : 48) + (h->dest ? 8 : 0) + h->len;
		if (f.len > f.ip + (family == 4 ? 20 : 48)) {
			expect(&f, stamp_of(45), UNKNOWN, slot, 0);
			expect(&later, stamp_of(45), UNKNOWN, slot, 0);
		}
		later = fragment_of(&p, 9, false);
		expect(&later, stamp_of(45), h->inner < 0 || h->len || h->dest ? UNKNOWN : MARKED,
		       slot, EF);
		expect(&later, stamp_of(45), NOT_OURS, 0, 0);
	}
}

static void change(uint32_t slot, uint32_t flags, uint8_t to)
{
	struct dscp_tunnel tunnel = world.tunnels[slot];

	tunnel.flags |= flags;
	tunnel.outer_dscp = to;
	memset(tunnel.egress.to, to, sizeof(tunnel.egress.to));
	tunnel.egress.to[EF] = CS1;
	add_tunnel(slot, &tunnel);
}

static void clear_policy_of_tunnel(void **state)
{
	struct packet p;

	(void)state;
	for (uint32_t slot = VXLAN_42; slot < N_USED; slot++)
		change(slot, 0, DSCP_KEEP);
	for (unsigned int i = 0; i < 2 * N_HEADERS; i++) {
		const struct header *h = &headers[i / 2];
		int family = i % 2 ? 6 : 4;

		p = packet_of(h, family, 4, EF << 2);
		expect(&p, 0, h->inner < 0 ? UNKNOWN : MARKED, slot_of(h, family), CS1);
		p = packet_of(h, family, 4, 1 << 2);
		expect(&p, 0, h->inner < 0 ? UNKNOWN : UNCHANGED, slot_of(h, family), 0);
	}
}

/* The fixed mode does not read the inner packet. */
static void clear_fixed(void **state)
{
	struct packet p;

	(void)state;
	for (uint32_t slot = VXLAN_42; slot < N_USED; slot++)
		change(slot, DSCP_TUNNEL_FIXED, AF41);
	for (unsigned int i = 0; i < 2 * N_HEADERS; i++) {
		int family = i % 2 ? 6 : 4;

		p = packet_of(&headers[i / 2], family, 4, EF << 2);
		expect(&p, 0, MARKED, slot_of(&headers[i / 2], family), AF41);
	}
}

static void add_peer(uint32_t slot, const char *address, unsigned int length, uint8_t to)
{
	struct prefix prefix = { .slot = slot, .length = length, .to = to };

	prefix.ip6 = strchr(address, ':');
	assert_int_equal(inet_pton(prefix.ip6 ? AF_INET6 : AF_INET, address, prefix.address), 1);
	add_prefix(&prefix);
}

static void set_peers(void)
{
	for (uint32_t slot = VXLAN_42; slot < N_USED; slot++)
		change(slot, DSCP_TUNNEL_PREFIXES, 1);
	for (uint32_t slot = VXLAN_42; slot <= VXLAN6_42; slot++) {
		add_peer(slot, "192.0.2.2", 32, AF41);
		add_peer(slot, "192.0.2.0", 24, 3);
		add_peer(slot, "0.0.0.0", 0, DSCP_KEEP);
		add_peer(slot, "2001:db8::2", 128, 5);
		add_peer(slot, "2001:db8::", 32, DSCP_KEEP);
	}
	add_peer(GRE, "192.0.2.0", 31, 7);
	add_peer(GRE, "2001:db8::2", 127, 9);
	add_peer(IPIP6, "192.0.2.2", 30, DSCP_KEEP);
}

/* The inner packet with the last byte of its destination changed, and its DSCP EF. */
static struct packet packet_to(const struct header *h, int family, int inner, uint8_t last)
{
	struct packet p = packet_of(h, family, inner, EF << 2);

	p.bytes[p.len - 9] = last;
	return p;
}

static void clear_peers(void **state)
{
	const struct header *vxlan = &headers[0], *gre = &headers[17], *ipip = &headers[28];
	struct packet p;

	(void)state;
	set_peers();
	for (int family = 4; family <= 6; family += 2) {
		uint32_t slot = slot_of(vxlan, family);

		p = packet_to(vxlan, family, 4, 2);
		expect(&p, 0, MARKED, slot, AF41);
		p = packet_to(vxlan, family, 4, 9);
		expect(&p, 0, MARKED, slot, 3);
		p.bytes[p.len - 12] = 10;
		expect(&p, 0, UNCHANGED, slot, 0);
		p = packet_to(vxlan, family, 6, 2);
		expect(&p, 0, MARKED, slot, 5);
		p = packet_to(vxlan, family, 6, 9);
		expect(&p, 0, UNCHANGED, slot, 0);
		/* None of their prefixes has it: the tunnel's own policy. */
		p.bytes[p.len - 24] = 0xfd;
		expect(&p, 0, MARKED, slot, CS1);
	}
	p = packet_to(gre, 4, 4, 1);
	expect(&p, 0, MARKED, GRE, 7);
	p = packet_to(gre, 4, 4, 2);
	expect(&p, 0, MARKED, GRE, CS1);
	p = packet_to(gre, 6, 4, 1);
	expect(&p, 0, MARKED, GRE6, CS1);
	p = packet_to(ipip, 6, 4, 1);
	expect(&p, 0, UNCHANGED, IPIP6, 0);
}

/* Entries of the list that the tunnel has; all others are as its last entry says. */
static void clear_lists(void **state)
{
	const struct prefix rest = { .slot = VXLAN_42, .list = 7, .rest = true, .to = 11 };
	struct dscp_tunnel tunnel;
	struct packet p;

	(void)state;
	set_peers();
	add_prefix(&rest);
	p = packet_to(&headers[0], 4, 4, 2);
	expect(&p, 0, MARKED, VXLAN_42, AF41);
	tunnel = world.tunnels[VXLAN_42];
	tunnel.list = 7;
	add_tunnel(VXLAN_42, &tunnel);
	expect(&p, 0, MARKED, VXLAN_42, 11);
	p = packet_to(&headers[0], 4, 6, 2);
	expect(&p, 0, MARKED, VXLAN_42, 11);
	tunnel.list = 8;
	add_tunnel(VXLAN_42, &tunnel);
	expect(&p, 0, MARKED, VXLAN_42, CS1);
}

/* The destination has to be there; and the fragments have the same. */
static void clear_peers_truncated(void **state)
{
	struct packet p, shorter, f;

	(void)state;
	set_peers();
	for (int inner = 4; inner <= 6; inner += 2) {
		p = packet_to(&headers[0], 4, inner, 2);
		for (size_t len = p.len - 8; len > p.len - 30; len--) {
			shorter = cut(&p, len);
			expect(&shorter, 0, len == p.len - 8 ? MARKED : UNKNOWN, VXLAN_42,
			       inner == 4 ? AF41 : 5);
		}
		f = fragment_of(&p, 0, true);
		expect(&f, 0, MARKED, VXLAN_42, inner == 4 ? AF41 : 5);
		f = fragment_of(&p, 4, false);
		expect(&f, 0, MARKED, VXLAN_42, inner == 4 ? AF41 : 5);
	}
}

/* Headers in pages: of the outer ones as many are pulled as can be needed, inside nothing is. */
static void clear_paged(void **state)
{
	struct packet p;

	(void)state;
	set_peers();
	for (int family = 4; family <= 6; family += 2) {
		for (how.linear = 1; how.linear <= 150; how.linear++) {
			p = packet_to(&headers[0], family, 6, 2);
			put(&p, NULL, 3000);
			expect(&p, 0, MARKED, slot_of(&headers[0], family), 5);
		}
	}
	how.linear = 0;
}

/* A packet that such a program sends, and the verdict: is it its own packet, or the tunnel's? */
static const struct sent {
	struct sender by;
	const struct header *header; /* and an inner packet with EF */
	uint8_t protocol; /* of the inner packet, and its source port */
	uint16_t source;
	bool ours;
} sent[] = {
	/* UDP programs, from the outer source port: theirs, if no packet of a UDP socket is inside.
	 */
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_TCP, 40001, false },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_ICMP, 40001, false },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, GENEVE_PORT }, &headers[10], IPPROTO_TCP, 1, false },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_UDP, 40002, true },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, GENEVE_PORT }, &headers[10], IPPROTO_UDP, 1, true },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[8], 0, 0, false },
	/* As if the socket were an inner packet's, in a tunnel or a fragment in there too. */
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_GRE, 1, true },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_FRAGMENT, 1, true },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, VXLAN_PORT }, &headers[0], IPPROTO_UDP, 40001, true },
	{ { SOCK_DGRAM, IPPROTO_UDP, 40001, GENEVE_PORT }, &headers[12], IPPROTO_UDP, 40001, true },
	/* Raw ones. */
	{ { SOCK_RAW, IPPROTO_UDP, 0, 0 }, &headers[0], IPPROTO_TCP, 4000, false },
	{ { SOCK_RAW, IPPROTO_UDP, 0, 0 }, &headers[10], IPPROTO_TCP, OTHER_PORT, false },
	{ { SOCK_RAW, IPPROTO_UDP, 0, 0 }, &headers[0], IPPROTO_UDP, 4000, true },
	{ { SOCK_RAW, IPPROTO_GRE, 0, 0 }, &headers[17], IPPROTO_UDP, 4000, true },
	{ { SOCK_RAW, IPPROTO_GRE, 0, 0 }, &headers[19], IPPROTO_TCP, 4000, false },
	{ { SOCK_RAW, IPPROTO_GRE, 0, 0 }, &headers[18], IPPROTO_GRE, 4000, true },
	{ { SOCK_RAW, IPPROTO_IPIP, 0, 0 }, &headers[28], IPPROTO_UDP, 4000, true },
	{ { SOCK_RAW, IPPROTO_IPV6, 0, 0 }, &headers[29], IPPROTO_UDP, 4000, true },
	{ { SOCK_RAW, IPPROTO_IPV6, 0, 0 }, &headers[29], IPPROTO_IPV6, 4000, true },
};

/* Returns how long the packet is. */
static size_t send_from_socket(const struct sent *s, uint8_t dscp)
{
	struct packet p = outer_packet(4, s->header->protocol, s->header->dest), out;
	size_t start = s->by.type == SOCK_RAW ? 20 : p.len, inner;
	bool ip6 = s->header->inner == 6;

	p = with_inner(&p, s->header->bytes, s->header->len, s->header->inner <= 0, 0, ip6 ? 6 : 4,
		       EF << 2);
	inner = p.len - (ip6 ? 48 : 28);
	p.bytes[inner + (ip6 ? 6 : 9)] = s->protocol;
	set16(p.bytes + p.len - 8, s->source);
	run_socket("test_outer", &s->by, p.bytes + start, p.len - start, &out);
	assert_int_equal(out.len, p.len);
	assert_int_equal(get_ds(out.bytes, false), dscp << 2);
	assert_int_equal(header_sum(out.bytes, 20), 0xffff);
	assert_memory_equal(out.bytes + start, p.bytes + start, p.len - start);
	return out.len;
}

/* Local programs that send to the tunnel's port, or write its protocol. */
static void clear_sent_by_programs(void **state)
{
	(void)state;
	for (int fixed = 0; fixed < 2; fixed++) {
		for (uint32_t slot = VXLAN_42; slot < N_USED && fixed; slot++)
			change(slot, DSCP_TUNNEL_FIXED, AF41);
		for (unsigned int i = 0; i < ARRAY_SIZE(sent); i++) {
			const struct sent *s = &sent[i];
			struct dscp_counters *c = &expected[s->header->slot4];
			size_t bytes = send_from_socket(s, s->ours ? (fixed ? AF41 : EF) : 0);

			if (!s->ours)
				continue;
			c->passed++;
			c->bytes += bytes;
			c->marked++;
			c->came_with[EF] += !fixed;
			c->dscp[fixed ? AF41 : EF]++;
		}
	}
	assert_counters();
}

/* One tunnel inside another: the outermost header decides on the tunnel, the next one on the
 * DSCP. */
static void clear_nested(void **state)
{
	struct packet inner = outer_packet(4, IPPROTO_UDP, VXLAN_PORT), p;
	size_t ip;

	(void)state;
	inner = with_inner(&inner, headers[0].bytes, 8, true, 0, 4, AF41 << 2);
	set_ds(&inner, EF << 2);
	ip = inner.ip;
	p = outer_packet(4, IPPROTO_GRE, 0);
	put(&p, "\0\0\x08\0", 4);
	put(&p, inner.bytes + ip, inner.len - ip);
	finish(&p);
	expect(&p, stamp_of(45), MARKED, GRE, EF);
	p = outer_packet(6, IPPROTO_IPIP, 0);
	put(&p, inner.bytes + ip, inner.len - ip);
	finish(&p);
	expect(&p, stamp_of(45), MARKED, IPIP6, EF);
	/* WireGuard's are encrypted, whatever they look like. */
	p = udp_packet(4, WG_PORT, OTHER_PORT, 0x04000000, 32);
	put(&p, inner.bytes + ip, inner.len - ip);
	finish(&p);
	expect(&p, stamp_of(45), MARKED, WG, 45);
}

static void clear_random(void **state)
{
	unsigned int n = effort_rounds(how.device ? DEVICE_PACKETS : FRAMES);
	unsigned int seen[MARKED + 1] = { 0 };

	(void)state;
	set_peers();
	make_templates();
	for (unsigned int i = 0; i < N_HEADERS; i++)
		add_template(packet_of(&headers[i], i % 2 ? 6 : 4, i & 2 ? 6 : 4, i << 3));
	for (unsigned int i = 0; i < n; i++) {
		struct packet p;
		struct outcome o;

		random_round(i);
		p = random_packet();
		o = ask(&p, STRANGE);
		seen[o.verdict]++;
		check_packet("test_outer", &p, STRANGE, &o);
		if (i % 20 == 0)
			assert_counters();
		if (i % NOTES_KEPT == 0)
			forget_notes();
	}
	random_end();
	assert_counters();
	for (int verdict = UNKNOWN; verdict <= MARKED; verdict++)
		assert_uint_in_range(seen[verdict], n / 200, n * 3 / 4);
}

/* Frames, and packets without a link-layer header. */
#define ALL_MEDIA                                                                                  \
	OUTER(clear_every_header), OUTER(clear_every_ds), OUTER(clear_tags), OUTER(clear_not_ip),  \
		OUTER(clear_truncated), OUTER(clear_behind_options), OUTER(clear_geneve_options),  \
		OUTER(clear_erspan), OUTER(clear_fragments), OUTER(clear_policy_of_tunnel),        \
		OUTER(clear_fixed), OUTER(clear_peers), OUTER(clear_lists),                        \
		OUTER(clear_peers_truncated), OUTER(clear_nested), OUTER(clear_random)

int main(void)
{
	const struct CMUnitTest frames[] = { ALL_MEDIA };
	const struct CMUnitTest tap[] = { OUTER(clear_paged), OUTER(clear_random) };
	const struct CMUnitTest tun[] = { ALL_MEDIA, OUTER(clear_paged),
					  OUTER(clear_sent_by_programs) };

	return run_groups("egress_clear", GROUP(frames), GROUP(tap), GROUP(tun));
}
