/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Egress: the DSCP of the inner packet onto the outer header.
 *
 *   egress_inner        at the tunnel device's egress stamps skb->hash with the inner DSCP
 *   egress_inner_peers  the same where the policy is by inner destination, with what that makes of
 *                       the DSCP
 *   egress_outer        at the uplink's egress finds the stamp again and rewrites the outer header
 *
 * The kernel keeps skb->hash across encapsulation (wg_reset_packet(), iptunnel_xmit()), provided
 * that it is marked as an L4 hash, which bpf_set_hash() does.
 *
 * Works with nothing configured too (plain tc): all maps may be empty.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <dscp/bpf_compiler.h>

#include <dscp/abi.h>
#include <dscp/bpf_maps.h>
#include <dscp/bpf_packet.h>
#include <dscp/mix.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DSCP_MAX_ENDPOINTS);
	__type(key, struct dscp_endpoint);
	__type(value, __u32);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DSCP_PEERS);
	__type(key, struct dscp_peer);
	__type(value, struct dscp_policy);
} peers SEC(".maps");

/* Pinned by name because plain tc loads this object once per program. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_DEFAULT_FLOWS);
	__type(key, __u32);
	__type(value, struct dscp_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

/*
 * In front of flows, direct mapped: an array look-up is inlined and costs a fifth of a hash's.
 * What is in here was stamped by us, and the stamp tells its mark; what is not may be in flows.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DSCP_RECENT);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DSCP_MAX_TUNNELS);
	__type(key, __u32);
	__type(value, struct dscp_counters);
} counters SEC(".maps");

#define STALE_SOCKET (DSCP_FLOW_SOCKET | DSCP_FLOW_STALE)
#define USUAL_PAYLOAD 16 /* UDP header and what is read of the tunnel's */

static __always_inline void set_destination(struct dscp_peer *peer, __u32 family,
					    const __u8 *address, __u32 bytes)
{
	peer->prefixlen = DSCP_PEER_BITS + bytes * 8;
	peer->family = family;
	__builtin_memcpy(peer->address, address, bytes);
}

/* The DSCP, or negative if there is none. peer: the destination goes there, if it is not NULL. */
static __always_inline int read_inner(struct __sk_buff *skb, struct dscp_peer *peer)
{
	struct ip4_header *ip4;
	struct ip6_header *ip6;
	__be16 type;
	int offset;

	offset = find_ip(skb, &type);
	if (offset < 0)
		return -1;
	ip4 = packet_start(skb) + offset;
	ip6 = packet_start(skb) + offset;
	if (type == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip4 + 1) > packet_end(skb) || ip4->version_ihl >> 4 != 4)
			return -1;
		/* GRE without a remote address shows the prototype of the outer header here
		 * (ipgre_header()), whose length is not yet filled in. */
		if (!ip4->length && ip4->protocol == IP_PROTO_GRE)
			return -1;
		if (peer)
			set_destination(peer, 4, ip4->dest, sizeof(ip4->dest));
		return ip4->ds >> 2;
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > packet_end(skb) || bpf_ntohs(ip6->version_ds) >> 12 != 6)
			return -1;
		if (peer)
			set_destination(peer, 6, ip6->dest, sizeof(ip6->dest));
		return (bpf_ntohs(ip6->version_ds) >> 6) & (DSCP_VALUES - 1);
	}
	return -1;
}

/* The DSCP of the packet that the tunnel device is given, or negative if it has none. More headers
 * are pulled only if none was found: a GSO packet has hardly more than its own in the linear part,
 * and to pull into a clone is to copy it (pskb_expand_head()), at the cost of all the rest. */
static __always_inline int inner_dscp(struct __sk_buff *skb, struct dscp_peer *peer)
{
	int dscp = read_inner(skb, peer);

	if (dscp >= 0 || !headers_in_pages(skb, INNER_HEADERS))
		return dscp;
	pull_headers(skb, INNER_HEADERS);
	return read_inner(skb, peer);
}

/*
 * When the outer packet of local traffic has to be fragmented, skb_set_owner_w() gives each
 * fragment the socket's own hash back. So that hash is noted as well, as long as it tells a single
 * mark, and at no cost but for the first packet of a flow. (Should one stamp of a socket that sends
 * two be forgotten, by age, the other would tell for both until it is noted again.)
 */
static __always_inline void note_socket(__u32 hash, const struct dscp_flow *stamped)
{
	struct dscp_flow *known, flow = *stamped;

	flow.flags = DSCP_FLOW_SOCKET;
	known = bpf_map_lookup_elem(&flows, &hash);
	if (!known || (known->flags & STALE_SOCKET) == STALE_SOCKET)
		bpf_map_update_elem(&flows, &hash, &flow, BPF_ANY);
	else if (known->flags & DSCP_FLOW_SOCKET && known->mark != flow.mark)
		known->flags |= DSCP_FLOW_MIXED;
}

/* A known flow that another device has stamped: with that one still a tunnel, nobody knows whose
 * the later fragments are. */
static __always_inline void note_device(struct dscp_flow *known, __u32 ifindex)
{
	__u32 other = known->ifindex;

	if (other && other != ifindex)
		known->ifindex = bpf_map_lookup_elem(&devices, &other) ? 0 : ifindex;
}

static __noinline int note_flow(struct __sk_buff *skb, __u32 hash, __u32 stamp, __u32 mark)
{
	struct dscp_flow *known = bpf_map_lookup_elem(&flows, &stamp);
	struct dscp_flow flow = { .ifindex = skb->ifindex, .mark = mark };

	if (known && !known->flags) {
		note_device(known, skb->ifindex);
		return 0;
	}
	bpf_map_update_elem(&flows, &stamp, &flow, BPF_ANY);
	if (skb->sk)
		note_socket(hash, &flow);
	return 0;
}

static __always_inline __u32 *recent_stamp(__u32 stamp)
{
	__u32 index = stamp % DSCP_RECENT;

	return bpf_map_lookup_elem(&recent, &index);
}

static __always_inline void stamp_mark(struct __sk_buff *skb, __u32 mark)
{
	__u32 hash, stamp, *last;

	hash = bpf_get_hash_recalc(skb);
	stamp = dscp_stamp(hash, mark);
	bpf_set_hash(skb, stamp);
	last = recent_stamp(stamp);
	if (last && *last != stamp) {
		note_flow(skb, hash, stamp, mark);
		*last = stamp;
	}
}

static __always_inline void stamp_packet(struct __sk_buff *skb)
{
	int dscp = inner_dscp(skb, NULL);

	if (dscp >= 0)
		stamp_mark(skb, dscp);
}

SEC("tc/egress_inner")
int egress_inner(struct __sk_buff *skb)
{
	stamp_packet(skb);
	return TC_ACT_UNSPEC;
}

/* What the policy for that destination, or else the tunnel's, makes of a DSCP. */
static __always_inline __u32 final_mark(const struct dscp_peer *peer, __u32 dscp)
{
	struct dscp_policy *policy = bpf_map_lookup_elem(&peers, peer);
	__u32 slot = peer->slot, to;
	struct dscp_tunnel *tunnel;

	if (!policy) {
		tunnel = bpf_map_lookup_elem(&tunnels, &slot);
		if (!tunnel)
			return UNKNOWN;
		policy = &tunnel->egress;
	}
	to = policy->to[dscp & (DSCP_VALUES - 1)];
	return DSCP_MARK_FINAL | (to == DSCP_KEEP ? DSCP_MARK_KEEP : to & (DSCP_VALUES - 1));
}

/* A device that is no tunnel's, or not yet: its packets are nobody's. */
static __always_inline void stamp_by_peer(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, mark, *slot;
	struct dscp_peer peer = {};
	int dscp;

	slot = bpf_map_lookup_elem(&devices, &ifindex);
	if (!slot)
		return;
	peer.slot = *slot;
	dscp = inner_dscp(skb, &peer);
	if (dscp < 0)
		return;
	mark = final_mark(&peer, dscp);
	if (mark != UNKNOWN)
		stamp_mark(skb, mark);
}

SEC("tc/egress_inner_peers")
int egress_inner_peers(struct __sk_buff *skb)
{
	stamp_by_peer(skb);
	return TC_ACT_UNSPEC;
}

/* What egress_outer finds out about a packet. */
struct outer {
	void *ip; /* the IP header */
	__u32 slot;
	bool ip6;
	bool data; /* carries an inner packet */
	bool fragment; /* of a fragmented packet, the first one too */
};

static __always_inline bool kind_registered(__u32 kind)
{
	__u32 zero = 0;
	struct dscp_config *cfg = bpf_map_lookup_elem(&config, &zero);

	return cfg && cfg->kinds & (1u << kind);
}

/* VXLAN and geneve have the VNI at the same place: the second word, upper 24 bits. */
static __noinline int slot_by_vni(const struct dscp_port *port, __u32 number, __be32 vni)
{
	struct dscp_endpoint key = {
		.kind = port->kind,
		.port = number,
		.id = bpf_ntohl(vni) >> 8,
	};
	__u32 *slot = bpf_map_lookup_elem(&endpoints, &key);

	return slot ? *slot : port->slot;
}

/* By what follows the UDP header, of which two words can be read. */
static __always_inline bool match_payload(struct outer *o, const struct udp_header *udp,
					  const struct dscp_port *by_source,
					  const struct dscp_port *by_dest)
{
	const packet_be32 *payload = (const void *)(udp + 1);

	if (by_source->kind == DSCP_KIND_WIREGUARD && is_wireguard(payload[0])) {
		o->slot = by_source->slot;
		o->data = payload[0] == WIREGUARD_DATA &&
			  bpf_ntohs(udp->length) > sizeof(*udp) + WIREGUARD_KEEPALIVE;
		return true;
	}
	if (by_dest->kind == DSCP_KIND_VXLAN || by_dest->kind == DSCP_KIND_GENEVE)
		o->slot = slot_by_vni(by_dest, bpf_ntohs(udp->dest), payload[1]);
	return o->slot;
}

/*
 * Whose UDP packet is it? False: nobody's we know. The source port of VXLAN and geneve is a hash,
 * and may happen to be a tunnel's: WireGuard's messages are known by their type, then the
 * destination port decides, and a user space tunnel comes last.
 */
static __always_inline bool match_udp(struct outer *o, struct udp_header *udp, void *end)
{
	struct dscp_port *by_source, *by_dest;
	__u32 source, dest;

	if ((void *)(udp + 1) > end)
		return false;
	source = bpf_ntohs(udp->source);
	dest = bpf_ntohs(udp->dest);
	by_source = bpf_map_lookup_elem(&ports, &source);
	by_dest = bpf_map_lookup_elem(&ports, &dest);
	if (!by_source || !by_dest)
		return false;
	o->data = true;
	if ((void *)(udp + 2) <= end && match_payload(o, udp, by_source, by_dest))
		return true;
	if (by_source->kind == DSCP_KIND_UDP) {
		o->slot = by_source->slot;
		return true;
	}
	return nothing_registered();
}

/* Which tunnel has these outer addresses? One with both configured comes first. */
static __noinline int slot_by_address(struct dscp_endpoint *key)
{
	const struct dscp_endpoint full = *key;
	__u32 *slot;

	UNROLL
	for (int any = 0; any < 4; any++) {
		*key = full;
		if (any & 1)
			__builtin_memset(key->local, 0, sizeof(key->local));
		if (any & 2)
			__builtin_memset(key->remote, 0, sizeof(key->remote));
		slot = bpf_map_lookup_elem(&endpoints, key);
		if (slot)
			return *slot;
	}
	return 0;
}

/* The key of a GRE header (RFC 2890), 0 without one. False: cut off, or not version 0 (PPTP). */
static __always_inline bool gre_key(const packet_be32 *gre, void *end, __u32 *id)
{
	const packet_be32 *key = gre + 1;

	if ((void *)(gre + 1) > end || *gre & bpf_htonl(0x00070000))
		return false;
	if (!(*gre & bpf_htonl(0x20000000)))
		return true;
	if (*gre & bpf_htonl(0x80000000))
		key++; /* behind the checksum */
	if ((void *)(key + 1) > end)
		return false;
	*id = bpf_ntohl(*key);
	return true;
}

/* A packet of GRE or IPIP: payload is what follows the outer header of that IP protocol; key has
 * the addresses. */
static __always_inline bool match_ip(struct outer *o, __u32 protocol, void *payload, void *end,
				     struct dscp_endpoint *key)
{
	if (protocol == IP_PROTO_GRE)
		key->kind = DSCP_KIND_GRE;
	else if (protocol == IP_PROTO_IPIP || protocol == IP_PROTO_IPV6)
		key->kind = DSCP_KIND_IPIP;
	else
		return false;
	if (!kind_registered(key->kind))
		return false;
	if (protocol == IP_PROTO_GRE && !gre_key(payload, end, &key->id))
		return false;
	o->data = true;
	o->slot = slot_by_address(key);
	return o->slot;
}

/* The tunnel that stamped this hash, or -1. */
static __noinline int slot_by_stamp(__u32 hash)
{
	struct dscp_flow *flow = bpf_map_lookup_elem(&flows, &hash);
	__u32 ifindex, *slot;

	if (!flow)
		return -1;
	ifindex = flow->ifindex;
	slot = bpf_map_lookup_elem(&devices, &ifindex);
	if (slot)
		return *slot;
	return nothing_registered() ? 0 : -1;
}

/* Fragments after the first have no port: the stamp alone tells whose they are. */
static __always_inline bool match_fragment(struct __sk_buff *skb, struct outer *o)
{
	int slot = slot_by_stamp(skb->hash);

	o->data = true;
	o->slot = slot;
	return slot >= 0;
}

/* IPv4 in all its forms. The range of o->ip has been checked for the fixed header. */
static __always_inline bool match_ip4(struct __sk_buff *skb, struct outer *o, void *end)
{
	struct ip4_header *ip = o->ip;
	__u32 ihl = (ip->version_ihl & 0xf) * 4;
	struct dscp_endpoint key = { .family = 4 };
	void *payload = o->ip + ihl;

	if (ip->version_ihl >> 4 != 4 || ihl < sizeof(*ip))
		return false;
	o->fragment = ip->fragment & bpf_htons(IP4_OFFSET_MASK | IP4_MORE);
	if (ip->fragment & bpf_htons(IP4_OFFSET_MASK))
		return match_fragment(skb, o);
	if (ip->protocol == IP_PROTO_UDP)
		return match_udp(o, payload, end);
	__builtin_memcpy(key.local, ip->source, sizeof(ip->source));
	__builtin_memcpy(key.remote, ip->dest, sizeof(ip->dest));
	return match_ip(o, ip->protocol, payload, end, &key);
}

static __always_inline bool match_ip6(struct __sk_buff *skb, struct outer *o, void *end)
{
	struct dscp_endpoint key = { .family = 6 };
	struct ip6_header *ip = o->ip;
	void *payload = ip + 1;
	struct ip6_fragment *fragment;
	__u32 next = ip->next;
	__u8 *option;

	if (bpf_ntohs(ip->version_ds) >> 12 != 6)
		return false;
	if (next == IP_PROTO_DSTOPTS) { /* the encapsulation limit of ip6tnl, ip6gre */
		option = payload;
		if ((void *)(option + 2) > end)
			return false;
		next = option[0];
		payload += (option[1] + 1) * 8;
	}
	/* Behind it: ip6_find_1stfragopt() passes over destination options. */
	if (next == IP_PROTO_FRAGMENT) {
		fragment = payload;
		payload = fragment + 1;
		if (payload > end)
			return false;
		o->fragment = true;
		if (fragment->offset & bpf_htons(IP6_OFFSET_MASK))
			return match_fragment(skb, o);
		next = fragment->next;
	}
	if (next == IP_PROTO_UDP)
		return match_udp(o, payload, end);
	__builtin_memcpy(key.local, ip->source, sizeof(ip->source));
	__builtin_memcpy(key.remote, ip->dest, sizeof(ip->dest));
	return match_ip(o, next, payload, end, &key);
}

/* DSCP_MARK_*, by the hash of the outer packet. */
static __always_inline __u32 stamped_mark(__u32 hash, bool fragment)
{
	__u32 *last = recent_stamp(hash);
	struct dscp_flow *flow;

	/* No hash at all reads as 0, and so does an empty place of the cache. */
	if (last && *last == hash && hash)
		return dscp_unmix(hash) & DSCP_MARK_BITS;
	flow = bpf_map_lookup_elem(&flows, &hash);
	if (!flow ||
	    (flow->flags & DSCP_FLOW_SOCKET && (!fragment || flow->flags & DSCP_FLOW_MIXED)))
		return UNKNOWN;
	return flow->mark;
}

/* The DSCP this outer packet should have. */
static __always_inline __u32 wanted_dscp(struct __sk_buff *skb, const struct outer *o)
{
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &o->slot);
	__u32 mark;

	if (!tunnel)
		return UNKNOWN;
	if (tunnel->flags & DSCP_TUNNEL_FIXED)
		return tunnel->outer_dscp;
	mark = stamped_mark(skb->hash, o->fragment);
	if (mark & DSCP_MARK_FINAL)
		return mark & DSCP_MARK_KEEP ? DSCP_KEEP : mark & (DSCP_VALUES - 1);
	if (mark == UNKNOWN || !o->slot)
		return mark;
	return tunnel->egress.to[mark & (DSCP_VALUES - 1)];
}

static __always_inline void mark(struct __sk_buff *skb, const struct outer *o)
{
	struct dscp_counters *c = bpf_map_lookup_elem(&counters, &o->slot);
	__u32 packets = wire_packets(skb), dscp, ds;
	struct ip4_header *ip4 = o->ip;
	struct ip6_header *ip6 = o->ip;

	if (!c)
		return;
	if (!o->data) {
		c->skipped += packets;
		return;
	}
	ds = o->ip6 ? (bpf_ntohs(ip6->version_ds) >> 4) & 0xff : ip4->ds;
	dscp = wanted_dscp(skb, o);
	if (dscp == UNKNOWN) {
		c->unknown += packets;
	} else if (dscp == DSCP_KEEP || dscp == ds >> 2) {
		c->unchanged += packets;
	} else {
		ds = (dscp << 2 | (ds & DSCP_ECN_MASK)) & 0xff;
		if (o->ip6)
			ip6_set_ds(ip6, ds);
		else
			ip4_set_ds(ip4, ds);
		c->marked += packets;
	}
	c->dscp[dscp_index(ds)] += packets;
}

/* Options, fragments, GRE, IPIP, headers outside the linear part. */
static __noinline int rewrite_unusual(struct __sk_buff *skb)
{
	struct outer o = {};
	__be16 type;
	void *end;
	int offset;

	pull_headers(skb, OUTER_HEADERS);
	offset = find_ip(skb, &type);
	if (offset < 0)
		return 0;
	o.ip = packet_start(skb) + (offset & MAX_IP_OFFSET);
	end = packet_end(skb);
	if (type == bpf_htons(ETH_P_IP)) {
		if (o.ip + sizeof(struct ip4_header) <= end && match_ip4(skb, &o, end))
			mark(skb, &o);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		o.ip6 = true;
		if (o.ip + sizeof(struct ip6_header) <= end && match_ip6(skb, &o, end))
			mark(skb, &o);
	}
	return 0;
}

/* IPv4 without options and not a fragment, else the long way. */
static __always_inline void rewrite_ip4(struct __sk_buff *skb, void *start, void *end)
{
	struct outer o = { .ip = start };
	struct ip4_header *ip = start;

	if ((void *)(ip + 1) + USUAL_PAYLOAD > end || ip->version_ihl != 0x45 ||
	    ip->fragment & bpf_htons(IP4_OFFSET_MASK | IP4_MORE) ||
	    (ip->protocol != IP_PROTO_UDP && ip->protocol != IP_PROTO_TCP))
		rewrite_unusual(skb);
	else if (ip->protocol == IP_PROTO_UDP && match_udp(&o, (void *)(ip + 1), end))
		mark(skb, &o);
}

static __always_inline void rewrite_ip6(struct __sk_buff *skb, void *start, void *end)
{
	struct outer o = { .ip = start, .ip6 = true };
	struct ip6_header *ip = start;

	if ((void *)(ip + 1) + USUAL_PAYLOAD > end || bpf_ntohs(ip->version_ds) >> 12 != 6 ||
	    (ip->next != IP_PROTO_UDP && ip->next != IP_PROTO_TCP))
		rewrite_unusual(skb);
	else if (ip->next == IP_PROTO_UDP && match_udp(&o, (void *)(ip + 1), end))
		mark(skb, &o);
}

static __always_inline void rewrite_packet(struct __sk_buff *skb)
{
	__be16 type;
	void *ip;
	int offset;

	/* Encapsulation clears skb_iif (skb_scrub_packet()): what came in by another device is
	 * forwarded, and may well be the WireGuard of a host behind us, with our port. */
	if (skb->ingress_ifindex)
		return;
	/* Nothing is pulled before: a tunnel of this host has its headers in the linear part. */
	offset = find_ip(skb, &type);
	ip = packet_start(skb) + (offset & MAX_IP_OFFSET);
	if (type == bpf_htons(ETH_P_IP))
		rewrite_ip4(skb, ip, packet_end(skb));
	else if (type == bpf_htons(ETH_P_IPV6))
		rewrite_ip6(skb, ip, packet_end(skb));
}

SEC("tc/egress_outer")
int egress_outer(struct __sk_buff *skb)
{
	rewrite_packet(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
