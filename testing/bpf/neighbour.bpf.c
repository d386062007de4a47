/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Programs of other people on our hooks, by TC or TCX; verdicts are the same numbers for both.
 *
 *   neighbour_next, neighbour_pass, neighbour_drop
 *                       count their packets; go on with the chain, end it, end the packet
 *   neighbour_buckets   behind all others: the queue that flow queues choose by the packet's hash
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "bpf_compiler.h"

#define QUEUES 1024 /* of CAKE, and by default of fq_codel */

enum { NEXT, PASS, DROP, N_HITS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, N_HITS);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} neighbour_hits SEC(".maps");

/* First the queues of CAKE, then fq_codel's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * QUEUES);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} neighbour_queues SEC(".maps");

static __always_inline void count(void *map, __u32 key)
{
	__u64 *n = bpf_map_lookup_elem(map, &key);

	if (n)
		__sync_fetch_and_add(n, 1);
}

SEC("tc/neighbour_next")
int neighbour_next(struct __sk_buff *skb)
{
	(void)skb;
	count(&neighbour_hits, NEXT);
	return TC_ACT_UNSPEC;
}

SEC("tc/neighbour_pass")
int neighbour_pass(struct __sk_buff *skb)
{
	(void)skb;
	count(&neighbour_hits, PASS);
	return TC_ACT_OK;
}

SEC("tc/neighbour_drop")
int neighbour_drop(struct __sk_buff *skb)
{
	(void)skb;
	count(&neighbour_hits, DROP);
	return TC_ACT_SHOT;
}

/* cake_hash() takes the hash modulo 1024, fq_codel_hash() scales it: reciprocal_scale(). The helper
 * is skb_get_hash(), which both call. */
SEC("tc/neighbour_buckets")
int neighbour_buckets(struct __sk_buff *skb)
{
	__u32 hash = bpf_get_hash_recalc(skb);

	count(&neighbour_queues, hash % QUEUES);
	count(&neighbour_queues, QUEUES + (((__u64)hash * QUEUES) >> 32));
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
