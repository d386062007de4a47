/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ingress, the method "tc": copies the DSCP of the outer header to the packet that comes out of a
 * tunnel.
 *
 *   ingress_outer  at the uplink's ingress notes the outer header under the address of the skb
 *   ingress_inner  at the tunnel device's ingress looks it up and rewrites the inner header
 *
 * The skb that arrives at the uplink is the one that leaves the tunnel, for WireGuard as for any
 * tunnel of the kernel, and decapsulation leaves the outer header in memory in front of the packet.
 * An address alone proves nothing: packets die on their way, and another one, which came in by
 * another device, gets the same skb. So a note is believed only if the outer header it was made
 * from lies in front of the inner packet. The DSCP is among the compared fields.
 * Of a tunnel in clear text, a packet without a note may show its outer header by itself
 * (bpf_cleartext.h). Such a tunnel may hand over packets that nobody has sent to this machine, so
 * ingress_outer stamps those that have arrived (skb->tc_index).
 *
 * Works with nothing configured too (plain tc): WireGuard on any port, VXLAN and geneve on theirs.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bpf_cleartext.h"
#include "bpf_notes.h"
#include "bpf_outer.h"

#define VXLAN_PORT 4789 /* RFC 7348 */
#define GENEVE_PORT 6081 /* RFC 8926 */

#define TUNNEL_HEADER 8 /* VXLAN's and geneve's */
#define MAX_DISTANCE 511 /* 60 bytes of IPv4, 8 of UDP, 260 of geneve */

/* Returns the kind of the tunnel with this UDP port. */
static __always_inline __u32 kind_by_port(__u32 port, __u32 *slot)
{
	struct dscp_port *entry = bpf_map_lookup_elem(&ports, &port);

	if (!entry)
		return DSCP_KIND_NONE;
	if (entry->ingress_kind) {
		*slot = dscp_kind_is_clear(entry->ingress_kind) ? 0 : entry->slot;
		return entry->ingress_kind;
	}
	if (!nothing_registered())
		return DSCP_KIND_NONE;
	return port == VXLAN_PORT    ? DSCP_KIND_VXLAN
	       : port == GENEVE_PORT ? DSCP_KIND_GENEVE
				     : DSCP_KIND_WIREGUARD;
}

/* Notes a packet in clear text, with the inner packet so many bytes behind the IP header. (Numbers,
 * where pointers would be simpler: clang 14 subtracts pointers in 32-bit registers, which the
 * verifier does not take.) */
static __always_inline void note_clear(struct dscp_note *note, const struct outer *o, __u32 bytes)
{
	note->distance = o->headers + bytes;
	note->length = outer_length(o) - note->distance;
	note->flags = DSCP_NOTE_CLEAR;
}

static __always_inline enum verdict match_wireguard(struct __sk_buff *skb, const struct outer *o,
						    struct dscp_note *note)
{
	struct udp_header *udp = o->payload;
	struct wireguard_message *message = (void *)(udp + 1);

	if (!is_wireguard(message->type))
		return OTHER;
	if (!wireguard_carries(udp, message->type)) {
		count_skipped(note->slot, wire_packets(skb));
		return OTHER;
	}
	note->distance = o->headers + sizeof(*udp) + sizeof(*message);
	note->length = wireguard_inner(bpf_ntohs(udp->length));
	note->flags = DSCP_NOTE_PADDED;
	return FOUND;
}

/* Matches data only: the kernel hands other messages to user space. The length is exact. */
static __always_inline enum verdict match_ovpn(struct __sk_buff *skb, const struct outer *o,
					       struct dscp_note *note)
{
	struct udp_header *udp = o->payload;
	packet_be32 *message = (void *)(udp + 1);

	if (ovpn_opcode(*message) != OVPN_DATA || !ovpn_carries(udp)) {
		count_skipped(note->slot, wire_packets(skb));
		return OTHER;
	}
	note->distance = o->headers + sizeof(*udp) + OVPN_HEADER;
	note->length = bpf_ntohs(udp->length) - sizeof(*udp) - OVPN_HEADER;
	return FOUND;
}

static __always_inline enum verdict match_udp(struct __sk_buff *skb, const struct outer *o,
					      struct dscp_note *note)
{
	struct udp_header *udp = o->payload;
	packet_be32 *tunnel = (void *)(udp + 1);
	__u32 kind, slot = 0, options = 0;

	if ((void *)(udp + 1) > o->end)
		return CUT;
	kind = kind_by_port(bpf_ntohs(udp->dest), &slot);
	if (kind == DSCP_KIND_NONE)
		return OTHER;
	if ((void *)(udp + 2) > o->end)
		return CUT;
	note->slot = slot;
	if (kind == DSCP_KIND_WIREGUARD)
		return match_wireguard(skb, o, note);
	if (kind == DSCP_KIND_OVPN)
		return match_ovpn(skb, o, note);
	if (kind == DSCP_KIND_GENEVE)
		options = geneve_options(bpf_ntohl(*tunnel));
	note_clear(note, o, sizeof(*udp) + TUNNEL_HEADER + options);
	return FOUND;
}

static __always_inline enum verdict match_gre(const struct outer *o, struct dscp_note *note)
{
	packet_be32 *gre = o->payload;
	__u32 flags;

	if ((void *)(gre + 1) > o->end)
		return CUT;
	flags = bpf_ntohl(*gre);
	if (flags & GRE_VERSION) /* PPTP */
		return OTHER;
	note_clear(note, o, gre_bytes(flags));
	return FOUND;
}

/* Fragments are put together in another skb, with another header: nothing to note. */
static __always_inline enum verdict match_tunnel(struct __sk_buff *skb, const struct outer *o,
						 struct dscp_note *note)
{
	if (o->part != PART_ALL)
		return OTHER;
	if (o->protocol == IP_PROTO_UDP)
		return match_udp(skb, o, note);
	if (o->protocol == IP_PROTO_GRE && kind_registered(DSCP_KIND_GRE, true))
		return match_gre(o, note);
	if ((o->protocol == IP_PROTO_IPIP || o->protocol == IP_PROTO_IPV6) &&
	    kind_registered(DSCP_KIND_IPIP, true)) {
		note_clear(note, o, 0);
		return FOUND;
	}
	return OTHER;
}

static __always_inline enum verdict match_packet(struct __sk_buff *skb, struct dscp_note *note)
{
	struct outer o = {};
	enum verdict verdict;
	__be16 type;
	int offset = find_ip(skb, &type);

	if (offset < 0)
		return OTHER;
	o.ip = packet_start(skb) + some_offset(skb, offset);
	o.end = packet_end(skb);
	verdict = parse_outer(&o, type);
	if (verdict == FOUND)
		verdict = match_tunnel(skb, &o, note);
	if (verdict != FOUND)
		return verdict;
	if (o.ip + DSCP_NOTE_BYTES > o.end)
		return OTHER;
	__builtin_memcpy(note->header, o.ip, DSCP_NOTE_BYTES);
	note->ds = outer_ds(&o);
	return FOUND;
}

static __always_inline void keep_note(struct __sk_buff *skb, struct dscp_note *note)
{
	struct dscp_note_key key = { .id = skb_id(skb), .method = DSCP_METHOD_TC };

	if (note->flags & DSCP_NOTE_CLEAR) {
		note->hash = skb->hash;
		skb->tc_index = DSCP_ARRIVED;
	}
	put_note(&key, note);
}

/* Headers in pages: some drivers leave them there. */
static __noinline int note_unusual(struct __sk_buff *skb)
{
	struct dscp_note note = {};

	pull_headers(skb, OUTER_HEADERS);
	if (match_packet(skb, &note) == FOUND)
		keep_note(skb, &note);
	return 0;
}

SEC("tc/ingress_outer")
int ingress_outer(struct __sk_buff *skb)
{
	struct dscp_note note = {};
	enum verdict verdict = match_packet(skb, &note);

	if (verdict == FOUND)
		keep_note(skb, &note);
	else if (verdict == CUT)
		note_unusual(skb);
	return TC_ACT_UNSPEC;
}

/* Tells whether these are the first bytes of one header. Between uplink and tunnel a queue may have
 * set CE, and a router have decremented the hop limit. The bytes of a number are as they are in
 * memory. */
static __always_inline bool is_same_header(__u64 header, __u64 noted)
{
	const __u64 ip4 = bpf_cpu_to_be64(0xfffcffffffffffff); /* all but ECN */
	const __u64 ip6 = bpf_cpu_to_be64(0xffcfffffffffff00); /* all but ECN and hop limit */
	bool is_ip4 = (*(const __u8 *)&noted) >> 4 == 4;

	return !((header ^ noted) & (is_ip4 ? ip4 : ip6));
}

/* Tells whether the outer header that the note was made from is in front of this packet; else sets
 * why not. VXLAN may hand over a packet that no uplink has seen. If that packet has the skb and the
 * memory of one that died, note and header agree. */
static __always_inline bool is_of_packet(struct __sk_buff *skb, const struct dscp_note *note,
					 bool arrived, __u32 *unknown)
{
	__u64 header;
	__u32 distance = note->distance, length = note->length;

	if (note->flags & DSCP_NOTE_CLEAR && !arrived && note->hash != (__u16)skb->hash)
		return false;
	*unknown = UNKNOWN | DSCP_OTHER_LENGTH;
	if (distance > MAX_DISTANCE)
		return false;
	/* skb_vlan_untag() has moved the Ethernet addresses over the inner VLAN tag. */
	if (skb->vlan_present) {
		distance += sizeof(struct vlan_tag);
		length -= sizeof(struct vlan_tag);
	}
	if (!length_fits(skb, length, note->flags & DSCP_NOTE_PADDED ? WIREGUARD_PADDING : 0))
		return false;
	*unknown = UNKNOWN | DSCP_OTHER_HEADER;
	if (bpf_probe_read_kernel(&header, sizeof(header), packet_start(skb) - distance))
		return false;
	return is_same_header(header, note_bytes(note));
}

/* Read from the bytes that have been compared, not from the rest of the note: the kernel uses
 * elements of an LRU map again while they are read, so that the two may be of different packets. */
static __always_inline __u32 header_dscp(const __u8 *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] >> 2 : (ip[0] << 2 & 0x3c) | ip[1] >> 6;
}

/* Returns whether it was a WireGuard message. */
static __always_inline bool recall(struct __sk_buff *skb, bool arrived, struct arrival *a)
{
	struct dscp_note_key key = { .id = skb_id(skb), .method = DSCP_METHOD_TC };
	struct dscp_note note;

	if (!take_note(&key, &note) || !is_of_packet(skb, &note, arrived, &a->dscp))
		return false;
	a->dscp = header_dscp(note.header);
	if (note.flags & DSCP_NOTE_CLEAR)
		return false;
	if (note.slot && is_slot_of(skb, note.slot))
		a->slot = note.slot;
	return note.flags & DSCP_NOTE_PADDED;
}

/* Without a note: the header in front of the packet, if the tunnel is in clear text. */
static __always_inline void read_without_note(struct __sk_buff *skb, struct arrival *a)
{
	__u32 dscp;

	a->slot = slot_by_device(skb);
	if (!a->slot)
		return;
	dscp = front_dscp(skb, a->slot);
	if (!is_unknown(dscp))
		a->dscp = dscp;
}

/*
 * Tells whether the packet has come by an uplink. Most often ingress_outer's stamp tells, which the
 * packet, its segments, and the packet that GRO makes of these keep. A filter behind ingress_outer
 * that accepts the packet (TC_ACT_OK) overwrites the stamp. Then the flow hash tells: on VXLAN's
 * shortcut (vxlan_encap_bypass()) each packet has one of its own, for the source port.
 */
static __always_inline bool has_arrived(struct __sk_buff *skb)
{
	if (skb->tc_index != DSCP_ARRIVED)
		return !skb->hash;
	skb->tc_index = 0;
	return true;
}

SEC("tc/ingress_inner")
int ingress_inner(struct __sk_buff *skb)
{
	struct arrival a = { .dscp = UNKNOWN | DSCP_NO_NOTE };
	bool arrived = has_arrived(skb);
	bool wireguard = recall(skb, arrived, &a);

	if (is_unknown(a.dscp) && arrived)
		read_without_note(skb, &a);
	rewrite_arrival(skb, &a, !wireguard);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
