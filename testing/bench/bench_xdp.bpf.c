/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ingress, the method "xdp". The program of the uplink runs as a TC program here, so that both can
 * go over one packet, and since the kernel spends 0.2 ms on each test run of an XDP program.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bench_ingress.h"

static __always_inline int ingress_outer(struct xdp_md *ctx);
static __always_inline int ingress_inner(struct __sk_buff *skb);

#include "../../dscp-tool/bpf/dscp_ingress_xdp.bpf.c"

static __always_inline __u64 next_counter(void)
{
	return state.turn++ & state.flow_mask;
}

/* As if the next message had come. */
static __always_inline void put_counter(struct __sk_buff *skb)
{
	void *ip = packet_start(skb) + ETH_HLEN, *end = packet_end(skb);
	__u64 counter = next_counter();
	struct wireguard_message *message;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		message = ip + sizeof(struct ip4_header) + sizeof(struct udp_header);
	else
		message = ip + sizeof(struct ip6_header) + sizeof(struct udp_header);
	if ((void *)(message + 1) <= end)
		message->counter = counter;
}

PROGRAM("tc/reset_counter")
int reset_counter(struct __sk_buff *skb)
{
	put_counter(skb);
	return TC_ACT_UNSPEC;
}

/* Does the work of ingress_outer to an skb. */
static __always_inline void note_skb(struct __sk_buff *skb)
{
	note_packet(packet_start(skb), packet_end(skb));
}

PROGRAM("tc/outer_alone")
int outer_alone(struct __sk_buff *skb)
{
	note_skb(skb);
	return TC_ACT_UNSPEC;
}

PROGRAM("tc/outer")
int outer(struct __sk_buff *skb)
{
	put_counter(skb);
	note_skb(skb);
	return TC_ACT_UNSPEC;
}

/* Takes the notes of "outer" out of the map, as ingress_inner would have done. */
PROGRAM("tc/forget")
int forget(struct __sk_buff *skb __attribute__((unused)))
{
	struct dscp_note_key key = { .id = next_counter(), .method = DSCP_METHOD_XDP };
	struct dscp_note note;

	take_note(&key, &note);
	return TC_ACT_UNSPEC;
}

PROGRAM("tc/both")
int both(struct __sk_buff *skb)
{
	reset_packet(skb);
	note_skb(skb);
	return ingress_inner(skb);
}
