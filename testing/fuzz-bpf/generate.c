/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Makes random frames, most of them nearly right. */
#include "generate.h"

#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <util/macros.h>

#define HEADERS 120 /* bytes at the front of a packet that are worth a change */

const uint16_t fuzz_ports[N_FUZZ_PORTS] = { 51820, 51821, 51822, 1194, 4789, 8472, 6081, 40000 };
const uint32_t fuzz_ids[N_FUZZ_IDS] = { 0, 7, 42, 0xabcdef };

static uint16_t some_port(void)
{
	return fuzz_one_in(12) ? fuzz_random() : fuzz_ports[fuzz_below(N_FUZZ_PORTS)];
}

static uint32_t some_id(void)
{
	return fuzz_one_in(12) ? fuzz_random() : fuzz_ids[fuzz_below(N_FUZZ_IDS)];
}

void fuzz_address(uint8_t *to, bool ip6, unsigned int n)
{
	static const uint8_t prefix6[8] = { 0x20, 1, 0xd, 0xb8 }, prefix4[3] = { 192, 0, 2 };

	if (ip6) {
		memcpy(to, prefix6, sizeof(prefix6));
		memset(to + 8, 0, 7);
		to[15] = n + 1;
	} else {
		memcpy(to, prefix4, sizeof(prefix4));
		to[3] = n + 1;
	}
}

static void put_random(struct packet *p, size_t len)
{
	uint8_t *at = put(p, NULL, len);

	for (size_t i = 0; i < len; i++)
		at[i] = fuzz_random();
}

/*
 * Headers
 */

/* So that a tag, a fragment header or options may be there, but most often are not. */
static uint8_t put_extensions(struct packet *p, size_t next_at, uint8_t protocol)
{
	static const uint8_t kinds[] = { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS,
					 IPPROTO_ROUTING, IPPROTO_AH,	    IPPROTO_DSTOPTS };
	unsigned int n = fuzz_one_in(3) ? 1 + fuzz_below(4) : 0;
	uint8_t *header;

	while (n--) {
		uint8_t kind = kinds[fuzz_below(sizeof(kinds))];

		p->bytes[next_at] = kind;
		next_at = p->len;
		header = put(p, NULL, 8);
		if (kind == IPPROTO_FRAGMENT)
			set16(header + 2, fuzz_one_in(2) ? fuzz_below(2) : fuzz_random());
		else if (fuzz_one_in(3))
			put_random(p, 8 * (header[1] = fuzz_below(4)));
	}
	p->bytes[next_at] = protocol;
	return protocol;
}

static size_t open_ip(struct packet *p, bool ip6, uint8_t protocol)
{
	size_t at = p->len, source = at + (ip6 ? 8 : 12), len = ip6 ? 16 : 4;
	uint8_t ds = fuzz_random();

	if (ip6)
		put_ip6(p, protocol);
	else
		put_ip4(p, protocol, fuzz_one_in(4) ? 5 + fuzz_below(11) : 5);
	fuzz_address(p->bytes + source, ip6, fuzz_below(N_FUZZ_ADDRESSES));
	fuzz_address(p->bytes + source + len, ip6, fuzz_below(N_FUZZ_ADDRESSES));
	if (ip6) {
		p->bytes[at] = 0x60 | ds >> 4;
		p->bytes[at + 1] = ds << 4 | fuzz_below(16);
		put_extensions(p, at + 6, protocol);
	} else {
		p->bytes[at + 1] = ds;
		if (fuzz_one_in(8))
			set16(p->bytes + at + 6, fuzz_one_in(2) ? 0x2000 : fuzz_random());
	}
	return at;
}

static void close_ip(struct packet *p, size_t at, bool ip6)
{
	uint8_t *ip = p->bytes + at;

	if (ip6) {
		set16(ip + 4, p->len - at - 40);
		return;
	}
	set16(ip + 2, p->len - at);
	set16(ip + 10, fuzz_one_in(16) ? fuzz_random() : 0);
	if (!get16(ip + 10))
		set16(ip + 10, ~header_sum(ip, (ip[0] & 15) * 4));
}

static void put_inner(struct packet *p, const struct packet *inner, struct layout *l)
{
	l->inner = p->len;
	put(p, inner->bytes, inner->len);
}

/* Handshakes of their lengths, data, keepalives. */
static void put_wireguard(struct packet *p, const struct packet *inner, struct layout *l)
{
	static const uint8_t lengths[] = { 148, 92, 64, 32 };
	unsigned int type = fuzz_one_in(4) ? 1 + fuzz_below(4) : 4;

	set32(put(p, NULL, 4), type << 24);
	if (type != 4 || fuzz_one_in(16)) {
		put_random(p, lengths[type - 1] - 4);
		l->inner = p->len;
		return;
	}
	/* Few indices and counters, so that some are used more than once. */
	set32(put(p, NULL, 4), 0x11223344 + fuzz_below(4));
	set32(put(p, NULL, 4), fuzz_below(8) << 24);
	put(p, NULL, 4);
	put_inner(p, inner, l);
	put(p, NULL, -inner->len % 16);
	put_random(p, 16);
}

static void put_vni(struct packet *p, const struct packet *inner, struct layout *l)
{
	unsigned int words = fuzz_one_in(2) ? fuzz_below(64) : 0;

	set32(put(p, NULL, 4), fuzz_one_in(3) ? 0x08000000 : words << 24 | 0x6558);
	set32(put(p, NULL, 4), some_id() << 8);
	put_random(p, words * 4);
	put_inner(p, inner, l);
}

static void put_in_udp(struct packet *p, const struct packet *inner, struct layout *l)
{
	l->udp = p->len;
	put_udp(p, some_port(), some_port());
	if (fuzz_one_in(2))
		put_wireguard(p, inner, l);
	else if (!fuzz_one_in(4))
		put_vni(p, inner, l);
	else
		put_inner(p, inner, l);
	set16(p->bytes + l->udp + 4, p->len - l->udp);
}

static void put_in_gre(struct packet *p, const struct packet *inner, struct layout *l)
{
	uint8_t flags = fuzz_one_in(3) ? 0 : fuzz_random() & 0xb0, *gre = put(p, NULL, 4);

	gre[0] = flags;
	gre[1] = fuzz_one_in(8) ? fuzz_random() : 0;
	set16(gre + 2, ETH_P_TEB);
	if (flags & 0x80)
		put_random(p, 4);
	if (flags & 0x20)
		set32(put(p, NULL, 4), some_id());
	if (flags & 0x10)
		put_random(p, 4);
	put_inner(p, inner, l);
}

void generate_tunnel(struct packet *p, const struct packet *inner, struct layout *l)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_UDP,	IPPROTO_UDP,
					     IPPROTO_UDP, IPPROTO_UDP,	IPPROTO_GRE,
					     IPPROTO_GRE, IPPROTO_IPIP, IPPROTO_IPV6 };
	uint8_t protocol = protocols[fuzz_below(sizeof(protocols))];
	bool ip6 = fuzz_one_in(2);
	size_t at = open_ip(p, ip6, protocol);

	*l = (struct layout){ 0 };
	if (protocol == IPPROTO_UDP)
		put_in_udp(p, inner, l);
	else if (protocol == IPPROTO_GRE)
		put_in_gre(p, inner, l);
	else
		put_inner(p, inner, l);
	close_ip(p, at, ip6);
}

static void generate_plain(struct packet *p)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP,	  IPPROTO_ICMP,
					     IPPROTO_ESP, IPPROTO_ICMPV6, IPPROTO_GRE };
	uint8_t protocol =
		fuzz_one_in(8) ? fuzz_random() : protocols[fuzz_below(sizeof(protocols))];
	bool ip6 = fuzz_one_in(2);
	size_t at = open_ip(p, ip6, protocol), udp = p->len, len = fuzz_below(80);

	if (protocol == IPPROTO_UDP)
		put_udp(p, some_port(), some_port());
	put_random(p, len);
	if (protocol == IPPROTO_UDP)
		set16(p->bytes + udp + 4, 8 + len);
	close_ip(p, at, ip6);
}

void generate_ip(struct packet *p, unsigned int depth)
{
	size_t ip = p->len;
	struct layout layout;
	struct packet inner;

	if (!depth || fuzz_one_in(4)) {
		generate_plain(p);
	} else {
		put_none(&inner);
		if (fuzz_one_in(3))
			put_ethernet(&inner, fuzz_below(2));
		generate_ip(&inner, depth - 1);
		generate_tunnel(p, &inner, &layout);
	}
	p->ip = ip;
	p->ip6 = p->bytes[ip] >> 4 == 6;
}

void generate_frame(struct packet *p, unsigned int depth)
{
	put_ethernet(p, fuzz_one_in(3) ? 1 + fuzz_below(3) : 0);
	if (fuzz_one_in(3))
		p->bytes[0] = 0x40 + fuzz_below(0x30);
	generate_ip(p, depth);
}

/*
 * Changes
 */

static void put_interesting(uint8_t *at)
{
	static const uint16_t values[] = {
		ETH_P_IP,    ETH_P_IPV6,       ETH_P_8021Q,  ETH_P_8021AD,    0x4500, 0x4600,
		0x6000,	     0x6b80,	       0x2000,	     0x0400,	      0x1100, 0xffff,
		IPPROTO_UDP, IPPROTO_GRE,      IPPROTO_IPIP, IPPROTO_IPV6,    0,      0x4f00,
		IPPROTO_AH,  IPPROTO_FRAGMENT, IPPROTO_ICMP, IPPROTO_DSTOPTS,
	};
	unsigned int n = fuzz_below(ARRAY_SIZE(values) + N_FUZZ_PORTS);

	set16(at, n < N_FUZZ_PORTS ? fuzz_ports[n] : values[n - N_FUZZ_PORTS]);
}

static void damage_once(uint8_t *bytes, size_t len)
{
	size_t at = fuzz_below(len - 1);

	switch (fuzz_below(6)) {
	case 0:
	case 1:
		bytes[at] ^= 1u << fuzz_below(8);
		break;
	case 2:
		bytes[at] = fuzz_random();
		break;
	case 3:
		bytes[at] += fuzz_one_in(2) ? 1 : -1;
		break;
	case 4:
		put_interesting(bytes + at);
		break;
	default:
		put_interesting(bytes + (at & ~1u));
	}
}

void damage(uint8_t *bytes, size_t len, unsigned int most)
{
	if (len > HEADERS)
		len = HEADERS;
	for (uint32_t n = fuzz_below(most + 1); n && len > 1; n--)
		damage_once(bytes, len);
}

void resize(struct packet *p, size_t least)
{
	size_t front = p->len < HEADERS ? p->len : HEADERS, at = fuzz_below(front),
	       n = 1 + fuzz_below(8);

	switch (fuzz_below(4)) {
	case 0:
		if (p->len + n > sizeof(p->bytes))
			return;
		memmove(p->bytes + at + n, p->bytes + at, p->len - at);
		p->len += n;
		break;
	case 1:
		if (at + n > p->len || p->len - n < least)
			return;
		memmove(p->bytes + at, p->bytes + at + n, p->len - at - n);
		p->len -= n;
		break;
	default:
		/* Near the headers every length is wanted, not one in hundreds. */
		if (p->len > least)
			p->len = least +
				 fuzz_below(p->len < least + HEADERS ? p->len - least : HEADERS);
	}
}
