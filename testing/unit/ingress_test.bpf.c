/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * BPF_PROG_TEST_RUN makes a packet with nothing in front of it. test_front decapsulates it first,
 * as a tunnel does, so that outer headers are in memory in front of the packet that the program
 * under test gets; it calls that program as it is, not a copy.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include "bpf_compiler.h"

#include "bpf_notes.h"

#include "ingress_knobs.h"

struct ingress_knobs knobs;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __always_inline void remember(long result)
{
	if (result)
		knobs.error = result;
}

static __always_inline void decapsulate(struct __sk_buff *skb)
{
	__u16 type = knobs.type;

	if (knobs.removed)
		remember(bpf_skb_adjust_room(skb, -(__s32)knobs.removed, BPF_ADJ_ROOM_MAC, 0));
	if (type)
		remember(bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type,
					     sizeof(type), 0));
	if (knobs.length)
		remember(bpf_skb_change_tail(skb, knobs.length, 0));
	if (knobs.tag)
		remember(bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 34));
}

static __always_inline void grow(struct __sk_buff *skb)
{
	/* 1 to MAX_GROWN, as Linux 6.1's verifier understands it */
	__u32 bytes = ((knobs.grown - 1) & (MAX_GROWN - 1)) + 1;

	if (!knobs.grown)
		return;
	remember(bpf_skb_change_head(skb, bytes, 0));
	remember(bpf_skb_store_bytes(skb, 0, knobs.head, bytes, 0));
}

static __always_inline void note(struct __sk_buff *skb)
{
	struct dscp_note_key key = { .id = skb_id(skb), .method = DSCP_METHOD_TC };

	knobs.id = key.id;
	if (knobs.noted)
		put_note(&key, &knobs.note);
}

SEC("tc/test_front")
int test_front(struct __sk_buff *skb)
{
	knobs.runs++;
	knobs.error = 0;
	decapsulate(skb);
	grow(skb);
	note(skb);
	knobs.linear = skb->data_end - skb->data;
	if (knobs.hash)
		remember(bpf_set_hash(skb, knobs.hash));
	skb->tc_index = knobs.tc_index;
	bpf_tail_call(skb, &next, knobs.next);
	knobs.error = 1;
	return TC_ACT_SHOT;
}

/* Behind it at the ingress of a device: back to where the packet came from, to be looked at. A
 * program that ends the chain does not let it get here. */
SEC("tc/test_back")
int test_back(struct __sk_buff *skb)
{
	knobs.left_tc_index = skb->tc_index;
	return bpf_redirect(skb->ifindex, 0);
}

char _license[] SEC("license") = "GPL";
