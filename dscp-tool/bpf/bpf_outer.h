/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The outer headers of a packet at an uplink: egress_outer and both ingress_outer read them so. */
#ifndef DSCP_BPF_OUTER_H
#define DSCP_BPF_OUTER_H

#include "bpf_packet.h"

#define MAX_IP6_HEADERS 0x1ff8 /* mask, for the verifier: 40 bytes, twice 256 * 8 and 8 at most */

enum verdict {
	OTHER, /* not a packet that the caller looks for */
	CUT, /* the headers go on behind the readable bytes */
	FOUND,
};

/* Parts of a packet that may be in fragments. */
enum part { PART_ALL, PART_FIRST, PART_LATER, PART_LAST };

struct outer {
	void *ip; /* the IP header */
	void *payload; /* the protocol behind it and its extension headers; not of a later fragment
			*/
	void *end; /* of the readable bytes */
	__u32 headers; /* length of the IP header and its extension headers */
	__u32 protocol; /* of the payload */
	__u32 id; /* of a fragment: its identification, as it is in memory */
	enum part part;
	bool ip6;
};

static __always_inline enum part part_of(bool begins, bool more)
{
	if (begins)
		return more ? PART_FIRST : PART_ALL;
	return more ? PART_LATER : PART_LAST;
}

static __always_inline enum verdict parse_ip4(struct outer *o)
{
	const struct ip4_header *ip = o->ip;

	if ((void *)(ip + 1) > o->end)
		return CUT;
	o->headers = ip4_length(ip);
	if (!is_ip4(ip) || o->headers < sizeof(*ip))
		return OTHER;
	o->payload = o->ip + o->headers;
	o->protocol = ip->protocol;
	o->id = ip->id;
	o->part = part_of(!(ip->fragment & bpf_htons(IP4_OFFSET_MASK)),
			  ip->fragment & bpf_htons(IP4_MORE));
	return FOUND;
}

/* Passes over a header of options, if that protocol is next. False: cut off. */
static __always_inline bool pass_options(struct outer *o, __u32 protocol)
{
	const __u8 *options = o->payload;

	if (o->protocol != protocol)
		return true;
	if ((void *)(options + 2) > o->end)
		return false;
	o->protocol = options[0];
	o->payload += (options[1] + 1) * 8;
	o->headers += (options[1] + 1) * 8;
	return true;
}

static __always_inline bool pass_fragment(struct outer *o)
{
	const struct ip6_fragment *fragment = o->payload;

	if (o->protocol != IP_PROTO_FRAGMENT)
		return true;
	if ((void *)(fragment + 1) > o->end)
		return false;
	o->protocol = fragment->next;
	o->id = fragment->id;
	o->part = part_of(!(fragment->offset & bpf_htons(IP6_OFFSET_MASK)),
			  fragment->offset & bpf_htons(IP6_MORE));
	o->headers += sizeof(*fragment);
	return true;
}

/* One each of these extension headers, in the order of RFC 8200. The tunnels of Linux put their
 * encapsulation limit into destination options, behind which fragments begin
 * (ip6_find_1stfragopt()). The verifier need not know the sum: anything from the packet hides it.
 */
static __always_inline enum verdict parse_extensions(struct outer *o)
{
	const struct ip6_header *ip = o->ip;

	if (!pass_options(o, IP_PROTO_HOPOPTS) || !pass_options(o, IP_PROTO_DSTOPTS) ||
	    !pass_fragment(o))
		return CUT;
	o->headers = some_number(o->headers, ip->flow) & MAX_IP6_HEADERS;
	o->payload = o->ip + o->headers;
	return FOUND;
}

static __always_inline enum verdict parse_ip6(struct outer *o)
{
	const struct ip6_header *ip = o->ip;

	if ((void *)(ip + 1) > o->end)
		return CUT;
	if (!is_ip6(ip))
		return OTHER;
	o->ip6 = true;
	o->headers = sizeof(*ip);
	o->payload = o->ip + sizeof(*ip);
	o->protocol = ip->next;
	o->part = PART_ALL;
	if (o->protocol == IP_PROTO_HOPOPTS || o->protocol == IP_PROTO_DSTOPTS ||
	    o->protocol == IP_PROTO_FRAGMENT)
		return parse_extensions(o);
	return FOUND;
}

/* Parses the bytes between ip and end, given the ethertype. */
static __always_inline enum verdict parse_outer(struct outer *o, __be16 type)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ip4(o);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ip6(o);
	return OTHER;
}

static __always_inline __u32 outer_ds(const struct outer *o)
{
	const struct ip4_header *ip4 = o->ip;

	return o->ip6 ? ip6_ds(o->ip) : ip4->ds;
}

/* Length of the IP packet, by its header. */
static __always_inline __u32 outer_length(const struct outer *o)
{
	const struct ip4_header *ip4 = o->ip;
	const struct ip6_header *ip6 = o->ip;

	return o->ip6 ? bpf_ntohs(ip6->payload) + sizeof(*ip6) : bpf_ntohs(ip4->length);
}

#endif
