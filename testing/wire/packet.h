/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Packets as bytes: built from the inside out (payload first, then each header in front of it)
 * and parsed again. Shares no code with the tool on purpose, since it judges the tool.
 */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADROOM 512
#define PACKET_MAX (PACKET_HEADROOM + 9216)

/*
 * The length rule: an inner packet of DSCP d has an IP total length of 96 + 16 d, so that the
 * length of an encrypted packet tells the inner DSCP. 96 has room for IPv6, TCP and a payload;
 * WireGuard pads to a multiple of 16.
 */
#define RULE_BASE 96
#define RULE_STEP 16

/* Set on the wire by Linux for WireGuard: 8 UDP, 16 header, 16 authentication tag. */
#define WG_HEADER_LEN 16
#define WG_TAG_LEN 16
#define WG_KEEPALIVE_LEN (WG_HEADER_LEN + WG_TAG_LEN)

#define OVPN_HEADER_LEN 24 /* opcode and peer, packet number, tag */
#define OVPN_PING_LEN 16 /* inside of a keepalive */
#define OVPN_DATA 9 /* opcode */
enum wg_type { WG_INITIATION = 1, WG_RESPONSE, WG_COOKIE, WG_DATA };

enum tunnel {
	TUNNEL_WIREGUARD,
	TUNNEL_VXLAN,
	TUNNEL_GENEVE,
	TUNNEL_GRE,
	TUNNEL_IPIP,
	TUNNEL_OVPN,
	TUNNEL_NONE, /* plain packets, which have come out of a tunnel */
};

struct address {
	int family; /* AF_INET, AF_INET6, or AF_UNSPEC when not given */
	uint8_t bytes[16];
};

struct packet {
	size_t start; /* first byte in use */
	size_t end; /* one past the last */
	uint8_t bytes[PACKET_MAX];
};

struct ip_spec {
	struct address src, dst;
	uint8_t ds; /* DSCP and ECN */
	uint8_t ttl;
	uint32_t id; /* IPv4 uses the low 16 bits, IPv6 only in fragments */
	bool fragment;
	bool more; /* more fragments follow */
	unsigned int frag_offset; /* bytes, a multiple of 8 */
	size_t options_len; /* IPv4: bytes of NOP options, a multiple of 4, at most 40 */
};

/* The fields of the headers of a captured packet; offsets count from the first captured byte. */
struct parsed {
	int family; /* AF_UNSPEC: not IP, only ethertype and vlans are set */
	uint16_t ethertype; /* after VLAN tags */
	unsigned int vlans;
	size_t l3;
	size_t ip_len; /* header and payload, as the IP header states */
	uint8_t ds;
	uint8_t ttl;
	uint8_t proto; /* after IPv6 extension headers */
	bool ip_checksum_bad;
	struct address src, dst;
	bool fragment;
	bool more;
	unsigned int frag_offset;
	uint32_t frag_id;
	size_t l4;
	size_t l4_len;
	bool ports; /* sport and dport are set: UDP or TCP, not a following fragment */
	uint16_t sport, dport;
	size_t payload; /* UDP only */
	size_t payload_len; /* as the UDP header states */
};

static inline size_t rule_length(unsigned int dscp)
{
	return RULE_BASE + (size_t)RULE_STEP * dscp;
}

/* The DSCP that an inner IP length tells, after padding to 16; -1 if none. */
int rule_dscp(size_t ip_len);

/* A marker is a packet behind all others: its length tells no DSCP, its number is no packet's. */
#define MARKER_LENGTH (RULE_BASE + RULE_STEP * 64)
#define MARKER_NUMBER 0xffffffff

/* Tells whether this is the length of a marker, after padding to 16. */
bool rule_marker(size_t ip_len);

bool address_equal(const struct address *a, const struct address *b);
size_t ip_header_len(const struct ip_spec *ip);

void packet_init(struct packet *p);
static inline size_t packet_len(const struct packet *p)
{
	return p->end - p->start;
}
static inline uint8_t *packet_data(struct packet *p)
{
	return p->bytes + p->start;
}
void packet_append(struct packet *p, const void *data, size_t len);
/* len bytes that differ with seed, so that no two packets are the same by accident. */
void packet_append_pattern(struct packet *p, size_t len, uint32_t seed);

void packet_push_udp(struct packet *p, const struct ip_spec *ip, uint16_t sport, uint16_t dport);
void packet_push_tcp(struct packet *p, const struct ip_spec *ip, uint16_t sport, uint16_t dport,
		     uint32_t seq, uint8_t flags);
/* ICMP or ICMPv6, by the family; rest is the second word of the header. */
void packet_push_icmp(struct packet *p, const struct ip_spec *ip, uint8_t type, uint32_t rest);
void packet_push_esp(struct packet *p, uint32_t spi, uint32_t seq);
void packet_push_wireguard(struct packet *p, uint8_t type, uint32_t receiver, uint64_t counter);
void packet_push_vxlan(struct packet *p, uint32_t vni);
void packet_push_geneve(struct packet *p, uint32_t vni);
void packet_push_gre(struct packet *p, uint16_t ethertype);
/* An IPv6 hop-by-hop (0) or destination options (60) header of 8 bytes with padding only. */
void packet_push_ext(struct packet *p, uint8_t next);
void packet_push_ip(struct packet *p, const struct ip_spec *ip, uint8_t proto);
void packet_push_vlan(struct packet *p, uint16_t id, uint16_t ethertype);
void packet_push_eth(struct packet *p, const uint8_t dst[6], const uint8_t src[6],
		     uint16_t ethertype);
/* Turns a whole layer 4 datagram into the bytes [offset, offset + len) of it. */
void packet_slice(struct packet *p, const struct packet *whole, size_t offset, size_t len);

uint16_t packet_checksum(uint32_t sum, const uint8_t *data, size_t len);
/* 0, or -EINVAL when headers are malformed or not captured. ethernet: starts with a MAC header. */
int packet_parse(const uint8_t *data, size_t len, bool ethernet, struct parsed *out);
/* The packet inside a tunnel that does not encrypt; offsets count from data, too. */
int packet_parse_inner(const uint8_t *data, size_t len, const struct parsed *outer,
		       enum tunnel tunnel, struct parsed *inner);
/* Reads the number of a packet that pattern_build() or datagram_send() made: the first word of its
 * payload. A fragment has its datagram's number, doubled, and one more unless it is the first.
 * False if the packet is too short. */
bool packet_number(const uint8_t *data, size_t len, const struct parsed *p, uint32_t *number);
/* Whether the UDP, TCP or ICMP checksum is wrong; false if it cannot be known (fragments, not
 * everything captured, other protocols, no UDP checksum over IPv4). */
bool packet_l4_checksum_bad(const uint8_t *data, size_t len, const struct parsed *p);

#endif
