/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Headers as the BPF programs read them, and where the network header is.
 *
 * No bit fields and no <linux/ip.h>: clang -target bpfeb with the build machine's asm headers
 * would pick the wrong half of a byte and say nothing.
 */
#ifndef DSCP_BPF_PACKET_H
#define DSCP_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include "bpf_compiler.h"

#include <dscp/abi.h>

#define IP_PROTO_HOPOPTS 0
#define IP_PROTO_ICMP 1
#define IP_PROTO_IPIP 4
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define IP_PROTO_IPV6 41
#define IP_PROTO_FRAGMENT 44
#define IP_PROTO_GRE 47
#define IP_PROTO_ICMP6 58
#define IP_PROTO_DSTOPTS 60

#define IP4_OFFSET_MASK 0x1fff /* fragment offset, in units of 8 bytes */
#define IP4_MORE 0x2000
#define IP6_OFFSET_MASK 0xfff8
#define IP6_MORE 0x0001
#define IP6_DS_MASK 0x0ff0 /* of version_ds */

#define GRE_CHECKSUM 0x80000000u /* RFC 2784, RFC 2890; in the first word, in host byte order */
#define GRE_ROUTING 0x40000000u /* RFC 1701: of any length */
#define GRE_KEY 0x20000000u
#define GRE_SEQUENCE 0x10000000u
#define GRE_VERSION 0x00070000u

#define MAX_VLAN_TAGS 2 /* in the frame: 802.1Q, or 802.1ad and 802.1Q */
/* Mask, for the verifier: find_ip() returns at most 14 + 2 * 4, and nothing odd. */
#define MAX_IP_OFFSET 0x1e

#define INNER_HEADERS                                                                              \
	(ETH_HLEN + MAX_VLAN_TAGS * sizeof(struct vlan_tag) + sizeof(struct ip6_header))
/* Longest outer IPv4 header or IPv6 with three short extension headers, UDP, tunnel header. */
#define OUTER_HEADERS 128

#define WIREGUARD_DATA bpf_htonl(0x04000000) /* type 4, three reserved bytes */
#define WIREGUARD_KEEPALIVE 32 /* UDP payload: header 16, tag 16, nothing inside */

#define OVPN_DATA 9 /* DATA_V2, the only one that the kernel sends (ovpn_udp_encap_recv()) */
#define OVPN_LAST 11 /* opcode of OpenVPN 2.7: P_CONTROL_WKC_V1 */
#define OVPN_HEADER 24 /* opcode and peer 4, packet number 4, tag 16 */
#define OVPN_KEEPALIVE (OVPN_HEADER + 16) /* UDP payload */

#define UNKNOWN DSCP_UNKNOWN

/*
 * A field longer than two bytes is declared to be at any even address. Without Ethernet in front
 * the verifier takes an IP header to be at 4 n + 2 (NET_IP_ALIGN), and where processors do not load
 * from such an address (MIPS) it refuses the program.
 */
#define PACKET_ALIGNED __attribute__((packed, aligned(2)))
typedef __be32 packet_be32 __attribute__((aligned(2)));

struct ip4_header {
	__u8 version_ihl;
	__u8 ds;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__sum16 check;
	__u8 source[4];
	__u8 dest[4];
};

struct ip6_header {
	__be16 version_ds; /* version 4 bits, traffic class (the DS field) 8, flow label 4 */
	__be16 flow;
	__be16 payload;
	__u8 next;
	__u8 hops;
	__u8 source[16];
	__u8 dest[16];
};

struct ip6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	packet_be32 id;
};

struct udp_header {
	__be16 source;
	__be16 dest;
	__be16 length;
	__sum16 check;
};

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

/* The empty asm keeps clang from copying these 32-bit context fields in 32-bit registers, after
 * which the verifier no longer sees pointers. */
static __always_inline void *packet_start(const struct __sk_buff *skb)
{
	void *start = (void *)(unsigned long)skb->data;

	asm volatile("" : "+r"(start));
	return start;
}

static __always_inline void *packet_end(const struct __sk_buff *skb)
{
	void *end = (void *)(unsigned long)skb->data_end;

	asm volatile("" : "+r"(end));
	return end;
}

/* Points to the packet, in the linear part. */
static __always_inline __u32 linear_bytes(const struct __sk_buff *skb)
{
	unsigned long bytes = (unsigned long)skb->data_end - (unsigned long)skb->data;

	GCC_KEEP(bytes);
	return bytes;
}

/* The same number, of which the verifier does not know more than of noise: it need not go through
 * all that follows again for each of the values that the number may have. */
static __always_inline __u32 some_number(__u32 number, __u32 noise)
{
	number ^= noise;
	asm volatile("" : "+r"(number));
	return number ^ noise;
}

static __always_inline int is_vlan(__u32 type)
{
	if (type == bpf_htons(ETH_P_8021Q))
		return 1;
	asm volatile(""); /* a branch costs less than joining the conditions */
	return type == bpf_htons(ETH_P_8021AD);
}

#define NO_TYPE 0x10000u

/* The ethertype of the IP header that begins with the byte, or NO_TYPE. */
static __always_inline __u32 type_by_byte(__u8 first)
{
	if (first >> 4 == 4)
		return bpf_htons(ETH_P_IP);
	return first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : NO_TYPE;
}

/*
 * Headers are in the linear part of nearly every packet: the IP stack and the tunnels put them
 * there. A packet that a bridge hands on from a driver that uses pages may have a shorter linear
 * part.
 */
static __always_inline bool headers_in_pages(const struct __sk_buff *skb, __u32 bytes)
{
	__u32 linear = linear_bytes(skb);

	return linear < bytes && linear < skb->len;
}

static __always_inline void pull_headers(struct __sk_buff *skb, __u32 bytes)
{
	if (__builtin_expect(headers_in_pages(skb, bytes), 0))
		bpf_skb_pull_data(skb, skb->len < bytes ? skb->len : bytes);
}

/*
 * Is there a link-layer header in front of the network header? For the rare packet that reads
 * well both ways: an L2 frame to a MAC address that begins with 4 or 6, or an L3 packet from
 * 8.0.0.0/16. The kernel knows skb->network_header, but shows it only as the base of a load: the
 * last 14 bytes of the linear data are reachable from it if it is less than 14 into the data.
 */
static __always_inline int has_link_header(struct __sk_buff *skb)
{
	__u32 linear = linear_bytes(skb);
	__u8 byte;

	return bpf_skb_load_bytes_relative(skb, linear - ETH_HLEN, &byte, 1, BPF_HDR_START_NET);
}

/*
 * Where the IP header is, from skb->data: 0 on an L3 device, behind Ethernet and up to two VLAN
 * tags on an L2 one. *type becomes its ethertype; if there is no room for any, 0, and the result is
 * negative.
 */
static __always_inline int find_ip(struct __sk_buff *skb, __be16 *type)
{
	void *data = packet_start(skb), *end = packet_end(skb);
	struct ethhdr *eth = data;
	__u32 protocol = skb->protocol, frame_type = 0;
	struct vlan_tag *tag;
	int offset = ETH_HLEN;

	*type = 0;
	if (RARELY(data + ETH_HLEN > end)) {
		if (data + 1 > end)
			return -1;
	} else {
		frame_type = AT_ONCE(eth->h_proto);
	}
	if (type_by_byte(*(__u8 *)data) == protocol &&
	    ((frame_type != protocol && !is_vlan(frame_type)) || !has_link_header(skb))) {
		*type = protocol;
		return 0;
	}
	if ((void *)(eth + 1) > end)
		return -1;
	UNROLL
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		tag = data + offset;
		if (!is_vlan(frame_type) || (void *)(tag + 1) > end)
			break;
		frame_type = tag->type;
		offset += sizeof(*tag);
	}
	*type = frame_type;
	return offset;
}

/* The same offset, for a look at the header: the verifier would go through all that follows once
 * for each offset that find_ip() can return. */
static __always_inline __u32 some_offset(struct __sk_buff *skb, int offset)
{
	return some_number(offset, skb->len) & MAX_IP_OFFSET;
}

/* The first word of a WireGuard message: type 1 to 4, three reserved bytes. */
static __always_inline bool is_wireguard(__be32 word)
{
	__u32 type = bpf_ntohl(word);

	return !(type & 0x00ffffff) && type - 0x01000000 <= 0x03000000;
}

/* Tells whether a WireGuard message carries a packet: a keepalive is a data message with nothing
 * inside. */
static __always_inline bool wireguard_carries(const struct udp_header *udp, __be32 type)
{
	return type == WIREGUARD_DATA &&
	       bpf_ntohs(udp->length) > sizeof(*udp) + WIREGUARD_KEEPALIVE;
}

/* The opcode of OpenVPN: five bits in front of the three of the key's number. */
static __always_inline __u32 ovpn_opcode(__be32 word)
{
	return bpf_ntohl(word) >> 27;
}

/* Tells whether a data message of OpenVPN carries a packet: the kernel's keepalive has 16 bytes
 * inside, fewer than any IP header (ovpn_keepalive_message). */
static __always_inline bool ovpn_carries(const struct udp_header *udp)
{
	return bpf_ntohs(udp->length) > sizeof(*udp) + OVPN_KEEPALIVE;
}

/* Length of the options behind geneve's fixed header, by the first word of that: version (2 bits),
 * length of the options in words (6), flags (8), ethertype (16). */
static __always_inline __u32 geneve_options(__u32 word)
{
	return (word >> 24 & 0x3f) * 4;
}

/* Length of a GRE header by its first word (RFC 2890): four bytes, and four more each for checksum,
 * key and sequence number. */
static __always_inline __u32 gre_bytes(__u32 word)
{
	return 4 * (1 + (word >> 31) + (word >> 29 & 1) + (word >> 28 & 1));
}

/* By the first two bytes of an IP header, in host byte order: the version and the DSCP. */
static __always_inline __u32 ip_version(__u32 word)
{
	return word >> 12;
}

static __always_inline __u32 ip4_word_dscp(__u32 word)
{
	return (word >> 2) & (DSCP_VALUES - 1);
}

static __always_inline __u32 ip6_word_dscp(__u32 word)
{
	return (word >> 6) & (DSCP_VALUES - 1);
}

static __always_inline bool is_ip4(const struct ip4_header *ip)
{
	return ip->version_ihl >> 4 == 4;
}

/* Length of the header, with its options. */
static __always_inline __u32 ip4_length(const struct ip4_header *ip)
{
	return (ip->version_ihl & 0xf) * 4;
}

/* UDP gets whole packets: reassembly makes a header without offset (ip_frag_reasm()). */
static __always_inline bool ip4_is_whole(const struct ip4_header *ip)
{
	return !(ip->fragment & bpf_htons(IP4_OFFSET_MASK | IP4_MORE));
}

static __always_inline __u32 ip4_dscp(const struct ip4_header *ip)
{
	return ip->ds >> 2;
}

static __always_inline bool is_ip6(const struct ip6_header *ip)
{
	return ip_version(bpf_ntohs(ip->version_ds)) == 6;
}

static __always_inline __u32 ip6_ds(const struct ip6_header *ip)
{
	return (bpf_ntohs(ip->version_ds) >> 4) & 0xff;
}

static __always_inline __u32 ip6_dscp(const struct ip6_header *ip)
{
	return ip6_word_dscp(bpf_ntohs(ip->version_ds));
}

/* Returns the DS field with another DSCP. ECN is the tunnel's, which may just have set CE (RFC
 * 6040). */
static __always_inline __u32 ds_with_dscp(__u32 ds, __u32 dscp)
{
	return (dscp << 2 | (ds & DSCP_ECN_MASK)) & 0xff;
}

/* RFC 1624 equation 3, for the one 16-bit word that holds the DS field. */
static __always_inline void ip4_set_ds(struct ip4_header *ip, __u32 ds)
{
	__u32 sum = (__u16)~bpf_ntohs(ip->check) + (__u16) ~(__u16)ip->ds + ds;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = bpf_htons((__u16)~sum);
	ip->ds = ds;
}

/* The first two bytes of the header, with another DS field. */
static __always_inline __be16 ip6_word_with_ds(const struct ip6_header *ip, __u32 ds)
{
	return (ip->version_ds & bpf_htons(0xffff ^ IP6_DS_MASK)) | bpf_htons(ds << 4);
}

static __always_inline void ip6_set_ds(struct ip6_header *ip, __u32 ds)
{
	ip->version_ds = ip6_word_with_ds(ip, ds);
}

/* As on the wire: the segments of a GSO packet leave one by one. */
static __always_inline __u32 wire_packets(struct __sk_buff *skb)
{
	__u32 segments = skb->gso_segs;

	return segments ? segments : 1;
}

static __always_inline bool is_unknown(__u32 dscp)
{
	return dscp & UNKNOWN;
}

/* Returns the reason in an unknown DSCP, as an index. */
static __always_inline __u64 reason_index(__u64 unknown)
{
	asm volatile("" : "+r"(unknown));
	return unknown & (DSCP_REASONS - 1);
}

/* The DSCP of a DS field, as an index: the empty asm hides from clang that the mask is not needed,
 * and Linux 6.1's verifier wants to see it. */
static __always_inline __u64 dscp_index(__u64 ds)
{
	asm volatile("" : "+r"(ds));
	return (ds >> 2) & (DSCP_VALUES - 1);
}

#endif
