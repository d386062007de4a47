/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Reads the outer headers that lie in memory in front of a packet of a tunnel in clear text, for
 * packets that have no note: a queue between uplink and tunnel has split a packet that GRO had
 * merged, and each segment has a new skb.
 *
 * Memory in front of a packet can hold anything. So the headers are looked for at one distance only
 * and in their plainest form, and are believed only if every field of them is as this packet in
 * this tunnel must have it. Only TCP is looked at, since only TCP is merged by default.
 */
#ifndef DSCP_BPF_CLEARTEXT_H
#define DSCP_BPF_CLEARTEXT_H

#include "bpf_front.h"

#define CLEAR_MAX_IHL 15 /* in words of four bytes */

#define VXLAN_HEADER 0x08000000 /* a VNI is there, and nothing else */
#define GENEVE_HEADER ETH_P_TEB /* version 0, no options, Ethernet inside */

/* Behind the longest IPv4 header comes the tunnel's header, up to 16 bytes. */
struct clear_front {
	__u8 options[CLEAR_MAX_IHL * 4 - sizeof(struct ip6_header)];
	struct ip6_header ip6; /* an IPv4 header is its last 20 bytes */
	packet_be32 tunnel[4]; /* ends where the inner packet begins */
};

#define CLEAR_IP_BYTES offsetof(struct clear_front, tunnel)

/* The headers that a packet of this tunnel must have in front. */
struct clear_layout {
	__u32 bytes; /* of the headers between IP and the inner packet */
	__u32 protocol; /* of IP */
	__u32 tag; /* bytes of the inner frame that are in the metadata of the skb */
	__be16 type; /* of the inner packet */
	bool frame; /* the inner packet begins with a link-layer header */
};

/* Tells whether such a packet has been made from one of that length. A merged one has the headers
 * of its first segment; the last segment may be shorter. */
static __always_inline bool clear_length_fits(struct __sk_buff *skb, __u32 length)
{
	__u32 segments = skb->gso_segs, size = skb->gso_size;

	if (length == skb->len)
		return true;
	return segments > 1 && length - (skb->len - (segments - 1) * size) < size;
}

static __always_inline bool is_tcp(struct __sk_buff *skb, struct clear_layout *layout)
{
	int offset = find_ip(skb, &layout->type);
	struct ip6_header *ip6;
	struct ip4_header *ip4;

	if (offset < 0)
		return false;
	layout->frame = offset;
	ip6 = packet_start(skb) + some_offset(skb, offset);
	ip4 = (void *)ip6;
	if (layout->type == bpf_htons(ETH_P_IP))
		return (void *)(ip4 + 1) <= packet_end(skb) && ip4->protocol == IP_PROTO_TCP;
	return layout->type == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= packet_end(skb) &&
	       ip6->next == IP_PROTO_TCP;
}

static __always_inline bool udp_tunnel_fits(const struct dscp_tunnel *tunnel,
					    const struct clear_front *front)
{
	const struct udp_header *udp = (const void *)front->tunnel;
	__u32 number = bpf_ntohs(udp->dest), id = bpf_ntohl(front->tunnel[3]);
	struct dscp_port *port = bpf_map_lookup_elem(&ports, &number);
	__u32 header = tunnel->kind == DSCP_KIND_VXLAN ? VXLAN_HEADER : GENEVE_HEADER;

	if (!port || port->ingress_kind != tunnel->kind || bpf_ntohl(front->tunnel[2]) != header)
		return false;
	if (tunnel->flags & DSCP_TUNNEL_ANY_ID)
		return !(id & 0xff);
	return tunnel->endpoint.kind && number == tunnel->endpoint.port &&
	       id == tunnel->endpoint.id << 8;
}

static __always_inline bool gre_fits(const struct dscp_tunnel *tunnel,
				     const struct clear_front *front,
				     const struct clear_layout *layout)
{
	__u32 type = layout->frame ? ETH_P_TEB : bpf_ntohs(layout->type);

	/* Neither checksum nor sequence number. */
	if (!tunnel->endpoint.id)
		return bpf_ntohl(front->tunnel[3]) == type;
	return bpf_ntohl(front->tunnel[2]) == (GRE_KEY | type) &&
	       bpf_ntohl(front->tunnel[3]) == tunnel->endpoint.id;
}

/* Sets how long the header of the tunnel is and which protocol is in front of it. */
static __always_inline bool tunnel_fits(const struct dscp_tunnel *tunnel,
					const struct clear_front *front,
					struct clear_layout *layout)
{
	__u32 kind = tunnel->kind;

	if (kind == DSCP_KIND_VXLAN || kind == DSCP_KIND_GENEVE) {
		layout->bytes = 16;
		layout->protocol = IP_PROTO_UDP;
		return udp_tunnel_fits(tunnel, front);
	}
	if (kind == DSCP_KIND_GRE) {
		layout->bytes = tunnel->endpoint.id ? 8 : 4;
		layout->protocol = IP_PROTO_GRE;
		return gre_fits(tunnel, front, layout);
	}
	layout->protocol = layout->type == bpf_htons(ETH_P_IP) ? IP_PROTO_IPIP : IP_PROTO_IPV6;
	return kind == DSCP_KIND_IPIP && !layout->frame;
}

/* Tells whether the packet was sent with so many bytes behind the IP header, also by UDP's own
 * length. */
static __always_inline bool payload_fits(struct __sk_buff *skb, const struct clear_front *front,
					 const struct clear_layout *layout, __u32 payload)
{
	const struct udp_header *udp = (const void *)front->tunnel;

	if (layout->protocol == IP_PROTO_UDP && bpf_ntohs(udp->length) != payload)
		return false;
	return clear_length_fits(skb, payload - layout->bytes - layout->tag);
}

/* An unset address matches any packet. The empty asm keeps clang from comparing the bytes one by
 * one, since the verifier would go through every combination. */
static __always_inline bool address_fits(const __u8 *wanted, const __u8 *address, __u32 bytes)
{
	__u32 set = 0, other = 0;

	UNROLL
	for (__u32 i = 0; i < bytes; i++) {
		set |= wanted[i];
		other |= wanted[i] ^ address[i];
		asm volatile("" : "+r"(set), "+r"(other));
	}
	return !set || !other;
}

static __always_inline bool addresses_fit(const struct dscp_endpoint *e, const __u8 *source,
					  const __u8 *dest, __u32 bytes)
{
	if (e->kind != DSCP_KIND_GRE && e->kind != DSCP_KIND_IPIP)
		return true;
	return address_fits(e->remote, source, bytes) && address_fits(e->local, dest, bytes);
}

static __always_inline bool clear_ip4_fits(struct __sk_buff *skb, const struct dscp_endpoint *e,
					   const struct clear_front *front,
					   const struct clear_layout *layout)
{
	const struct ip4_header *ip = (const void *)front + CLEAR_IP_BYTES - sizeof(*ip);

	return e->family != 6 && ip->version_ihl == 0x45 && ip->protocol == layout->protocol &&
	       ip4_is_whole(ip) && ip4_sum_fits((const void *)ip, 10) &&
	       payload_fits(skb, front, layout, bpf_ntohs(ip->length) - sizeof(*ip)) &&
	       addresses_fit(e, ip->source, ip->dest, 4);
}

static __always_inline bool clear_ip6_fits(struct __sk_buff *skb, const struct dscp_endpoint *e,
					   const struct clear_front *front,
					   const struct clear_layout *layout)
{
	const struct ip6_header *ip = &front->ip6;

	return e->family != 4 && is_ip6(ip) && ip->next == layout->protocol && ip->hops &&
	       payload_fits(skb, front, layout, bpf_ntohs(ip->payload)) &&
	       addresses_fit(e, ip->source, ip->dest, 16);
}

/* Tells whether an IPv4 header with options could be read there too. GRO merges no packets that
 * have options, but a sender could make the end of them look like a header. */
static __always_inline bool options_may_be(const struct clear_front *front,
					   const struct clear_layout *layout)
{
	const void *end = (const void *)front + CLEAR_IP_BYTES;

	UNROLL
	for (__u32 ihl = 6; ihl <= CLEAR_MAX_IHL; ihl++) {
		const struct ip4_header *ip = end - ihl * 4;

		if (ip->version_ihl == (0x40 | ihl) && ip->protocol == layout->protocol &&
		    ip4_is_whole(ip) && bpf_ntohs(ip->length) >= layout->bytes + ihl * 4)
			return true;
	}
	return false;
}

/* Read the header of the tunnel first: its length tells where the IP header ends. */
static __always_inline bool read_clear(struct __sk_buff *skb, const struct dscp_tunnel *tunnel,
				       struct clear_front *front, struct clear_layout *layout)
{
	void *inner = packet_start(skb) - layout->tag;

	if (bpf_probe_read_kernel(front->tunnel, sizeof(front->tunnel),
				  inner - sizeof(front->tunnel)))
		return false;
	return tunnel_fits(tunnel, front, layout) &&
	       !bpf_probe_read_kernel(front, CLEAR_IP_BYTES,
				      inner - layout->bytes - CLEAR_IP_BYTES);
}

/* Returns the DSCP of the outer header of a packet that came out of the tunnel of that slot, or
 * UNKNOWN, as for any tunnel that encrypts. */
static __noinline int front_dscp(struct __sk_buff *skb, __u32 slot)
{
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &slot);
	struct clear_front front;
	struct clear_layout layout = {};
	const struct ip4_header *ip4 = (const void *)&front + CLEAR_IP_BYTES - sizeof(*ip4);
	bool v4, v6;

	if (!tunnel || !dscp_kind_is_clear(tunnel->kind))
		return UNKNOWN;
	pull_headers(skb, INNER_HEADERS);
	/* skb_vlan_untag() has moved the Ethernet addresses over the inner VLAN tag. */
	if (skb->vlan_present)
		layout.tag = sizeof(struct vlan_tag);
	if (!is_tcp(skb, &layout) || !read_clear(skb, tunnel, &front, &layout) ||
	    options_may_be(&front, &layout))
		return UNKNOWN;
	v4 = clear_ip4_fits(skb, &tunnel->endpoint, &front, &layout);
	v6 = clear_ip6_fits(skb, &tunnel->endpoint, &front, &layout);
	if (v4 == v6)
		return UNKNOWN;
	return v4 ? ip4_dscp(ip4) : ip6_dscp(&front.ip6);
}

#endif
