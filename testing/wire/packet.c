/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Builds packets from their parts, and takes them apart again. */
#include "packet.h"

#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#define IP4_LEN 20
#define IP6_LEN 40
#define EXT_LEN 8
#define UDP_LEN 8
#define TCP_LEN 20
#define ICMP_LEN 8
#define ETH_LEN 14
#define VLAN_LEN 4
#define MAX_VLANS 4
#define MAX_EXTENSIONS 8
#define IP4_MORE 0x2000
#define IP4_OFFSET 0x1fff

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

int rule_dscp(size_t ip_len)
{
	size_t padded = (ip_len + RULE_STEP - 1) / RULE_STEP * RULE_STEP;

	if (padded < RULE_BASE || padded > rule_length(63))
		return -1;
	return (int)((padded - RULE_BASE) / RULE_STEP);
}

bool rule_marker(size_t ip_len)
{
	return (ip_len + RULE_STEP - 1) / RULE_STEP * RULE_STEP == MARKER_LENGTH;
}

static size_t address_len(const struct address *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, address_len(a)) == 0;
}

size_t ip_header_len(const struct ip_spec *ip)
{
	if (ip->src.family == AF_INET6)
		return IP6_LEN + (ip->fragment ? EXT_LEN : 0);
	return IP4_LEN + ip->options_len;
}

static uint32_t sum_bytes(uint32_t sum, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	if (len & 1)
		sum += (uint32_t)data[len - 1] << 8;
	return sum;
}

uint16_t packet_checksum(uint32_t sum, const uint8_t *data, size_t len)
{
	sum = sum_bytes(sum, data, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static uint32_t pseudo_sum(const struct address *src, const struct address *dst, uint8_t proto,
			   size_t len)
{
	uint32_t sum = sum_bytes(proto, src->bytes, address_len(src));

	sum = sum_bytes(sum, dst->bytes, address_len(dst));
	return sum + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
}

void packet_init(struct packet *p)
{
	p->start = PACKET_HEADROOM;
	p->end = PACKET_HEADROOM;
}

static uint8_t *push(struct packet *p, size_t len)
{
	p->start -= len;
	memset(p->bytes + p->start, 0, len);
	return p->bytes + p->start;
}

void packet_append(struct packet *p, const void *data, size_t len)
{
	if (len > PACKET_MAX - p->end)
		len = PACKET_MAX - p->end;
	memcpy(p->bytes + p->end, data, len);
	p->end += len;
}

void packet_append_pattern(struct packet *p, size_t len, uint32_t seed)
{
	uint8_t word[4];
	size_t part;

	/* Any odd multiplier keeps the first word distinct for distinct seeds. */
	for (; len; len -= part) {
		put32(word, seed);
		part = len < sizeof(word) ? len : sizeof(word);
		packet_append(p, word, part);
		seed = seed * 2654435761u + 1;
	}
}

void packet_slice(struct packet *p, const struct packet *whole, size_t offset, size_t len)
{
	packet_init(p);
	packet_append(p, whole->bytes + whole->start + offset, len);
}

void packet_push_udp(struct packet *p, const struct ip_spec *ip, uint16_t sport, uint16_t dport)
{
	uint8_t *h = push(p, UDP_LEN);
	uint16_t sum;

	put16(h, sport);
	put16(h + 2, dport);
	put16(h + 4, (uint16_t)packet_len(p));
	sum = packet_checksum(pseudo_sum(&ip->src, &ip->dst, IPPROTO_UDP, packet_len(p)), h,
			      packet_len(p));
	/* 0 would say "no checksum" (RFC 768). */
	put16(h + 6, sum ? sum : 0xffff);
}

void packet_push_tcp(struct packet *p, const struct ip_spec *ip, uint16_t sport, uint16_t dport,
		     uint32_t seq, uint8_t flags)
{
	uint8_t *h = push(p, TCP_LEN);

	put16(h, sport);
	put16(h + 2, dport);
	put32(h + 4, seq);
	h[12] = TCP_LEN / 4 << 4;
	h[13] = flags;
	put16(h + 14, 0xffff);
	put16(h + 16, packet_checksum(pseudo_sum(&ip->src, &ip->dst, IPPROTO_TCP, packet_len(p)), h,
				      packet_len(p)));
}

void packet_push_icmp(struct packet *p, const struct ip_spec *ip, uint8_t type, uint32_t rest)
{
	uint8_t *h = push(p, ICMP_LEN);
	uint32_t sum = 0;

	h[0] = type;
	put32(h + 4, rest);
	if (ip->src.family == AF_INET6)
		sum = pseudo_sum(&ip->src, &ip->dst, IPPROTO_ICMPV6, packet_len(p));
	put16(h + 2, packet_checksum(sum, h, packet_len(p)));
}

void packet_push_esp(struct packet *p, uint32_t spi, uint32_t seq)
{
	uint8_t *h = push(p, 8);

	put32(h, spi);
	put32(h + 4, seq);
}

void packet_push_wireguard(struct packet *p, uint8_t type, uint32_t receiver, uint64_t counter)
{
	uint8_t *h = push(p, WG_HEADER_LEN);
	int i;

	/* Little endian, unlike the rest. */
	h[0] = type;
	for (i = 0; i < 4; i++)
		h[4 + i] = receiver >> (8 * i) & 0xff;
	for (i = 0; i < 8; i++)
		h[8 + i] = counter >> (8 * i) & 0xff;
}

void packet_push_vxlan(struct packet *p, uint32_t vni)
{
	uint8_t *h = push(p, 8);

	h[0] = 0x08; /* the VNI is valid */
	put32(h + 4, vni << 8);
}

void packet_push_geneve(struct packet *p, uint32_t vni)
{
	uint8_t *h = push(p, 8);

	put16(h + 2, 0x6558); /* Ethernet inside */
	put32(h + 4, vni << 8);
}

void packet_push_gre(struct packet *p, uint16_t ethertype)
{
	put16(push(p, 4) + 2, ethertype);
}

void packet_push_ext(struct packet *p, uint8_t next)
{
	uint8_t *h = push(p, EXT_LEN);

	h[0] = next;
	h[2] = 1; /* PadN */
	h[3] = 4;
}

static void push_ip4(struct packet *p, const struct ip_spec *ip, uint8_t proto)
{
	size_t header_len = ip_header_len(ip);
	uint8_t *h = push(p, header_len);

	h[0] = (uint8_t)(0x40 | header_len / 4);
	h[1] = ip->ds;
	put16(h + 2, (uint16_t)packet_len(p));
	put16(h + 4, ip->id & 0xffff);
	if (ip->fragment)
		put16(h + 6, (uint16_t)((ip->more ? IP4_MORE : 0) | ip->frag_offset / 8));
	h[8] = ip->ttl;
	h[9] = proto;
	memcpy(h + 12, ip->src.bytes, 4);
	memcpy(h + 16, ip->dst.bytes, 4);
	memset(h + IP4_LEN, 1, ip->options_len); /* NOP */
	put16(h + 10, packet_checksum(0, h, header_len));
}

static void push_ip6(struct packet *p, const struct ip_spec *ip, uint8_t proto)
{
	uint8_t *h;

	if (ip->fragment) {
		h = push(p, EXT_LEN);
		h[0] = proto;
		put16(h + 2, (uint16_t)(ip->frag_offset | (ip->more ? 1 : 0)));
		put32(h + 4, ip->id);
		proto = IPPROTO_FRAGMENT;
	}
	h = push(p, IP6_LEN);
	h[0] = 0x60 | ip->ds >> 4;
	h[1] = (uint8_t)(ip->ds << 4);
	put16(h + 4, (uint16_t)(packet_len(p) - IP6_LEN));
	h[6] = proto;
	h[7] = ip->ttl;
	memcpy(h + 8, ip->src.bytes, 16);
	memcpy(h + 24, ip->dst.bytes, 16);
}

void packet_push_ip(struct packet *p, const struct ip_spec *ip, uint8_t proto)
{
	if (ip->src.family == AF_INET6)
		push_ip6(p, ip, proto);
	else
		push_ip4(p, ip, proto);
}

void packet_push_vlan(struct packet *p, uint16_t id, uint16_t ethertype)
{
	uint8_t *h = push(p, VLAN_LEN);

	put16(h, id);
	put16(h + 2, ethertype);
}

void packet_push_eth(struct packet *p, const uint8_t dst[6], const uint8_t src[6],
		     uint16_t ethertype)
{
	uint8_t *h = push(p, ETH_LEN);

	memcpy(h, dst, 6);
	memcpy(h + 6, src, 6);
	put16(h + 12, ethertype);
}

static int parse_ports(const uint8_t *data, size_t len, struct parsed *out)
{
	size_t need = out->proto == IPPROTO_UDP ? UDP_LEN : TCP_LEN;

	if (out->proto != IPPROTO_UDP && out->proto != IPPROTO_TCP)
		return 0;
	if (out->fragment && out->frag_offset)
		return 0;
	if (out->l4 + need > len || out->l4_len < need)
		return -EINVAL;
	out->ports = true;
	out->sport = get16(data + out->l4);
	out->dport = get16(data + out->l4 + 2);
	if (out->proto != IPPROTO_UDP)
		return 0;
	if (get16(data + out->l4 + 4) < UDP_LEN)
		return -EINVAL;
	out->payload = out->l4 + UDP_LEN;
	out->payload_len = get16(data + out->l4 + 4) - UDP_LEN;
	return 0;
}

static int parse_ip4(const uint8_t *data, size_t len, struct parsed *out)
{
	const uint8_t *h = data + out->l3;
	size_t header_len;

	if (out->l3 + IP4_LEN > len)
		return -EINVAL;
	header_len = (size_t)(h[0] & 0xf) * 4;
	out->ip_len = get16(h + 2);
	if (header_len < IP4_LEN || out->l3 + header_len > len || out->ip_len < header_len)
		return -EINVAL;
	out->family = AF_INET;
	out->ds = h[1];
	out->ttl = h[8];
	out->proto = h[9];
	out->ip_checksum_bad = packet_checksum(0, h, header_len) != 0;
	out->src.family = out->dst.family = AF_INET;
	memcpy(out->src.bytes, h + 12, 4);
	memcpy(out->dst.bytes, h + 16, 4);
	out->more = get16(h + 6) & IP4_MORE;
	out->frag_offset = (get16(h + 6) & IP4_OFFSET) * 8u;
	out->fragment = out->more || out->frag_offset;
	out->frag_id = get16(h + 4);
	out->l4 = out->l3 + header_len;
	out->l4_len = out->ip_len - header_len;
	return 0;
}

static void parse_frag6(const uint8_t *h, struct parsed *out)
{
	out->more = h[3] & 1;
	out->frag_offset = get16(h + 2) & 0xfff8;
	/* An "atomic fragment" (RFC 6946) is a whole packet. */
	out->fragment = out->more || out->frag_offset;
	out->frag_id = get32(h + 4);
}

/* Steps over one extension header: 1 if it was one, 0 if proto is the transport. */
static int parse_ext(const uint8_t *data, size_t len, struct parsed *out)
{
	const uint8_t *h = data + out->l4;
	size_t ext_len = EXT_LEN;

	switch (out->proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
		break;
	default:
		return 0;
	}
	if (out->fragment && out->frag_offset)
		return 0;
	if (out->l4 + EXT_LEN > len)
		return -EINVAL;
	if (out->proto == IPPROTO_FRAGMENT)
		parse_frag6(h, out);
	else
		ext_len += (size_t)h[1] * 8;
	if (ext_len > out->l4_len)
		return -EINVAL;
	out->proto = h[0];
	out->l4 += ext_len;
	out->l4_len -= ext_len;
	return 1;
}

static int parse_ip6(const uint8_t *data, size_t len, struct parsed *out)
{
	const uint8_t *h = data + out->l3;
	int i, err;

	if (out->l3 + IP6_LEN > len)
		return -EINVAL;
	out->family = AF_INET6;
	out->ds = (uint8_t)(h[0] << 4 | h[1] >> 4);
	out->ttl = h[7];
	out->proto = h[6];
	out->src.family = out->dst.family = AF_INET6;
	memcpy(out->src.bytes, h + 8, 16);
	memcpy(out->dst.bytes, h + 24, 16);
	out->l4_len = get16(h + 4);
	out->ip_len = IP6_LEN + out->l4_len;
	out->l4 = out->l3 + IP6_LEN;
	for (i = 0; i < MAX_EXTENSIONS; i++) {
		err = parse_ext(data, len, out);
		if (err <= 0)
			return err;
	}
	return -EINVAL;
}

static int parse_ip(const uint8_t *data, size_t len, size_t offset, struct parsed *out)
{
	int err = -EINVAL;

	out->l3 = offset;
	if (offset >= len)
		return -EINVAL;
	if (data[offset] >> 4 == 4)
		err = parse_ip4(data, len, out);
	else if (data[offset] >> 4 == 6)
		err = parse_ip6(data, len, out);
	return err ? err : parse_ports(data, len, out);
}

static int parse_eth(const uint8_t *data, size_t len, size_t offset, struct parsed *out)
{
	uint16_t type;

	if (offset + ETH_LEN > len)
		return -EINVAL;
	type = get16(data + offset + 12);
	offset += ETH_LEN;
	while (type == ETHERTYPE_VLAN || type == 0x88a8) {
		if (++out->vlans > MAX_VLANS || offset + VLAN_LEN > len)
			return -EINVAL;
		type = get16(data + offset + 2);
		offset += VLAN_LEN;
	}
	out->ethertype = type;
	if (type != ETHERTYPE_IP && type != ETHERTYPE_IPV6)
		return 0;
	if (offset >= len || data[offset] >> 4 != (type == ETHERTYPE_IP ? 4 : 6))
		return -EINVAL;
	return parse_ip(data, len, offset, out);
}

int packet_parse(const uint8_t *data, size_t len, bool ethernet, struct parsed *out)
{
	memset(out, 0, sizeof(*out));
	return ethernet ? parse_eth(data, len, 0, out) : parse_ip(data, len, 0, out);
}

static int parse_gre(const uint8_t *data, size_t len, size_t offset, struct parsed *inner)
{
	size_t header_len = 4;
	uint16_t flags, type;

	if (offset + header_len > len)
		return -EINVAL;
	flags = get16(data + offset);
	type = get16(data + offset + 2);
	/* Checksum, key and sequence number add a word each; other bits are not in use today. */
	header_len +=
		(flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0);
	if (type == 0x6558)
		return parse_eth(data, len, offset + header_len, inner);
	return parse_ip(data, len, offset + header_len, inner);
}

int packet_parse_inner(const uint8_t *data, size_t len, const struct parsed *outer,
		       enum tunnel tunnel, struct parsed *inner)
{
	memset(inner, 0, sizeof(*inner));
	switch (tunnel) {
	case TUNNEL_VXLAN:
		return parse_eth(data, len, outer->payload + 8, inner);
	case TUNNEL_GENEVE:
		if (outer->payload + 8 > len)
			return -EINVAL;
		return parse_eth(data, len, outer->payload + 8 + (data[outer->payload] & 0x3f) * 4u,
				 inner);
	case TUNNEL_GRE:
		return parse_gre(data, len, outer->l4, inner);
	case TUNNEL_IPIP:
		return parse_ip(data, len, outer->l4, inner);
	case TUNNEL_WIREGUARD:
	case TUNNEL_OVPN:
	case TUNNEL_NONE:
		break;
	}
	return -EINVAL;
}

bool packet_number(const uint8_t *data, size_t len, const struct parsed *p, uint32_t *number)
{
	const size_t payload = p->l4 + (p->proto == IPPROTO_TCP ? TCP_LEN : UDP_LEN);

	if (p->fragment) {
		*number = 2 * (p->frag_id - 1) + (p->frag_offset ? 1 : 0);
		return true;
	}
	if (payload + sizeof(*number) > len)
		return false;
	*number = get32(data + payload);
	return true;
}

bool packet_l4_checksum_bad(const uint8_t *data, size_t len, const struct parsed *p)
{
	uint32_t sum = 0;

	if (p->family == AF_UNSPEC || p->fragment || p->l4 + p->l4_len > len)
		return false;
	switch (p->proto) {
	case IPPROTO_UDP:
		if (get16(data + p->l4 + 6) == 0)
			return p->family == AF_INET6;
		/* fall through */
	case IPPROTO_TCP:
	case IPPROTO_ICMPV6:
		sum = pseudo_sum(&p->src, &p->dst, p->proto, p->l4_len);
		break;
	case IPPROTO_ICMP:
		break;
	default:
		return false;
	}
	return packet_checksum(sum, data + p->l4, p->l4_len) != 0;
}
