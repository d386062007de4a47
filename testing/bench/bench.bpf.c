/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The programs that `make bench` measures. BPF_PROG_TEST_RUN with repeat keeps one skb, so a
 * program meets in the next round its own changes of the last: every program here first puts the
 * hash (and the DS field) back, and programs that do only that are measured too, to be subtracted.
 */
#include "../../dscp-tool/bpf/dscp_egress.bpf.c"
#include "bench.h"

struct bench_state state;

/* The list's algorithm of 2021, written anew: the hash as it is, an update for every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_DEFAULT_FLOWS);
	__type(key, __u32);
	__type(value, __u8);
} base_flows SEC(".maps");

/* A new skb->hash, as if the next flow's packet had come. */
static __always_inline __u32 next_hash(void)
{
	return dscp_mix(state.turn++ & state.flow_mask) & ~DSCP_STAMP_BITS;
}

static __always_inline void put_hash(struct __sk_buff *skb)
{
	bpf_set_hash(skb, next_hash());
}

/* The hash that egress_inner gave a packet of that flow. */
static __always_inline void put_stamp(struct __sk_buff *skb)
{
	bpf_set_hash(skb, dscp_stamp(next_hash(), BENCH_DSCP));
}

/* The outer header as the tunnel made it: DSCP 0, and the checksum that goes with it. */
static __always_inline void put_header(struct __sk_buff *skb)
{
	struct ip4_header *ip = packet_start(skb) + ETH_HLEN;

	if ((void *)(ip + 1) > packet_end(skb))
		return;
	if (ip->version_ihl >> 4 == 6)
		ip6_set_ds((void *)ip, 0);
	else
		ip4_set_ds(ip, 0);
}

/* The first or the last fragment of a packet of two. */
static __always_inline void put_fragment(struct __sk_buff *skb, bool last)
{
	struct ip4_header *ip = packet_start(skb) + ETH_HLEN;
	struct ip6_fragment *fragment = (void *)ip + sizeof(struct ip6_header);

	if ((void *)(fragment + 1) > packet_end(skb))
		return;
	if (ip->version_ihl >> 4 == 6)
		fragment->offset = bpf_htons(last ? 8 : IP6_MORE);
	else
		ip->fragment = bpf_htons(last ? 1 : IP4_MORE);
}

static __always_inline void one_fragment(struct __sk_buff *skb, bool last, bool ours)
{
	put_header(skb);
	put_fragment(skb, last);
	if (ours)
		rewrite_packet(skb);
}

/* Without a loop: the verifier takes one around so much code for an infinite one. */
static __always_inline void both_fragments(struct __sk_buff *skb, bool ours)
{
	one_fragment(skb, false, ours);
	one_fragment(skb, true, ours);
}

SEC("tc/empty")
int empty(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_UNSPEC;
}

SEC("tc/reset_inner")
int reset_inner(struct __sk_buff *skb)
{
	put_hash(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/reset_base_outer")
int reset_base_outer(struct __sk_buff *skb)
{
	put_hash(skb);
	put_header(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/reset_outer")
int reset_outer(struct __sk_buff *skb)
{
	put_stamp(skb);
	put_header(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/base_inner")
int base_inner(struct __sk_buff *skb)
{
	struct ip4_header *ip;
	__u32 key;
	__u8 dscp;

	put_hash(skb);
	ip = packet_start(skb) + ETH_HLEN;
	if ((void *)(ip + 1) > packet_end(skb) || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	key = bpf_get_hash_recalc(skb);
	dscp = ip->ds >> 2;
	bpf_map_update_elem(&base_flows, &key, &dscp, BPF_ANY);
	return TC_ACT_OK;
}

SEC("tc/base_outer")
int base_outer(struct __sk_buff *skb)
{
	struct ip4_header *ip;
	__u32 key;
	__u8 *dscp;

	put_hash(skb);
	put_header(skb);
	key = skb->hash;
	dscp = bpf_map_lookup_elem(&base_flows, &key);
	if (!dscp)
		return TC_ACT_OK;
	ip = packet_start(skb) + ETH_HLEN;
	if ((void *)(ip + 1) > packet_end(skb) || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	ip4_set_ds(ip, (ip->ds & DSCP_ECN_MASK) | *dscp << 2);
	return TC_ACT_OK;
}

SEC("tc/ours_inner")
int ours_inner(struct __sk_buff *skb)
{
	put_hash(skb);
	stamp_packet(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/ours_outer")
int ours_outer(struct __sk_buff *skb)
{
	put_stamp(skb);
	put_header(skb);
	rewrite_packet(skb);
	return TC_ACT_UNSPEC;
}

/* With a socket's own hash in place of the stamp. */
SEC("tc/ours_socket")
int ours_socket(struct __sk_buff *skb)
{
	put_hash(skb);
	put_header(skb);
	rewrite_packet(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc/reset_pair")
int reset_pair(struct __sk_buff *skb)
{
	put_stamp(skb);
	both_fragments(skb, false);
	return TC_ACT_UNSPEC;
}

SEC("tc/ours_pair")
int ours_pair(struct __sk_buff *skb)
{
	put_stamp(skb);
	both_fragments(skb, true);
	return TC_ACT_UNSPEC;
}
