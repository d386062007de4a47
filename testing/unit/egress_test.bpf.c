/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The egress programs for their unit tests. BPF_PROG_TEST_RUN makes a new skb for every call and
 * does not show its hash, so these put one there first and tell what became of it.
 */
#include "../../dscp-tool/dscp_egress.bpf.c"

#include "egress_knobs.h"

struct egress_knobs knobs;

static __always_inline void prepare(struct __sk_buff *skb)
{
	if (knobs.vlan_tags > 0)
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 34);
	if (knobs.vlan_tags > 1)
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 35);
	bpf_set_hash(skb, knobs.hash);
	knobs.runs++;
}

SEC("tc/test_inner")
int test_inner(struct __sk_buff *skb)
{
	prepare(skb);
	stamp_packet(skb);
	knobs.after = skb->hash;
	return TC_ACT_UNSPEC;
}

SEC("tc/test_peers")
int test_peers(struct __sk_buff *skb)
{
	prepare(skb);
	stamp_by_peer(skb);
	knobs.after = skb->hash;
	return TC_ACT_UNSPEC;
}

SEC("tc/test_outer")
int test_outer(struct __sk_buff *skb)
{
	prepare(skb);
	rewrite_packet(skb);
	knobs.after = skb->hash;
	return TC_ACT_UNSPEC;
}
