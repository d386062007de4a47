/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Changes the DS field as a network may do, at TC egress:
 *
 *   bleach_l3, bleach_l2  DSCP 0, on a device without and with Ethernet headers; at the end of
 *                         WireGuard's filters the DSCP is then in the outer header only
 *   bleach_inside         the same for tunnels in clear text, at the end of the uplink's filters:
 *                         DSCP 0 behind the outer header of VXLAN, geneve, GRE, IPIP
 *   ef_l3                 DSCP EF, on a device without Ethernet headers
 *   congest_l2            ECN 3 (CE)
 *
 * By helpers only, so that clones and GSO packets are the kernel's concern.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include "bpf_compiler.h"

#define IP4_CHECK 10 /* where the header checksum is */

/* Finds the DS field in the first 16 bits of an IP header, which have the version, too. */
struct change {
	__u16 and4, or4, and6, or6;
};

#define BLEACH ((struct change){ 0xff03, 0, 0xf03f, 0 })
#define EF ((struct change){ 0xff03, 0x00b8, 0xf03f, 0x0b80 })
#define CONGEST ((struct change){ 0xffff, 0x0003, 0xffff, 0x0030 })

static __always_inline void change_word(struct __sk_buff *skb, int l3, struct change change)
{
	__be16 old, new;

	if (bpf_skb_load_bytes(skb, l3, &old, sizeof(old)))
		return;
	if (bpf_ntohs(old) >> 12 == 4)
		new = (old & bpf_htons(change.and4)) | bpf_htons(change.or4);
	else if (bpf_ntohs(old) >> 12 == 6)
		new = (old & bpf_htons(change.and6)) | bpf_htons(change.or6);
	else
		return;
	if (bpf_ntohs(old) >> 12 == 4)
		bpf_l3_csum_replace(skb, l3 + IP4_CHECK, old, new, sizeof(new));
	bpf_skb_store_bytes(skb, l3, &new, sizeof(new), 0);
}

/* Behind the Ethernet header that is there and up to two tags; negative if it is not IP. */
static __always_inline int find_l3_behind(struct __sk_buff *skb, int ethernet)
{
	int offset = ethernet + offsetof(struct ethhdr, h_proto);
	__be16 type = 0;

	for (int i = 0; i < 3; i++) {
		if (bpf_skb_load_bytes(skb, offset, &type, sizeof(type)))
			return -1;
		offset += sizeof(type);
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		offset += sizeof(__be16); /* its tag; the next type follows */
	}
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6) ? offset : -1;
}

static __always_inline int find_l3(struct __sk_buff *skb)
{
	return find_l3_behind(skb, 0);
}

/* Finds the packet inside a header in clear text: type is an ethertype. */
static __always_inline int find_typed(struct __sk_buff *skb, int offset, __be16 type)
{
	if (type == bpf_htons(ETH_P_TEB))
		return find_l3_behind(skb, offset);
	return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6) ? offset : -1;
}

#define GENEVE_PORT 6081

static __always_inline int find_in_udp(struct __sk_buff *skb, int udp)
{
	__be16 dest, word[2];

	if (bpf_skb_load_bytes(skb, udp + 2, &dest, sizeof(dest)) ||
	    bpf_skb_load_bytes(skb, udp + 8, word, sizeof(word)))
		return -1;
	if (dest == bpf_htons(GENEVE_PORT))
		return find_typed(skb, udp + 16 + (bpf_ntohs(word[0]) >> 8 & 0x3f) * 4, word[1]);
	return word[0] == bpf_htons(0x0800) && !word[1] ? find_l3_behind(skb, udp + 16) : -1;
}

static __always_inline int find_in_gre(struct __sk_buff *skb, int gre)
{
	__be16 word[2];
	int offset = gre + 4;

	if (bpf_skb_load_bytes(skb, gre, word, sizeof(word)))
		return -1;
	offset += word[0] & bpf_htons(0x8000) ? 4 : 0; /* checksum */
	offset += word[0] & bpf_htons(0x2000) ? 4 : 0; /* key */
	offset += word[0] & bpf_htons(0x1000) ? 4 : 0; /* sequence number */
	return find_typed(skb, offset, word[1]);
}

/* The IP header of the inner packet, given the outer one; negative if there is none. */
static __always_inline int find_inside(struct __sk_buff *skb, int l3)
{
	__u8 first, protocol, option[2];
	int offset = l3 + 40;

	if (bpf_skb_load_bytes(skb, l3, &first, 1) ||
	    bpf_skb_load_bytes(skb, l3 + (first >> 4 == 4 ? 9 : 6), &protocol, 1))
		return -1;
	if (first >> 4 == 4)
		offset = l3 + (first & 0xf) * 4;
	if (protocol == 60) { /* the encapsulation limit of ip6tnl and ip6gre */
		if (bpf_skb_load_bytes(skb, offset, option, sizeof(option)))
			return -1;
		protocol = option[0];
		offset += (option[1] + 1) * 8;
	}
	if (protocol == 17)
		return find_in_udp(skb, offset);
	if (protocol == 47)
		return find_in_gre(skb, offset);
	return protocol == 4 || protocol == 41 ? offset : -1;
}

/* No checksum outside may notice: the inner IPv4 header's checksum makes up for the change, and
 * with IPv6 the low half of the flow label does. */
static __always_inline void bleach_hidden(struct __sk_buff *skb, int l3)
{
	__be16 word[2];
	__u32 label;

	if (bpf_skb_load_bytes(skb, l3, word, sizeof(word)))
		return;
	if (bpf_ntohs(word[0]) >> 12 != 6) {
		change_word(skb, l3, BLEACH);
		return;
	}
	label = bpf_ntohs(word[1]) + (bpf_ntohs(word[0]) & ~0xf03f);
	word[0] &= bpf_htons(0xf03f);
	word[1] = bpf_htons((label & 0xffff) + (label >> 16));
	bpf_skb_store_bytes(skb, l3, word, sizeof(word), 0);
}

SEC("tc/bleach_l3")
int bleach_l3(struct __sk_buff *skb)
{
	change_word(skb, 0, BLEACH);
	return TC_ACT_UNSPEC;
}

SEC("tc/bleach_l2")
int bleach_l2(struct __sk_buff *skb)
{
	int l3 = find_l3(skb);

	if (l3 > 0)
		change_word(skb, l3, BLEACH);
	return TC_ACT_UNSPEC;
}

SEC("tc/bleach_inside")
int bleach_inside(struct __sk_buff *skb)
{
	int l3 = find_l3(skb);

	if (l3 > 0)
		l3 = find_inside(skb, l3);
	if (l3 > 0)
		bleach_hidden(skb, l3);
	return TC_ACT_UNSPEC;
}

SEC("tc/ef_l3")
int ef_l3(struct __sk_buff *skb)
{
	change_word(skb, 0, EF);
	return TC_ACT_UNSPEC;
}

SEC("tc/congest_l2")
int congest_l2(struct __sk_buff *skb)
{
	int l3 = find_l3(skb);

	if (l3 > 0)
		change_word(skb, l3, CONGEST);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
