/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The outer headers that lie in memory in front of a packet that WireGuard has decrypted. It keeps
 * them there because it needs them afterwards, for the peer's endpoint (decrypt_packet()).
 */
#ifndef DSCP_BPF_FRONT_H
#define DSCP_BPF_FRONT_H

#include "bpf_ingress.h"

/* An IPv4 header is the last 20 bytes of ip6. */
struct front {
	struct ip6_header ip6;
	struct udp_header udp;
	struct wireguard_message message;
};

#define FRONT_UDP (sizeof(struct udp_header) + sizeof(struct wireguard_message))
#define FRONT_IP4 (offsetof(struct front, ip6) + 20)

/* RFC 1071: the sum over a whole header is 0xffff. */
static __always_inline bool ip4_sum_fits(const __be16 *word, unsigned int words)
{
	__u32 sum = 0;

	UNROLL
	for (unsigned int i = 0; i < words; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static __always_inline bool ip4_fits(const struct ip4_header *ip, __u32 ihl, __u32 udp_length)
{
	return ip->version_ihl == (0x40 | ihl) && ip->protocol == IP_PROTO_UDP &&
	       bpf_ntohs(ip->length) == udp_length + ihl * 4 && ip4_is_whole(ip) &&
	       ip4_sum_fits((const void *)ip, ihl * 2);
}

static __always_inline bool ip6_fits(const struct ip6_header *ip, __u32 udp_length)
{
	return is_ip6(ip) && ip->next == IP_PROTO_UDP && bpf_ntohs(ip->payload) == udp_length;
}

/* Is the message one of the length that this packet was sent in? Sets the reason if not. */
static __always_inline bool message_fits(struct __sk_buff *skb, const struct front *front,
					 __u32 *unknown)
{
	*unknown = UNKNOWN | DSCP_OTHER_HEADER;
	if (!wireguard_carries(&front->udp, front->message.type))
		return false;
	*unknown = UNKNOWN | DSCP_OTHER_LENGTH;
	return length_fits(skb, wireguard_inner(bpf_ntohs(front->udp.length)), WIREGUARD_PADDING);
}

/* Returns the DSCP of the header in front of the UDP header, without options; UNKNOWN and the
 * reason if there is none, or if the bytes read well as either version. */
static __always_inline __u32 plain_dscp(const struct front *front)
{
	const struct ip4_header *ip4 = (const void *)&front->ip6 + FRONT_IP4;
	__u32 udp_length = bpf_ntohs(front->udp.length);
	bool v4 = ip4_fits(ip4, 5, udp_length), v6 = ip6_fits(&front->ip6, udp_length);

	if (v4 == v6)
		return UNKNOWN | (v4 ? DSCP_AMBIGUOUS : DSCP_OTHER_HEADER);
	return v4 ? ip4_dscp(ip4) : ip6_dscp(&front->ip6);
}

#endif
