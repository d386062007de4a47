/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The method "xdp": notes under receiver index and counter, and when they are believed. */
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

#include "effort.h"
#include "ingress_cases.h"

#define FORGED 100000 /* three times as many as there is room for */

enum dscp_method method = DSCP_METHOD_XDP;

static struct journey journey(int family)
{
	struct packet inner = inner_packet(4, 21);
	struct journey j = wireguard(family, &inner);

	set_outer(&j, EF << 2 | 1);
	return j;
}

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

static void expect_arrival(const struct journey *j, const struct noted *noted, enum verdict verdict,
			   uint8_t dscp)
{
	struct delivered d = deliver(j);

	expect(&d, noted, verdict, dscp);
}

static void noted_and_marked(const struct journey *j, unsigned int tags)
{
	struct noted noted = note_at(j, tags);

	expect_arrival(j, &noted, MARKED, EF);
	/* It was good for one packet. */
	expect_arrival(j, NULL, UNKNOWN, 0);
}

static void notes(void **state)
{
	struct noted noted;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = journey(family);
		for (unsigned int tags = 0; tags < 3; tags++)
			noted_and_marked(&j, tags);
		noted = note_at(&j, 0);
		assert_memory_equal(&noted.key.receiver, "\x11\x22\x33\x44", 4);
		assert_memory_equal(&noted.key.id, "\x0a\x0b\x0c\x0d\0\0\0\0", 8);
		assert_memory_equal(noted.note.header, j.wire.bytes + j.udp, 6);
		assert_int_equal(noted.note.ds, EF << 2 | 1);
		assert_int_equal(noted.note.slot, WG);
		expect_arrival(&j, &noted, MARKED, EF);
		if (!raw()) {
			struct packet wire = on_wire(&j, 3);

			expect_passed(&wire);
		}
	}
}

static void ip4_options(void **state)
{
	struct packet inner = inner_packet(6, 21);
	struct journey j;

	(void)state;
	for (unsigned int words = 5; words <= 15; words++) {
		j = wireguard_words(words, &inner);
		set_outer(&j, EF << 2 | CE);
		noted_and_marked(&j, words % 3);
	}
	j = too_short(&inner);
	not_noted(&j);
}

static void ip6_extensions(void **state)
{
	static const uint8_t chains[][4] = {
		{ IPPROTO_HOPOPTS },
		{ IPPROTO_DSTOPTS },
		{ IPPROTO_FRAGMENT },
		{ IPPROTO_HOPOPTS, IPPROTO_FRAGMENT },
		{ IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT },
		{ IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS },
		/* Another order, or two of one. */
		{ IPPROTO_DSTOPTS, IPPROTO_HOPOPTS },
		{ IPPROTO_FRAGMENT, IPPROTO_DSTOPTS },
		{ IPPROTO_DSTOPTS, IPPROTO_DSTOPTS },
		{ IPPROTO_FRAGMENT, IPPROTO_FRAGMENT },
	};
	static const uint8_t lengths[] = { 1, 1, 1, 2, 3, 4, 2, 2, 2, 2 };
	const unsigned int noted = 5; /* of these chains */
	struct packet inner = inner_packet(6, 21);
	struct journey j;

	(void)state;
	for (unsigned int i = 0; i < sizeof(lengths); i++) {
		j = wireguard_extended(chains[i], lengths[i], &inner);
		set_outer(&j, EF << 2);
		if (i < noted)
			noted_and_marked(&j, i % 3);
		else
			not_noted(&j);
	}
	/* Routing. */
	j = wireguard_extended((uint8_t[]){ 43 }, 1, &inner);
	not_noted(&j);
}

/* An option header is up to 2048 bytes long. Its content is no message. */
static void ip6_long_options(void **state)
{
	struct packet inner = inner_packet(6, 21);
	struct journey j = wireguard(6, &inner), long_one;
	struct noted noted;

	(void)state;
	set_outer(&j, EF << 2);
	for (unsigned int words = 1; words < 256; words += words < 253 ? 36 : 1) {
		size_t length = (words + 1) * 8;

		long_one = j;
		long_one.wire.len = 40;
		put(&long_one.wire, j.wire.bytes + 40, 24);
		put(&long_one.wire, NULL, length > 24 ? length - 24 : 0);
		long_one.wire.len = 40 + length;
		put(&long_one.wire, j.wire.bytes + 40, j.wire.len - 40);
		/* It begins as UDP would, its first word being the port as well. */
		long_one.wire.bytes[6] = IPPROTO_DSTOPTS;
		long_one.wire.bytes[40] = IPPROTO_UDP;
		long_one.wire.bytes[41] = words;
		set32(long_one.wire.bytes + 40 + length + 16, words);
		noted = note_at(&long_one, 0);
		assert_memory_equal(&noted.key.id, long_one.wire.bytes + 40 + length + 16, 8);
	}
}

static void fragments(void **state)
{
	static const uint8_t header[] = { IPPROTO_FRAGMENT };
	struct packet inner = inner_packet(4, 21);
	struct journey j = journey(4);

	(void)state;
	set16(j.wire.bytes + 6, 0x2000);
	update_sum(&j);
	/* A first fragment has the whole header of the message. */
	note_at(&j, 0);
	for (uint16_t offset = 1; offset < 0x2000; offset <<= 1) {
		set16(j.wire.bytes + 6, offset);
		update_sum(&j);
		not_noted(&j);
	}
	j = wireguard_extended(header, 1, &inner);
	set_outer(&j, EF << 2);
	set16(j.wire.bytes + 42, 1);
	noted_and_marked(&j, 0);
	for (uint16_t offset = 8; offset; offset <<= 1) {
		set16(j.wire.bytes + 42, offset | 1);
		not_noted(&j);
	}
}

static void others(void **state)
{
	static const uint16_t types[] = { ETH_P_ARP, ETH_P_MPLS_UC, 0, 0xffff, ETH_P_8021Q };
	struct packet wire;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = journey(family);
		for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
			wire = on_wire(&j, 0);
			set16(wire.bytes + 12, types[i]);
			expect_passed(&wire);
		}
		set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
		not_noted(&j);
		set16(j.wire.bytes + j.udp + 2, VXLAN_PORT);
		not_noted(&j);
		j = journey(family);
		j.wire.bytes[family == 4 ? 9 : 6] = IPPROTO_TCP;
		not_noted(&j);
		j = journey(family);
		j.wire.bytes[0] ^= 0x10;
		not_noted(&j);
	}
}

static void other_messages(void **state)
{
	struct packet wire;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = journey(family);
		for (int type = 0; type < 256; type++) {
			j.wire.bytes[j.udp + 8] = type;
			wire = on_wire(&j, 0);
			if (type >= 1 && type <= 3)
				expect_skipped(&wire, WG);
			else if (type != 4)
				expect_passed(&wire);
		}
		j = journey(family);
		set16(j.wire.bytes + j.udp + 4, 40);
		wire = on_wire(&j, 0);
		expect_skipped(&wire, WG);
		for (int i = 1; i < 4; i++) {
			j = journey(family);
			j.wire.bytes[j.udp + 8 + i] = 0x40;
			not_noted(&j);
		}
	}
}

/* Two messages with one counter: one of them is not genuine, but which one? */
static void conflicts(void **state)
{
	struct journey j, forged;
	struct noted noted;

	(void)state;
	for (int i = 0; i < 8; i++) {
		j = journey(i % 2 ? 6 : 4);
		forged = j;
		if (i / 2 == 0)
			set_outer(&forged, AF41 << 2 | 1);
		else if (i / 2 == 1)
			set16(forged.wire.bytes + forged.udp, 1);
		else if (i / 2 == 2)
			set16(forged.wire.bytes + forged.udp + 2, OTHER_WG_PORT);
		else
			set16(forged.wire.bytes + forged.udp + 4, 300);
		note_at(&j, 0);
		noted = note_at(&forged, 0);
		assert_int_equal(noted.note.flags, DSCP_NOTE_PADDED | DSCP_NOTE_MIXED);
		/* It stays so, whatever comes. */
		noted = note_at(&j, 0);
		assert_int_equal(noted.note.flags, DSCP_NOTE_PADDED | DSCP_NOTE_MIXED);
		expect_arrival(&j, &noted, UNKNOWN, 0);
		/* The next one is not affected. */
		noted_and_marked(&j, 0);
	}
}

/* With another peer's or message's number, with one of all DSCPs: only the session's keys would
 * tell. */
static void forge(struct journey *j, uint32_t i)
{
	uint32_t receiver = i % 8 ? i : RECEIVER;

	memcpy(j->wire.bytes + j->udp + 12, &receiver, sizeof(receiver));
	memcpy(j->wire.bytes + j->udp + 16, &i, sizeof(i));
	set_outer(j, i % 64 << 2);
}

/* There is room for a number of notes and no more. A genuine message is unknown when its note has
 * gone, and the next one is right. */
static void forged_messages(void **state)
{
	struct journey genuine = journey(4), forged = journey(4);
	struct noted first = note_at(&genuine, 0);
	struct dscp_note note;
	uint32_t forgeries = effort_rounds(FORGED), end = 0x01000000 + forgeries, n;
	struct packet wire, out;

	(void)state;
	for (uint32_t i = 0x01000000; i < end; i++) {
		forge(&forged, i);
		wire = on_wire(&forged, 0);
		assert_true(run_outer(&wire, 1, 0, &out));
		if (i % 16384)
			continue;
		assert_true(count_notes() <= DSCP_NOTE_CACHE + DSCP_NOTES);
		noted_and_marked(&genuine, 0);
		first = note_at(&genuine, 0);
	}
	n = count_notes();
	assert_true(n >= (forgeries < DSCP_NOTE_CACHE ? forgeries : DSCP_NOTE_CACHE));
	assert_true(n <= DSCP_NOTE_CACHE + DSCP_NOTES);
	if (find_note(&first.key, &note))
		expect_arrival(&genuine, &first, MARKED, EF);
	else
		expect_arrival(&genuine, NULL, UNKNOWN, 0);
	noted_and_marked(&genuine, 0);
}

/* The network may deliver a packet twice, and change ECN on one of them. */
static void duplicates(void **state)
{
	struct journey j = journey(4);
	struct noted noted;

	(void)state;
	note_at(&j, 0);
	noted = note_at(&j, 1);
	set_outer(&j, EF << 2 | CE);
	noted = note_at(&j, 0);
	assert_int_equal(noted.note.flags, DSCP_NOTE_PADDED);
	expect_arrival(&j, &noted, MARKED, EF);
}

/* The bytes in front of the packet are not as they were noted. */
static void not_its_note(void **state)
{
	struct journey j, other;
	struct noted noted;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int at = 0; at < 4; at++) {
			j = other = journey(family);
			other.wire.bytes[other.udp + at] ^= 1;
			noted = note_at(&j, 0);
			expect_arrival(&other, &noted, UNKNOWN, 0);
		}
		/* The checksum may change on the way, with GRO. */
		j = other = journey(family);
		other.wire.bytes[other.udp + 6] ^= 1;
		noted = note_at(&j, 0);
		expect_arrival(&other, &noted, MARKED, EF);
		/* The IP header carries another DSCP; ECN is not ours. */
		other = j;
		set_outer(&other, AF41 << 2 | 1);
		noted = note_at(&j, 0);
		expect_arrival(&other, &noted, UNKNOWN, 0);
		set_outer(&other, EF << 2 | CE);
		noted = note_at(&j, 0);
		expect_arrival(&other, &noted, MARKED, EF);
		/* Bytes that cannot be read contradict nothing. */
		memset(other.wire.bytes, 0xff, other.udp);
		noted = note_at(&j, 0);
		expect_arrival(&other, &noted, MARKED, EF);
	}
}

static void other_numbers(void **state)
{
	struct journey j, other;
	struct noted noted;

	(void)state;
	for (unsigned int at = 12; at < 24; at++) {
		j = other = journey(4);
		other.wire.bytes[other.udp + at] ^= 1;
		noted = note_at(&j, 0);
		expect_arrival(&other, &noted, UNKNOWN, 0);
		/* The note is still there for its own. */
		expect_arrival(&j, NULL, UNKNOWN, 0);
	}
}

static void lengths(void **state)
{
	struct journey j;
	struct noted noted;
	struct delivered d;
	int padding;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = journey(family);
		padding = -j.inner.len & 15;
		for (int more = -20 - padding; more <= 40; more++) {
			bool fits = padding + more >= 0 && padding + more <= 15;
			struct journey longer = j;
			uint16_t length = get16(j.wire.bytes + j.udp + 4) + more;

			set16(longer.wire.bytes + j.udp + 4, length);
			noted = note_at(&longer, 0);
			d = deliver(&longer);
			if (fits)
				expect(&d, &noted, MARKED, EF);
			else
				expect_unknown(&d, &noted, DSCP_OTHER_LENGTH);
			if (raw())
				continue;
			noted = note_at(&longer, 0);
			d.segments = 3;
			expect(&d, &noted, MARKED, EF);
		}
	}
}

/* The device decides on the policy. */
static void note_of_other_tunnel(void **state)
{
	struct journey j = journey(4);
	struct noted noted;

	(void)state;
	set16(j.wire.bytes + j.udp + 2, OTHER_WG_PORT);
	set_policy(WG, EF, CS1);
	set_policy(OTHER_WG, EF, AF41);
	noted = note_at(&j, 0);
	expect_arrival(&j, &noted, MARKED, CS1);
	set_tunnel(WG, 0);
	noted = note_at(&j, 0);
	expect_arrival(&j, &noted, UNTOUCHED, 0);
}

static void plain_ports(void **state)
{
	struct journey j = journey(6);
	struct packet wire;

	(void)state;
	set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
	noted_and_marked(&j, 2);
	set16(j.wire.bytes + j.udp + 2, VXLAN_PORT);
	noted_and_marked(&j, 0);
	j.wire.bytes[j.udp + 8] = 3;
	wire = on_wire(&j, 0);
	expect_skipped(&wire, 0);
}

static void no_tunnel(void **state)
{
	static struct journey journeys[N_WAYS_IN];
	unsigned int n = make_journeys(journeys);

	(void)state;
	for (unsigned int i = 0; i < n; i++)
		not_noted(&journeys[i]);
}

#define XDP                                                                                        \
	ALL_WAYS, ALL(notes), ALL(ip4_options), ALL(ip6_extensions), ALL(ip6_long_options),        \
		ALL(fragments), ALL(others), ALL(other_messages), ALL(conflicts), ALL(duplicates), \
		ALL(not_its_note), ALL(other_numbers), ALL(lengths), ALL(note_of_other_tunnel),    \
		PLAIN(plain_ports), NO_TUNNEL(no_tunnel)

int main(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	const struct CMUnitTest frames[] = { XDP, ALL_WAYS_FRAMES };
	const struct CMUnitTest packets[] = { XDP, ALL_WAYS_PACKETS };
	const struct CMUnitTest flood[] = { ALL(forged_messages) };
	int failed;

	if (ingress_refused(method))
		return cmocka_run_group_tests_name("ingress_xdp", none, NULL, NULL);
	failed = run_group("frames", GROUP(frames), load, unload);
	failed += run_group("flood", GROUP(flood), load, unload);
	buckets_busy = true;
	failed += run_group("frames, buckets busy", GROUP(frames), load, unload);
	buckets_busy = false;
	if (cannot_run_reason())
		return failed + cmocka_run_group_tests_name("devices", none, NULL, NULL);
	return failed + run_group("L3 packets", GROUP(packets), load_behind_tun, close_tun);
}
