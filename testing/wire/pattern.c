/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Builds the packets of one kind of traffic. */
#include "pattern.h"

#include <errno.h>
#include <string.h>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <util/macros.h>

#include "wire.h"

#define DEFAULT_TTL 64
#define ND_TTL 255 /* RFC 4861: receivers check it */
#define ESP_SPI 0x1000
#define WG_RECEIVER 0x11223344

static const char *const proto_names[] = { "udp", "tcp", "icmp", "esp", "frag", "arp", "nd" };

int pattern_proto(const char *name, enum pattern_proto *proto)
{
	unsigned int i;

	for (i = 0; name && i < ARRAY_SIZE(proto_names); i++) {
		if (strcmp(name, proto_names[i]))
			continue;
		*proto = (enum pattern_proto)i;
		return 0;
	}
	complain("--proto is one of udp, tcp, icmp, esp, frag, arp, nd");
	return -EINVAL;
}

int pattern_check(const struct pattern *pat)
{
	const char *wrong = NULL;

	if (pat->src.family == AF_UNSPEC || pat->src.family != pat->dst.family)
		wrong = "--src and --dst must be given, both IPv4 or both IPv6";
	else if (pat->proto == PROTO_ARP && (!pat->ethernet || pat->src.family != AF_INET))
		wrong = "arp needs an Ethernet device and IPv4 addresses";
	else if (pat->proto == PROTO_ND && pat->src.family != AF_INET6)
		wrong = "nd needs IPv6 addresses";
	else if (pat->n_vlans && !pat->ethernet)
		wrong = "--vlan needs an Ethernet device";
	else if (pat->ethernet && !pat->eth_dst.set && pat->proto != PROTO_ARP)
		wrong = "--eth-dst must be given for an Ethernet device";
	else if ((pat->wireguard || pat->payload) && pat->proto != PROTO_UDP)
		wrong = "--wireguard and --payload are for --proto udp";
	else if (pat->wireguard && pat->payload)
		wrong = "--wireguard and --payload exclude each other";
	if (!wrong)
		return 0;
	complain("%s", wrong);
	return -EINVAL;
}

uint16_t pattern_ethertype(const struct pattern *pat)
{
	if (pat->proto == PROTO_ARP)
		return ETHERTYPE_ARP;
	return pat->src.family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
}

void pattern_link_header(const struct pattern *pat, struct packet *p, uint16_t ethertype)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	unsigned int i;

	if (!pat->ethernet)
		return;
	for (i = pat->n_vlans; i; i--) {
		packet_push_vlan(p, pat->vlans[i - 1], ethertype);
		/* 802.1ad for the outer of two tags. */
		ethertype = i == 1 && pat->n_vlans == 2 ? 0x88a8 : ETHERTYPE_VLAN;
	}
	packet_push_eth(p, pat->eth_dst.set ? pat->eth_dst.bytes : broadcast, pat->eth_src.bytes,
			ethertype);
}

static void fill_ip(const struct pattern *pat, unsigned int i, struct ip_spec *ip)
{
	memset(ip, 0, sizeof(*ip));
	ip->src = pat->src;
	ip->dst = pat->dst;
	ip->ds = (uint8_t)(cycle_value(pat->dscp, i, 64) << 2 | cycle_value(pat->ecn, i, 4));
	ip->ttl = (uint8_t)(pat->proto == PROTO_ND ? ND_TTL : pat->ttl ? pat->ttl : DEFAULT_TTL);
	ip->id = i + 1;
	if (pat->src.family == AF_INET)
		ip->options_len = pat->options_len;
}

static size_t wanted_length(const struct pattern *pat, unsigned int i)
{
	return rule_length(cycle_value(pat->rule == RULE_AS_DSCP ? pat->dscp : pat->rule, i, 64));
}

static void build_wireguard(const struct pattern *pat, unsigned int i, struct packet *p)
{
	/* Whole message lengths: initiation 148, response 92, cookie 64. */
	static const size_t lengths[] = { 0, 148, 92, 64, 0, WG_KEEPALIVE_LEN };
	size_t len = lengths[pat->wireguard];
	uint8_t type = pat->wireguard == WG_KEEPALIVE ? WG_DATA : (uint8_t)pat->wireguard;

	if (!len)
		len = WG_HEADER_LEN + wanted_length(pat, i) + WG_TAG_LEN;
	packet_append_pattern(p, len - WG_HEADER_LEN, i);
	packet_push_wireguard(p, type, WG_RECEIVER, i);
}

static uint8_t build_l4(const struct pattern *pat, unsigned int i, const struct ip_spec *ip,
			size_t header_len, struct packet *p)
{
	bool v6 = pat->src.family == AF_INET6;
	size_t room = wanted_length(pat, i) - ip_header_len(ip);

	if (pat->wireguard)
		build_wireguard(pat, i, p);
	else if (pat->payload)
		packet_append(p, pat->payload, pat->payload_len);
	else
		packet_append_pattern(p, room - header_len, i);
	switch (pat->proto) {
	case PROTO_TCP:
		packet_push_tcp(p, ip, (uint16_t)pat->sport, (uint16_t)pat->dport, i, TH_ACK);
		return IPPROTO_TCP;
	case PROTO_ICMP:
		packet_push_icmp(p, ip, v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
				 pat->sport << 16 | (i & 0xffff));
		return v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case PROTO_ESP:
		packet_push_esp(p, ESP_SPI, i + 1);
		return IPPROTO_ESP;
	default:
		packet_push_udp(p, ip, (uint16_t)pat->sport, (uint16_t)pat->dport);
		return IPPROTO_UDP;
	}
}

/* One UDP datagram in two fragments, each with a length that follows the rule once padded:
 * the first must carry a multiple of 8. */
static unsigned int build_fragments(const struct pattern *pat, unsigned int i,
				    struct packet out[PATTERN_PACKETS])
{
	size_t first, second, header_len;
	struct packet whole;
	struct ip_spec ip;

	fill_ip(pat, i, &ip);
	ip.fragment = true;
	header_len = ip_header_len(&ip);
	second = wanted_length(pat, i) - header_len;
	first = second / 8 * 8;
	packet_init(&whole);
	packet_append_pattern(&whole, first + second - 8, i);
	packet_push_udp(&whole, &ip, (uint16_t)pat->sport, (uint16_t)pat->dport);
	ip.more = true;
	packet_slice(&out[0], &whole, 0, first);
	packet_push_ip(&out[0], &ip, IPPROTO_UDP);
	ip.more = false;
	ip.frag_offset = (unsigned int)first;
	packet_slice(&out[1], &whole, first, second);
	packet_push_ip(&out[1], &ip, IPPROTO_UDP);
	return 2;
}

static void build_arp(const struct pattern *pat, struct packet *p)
{
	static const uint8_t request[8] = { 0, 1, 8, 0, 6, 4, 0, 1 }, unknown[6];

	packet_append(p, request, sizeof(request));
	packet_append(p, pat->eth_src.bytes, 6);
	packet_append(p, pat->src.bytes, 4);
	packet_append(p, unknown, sizeof(unknown));
	packet_append(p, pat->dst.bytes, 4);
}

/* A neighbour solicitation, with the sender's link-layer address on Ethernet. */
static void build_nd(const struct pattern *pat, unsigned int i, struct packet *p)
{
	static const uint8_t option[2] = { 1, 1 };
	struct ip_spec ip;

	fill_ip(pat, i, &ip);
	packet_append(p, pat->dst.bytes, 16);
	if (pat->ethernet) {
		packet_append(p, option, sizeof(option));
		packet_append(p, pat->eth_src.bytes, 6);
	}
	packet_push_icmp(p, &ip, ND_NEIGHBOR_SOLICIT, 0);
	packet_push_ip(p, &ip, IPPROTO_ICMPV6);
}

static void build_plain(const struct pattern *pat, unsigned int i, struct packet *p)
{
	struct ip_spec ip;
	uint8_t proto;

	fill_ip(pat, i, &ip);
	proto = build_l4(pat, i, &ip, pat->proto == PROTO_TCP ? 20 : 8, p);
	packet_push_ip(p, &ip, proto);
}

/* Multiplied by an odd number (golden ratio) no two are alike. */
static struct pattern own_flow(const struct pattern *pat, unsigned int i)
{
	const uint32_t ports = (i + 1) * 2654435761u;
	struct pattern own = *pat;

	own.flows = false;
	own.sport = ports >> 16;
	own.dport = ports & 0xffff;
	return own;
}

unsigned int pattern_build(const struct pattern *pat, unsigned int i,
			   struct packet out[PATTERN_PACKETS])
{
	struct pattern own;
	unsigned int n = 1, k;

	if (pat->flows) {
		own = own_flow(pat, i);
		pat = &own;
	}
	packet_init(&out[0]);
	switch (pat->proto) {
	case PROTO_FRAG:
		n = build_fragments(pat, i, out);
		break;
	case PROTO_ARP:
		build_arp(pat, &out[0]);
		break;
	case PROTO_ND:
		build_nd(pat, i, &out[0]);
		break;
	default:
		build_plain(pat, i, &out[0]);
		break;
	}
	for (k = 0; k < n; k++)
		pattern_link_header(pat, &out[k], pattern_ethertype(pat));
	return n;
}
