/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The method "tc": the notes that are made at the uplink, and the note that is believed at the
 * tunnel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

#include <util/macros.h>

#include "ingress_cases.h"

enum dscp_method method = DSCP_METHOD_TC;

static struct noted note_at(const struct journey *j, unsigned int tags)
{
	struct packet wire = on_wire(j, tags);

	return expect_noted(&wire);
}

static void not_noted(const struct journey *j)
{
	struct packet wire = on_wire(j, 0);

	expect_passed(&wire);
}

static void skipped(const struct journey *j, uint32_t slot)
{
	struct packet wire = on_wire(j, 0);

	expect_skipped(&wire, slot);
}

static struct journey wireguard_to(int family, uint16_t port)
{
	struct packet inner = inner_packet(4, 21);
	struct journey j = wireguard(family, &inner);

	set16(j.wire.bytes + j.udp + 2, port);
	set_outer(&j, EF << 2 | 1);
	return j;
}

/* Tests the exact content of the note for every kind. */
static void notes(void **state)
{
	static struct journey journeys[N_WAYS_IN];
	unsigned int n = make_journeys(journeys);
	struct noted noted;
	struct delivered d;

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		struct journey *j = &journeys[i];

		set_outer(j, EF << 2 | 1);
		for (unsigned int tags = 0; tags < 3; tags++) {
			noted = note_at(j, tags);
			assert_memory_equal(noted.note.header, j->wire.bytes, DSCP_NOTE_BYTES);
			assert_int_equal(noted.note.ds, EF << 2 | 1);
			assert_int_equal(noted.note.distance, j->inner_at);
			d = deliver(j);
			expect(&d, &noted, MARKED, EF);
		}
	}
}

static void wireguard_notes(void **state)
{
	struct journey j;
	struct noted noted;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = wireguard_to(family, WG_PORT);
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.slot, WG);
		assert_int_equal(noted.note.length, (j.inner.len + 15) & ~15u);
		assert_int_equal(noted.note.flags, DSCP_NOTE_PADDED);
		j = wireguard_to(family, OTHER_WG_PORT);
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.slot, OTHER_WG);
		j = wireguard_to(family, STRANGE_PORT);
		not_noted(&j);
		/* The source port says nothing. */
		set16(j.wire.bytes + j.udp, WG_PORT);
		not_noted(&j);
	}
}

static void wireguard_skipped(void **state)
{
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (int type = 1; type <= 3; type++) {
			j = wireguard_to(family, OTHER_WG_PORT);
			j.wire.bytes[j.udp + 8] = type;
			skipped(&j, OTHER_WG);
		}
		j = wireguard_to(family, WG_PORT);
		for (int length = 8; length <= 40; length++) {
			set16(j.wire.bytes + j.udp + 4, length);
			skipped(&j, WG);
		}
		set16(j.wire.bytes + j.udp + 4, 41);
		note_at(&j, 0);
		j.wire.bytes[j.udp + 8] = 5;
		not_noted(&j);
		j.wire.bytes[j.udp + 8] = 0;
		not_noted(&j);
		j.wire.bytes[j.udp + 8] = 4;
		j.wire.bytes[j.udp + 11] = 1;
		not_noted(&j);
	}
}

/* Data of OpenVPN, whose length is exact. */
static void ovpn_notes(void **state)
{
	static const uint8_t header[OVPN_HEADER] = { 0x48 };
	struct packet inner = inner_packet(4, 21);
	struct noted noted;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = in_udp(family, OVPN_PORT, header, sizeof(header), &inner);
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.slot, WG);
		assert_int_equal(noted.note.length, j.inner.len);
		assert_int_equal(noted.note.flags, 0);
		for (int length = 8; length <= 48; length++) {
			set16(j.wire.bytes + j.udp + 4, length);
			skipped(&j, WG);
		}
		set16(j.wire.bytes + j.udp + 4, 49);
		assert_int_equal(note_at(&j, 0).note.length, 17);
		for (int first = 0; first <= 0xff; first++) {
			j.wire.bytes[j.udp + 8] = first;
			if (first / 8 == 9)
				note_at(&j, 0);
			else
				skipped(&j, WG);
		}
	}
}

static void fragments(void **state)
{
	static const uint16_t bits[] = { 0x2000, 0x0001, 0x1fff, 0x3fff, 0x2100 };
	static const uint8_t header[] = { IPPROTO_FRAGMENT };
	struct packet inner = inner_packet(4, 21);
	struct journey j = wireguard_to(4, WG_PORT);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		set16(j.wire.bytes + 6, bits[i]);
		update_sum(&j);
		not_noted(&j);
	}
	set16(j.wire.bytes + 6, 0x4000);
	update_sum(&j);
	note_at(&j, 0);
	/* A packet behind a fragment header may be whole (RFC 6946). */
	j = wireguard_extended(header, 1, &inner);
	note_at(&j, 0);
	for (uint16_t word = 8; word; word <<= 1) {
		set16(j.wire.bytes + 42, word);
		not_noted(&j);
		set16(j.wire.bytes + 42, word | 1);
		not_noted(&j);
	}
	set16(j.wire.bytes + 42, 1);
	not_noted(&j);
}

static void others(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ESP, IPPROTO_SCTP };
	static const uint16_t types[] = { ETH_P_ARP, ETH_P_MPLS_UC, 0, 0xffff };
	struct journey j;
	struct packet wire;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int i = 0; i < sizeof(protocols); i++) {
			j = wireguard_to(family, WG_PORT);
			j.wire.bytes[family == 4 ? 9 : 6] = protocols[i];
			update_sum(&j);
			not_noted(&j);
		}
	}
	for (unsigned int i = 0; !raw() && i < ARRAY_SIZE(types); i++) {
		j = wireguard_to(4, WG_PORT);
		wire = on_wire(&j, 0);
		set16(wire.bytes + 12, types[i]);
		expect_passed(&wire);
	}
	j = too_short(&j.inner);
	not_noted(&j);
}

static void vxlan(void **state)
{
	static const uint8_t header[] = { 8, 0, 0, 0, 0, 0, 42, 0 };
	struct packet inner = inner_packet(6, 40);
	struct journey j;
	struct noted noted;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = in_udp(family, VXLAN_PORT, header, sizeof(header), &inner);
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.length, inner.len);
		assert_int_equal(noted.note.flags, DSCP_NOTE_CLEAR);
		assert_int_equal(noted.note.slot, 0);
		set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
		not_noted(&j);
	}
}

static void geneve(void **state)
{
	uint8_t header[8 + 63 * 4] = { 0, 0, 0x65, 0x58, 0, 0, 7 };
	struct packet inner = inner_packet(4, 40);
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int i = 0; i < 128; i++) {
		/* The upper two bits are the version. */
		header[0] = i;
		j = in_udp(i % 2 ? 4 : 6, GENEVE_PORT, header, 8 + i % 64 * 4, &inner);
		set_outer(&j, EF << 2);
		noted = note_at(&j, 0);
		d = deliver(&j);
		expect(&d, &noted, MARKED, EF);
	}
}

static void gre(void **state)
{
	uint8_t header[16] = { 0, 0, 0x08 };
	struct packet inner = inner_packet(4, 40);
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int i = 0; i < 16; i++) {
		bool sum = i & 8, key = i & 2, sequence = i & 1;

		header[0] = i << 4;
		j = in_ip(i % 3 ? 4 : 6, IPPROTO_GRE, header, 4 * (1 + sum + key + sequence),
			  &inner);
		set_outer(&j, EF << 2);
		noted = note_at(&j, 0);
		d = deliver(&j);
		expect(&d, &noted, MARKED, EF);
	}
	header[1] = 1; /* PPTP */
	j = in_ip(4, IPPROTO_GRE, header, 16, &inner);
	not_noted(&j);
}

static void kinds_not_registered(void **state)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	struct packet inner = inner_packet(4, 40);
	const struct journey journeys[] = {
		in_ip(4, IPPROTO_GRE, (uint8_t[4]){ 0 }, 4, &inner),
		in_ip(4, IPPROTO_IPIP, NULL, 0, &inner),
		in_ip(4, IPPROTO_IPV6, NULL, 0, &inner),
		in_ip(6, IPPROTO_IPIP, NULL, 0, &inner),
	};
	uint32_t zero = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct packet wire = on_wire(&journeys[i], 0);

		expect_noted(&wire);
		world.ingress_kinds = config.ingress_kinds =
			1u << (i ? DSCP_KIND_GRE : DSCP_KIND_IPIP) | 1u << DSCP_KIND_WIREGUARD;
		set_map("config", &zero, &config);
		expect_passed(&wire);
		world.ingress_kinds = config.ingress_kinds =
			1u << DSCP_KIND_GRE | 1u << DSCP_KIND_IPIP;
		set_map("config", &zero, &config);
		expect_noted(&wire);
	}
}

/* In front of the payload of ip6tnl and ip6gre. */
static void destination_options(void **state)
{
	struct packet inner = inner_packet(4, 40);
	uint8_t header[256] = { IPPROTO_IPIP };
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (unsigned int words = 0; words < 32; words++) {
		header[1] = words;
		j = in_ip(6, IPPROTO_DSTOPTS, header, (words + 1) * 8, &inner);
		set_outer(&j, EF << 2);
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.distance, 40 + (words + 1) * 8);
		d = deliver(&j);
		expect(&d, &noted, MARKED, EF);
	}
}

/* Changes of the bytes that are noted; but a queue may have set CE, and a router decremented the
 * hop limit. */
static void each_bit_counts(const struct journey *j, const struct noted *noted)
{
	struct journey later;
	struct delivered d;
	bool ip6 = j->wire.ip6, free;

	for (int bit = 0; bit < DSCP_NOTE_BYTES * 8; bit++) {
		later = *j;
		later.wire.bytes[bit / 8] ^= 0x80 >> bit % 8;
		free = ip6 ? bit == 10 || bit == 11 || bit >= 56 : bit == 14 || bit == 15;
		d = deliver(&later);
		expect(&d, noted, free ? MARKED : UNKNOWN, EF);
	}
}

/* ECN of neither header is the DSCP's, whatever both are at the uplink and at the tunnel. */
static void congestion(void **state)
{
	struct packet inner;
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int i = 0; i < 2 * 4 * 4 * 4 * 2; i++) {
		inner = inner_packet(i % 2 ? 4 : 6, 21);
		set_ds(&inner, i / 2 % 4);
		j = wireguard(i / 128 ? 4 : 6, &inner);
		set_outer(&j, EF << 2 | i / 8 % 4);
		noted = note_at(&j, 0);
		set_outer(&j, EF << 2 | i / 32 % 4);
		d = deliver(&j);
		expect(&d, &noted, MARKED, EF);
	}
}

/* The address is used again: another header lies in front of the packet. */
static void stale(void **state)
{
	struct journey j, later;
	struct noted noted, none = { .there = false };
	struct delivered d;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = wireguard_to(family, WG_PORT);
		noted = note_at(&j, 0);
		later = j;
		set_outer(&later, AF41 << 2 | 1);
		d = deliver(&later);
		expect_unknown(&d, &noted, DSCP_OTHER_HEADER);
		each_bit_counts(&j, &noted);
		d = deliver(&j);
		memset(d.front, 0, d.front_len);
		expect_unknown(&d, &noted, DSCP_OTHER_HEADER);
		d = deliver(&j);
		expect_unknown(&d, &none, DSCP_NO_NOTE);
		expect(&d, &noted, MARKED, EF);
	}
}

/* The packet has, in clear text, to have come by an uplink: by the stamp, or by its flow hash. */
static void shortcut(void **state)
{
	static const uint32_t hashes[] = { 0, 1, 0x10000, 0x12345678, 0x12340000, 0x5678 };
	static const uint16_t stamps[] = { 0, 1, DSCP_ARRIVED };
	static struct journey journeys[N_WAYS_IN];
	unsigned int n = make_journeys(journeys);
	struct noted noted;
	struct delivered d;

	(void)state;
	world.hash = 0x12345678;
	for (unsigned int i = 0; i < n * ARRAY_SIZE(hashes) * ARRAY_SIZE(stamps); i++) {
		struct journey *j = &journeys[i % n];
		uint32_t hash = hashes[i / n % ARRAY_SIZE(hashes)];
		uint16_t stamp = stamps[i / n / ARRAY_SIZE(hashes)];
		bool clear, proved;

		set_outer(j, EF << 2);
		noted = note_at(j, 0);
		clear = noted.note.flags & DSCP_NOTE_CLEAR;
		proved = !hash || hash % 0x10000 == 0x5678 || stamp == DSCP_ARRIVED;
		d = deliver(j);
		d.hash = hash;
		d.tc_index = stamp;
		if (clear && !proved)
			expect_unknown(&d, &noted, DSCP_NO_NOTE);
		else
			expect(&d, &noted, MARKED, EF);
	}
}

static void lengths(void **state)
{
	static const uint8_t header[8] = { 8 };
	struct packet inner = inner_packet(4, 21);
	struct journey j = in_udp(4, VXLAN_PORT, header, sizeof(header), &inner);
	struct noted noted = note_at(&j, 0);
	struct delivered d = deliver(&j);

	(void)state;
	set_outer(&j, EF << 2);
	noted = note_at(&j, 0);
	d = deliver(&j);
	for (int more = -30; more <= 30; more++) {
		noted.note.length = inner.len + more;
		noted.note.flags = DSCP_NOTE_CLEAR;
		d.segments = 0;
		if (more)
			expect_unknown(&d, &noted, DSCP_OTHER_LENGTH);
		else
			expect(&d, &noted, MARKED, EF);
		noted.note.flags = DSCP_NOTE_PADDED;
		expect(&d, &noted, more < 0 || more > 15 ? UNKNOWN : MARKED, EF);
		/* Merged on its way: longer than it was. */
		d.segments = raw() ? 0 : 2;
		if (d.segments)
			expect(&d, &noted, MARKED, EF);
	}
}

/* The device, not the note, decides on the policy. */
static void note_of_other_tunnel(void **state)
{
	struct journey j = wireguard_to(4, OTHER_WG_PORT);
	struct noted noted = note_at(&j, 0);
	struct delivered d = deliver(&j);

	(void)state;
	set_policy(WG, EF, CS1);
	set_policy(OTHER_WG, EF, AF41);
	expect(&d, &noted, MARKED, CS1);
	set_tunnel(WG, 0);
	expect(&d, &noted, UNTOUCHED, 0);
}

/* The tag inside VXLAN is in the metadata by then, and the addresses have moved over it. */
static void metadata_tag(void **state)
{
	static const uint8_t header[8] = { 8 };
	struct packet inner, tagged;
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		inner = inner_packet(family, 40);
		put_ethernet(&tagged, 1);
		put_type(&tagged, family == 4 ? ETH_P_IP : ETH_P_IPV6);
		put(&tagged, inner.bytes + ETHERNET, inner.len - ETHERNET);
		j = in_udp(10 - family, VXLAN_PORT, header, sizeof(header), &tagged);
		set_outer(&j, EF << 2);
		noted = note_at(&j, 0);
		d = deliver(&j);
		memcpy(d.front + d.front_len, tagged.bytes, TAG);
		d.front_len += TAG;
		d.packet = inner;
		d.tag = true;
		expect(&d, &noted, MARKED, EF);
		d.tag = false;
		expect(&d, &noted, UNKNOWN, 0);
		noted.note.length++;
		d.tag = true;
		expect(&d, &noted, UNKNOWN, 0);
	}
}

static void plain_ports(void **state)
{
	static const uint8_t header[] = { 0x02, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 5, 5, 5, 5 };
	struct packet inner = inner_packet(4, 40);
	struct noted noted;
	struct journey j;

	(void)state;
	j = in_udp(4, VXLAN_PORT, header, 8, &inner);
	noted = note_at(&j, 0);
	assert_int_equal(noted.note.distance, 20 + 16);
	j = in_udp(6, GENEVE_PORT, header, 16, &inner);
	noted = note_at(&j, 0);
	assert_int_equal(noted.note.distance, 40 + 24);
	j = in_udp(4, STRANGE_PORT, header, 16, &inner);
	not_noted(&j);
	j = wireguard_to(6, STRANGE_PORT);
	noted = note_at(&j, 0);
	assert_int_equal(noted.note.slot, 0);
	j.wire.bytes[j.udp + 8] = 1;
	skipped(&j, 0);
	/* Nobody has said that there is such a tunnel. */
	j = in_ip(4, IPPROTO_IPIP, NULL, 0, &inner);
	not_noted(&j);
	j = in_ip(4, IPPROTO_GRE, (uint8_t[4]){ 0 }, 4, &inner);
	not_noted(&j);
}

/* A tool is here, and no tunnel: no packet is one's. */
static void no_tunnel(void **state)
{
	static struct journey journeys[N_WAYS_IN];
	unsigned int n = make_journeys(journeys);

	(void)state;
	for (unsigned int i = 0; i < n; i++)
		not_noted(&journeys[i]);
}

#define TC                                                                                         \
	ALL_WAYS, ALL(notes), ALL(wireguard_notes), ALL(wireguard_skipped), ALL(ovpn_notes),       \
		ALL(fragments), ALL(others), ALL(vxlan), ALL(geneve), ALL(gre),                    \
		ALL(kinds_not_registered), ALL(destination_options), ALL(stale), ALL(congestion),  \
		ALL(shortcut), ALL(lengths), ALL(note_of_other_tunnel), PLAIN(plain_ports),        \
		NO_TUNNEL(no_tunnel)

int main(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	const struct CMUnitTest frames[] = { TC, ALL_WAYS_FRAMES, ALL(metadata_tag) };
	const struct CMUnitTest packets[] = { TC, ALL_WAYS_PACKETS };
	int failed;

	if (ingress_refused(method))
		return cmocka_run_group_tests_name("ingress_tc", none, NULL, NULL);
	failed = run_group("frames", GROUP(frames), load, unload);
	buckets_busy = true;
	failed += run_group("frames, buckets busy", GROUP(frames), load, unload);
	buckets_busy = false;
	if (cannot_run_reason())
		return failed + cmocka_run_group_tests_name("devices", none, NULL, NULL);
	return failed + run_group("L3 packets", GROUP(packets), load_behind_tun, close_tun);
}
