/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The egress programs for their unit tests. BPF_PROG_TEST_RUN makes a new skb for every call and
 * does not show its hash, so these put one there first and report it afterwards.
 */
#include "../../dscp-tool/bpf/dscp_egress.bpf.c"

#include "egress_knobs.h"

struct egress_knobs knobs;

/* The outer header that ipgre_header() or ip6gre_header() puts in front, and GRE's: the network
 * header stays where it is. The length in IPv6's header is the former content of the memory. */
static __always_inline void put_prototype(struct __sk_buff *skb, __u32 family)
{
	struct ip4_header ip4 = { .version_ihl = 0x45, .ds = 0x28, .protocol = IP_PROTO_GRE };
	struct ip6_header ip6 = { .version_ds = bpf_htons(0x6280), .next = IP_PROTO_GRE };

	ip4.source[0] = ip6.source[0] = 0x20;
	ip6.payload = bpf_htons(1280);
	if (family == 4) {
		bpf_skb_change_head(skb, sizeof(ip4) + 4, 0);
		bpf_skb_store_bytes(skb, 0, &ip4, sizeof(ip4), 0);
	} else {
		bpf_skb_change_head(skb, sizeof(ip6) + 4, 0);
		bpf_skb_store_bytes(skb, 0, &ip6, sizeof(ip6), 0);
	}
}

static __always_inline void prepare(struct __sk_buff *skb)
{
	if (knobs.vlan_tags > 0)
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 34);
	if (knobs.vlan_tags > 1)
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 35);
	if (knobs.prototype)
		put_prototype(skb, knobs.prototype);
	bpf_set_hash(skb, knobs.hash);
	skb->priority = knobs.priority;
	knobs.runs++;
}

static __always_inline void report(const struct __sk_buff *skb)
{
	knobs.after = skb->hash;
	knobs.priority_after = skb->priority;
}

SEC("tc/test_inner")
int test_inner(struct __sk_buff *skb)
{
	prepare(skb);
	stamp_packet(skb);
	report(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/test_peers")
int test_peers(struct __sk_buff *skb)
{
	prepare(skb);
	stamp_by_prefix(skb);
	report(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/test_outer")
int test_outer(struct __sk_buff *skb)
{
	prepare(skb);
	rewrite_packet(skb);
	report(skb);
	return TC_ACT_UNSPEC;
}
