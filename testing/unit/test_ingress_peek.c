/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The method "peek": a header in front of a packet is believed if it fits in every respect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <util/macros.h>

#include "ingress_cases.h"

enum dscp_method method = DSCP_METHOD_PEEK;

static struct journey marked_journey(int outer, int inner_family)
{
	struct packet inner = inner_packet(inner_family, 21);
	struct journey j = wireguard(outer, &inner);

	set_outer(&j, EF << 2 | CE);
	return j;
}

static void ip4_options(void **state)
{
	struct packet inner = inner_packet(4, 21);
	struct journey j;

	(void)state;
	for (unsigned int words = 5; words <= 15; words++) {
		j = wireguard_words(words, &inner);
		for (int dscp = 1; dscp < DSCP_VALUES; dscp++) {
			set_outer(&j, dscp << 2 | dscp % 4);
			expect_journey(&j, MARKED, dscp);
		}
		j.wire.bytes[11] ^= 1;
		expect_journey(&j, UNKNOWN, 0);
	}
}

/* One byte, with the checksum made right again. */
static void expect_wrong(const struct journey *right, size_t at, uint8_t value)
{
	struct journey j = *right;

	if (j.wire.bytes[at] == value)
		return;
	j.wire.bytes[at] = value;
	if (at < 20)
		update_sum(&j);
	expect_journey(&j, UNKNOWN, 0);
}

static void wrong_ip4(void **state)
{
	static const struct {
		uint8_t at, value;
	} bytes[] = {
		{ 0, 0x55 },	    { 0, 0x65 },
		{ 0, 0x05 },	    { 0, 0x44 },
		{ 0, 0x46 },	    { 0, 0x40 },
		{ 2, 0x01 },	    { 3, 0 },
		{ 3, 0xff },	    { 6, 0x20 },
		{ 6, 0x01 },	    { 7, 0x01 },
		{ 9, IPPROTO_TCP }, { 9, IPPROTO_UDPLITE },
		{ 9, 0 },
	};
	struct journey j = marked_journey(4, 4);

	(void)state;
	expect_journey(&j, MARKED, EF);
	for (unsigned int i = 0; i < ARRAY_SIZE(bytes); i++)
		expect_wrong(&j, bytes[i].at, bytes[i].value);
	/* "Do not fragment" is no fragment. */
	j.wire.bytes[6] = 0x40;
	update_sum(&j);
	expect_journey(&j, MARKED, EF);
}

static void wrong_ip6(void **state)
{
	struct journey j = marked_journey(6, 4);

	(void)state;
	expect_journey(&j, MARKED, EF);
	expect_wrong(&j, 0, 0x40 | (j.wire.bytes[0] & 0xf));
	expect_wrong(&j, 0, 0x70);
	expect_wrong(&j, 4, 1);
	expect_wrong(&j, 5, j.wire.bytes[5] + 1);
	expect_wrong(&j, 6, IPPROTO_TCP);
	expect_wrong(&j, 6, IPPROTO_FRAGMENT);
}

static void wrong_checksum(void **state)
{
	struct journey right = marked_journey(4, 6), j;

	(void)state;
	for (unsigned int i = 1; i < 0x10000; i += 257) {
		j = right;
		set16(j.wire.bytes + 10, get16(j.wire.bytes + 10) + i);
		expect_journey(&j, UNKNOWN, 0);
	}
	/* Each byte of the header is in the sum. */
	for (size_t at = 0; at < 20; at++) {
		j = right;
		j.wire.bytes[at] ^= 0x04;
		expect_journey(&j, UNKNOWN, 0);
	}
}

static void wrong_message(void **state)
{
	static const uint8_t types[] = { 0, 1, 2, 3, 5, 0x14, 0xff };
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = marked_journey(family, family);
		for (unsigned int i = 0; i < sizeof(types); i++)
			expect_wrong(&j, j.udp + 8, types[i]);
		for (unsigned int i = 1; i < 4; i++)
			expect_wrong(&j, j.udp + 8 + i, 1);
		/* These can be anything. */
		memset(j.wire.bytes + j.udp, 0xff, 2);
		memset(j.wire.bytes + j.udp + 6, 0xff, 2);
		memset(j.wire.bytes + j.udp + 12, 0xff, 12);
		expect_journey(&j, MARKED, EF);
	}
}

static void ports(void **state)
{
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = marked_journey(family, 4);
		set16(j.wire.bytes + j.udp + 2, OTHER_WG_PORT);
		expect_journey(&j, UNKNOWN, 0);
		set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
		expect_journey(&j, UNKNOWN, 0);
		set16(j.wire.bytes + j.udp + 2, VXLAN_PORT);
		expect_journey(&j, UNKNOWN, 0);
		/* A second one of this tunnel. */
		set_port(STRANGE_PORT, WG, DSCP_KIND_WIREGUARD);
		set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
		expect_journey(&j, MARKED, EF);
		/* No WireGuard there. */
		set_port(STRANGE_PORT, WG, DSCP_KIND_VXLAN);
		expect_journey(&j, UNKNOWN, 0);
		set_port(STRANGE_PORT, 0, DSCP_KIND_NONE);
	}
}

/* UDP and IP say that the message is so much longer. */
static struct delivered lengthened(const struct journey *right, int more)
{
	struct journey j = *right;
	uint8_t *ip = j.wire.bytes;

	set16(ip + j.udp + 4, get16(ip + j.udp + 4) + more);
	if (j.wire.ip6)
		set16(ip + 4, get16(ip + 4) + more);
	else
		set16(ip + 2, get16(ip + 2) + more);
	update_sum(&j);
	return deliver(&j);
}

static void lengths(void **state)
{
	struct journey j;
	struct delivered d;
	int padding;

	(void)state;
	for (int i = 0; i < 8; i++) {
		j = marked_journey(i % 2 ? 6 : 4, i / 2 % 2 ? 6 : 4);
		padding = -j.inner.len & 15;
		/* From no padding to the most there can be. */
		for (int more = -20 - padding; more <= 40; more++) {
			bool fits = padding + more >= 0 && padding + more <= 15;

			d = lengthened(&j, more);
			if (fits)
				expect(&d, NULL, MARKED, EF);
			else
				expect_unknown(&d, NULL, DSCP_OTHER_LENGTH);
			d.segments = !raw();
			expect(&d, NULL, fits ? MARKED : UNKNOWN, EF);
			d.segments = raw() ? 0 : 2 + i * 30;
			expect(&d, NULL, fits || d.segments ? MARKED : UNKNOWN, EF);
		}
		/* A keepalive, or less, is not of any packet. */
		for (int length = 0; length <= 40; length++) {
			int now = get16(j.wire.bytes + j.udp + 4);

			d = lengthened(&j, length - now);
			d.segments = raw() ? 0 : 5;
			expect_unknown(&d, NULL, DSCP_OTHER_HEADER);
		}
	}
}

/* Makes the memory that ends there read as an IPv4 header of that length. */
static void put_reading(uint8_t *end, size_t length, uint16_t udp_length, uint8_t dscp)
{
	uint8_t *ip = end - length;

	ip[0] = 0x40 | length / 4;
	ip[1] = dscp << 2;
	ip[9] = IPPROTO_UDP;
	set16(ip + 2, length + udp_length);
	set16(ip + 10, 0);
	set16(ip + 10, ~header_sum(ip, length));
}

/* A header that reads well as IPv4 and as IPv6 is worth nothing. */
static void both_versions(void **state)
{
	struct packet inner = inner_packet(4, 21);
	struct journey j = wireguard(6, &inner);
	uint8_t *ip4 = j.wire.bytes + 20;
	struct delivered d;

	(void)state;
	set_outer(&j, EF << 2);
	expect_journey(&j, MARKED, EF);
	memset(ip4, 0, 20);
	put_reading(ip4 + 20, 20, get16(j.wire.bytes + 4), CS1);
	d = deliver(&j);
	expect_unknown(&d, NULL, DSCP_AMBIGUOUS);
	/* Even if both say the same. */
	put_reading(ip4 + 20, 20, get16(j.wire.bytes + 4), EF);
	d = deliver(&j);
	expect(&d, NULL, UNKNOWN, 0);
	/* As IPv4 alone. */
	j.wire.bytes[6] = IPPROTO_TCP;
	d = deliver(&j);
	expect(&d, NULL, MARKED, EF);
}

/* As both, and as IPv4 with options. */
static void three_readings(void **state)
{
	struct packet inner = inner_packet(4, 21);
	struct journey j = wireguard(6, &inner);
	uint16_t length = get16(j.wire.bytes + 4);
	struct delivered d;
	uint8_t *udp;

	(void)state;
	memset(j.wire.bytes + 20, 0, 20);
	d = deliver(&j);
	udp = d.front + d.front_len - 24;
	put_reading(udp, 20, length, CS1);
	expect(&d, NULL, UNKNOWN, 0);
	memset(udp - 60, 0, 20);
	put_reading(udp, 60, length, AF41);
	expect(&d, NULL, UNKNOWN, 0);
}

/* The options of a header look like a header with fewer options. */
static void two_lengths(void **state)
{
	struct packet inner = inner_packet(6, 21);
	struct journey j = wireguard_words(14, &inner);
	uint8_t *inside = j.wire.bytes + 56 - 28;
	struct delivered d;

	(void)state;
	memset(inside, 0, 28);
	put_reading(inside + 28, 28, get16(j.wire.bytes + j.udp + 4), AF41);
	set_outer(&j, EF << 2);
	expect_journey(&j, UNKNOWN, 0);
	inside[0] = 0x48;
	set_outer(&j, EF << 2);
	d = deliver(&j);
	expect(&d, NULL, MARKED, EF);
}

/* The sender has made the end of the options look like a header without any, of another DSCP: so
 * would a network be deceived that rewrites only the real one. */
static void header_in_options(void **state)
{
	struct packet inner = inner_packet(6, 21);

	(void)state;
	for (unsigned int words = 10; words <= 15; words++) {
		struct journey j = wireguard_words(words, &inner);
		uint8_t *end = j.wire.bytes + j.udp;

		memset(end - 20, 0, 20);
		put_reading(end, 20, get16(end + 4), AF41);
		set_outer(&j, EF << 2);
		expect_journey(&j, UNKNOWN, 0);
	}
}

/* The bytes in front of the header do not matter. */
static void garbage_in_front(void **state)
{
	struct journey j;
	struct delivered d;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = marked_journey(family, 4);
		for (unsigned int value = 0; value < 256; value++) {
			d = deliver(&j);
			memset(d.front, value, GARBAGE);
			expect(&d, NULL, MARKED, EF);
		}
		/* Another packet's header. */
		d = deliver(&j);
		memcpy(d.front + GARBAGE - 40, j.wire.bytes, 40);
		expect(&d, NULL, MARKED, EF);
	}
}

/* The former content of the buffer looks like the header of a fragment, which UDP never gets. */
static void fragment_in_front(void **state)
{
	static const uint16_t fragments[] = { 1, 0x1fff, 0x2000, 0x4100 };
	struct journey j = marked_journey(4, 4);
	struct delivered d;
	uint8_t *ip;

	(void)state;
	for (size_t words = 10; words <= 15; words++) {
		for (size_t i = 0; i < ARRAY_SIZE(fragments); i++) {
			d = deliver(&j);
			ip = d.front + GARBAGE + j.udp - words * 4;
			ip[0] = 0x40 | words;
			ip[9] = IPPROTO_UDP;
			set16(ip + 2, 0xffff);
			set16(ip + 6, fragments[i]);
			expect(&d, NULL, MARKED, EF);
			set16(ip + 6, 0x4000);
			expect(&d, NULL, UNKNOWN, 0);
		}
	}
}

/* Its own link header: the first bytes of 46:11 stand where the first ones of six words would. */
static void link_header_in_front(void **state)
{
	struct journey j = marked_journey(4, 4);
	struct delivered d;

	(void)state;
	set16(j.wire.bytes + 4, 17); /* identification */
	set_outer(&j, EF << 2);
	d = deliver(&j);
	memcpy(d.front + GARBAGE - 4, "\x46\x11\x08\x00", 4);
	expect(&d, NULL, MARKED, EF);
}

static void nothing_in_front(void **state)
{
	struct journey j = marked_journey(6, 4);
	struct delivered d = deliver(&j);
	size_t whole = d.front_len;

	(void)state;
	expect(&d, NULL, MARKED, EF);
	for (d.front_len = 0; d.front_len < whole; d.front_len++) {
		memset(d.front, 0, d.front_len);
		expect(&d, NULL, UNKNOWN, 0);
	}
}

static void segments(void **state)
{
	struct journey j = marked_journey(4, 4);
	struct delivered d = deliver(&j);

	(void)state;
	for (d.segments = 0; d.segments < 50; d.segments++)
		expect(&d, NULL, MARKED, EF);
	assert_int_equal(expected[WG].marked, 1 + 49 * 50 / 2);
	d.packet.len = 3000; /* GRO has merged it */
	expect(&d, NULL, MARKED, EF);
}

#define PEEK                                                                                       \
	ALL_WAYS, ALL(ip4_options), ALL(wrong_ip4), ALL(wrong_ip6), ALL(wrong_checksum),           \
		ALL(wrong_message), ALL(ports), ALL(lengths), ALL(both_versions),                  \
		ALL(three_readings), ALL(two_lengths), ALL(header_in_options),                     \
		ALL(garbage_in_front), ALL(fragment_in_front), ALL(link_header_in_front)

int main(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	const struct CMUnitTest frames[] = { PEEK, ALL_WAYS_FRAMES, ALL(nothing_in_front),
					     ALL(segments) };
	const struct CMUnitTest packets[] = { PEEK, ALL_WAYS_PACKETS };
	int failed;

	if (ingress_refused(method))
		return cmocka_run_group_tests_name("ingress_peek", none, NULL, NULL);
	failed = run_group("frames", GROUP(frames), load, unload);
	if (cannot_run_reason())
		return failed + cmocka_run_group_tests_name("devices", none, NULL, NULL);
	return failed + run_group("L3 packets", GROUP(packets), load_behind_tun, close_tun);
}
