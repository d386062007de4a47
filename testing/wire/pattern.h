/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* One kind of traffic, packet by packet. */
#ifndef WIRE_PATTERN_H
#define WIRE_PATTERN_H

#include "options.h"
#include "packet.h"

enum pattern_proto { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_ESP, PROTO_FRAG, PROTO_ARP, PROTO_ND };

/* A WireGuard message of no payload, instead of one of the four types. */
#define WG_KEEPALIVE 5

#define PATTERN_PACKETS 2 /* frag makes two of one datagram */

struct pattern {
	enum pattern_proto proto;
	struct address src, dst;
	struct mac eth_src, eth_dst;
	bool ethernet;
	int dscp, ecn; /* or CYCLE */
	int rule; /* the DSCP that the length tells; CYCLE, or -2 for the same as dscp */
	unsigned int sport, dport, ttl;
	bool flows; /* each packet is a separate flow, by its ports */
	unsigned int wireguard; /* 0: none, 1-4 or WG_KEEPALIVE: UDP payload looks like it */
	const uint8_t *payload; /* UDP: this instead of one by the length rule */
	size_t payload_len;
	size_t options_len; /* IPv4 */
	unsigned int n_vlans;
	uint16_t vlans[2]; /* outer first */
};

#define RULE_AS_DSCP (-2)

int pattern_proto(const char *name, enum pattern_proto *proto);
/* Complains and returns -EINVAL about a pattern that cannot be built. */
int pattern_check(const struct pattern *pat);
/* Builds the i-th step into out; returns how many packets that is. */
unsigned int pattern_build(const struct pattern *pat, unsigned int i,
			   struct packet out[PATTERN_PACKETS]);
/* The Ethernet and VLAN headers in front of the packet in p. */
void pattern_link_header(const struct pattern *pat, struct packet *p, uint16_t ethertype);
uint16_t pattern_ethertype(const struct pattern *pat);

#endif
