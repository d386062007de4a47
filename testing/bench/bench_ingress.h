/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * For the *.bpf.c that measure ingress, to be included in front of the programs themselves.
 *
 * The frame is [Ethernet][headers][14 bytes][headers][payload], where both headers are the same
 * outer IP, UDP and WireGuard header. In the first round the first ones are taken off, and stay in
 * memory in front of the packet, as WireGuard leaves them. The rest is to the programs at the
 * uplink a WireGuard message, and to those at the tunnel the packet that came out of one: one skb
 * can go through both, round by round, and all that has to be put back is the DS field.
 *
 * Unlike WireGuard's, the packet at the tunnel has an Ethernet header: a test run cannot do
 * without.
 */
#ifndef BENCH_INGRESS_H
#define BENCH_INGRESS_H

#include "bpf_ingress.h"
#include "bpf_notes.h"

#include "bench.h"

/* Without "used": the programs are to be in line in those that measure them, and nowhere else. */
#undef SEC
#define SEC(name) __attribute__((section(name)))
#define PROGRAM(name) __attribute__((section(name), used))

struct bench_state state;

static __always_inline void take_off(struct __sk_buff *skb)
{
	if (skb->len > BENCH_INNER_FRAME)
		bpf_skb_adjust_room(skb, (__s32)(BENCH_INNER_FRAME - skb->len), BPF_ADJ_ROOM_MAC,
				    0);
}

static __always_inline void put_ds(struct __sk_buff *skb)
{
	void *start = packet_start(skb) + ETH_HLEN;
	struct ip4_header *ip4 = start;
	struct ip6_header *ip6 = start;

	if ((void *)(ip6 + 1) > packet_end(skb))
		return;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		ip4_set_ds(ip4, BENCH_DSCP << 2);
	else
		ip6_set_ds(ip6, BENCH_DSCP << 2);
}

static __always_inline void reset_packet(struct __sk_buff *skb)
{
	take_off(skb);
	put_ds(skb);
}

PROGRAM("tc/empty")
int empty(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_UNSPEC;
}

PROGRAM("tc/reset")
int reset(struct __sk_buff *skb)
{
	reset_packet(skb);
	return TC_ACT_UNSPEC;
}

#endif
