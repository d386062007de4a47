/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * What a network may do to the DS field, at TC egress:
 *
 *   bleach_l3, bleach_l2  DSCP 0, on a device without and with Ethernet headers; at the end of a
 *                         tunnel's filters the mark is then in the outer header only
 *   congest_l2            ECN 3 (CE)
 *
 * By helpers only, so that clones and GSO packets are the kernel's concern.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <dscp/bpf_compiler.h>

#define IP4_CHECK 10 /* where the header checksum is */

/* Of the first 16 bits of an IP header: version, and somewhere in it the DS field. */
struct change {
	__u16 and4, or4, and6, or6;
};

#define BLEACH ((struct change){ 0xff03, 0, 0xf03f, 0 })
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

/* Behind Ethernet and up to two tags; negative if it is not IP. */
static __always_inline int find_l3(struct __sk_buff *skb)
{
	int offset = offsetof(struct ethhdr, h_proto);
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

SEC("tc/congest_l2")
int congest_l2(struct __sk_buff *skb)
{
	int l3 = find_l3(skb);

	if (l3 > 0)
		change_word(skb, l3, CONGEST);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
