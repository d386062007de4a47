/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The parts that all methods of ingress have in common: the DS field of the outer header, once it
 * is known, goes onto the inner one by the tunnel's policy, and is counted.
 */
#ifndef DSCP_BPF_INGRESS_H
#define DSCP_BPF_INGRESS_H

#include <stddef.h>

#include "bpf_maps.h"
#include "bpf_packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DSCP_FIRST_SLOTS);
	__type(key, __u32);
	__type(value, struct dscp_counters);
} ingress_counters SEC(".maps");

/* The facts that ingress_inner finds out about a packet. */
struct arrival {
	__u32 slot;
	__u32 dscp; /* of its outer header, or UNKNOWN and the reason */
};

struct wireguard_message {
	__be32 type; /* and three reserved bytes */
	__u32 receiver; /* index; never converted, so that it is a number like any other */
	__u64 counter; /* the same */
} PACKET_ALIGNED;

/* The packet inside, with WireGuard's padding. */
static __always_inline __u32 wireguard_inner(__u32 udp_length)
{
	return udp_length - sizeof(struct udp_header) - WIREGUARD_KEEPALIVE;
}

/* Tells whether the length fits, if the packet is still as it was sent. A packet that GRO has
 * merged is longer. */
static __always_inline bool length_fits(struct __sk_buff *skb, __u32 length, __u32 padding)
{
	return skb->gso_segs > 1 || length - skb->len <= padding;
}

#define WIREGUARD_PADDING 15 /* to a multiple of 16: calculate_skb_padding() */

/* The slot of the tunnel device that this packet came out of; 0: none. */
static __always_inline __u32 slot_by_device(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *slot = bpf_map_lookup_elem(&devices, &ifindex);

	return slot ? *slot : 0;
}

static __always_inline bool is_slot_of(struct __sk_buff *skb, __u32 slot)
{
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &slot);

	return tunnel && tunnel->ifindex == skb->ifindex;
}

/* Returns the DSCP that the inner header should have. Plain tc has no policy and copies, but a
 * network that sets all to CS0 must not erase the inner DSCP. */
static __always_inline __u32 wanted_inner(const struct arrival *a)
{
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &a->slot);

	if (is_unknown(a->dscp) || !tunnel)
		return UNKNOWN;
	if (!a->slot)
		return a->dscp ? a->dscp : DSCP_KEEP;
	return tunnel->ingress.to[a->dscp & (DSCP_VALUES - 1)];
}

/*
 * skb->csum, if the device summed the whole packet (CHECKSUM_COMPLETE), covers these bytes. A
 * change within an IPv4 header does not matter to it, since the header's own checksum makes up for
 * it. WireGuard says that it has verified everything (CHECKSUM_UNNECESSARY).
 */
static __always_inline void set_inner_ip6(struct __sk_buff *skb, struct ip6_header *ip, __u32 ds,
					  __u32 offset, bool summed)
{
	__be16 word = ip6_word_with_ds(ip, ds);

	if (summed)
		bpf_skb_store_bytes(skb, offset, &word, sizeof(word), BPF_F_RECOMPUTE_CSUM);
	else
		ip->version_ds = word;
}

/* Messages of a tunnel with nothing inside. */
static __always_inline void count_skipped(__u32 slot, __u32 packets)
{
	struct dscp_counters *c = bpf_map_lookup_elem(&ingress_counters, &slot);

	if (c)
		c->skipped += packets;
}

static __always_inline void count_arrival(struct __sk_buff *skb, const struct arrival *a, __u32 old,
					  __u32 new)
{
	struct dscp_counters *c = bpf_map_lookup_elem(&ingress_counters, &a->slot);
	__u32 packets = wire_packets(skb);

	if (!c)
		return;
	c->bytes += skb->len;
	if (is_unknown(a->dscp))
		c->unknown[reason_index(a->dscp)] += packets;
	else if (old == new)
		c->unchanged += packets;
	else
		c->marked += packets;
	if (!is_unknown(a->dscp))
		c->came_with[a->dscp & (DSCP_VALUES - 1)] += packets;
	c->dscp[dscp_index(new)] += packets;
}

/* Returns the DS field that the packet is to have, given the one it has. */
static __always_inline __u32 wanted_ds(const struct arrival *a, __u32 ds)
{
	__u32 dscp = wanted_inner(a);

	if (dscp == UNKNOWN || dscp == DSCP_KEEP)
		return ds;
	return ds_with_dscp(ds, dscp);
}

/* Counts a packet without a DS field as well. */
static __always_inline void count_passed(__u32 slot)
{
	struct dscp_counters *c = bpf_map_lookup_elem(&ingress_counters, &slot);

	if (c)
		c->passed++;
}

static __always_inline void rewrite_inner(struct __sk_buff *skb, const struct arrival *a,
					  bool summed)
{
	struct ip4_header *ip4;
	struct ip6_header *ip6;
	__be16 type;
	int offset;
	__u32 ds, new;

	pull_headers(skb, INNER_HEADERS);
	offset = find_ip(skb, &type);
	if (offset < 0)
		return;
	offset = some_offset(skb, offset);
	ip4 = packet_start(skb) + offset;
	ip6 = packet_start(skb) + offset;
	if (type == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip4 + 1) > packet_end(skb) || !is_ip4(ip4))
			return;
		ds = ip4->ds;
		new = wanted_ds(a, ds);
		if (new != ds)
			ip4_set_ds(ip4, new);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > packet_end(skb) || !is_ip6(ip6))
			return;
		ds = ip6_ds(ip6);
		new = wanted_ds(a, ds);
		if (new != ds)
			set_inner_ip6(skb, ip6, new, offset, summed);
	} else {
		return; /* ARP and the like: no DS field, not counted */
	}
	count_arrival(skb, a, ds, new);
}

/* A device that no tunnel is known for is left alone, unless there is no tool (plain tc). */
static __always_inline void rewrite_arrival(struct __sk_buff *skb, struct arrival *a, bool summed)
{
	if (!a->slot)
		a->slot = slot_by_device(skb);
	if (!a->slot && !nothing_registered())
		return;
	count_passed(a->slot);
	rewrite_inner(skb, a, summed);
}

#endif
