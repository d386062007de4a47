/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Copies the DSCP of the inner packet to the outer header (egress).
 *
 *   egress_inner        at the tunnel device's egress stamps skb->hash with the inner DSCP
 *   egress_inner_peers  the same where the policy is by inner destination, with the policy's result
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
#include "bpf_compiler.h"

#include <dscp/abi.h>
#include "bpf_maps.h"
#include "bpf_outer.h"
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
	__uint(max_entries, DSCP_PREFIXES);
	__type(key, struct dscp_prefix);
	__type(value, struct dscp_policy);
} prefixes SEC(".maps");

/* Pinned by name because plain tc loads this object once per program. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_DEFAULT_FLOWS);
	__type(key, __u32);
	__type(value, struct dscp_stamp);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stamps SEC(".maps");

/*
 * In front of stamps, direct mapped: an array look-up is inlined and costs a fifth of a hash's.
 * Each stamp in here was made by us, and tells its value. A stamp that is not may be in stamps.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DSCP_STAMP_CACHE);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stamp_cache SEC(".maps");

/* In front of devices, direct mapped. A slot is believed if its tunnel has the device. A variable,
 * which is read without a look-up. */
static __u32 slots[DSCP_SLOTS] SEC(".data.slots");

/* Remembers the DSCP of the first fragment of an outer packet, for the fragments behind it. Egress
 * passes the fragments of one packet one behind the other, the first one first
 * (ip_do_fragment()). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_FRAGMENTS);
	__type(key, struct dscp_fragment_key);
	__type(value, struct dscp_fragment);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DSCP_FIRST_SLOTS);
	__type(key, __u32);
	__type(value, struct dscp_counters);
} counters SEC(".maps");

#define MAX_INNER_OFFSET 0xffe /* mask, for the verifier: no headers are as long, or odd */
#define USUAL_PAYLOAD 16 /* UDP header and the bytes that are read of the tunnel's */
/* In place of a DSCP: */
#define NOT_OURS 0x200u /* no tunnel's packet after all */
/* The tunnel's, but there is no packet inside; the low bits are as dscp_tunnel.handshake. */
#define SKIPPED 0x400u
#define SKIPPED_BITS 0xffu

#define VXLAN_GPE 0x04000000u /* the P bit: the low byte is the next protocol */

/* Constants of sockets. <sys/socket.h> is not for BPF. */
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define SOCKET_RAW 3 /* on MIPS too, where the first two are exchanged */

static __always_inline void set_destination(struct dscp_prefix *prefix, __u32 family,
					    const __u8 *address, __u32 bytes)
{
	prefix->prefixlen = DSCP_PREFIX_BITS + bytes * 8;
	prefix->family = family;
	__builtin_memcpy(prefix->address, address, bytes);
}

/*
 * Tells whether this is not an inner packet but the prototype of the outer header, which GRE
 * without a remote address shows to the device's TC (ipgre_header(), ip6gre_header()): the inner
 * packet, where the network header is, comes behind it.
 */
static __always_inline bool is_prototype(struct __sk_buff *skb, int offset, __u32 protocol)
{
	return RARELY(protocol == IP_PROTO_GRE) && !offset && has_link_header(skb);
}

/* Returns the DSCP, or negative if there is none. The destination goes to prefix, unless NULL. */
static __always_inline int read_inner(struct __sk_buff *skb, struct dscp_prefix *prefix)
{
	struct ip4_header *ip4;
	struct ip6_header *ip6;
	__be16 type;
	int offset;

	offset = find_ip(skb, &type);
	if (offset < 0)
		return -1;
	ip4 = packet_start(skb) + offset;
	ip6 = (void *)ip4;
	if (type == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip4 + 1) > packet_end(skb) || !is_ip4(ip4) ||
		    is_prototype(skb, offset, ip4->protocol))
			return -1;
		if (prefix)
			set_destination(prefix, 4, ip4->dest, sizeof(ip4->dest));
		return ip4_dscp(ip4);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > packet_end(skb) || !is_ip6(ip6) ||
		    is_prototype(skb, offset, ip6->next))
			return -1;
		if (prefix)
			set_destination(prefix, 6, ip6->dest, sizeof(ip6->dest));
		return ip6_dscp(ip6);
	}
	return -1;
}

/* The DSCP of the packet that the tunnel device is given, or negative if it has none. More headers
 * are pulled only if none was found: a GSO packet has hardly more than its own in the linear part,
 * and to pull into a clone is to copy it (pskb_expand_head()), at the cost of all the rest. */
static __always_inline int inner_dscp(struct __sk_buff *skb, struct dscp_prefix *prefix)
{
	int dscp = read_inner(skb, prefix);

	if (dscp >= 0 || !headers_in_pages(skb, INNER_HEADERS))
		return dscp;
	pull_headers(skb, INNER_HEADERS);
	return read_inner(skb, prefix);
}

/* Writes only an absent entry: every entry for the same stamp is as good. */
static __noinline int note_stamp(struct __sk_buff *skb, __u32 stamp)
{
	struct dscp_stamp entry = { .ifindex = skb->ifindex };

	if (!bpf_map_lookup_elem(&stamps, &stamp))
		bpf_map_update_elem(&stamps, &stamp, &entry, BPF_NOEXIST);
	return 0;
}

static __always_inline __u32 *cached_stamp(__u32 stamp)
{
	__u32 index = stamp % DSCP_STAMP_CACHE;

	return bpf_map_lookup_elem(&stamp_cache, &index);
}

/* By the hash, for the cache to know the next time. */
static __noinline int find_slot(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, index = ifindex % DSCP_SLOTS;
	__u32 *slot = bpf_map_lookup_elem(&devices, &ifindex);

	if (!slot)
		return 0;
	slots[index] = *slot;
	return *slot;
}

/* The slot of the tunnel device that this packet enters; 0: none. */
static __always_inline __u32 slot_entered(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, index = ifindex % DSCP_SLOTS;
	__u32 slot = slots[index];
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &slot);

	if (tunnel && tunnel->ifindex == ifindex)
		return slot;
	return find_slot(skb);
}

static __always_inline void count_stamped(struct __sk_buff *skb, __u32 slot, __u64 dscp)
{
	struct dscp_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (!c)
		return;
	c->stamped_bytes += skb->wire_len;
	c->came_with[dscp & (DSCP_VALUES - 1)] += wire_packets(skb);
}

static __always_inline void write_stamp(struct __sk_buff *skb, __u32 value)
{
	__u32 hash, stamp, *last;

	hash = bpf_get_hash_recalc(skb);
	stamp = dscp_stamp(hash, value);
	bpf_set_hash(skb, stamp);
	last = cached_stamp(stamp);
	if (last && *last != stamp) {
		note_stamp(skb, stamp);
		*last = stamp;
	}
}

static __always_inline void stamp_packet(struct __sk_buff *skb)
{
	int dscp = inner_dscp(skb, NULL);

	if (dscp < 0)
		return;
	count_stamped(skb, slot_entered(skb), dscp);
	write_stamp(skb, dscp);
}

SEC("tc/egress_inner")
int egress_inner(struct __sk_buff *skb)
{
	stamp_packet(skb);
	return TC_ACT_UNSPEC;
}

/* Applies the policy for that destination, or else the tunnel's, to a DSCP. Returns another DSCP,
 * or DSCP_KEEP. The list that the tunnel has at that moment decides for all destinations. */
static __always_inline __u32 prefix_policy(struct dscp_prefix *prefix, struct dscp_tunnel *tunnel,
					   __u32 dscp)
{
	struct dscp_policy *policy;

	prefix->list = tunnel->list;
	policy = bpf_map_lookup_elem(&prefixes, prefix);
	if (!policy)
		policy = &tunnel->egress;
	return policy->to[dscp & (DSCP_VALUES - 1)];
}

static __always_inline __u32 final_value(struct dscp_prefix *prefix, __u32 dscp)
{
	__u32 slot = prefix->slot, to;
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &slot);

	if (!tunnel)
		return UNKNOWN;
	to = prefix_policy(prefix, tunnel, dscp);
	return DSCP_STAMP_FINAL | (to == DSCP_KEEP ? DSCP_STAMP_KEEP : to & (DSCP_VALUES - 1));
}

/* A device that is no tunnel's, or not yet: its packets are nobody's. */
static __always_inline void stamp_by_prefix(struct __sk_buff *skb)
{
	struct dscp_prefix prefix = {};
	__u32 value, slot = slot_entered(skb);
	int dscp;

	if (!slot)
		return;
	prefix.slot = slot;
	dscp = inner_dscp(skb, &prefix);
	if (dscp < 0)
		return;
	value = final_value(&prefix, dscp);
	if (value == UNKNOWN)
		return;
	count_stamped(skb, slot, dscp);
	write_stamp(skb, value);
}

SEC("tc/egress_inner_peers")
int egress_inner_peers(struct __sk_buff *skb)
{
	stamp_by_prefix(skb);
	return TC_ACT_UNSPEC;
}

/* The facts that egress_outer finds out about a packet. */
struct leaving {
	struct outer o;
	__u32 offset; /* of the outer IP header, from skb->data */
	__u32 slot;
	__u32 inner; /* in clear text: offset of the inner packet */
	__u32 type; /* and its ethertype, ETH_P_TEB if it is a frame, or 0 if nobody knows */
	__u32 source; /* UDP port */
	__u32 came; /* one more than the DSCP of the inner header, or 0 if that was not read */
	const struct dscp_tunnel *tunnel; /* of the slot; set where the packet is the tunnel's */
	bool data; /* carries an inner packet */
};

/* VXLAN and geneve have the VNI at the same place: the second word, upper 24 bits. */
static __noinline int slot_by_vni(const struct dscp_port *port, __u32 family, __u32 number,
				  __be32 vni)
{
	struct dscp_endpoint key = {
		.kind = port->kind,
		.family = family,
		.port = number,
		.id = bpf_ntohl(vni) >> 8,
	};
	__u32 *slot = bpf_map_lookup_elem(&endpoints, &key);

	return slot ? *slot : port->slot;
}

/* VXLAN, GPE included. word: the first one of its header. */
static __always_inline void find_in_vxlan(struct leaving *l, __u32 word)
{
	__u32 next = word & 0xff;

	l->inner = l->offset + l->o.headers + sizeof(struct udp_header) + 8;
	if (!(word & VXLAN_GPE) || next == 3)
		l->type = ETH_P_TEB;
	else if (next == 1)
		l->type = ETH_P_IP;
	else if (next == 2)
		l->type = ETH_P_IPV6;
}

static __always_inline void find_in_geneve(struct leaving *l, __u32 word)
{
	l->inner = l->offset + l->o.headers + sizeof(struct udp_header) + 8 + geneve_options(word);
	l->type = word & 0xffff;
}

/* Finds control messages, which OpenVPN in user space sends by the same socket. */
static __always_inline bool match_ovpn_control(struct leaving *l, const struct dscp_port *by_source,
					       __be32 word)
{
	__u32 opcode = ovpn_opcode(word);

	if (by_source->kind != DSCP_KIND_OVPN || !opcode || opcode > OVPN_LAST)
		return false;
	l->slot = by_source->slot;
	l->data = false;
	return true;
}

/* Decides by the payload of UDP, of which two words can be read. The destination port is looked up
 * only where the source port does not decide: a read of so large a table often misses the caches.
 */
static __always_inline bool match_payload(struct leaving *l, const struct dscp_port *by_source)
{
	const struct udp_header *udp = l->o.payload;
	const packet_be32 *payload = (const void *)(udp + 1);
	__u32 dest = bpf_ntohs(udp->dest), kind;
	struct dscp_port *by_dest;

	if (by_source->kind == DSCP_KIND_WIREGUARD && is_wireguard(payload[0])) {
		l->slot = by_source->slot;
		l->data = wireguard_carries(udp, payload[0]);
		return true;
	}
	/* No VXLAN or geneve begins with this opcode. */
	if (by_source->kind == DSCP_KIND_OVPN && ovpn_opcode(payload[0]) == OVPN_DATA) {
		l->slot = by_source->slot;
		l->data = ovpn_carries(udp);
		return true;
	}
	by_dest = bpf_map_lookup_elem(&ports, &dest);
	if (!by_dest)
		return false;
	kind = by_dest->kind;
	if (kind != DSCP_KIND_VXLAN && kind != DSCP_KIND_GENEVE)
		return match_ovpn_control(l, by_source, payload[0]);
	l->slot = slot_by_vni(by_dest, l->o.ip6 ? 6 : 4, dest, payload[1]);
	if (kind == DSCP_KIND_VXLAN)
		find_in_vxlan(l, bpf_ntohl(payload[0]));
	else
		find_in_geneve(l, bpf_ntohl(payload[0]));
	return l->slot;
}

/* Counts a packet of a user space tunnel's own socket that has another source port than the socket:
 * a redirect has given it the port back that the peer has sent to. */
static __noinline int count_other_port(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct dscp_counters *c;
	struct dscp_port *port;
	__u32 number, slot;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || sk->protocol != IP_PROTO_UDP)
		return 0;
	number = sk->src_port;
	port = bpf_map_lookup_elem(&ports, &number);
	if (!port || port->kind != DSCP_KIND_UDP)
		return 0;
	slot = port->slot;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (c)
		c->other_port++;
	return 0;
}

/* Without a tool any UDP packet may be the tunnel's. */
static __always_inline bool match_other(struct __sk_buff *skb)
{
	const struct dscp_config *cfg = read_config();

	if (!cfg)
		return false;
	if (cfg->kinds & (1u << DSCP_KIND_UDP))
		count_other_port(skb);
	return !cfg->magic;
}

/*
 * Finds the tunnel of a UDP packet. False: of no tunnel that we know. The source port of VXLAN and
 * geneve is a hash, and may happen to be a tunnel's: WireGuard's messages are known by their type,
 * then the destination port decides, and tunnels without a header of their kind come last.
 */
static __always_inline bool match_udp(struct __sk_buff *skb, struct leaving *l)
{
	const struct udp_header *udp = l->o.payload;
	struct dscp_port *by_source;
	__u32 source;

	if ((void *)(udp + 1) > l->o.end)
		return false;
	source = bpf_ntohs(udp->source);
	by_source = bpf_map_lookup_elem(&ports, &source);
	if (!by_source)
		return false;
	l->source = source;
	l->data = true;
	if ((void *)(udp + 2) <= l->o.end && match_payload(l, by_source))
		return true;
	if (by_source->kind == DSCP_KIND_UDP || by_source->kind == DSCP_KIND_AMNEZIAWG) {
		l->slot = by_source->slot;
		return true;
	}
	return match_other(skb);
}

/* Finds the tunnel with these outer addresses. One with both configured comes first. */
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

/* Where the inner packet is in GRE of version 0, given the first word of its header. */
static __always_inline void find_in_gre(struct leaving *l, __u32 word)
{
	l->inner = l->offset + l->o.headers + gre_bytes(word);
	if (!(word & GRE_ROUTING))
		l->type = word & 0xffff;
}

/* Not a kind that is served: its device is another one, and its key is not in GRE's header. */
static __always_inline bool is_erspan(__u32 type)
{
	return type == ETH_P_ERSPAN || type == ETH_P_ERSPAN2;
}

/* The key of a GRE header (RFC 2890), 0 without one. False: cut off, or not version 0 (PPTP), or
 * ERSPAN. */
static __always_inline bool match_gre(struct leaving *l, __u32 *id)
{
	const packet_be32 *gre = l->o.payload, *key;
	__u32 word;

	GCC_KEEP(gre);
	key = gre + 1;
	if ((void *)key > l->o.end)
		return false;
	word = bpf_ntohl(*gre);
	if (word & GRE_VERSION || is_erspan(word & 0xffff))
		return false;
	find_in_gre(l, word);
	if (!(word & GRE_KEY))
		return true;
	if (word & GRE_CHECKSUM)
		key++; /* behind the checksum */
	if ((void *)(key + 1) > l->o.end)
		return false;
	*id = bpf_ntohl(*key);
	return true;
}

/* A packet of GRE or IPIP; key has the addresses. */
static __always_inline bool match_ip(struct leaving *l, struct dscp_endpoint *key)
{
	__u32 protocol = l->o.protocol;

	if (protocol == IP_PROTO_GRE)
		key->kind = DSCP_KIND_GRE;
	else if (protocol == IP_PROTO_IPIP || protocol == IP_PROTO_IPV6)
		key->kind = DSCP_KIND_IPIP;
	else
		return false;
	if (!kind_registered(key->kind, false))
		return false;
	if (protocol == IP_PROTO_GRE) {
		if (!match_gre(l, &key->id))
			return false;
	} else {
		l->inner = l->offset + l->o.headers;
		l->type = protocol == IP_PROTO_IPIP ? ETH_P_IP : ETH_P_IPV6;
	}
	l->data = true;
	l->slot = slot_by_address(key);
	return l->slot;
}

/* Copies the addresses of the outer header, and returns the version of IP. The length has been
 * checked before, where the verifier knows of which version the header is. */
static __always_inline __u32 copy_addresses(const struct outer *o, __u8 *source, __u8 *dest)
{
	const struct ip4_header *ip4 = o->ip;
	const struct ip6_header *ip6 = o->ip;

	if (!o->ip6) {
		__builtin_memcpy(source, ip4->source, sizeof(ip4->source));
		__builtin_memcpy(dest, ip4->dest, sizeof(ip4->dest));
		return 4;
	}
	if ((void *)(ip6 + 1) <= o->end) {
		__builtin_memcpy(source, ip6->source, sizeof(ip6->source));
		__builtin_memcpy(dest, ip6->dest, sizeof(ip6->dest));
	}
	return 6;
}

/* Finds the tunnel of a packet. False: of no tunnel that we know, or a later fragment, which has no
 * port. */
static __always_inline bool match_tunnel(struct __sk_buff *skb, struct leaving *l)
{
	struct dscp_endpoint key = {};

	if (l->o.part >= PART_LATER)
		return false;
	if (l->o.protocol == IP_PROTO_UDP)
		return match_udp(skb, l);
	key.family = copy_addresses(&l->o, key.local, key.remote);
	return match_ip(l, &key);
}

static __always_inline bool is_stamp(__u32 hash)
{
	__u32 *last = cached_stamp(hash);

	/* No hash at all reads as 0, and so does an empty place of the cache. */
	return hash && ((last && *last == hash) || bpf_map_lookup_elem(&stamps, &hash));
}

/* DSCP_STAMP_*, by the hash of the outer packet: the stamp itself tells it. */
static __always_inline __u32 stamped_value(__u32 hash)
{
	return is_stamp(hash) ? dscp_unmix(hash) & DSCP_STAMP_BITS : UNKNOWN;
}

/* The same where it is asked rarely, or many times. The empty asm keeps GCC from calculating with
 * the pointer that the map returns. */
VERIFIED_ONCE int has_stamp(__u32 hash)
{
	if (!is_stamp(hash))
		return 0;
	asm volatile("");
	return 1;
}

/*
 * Finds the stamped value of a fragmented packet of a local connected socket. On each fragment, the
 * first one too, skb_set_owner_w() puts the hash of the socket (sk_txhash) back in place of the
 * stamp. So look which values the packets of that socket were stamped with, from first on. With
 * more than one, the right one is unknown. Both sums begin with a number that the verifier does not
 * know, and nothing branches on a stamp that was found, so that it need not go through every
 * combination. The counter has eight bytes, since GCC 12 keeps the counter on the stack and the
 * verifier of Linux 6.1 forgets variables of four bytes there.
 */
VERIFIED_ONCE int value_of_socket(__u32 hash, __u32 first)
{
	__u32 count = hash, sum = hash, found;

	asm volatile("" : "+r"(count), "+r"(sum));
	for (unsigned long i = 0; i <= DSCP_VALUES; i++) {
		__u32 value = first + i;

		if (i == DSCP_VALUES && first)
			value = DSCP_STAMP_FINAL | DSCP_STAMP_KEEP;
		else if (i == DSCP_VALUES)
			break;
		found = has_stamp(dscp_stamp(hash, value));
		asm volatile("" : "+r"(found));
		count += found;
		sum += value & -found;
	}
	return count - hash == 1 ? sum - hash : UNKNOWN;
}

/* Applies the tunnel's policy to a stamped value. */
static __always_inline __u32 dscp_by_value(struct dscp_tunnel *tunnel, __u32 slot, __u32 value)
{
	if (value & DSCP_STAMP_FINAL)
		return value & DSCP_STAMP_KEEP ? DSCP_KEEP : value & (DSCP_VALUES - 1);
	if (is_unknown(value) || !slot)
		return value;
	return tunnel->egress.to[value & (DSCP_VALUES - 1)];
}

/* An inner IP header in clear text. */
struct clear {
	__u32 offset; /* from skb->data */
	__u32 word; /* its first two bytes: the version and the DS field are there */
	bool ip6;
};

#define CAME_SHIFT 16

/* The result of clear_dscp(): the DSCP that the packet should have, and the DSCP that it came
 * with. */
static __always_inline __u32 both_dscps(__u32 wanted, __u32 dscp)
{
	return wanted | (dscp + 1) << CAME_SHIFT;
}

/* Reads the ethertype of a frame and the header behind up to two VLAN tags. */
static __always_inline bool load_frame(struct __sk_buff *skb, struct clear *c, __u32 *type)
{
	__be16 words[2];

	c->offset += offsetof(struct ethhdr, h_proto);
	UNROLL
	for (int i = 0; i <= MAX_VLAN_TAGS; i++) {
		if (bpf_skb_load_bytes(skb, c->offset, words, sizeof(words)))
			return false;
		if (!is_vlan(words[0]))
			break;
		c->offset += sizeof(struct vlan_tag);
	}
	c->offset += sizeof(words[0]);
	*type = bpf_ntohs(words[0]);
	c->word = bpf_ntohs(words[1]);
	return true;
}

/* Returns false if no IP is inside, or none can be found. bpf_skb_load_bytes() also reaches bytes
 * outside the linear part, and packet pointers stay good. */
static __always_inline bool load_clear(struct __sk_buff *skb, struct clear *c, __u32 type)
{
	__be16 word;

	if (type == ETH_P_TEB) {
		if (!load_frame(skb, c, &type))
			return false;
	} else {
		if (bpf_skb_load_bytes(skb, c->offset, &word, sizeof(word)))
			return false;
		c->word = bpf_ntohs(word);
	}
	c->ip6 = type == ETH_P_IPV6;
	return (type == ETH_P_IP && ip_version(c->word) == 4) ||
	       (c->ip6 && ip_version(c->word) == 6);
}

static __always_inline __u32 clear_policy(struct __sk_buff *skb, struct dscp_tunnel *tunnel,
					  __u32 slot, const struct clear *c)
{
	__u32 dscp = c->ip6 ? ip6_word_dscp(c->word) : ip4_word_dscp(c->word);
	struct dscp_prefix prefix = { .slot = slot };
	long err;

	if (!(tunnel->flags & DSCP_TUNNEL_PREFIXES))
		return both_dscps(tunnel->egress.to[dscp], dscp);
	prefix.family = c->ip6 ? 6 : 4;
	prefix.prefixlen = DSCP_PREFIX_BITS + (c->ip6 ? 128 : 32);
	if (c->ip6)
		err = bpf_skb_load_bytes(skb, c->offset + offsetof(struct ip6_header, dest),
					 prefix.address, 16);
	else
		err = bpf_skb_load_bytes(skb, c->offset + offsetof(struct ip4_header, dest),
					 prefix.address, 4);
	return both_dscps(err ? UNKNOWN | DSCP_UNREADABLE : prefix_policy(&prefix, tunnel, dscp),
			  dscp);
}

/* The DSCP for a packet of a tunnel in clear text, and its own. offset, type: of the inner packet.
 */
static __noinline int clear_dscp(struct __sk_buff *skb, __u32 slot, __u32 offset, __u32 type)
{
	struct dscp_tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &slot);
	struct clear c = { .offset = offset };

	if (!tunnel || !type)
		return UNKNOWN | DSCP_UNREADABLE;
	if (!load_clear(skb, &c, type))
		return UNKNOWN | (offset < skb->len ? DSCP_NOT_IP : DSCP_UNREADABLE);
	return clear_policy(skb, tunnel, slot, &c);
}

/* Can a UDP socket's packet be in there, by itself, as a fragment or in another tunnel? */
static __always_inline bool may_carry_udp(struct __sk_buff *skb, const struct clear *c)
{
	__u32 offset =
		c->ip6 ? offsetof(struct ip6_header, next) : offsetof(struct ip4_header, protocol);
	__u8 protocol;

	if (bpf_skb_load_bytes(skb, c->offset + offset, &protocol, 1))
		return true;
	return protocol != IP_PROTO_TCP && protocol != IP_PROTO_ICMP && protocol != IP_PROTO_ICMP6;
}

/*
 * Tells whether a local program has written this outer packet itself: skb->sk is a socket that
 * sends from its port, or a raw one of its protocol. But the skb->sk of a tunnel's packet is the
 * socket of the innermost packet, which may happen to be of the same protocol and port. So the
 * packet is the program's only if that socket's packet cannot be inside. When in doubt it is the
 * tunnel's, or a policy would leak: a program that writes a message with UDP inside gets the
 * policy. A packet socket's (AF_PACKET) can be either, and counts as the inner packet's.
 */
static __noinline int is_program(struct __sk_buff *skb, __u32 protocol, __u32 source, __u32 offset,
				 __u32 type)
{
	struct bpf_sock *sk = skb->sk;
	struct clear c = { .offset = offset };

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || (sk->family != FAMILY_INET && sk->family != FAMILY_INET6) ||
	    sk->protocol != protocol)
		return 0;
	if (sk->type != SOCKET_RAW && sk->src_port != source)
		return 0;
	return !load_clear(skb, &c, type) || !may_carry_udp(skb, &c);
}

/* Is skb->sk worth a look by is_program()? It has nearly always another port. A raw socket's is the
 * protocol. */
static __always_inline bool may_be_program(struct __sk_buff *skb, __u32 protocol, __u32 source)
{
	struct bpf_sock *sk = skb->sk;

	return sk && (sk->src_port == source || sk->src_port == protocol);
}

/* The usual inner packet: in the linear part, without VLAN tags and prefix maps. */
static __always_inline bool clear_usual(struct __sk_buff *skb, const struct dscp_tunnel *tunnel,
					struct leaving *l, __u32 *wanted)
{
	__u32 type = l->type, offset = l->inner, word, version, dscp;
	const __be16 *inner;

	GCC_KEEP(offset);
	inner = packet_start(skb) + (offset & MAX_INNER_OFFSET);
	asm volatile("" : "+r"(inner)); /* one register, which is compared and then read by */
	if (tunnel->flags & DSCP_TUNNEL_PREFIXES || (void *)(inner + 8) > packet_end(skb))
		return false;
	if (type == ETH_P_TEB) {
		type = bpf_ntohs(inner[6]);
		inner += 7;
	}
	word = bpf_ntohs(inner[0]);
	version = ip_version(word);
	if (type == ETH_P_IP && version == 4)
		dscp = ip4_word_dscp(word);
	else if (type == ETH_P_IPV6 && version == 6)
		dscp = ip6_word_dscp(word);
	else
		return false;
	*wanted = tunnel->egress.to[dscp];
	l->came = dscp + 1;
	return true;
}

/* A tunnel's own packets do not leave by its device: a packet that looks like them there is inside
 * it. */
static __always_inline bool leaves_here(struct __sk_buff *skb, const struct dscp_tunnel *tunnel)
{
	return tunnel->flags & DSCP_TUNNEL_EGRESS &&
	       (tunnel->ifindex != skb->ifindex || tunnel->netns != tunnel->uplink_netns);
}

static __always_inline __u32 outer_protocol(const struct leaving *l, __u32 kind)
{
	if (kind == DSCP_KIND_GRE)
		return IP_PROTO_GRE;
	if (kind == DSCP_KIND_IPIP)
		return l->type == ETH_P_IP ? IP_PROTO_IPIP : IP_PROTO_IPV6;
	return IP_PROTO_UDP;
}

/* A separate slot: a struct cannot be in registers once its address is taken. */
static __always_inline struct dscp_tunnel *tunnel_of(__u32 slot)
{
	return bpf_map_lookup_elem(&tunnels, &slot);
}

/* The tunnel that the packet is of, or NULL. */
static __always_inline struct dscp_tunnel *find_tunnel(struct __sk_buff *skb, struct leaving *l)
{
	struct dscp_tunnel *tunnel = tunnel_of(l->slot);

	if (!tunnel || (l->slot && !leaves_here(skb, tunnel)) ||
	    (skb->ingress_ifindex && tunnel->kind != DSCP_KIND_OVPN))
		return NULL;
	l->tunnel = tunnel;
	return tunnel;
}

/* Finds the stamped value of a first fragment, which has the hash of the socket in place of a
 * stamp. */
static __always_inline __u32 value_of_first(struct __sk_buff *skb, const struct dscp_tunnel *tunnel)
{
	const __u32 first = tunnel->flags & DSCP_TUNNEL_PREFIXES ? DSCP_STAMP_FINAL : 0;
	__u32 value = UNKNOWN;

	if (dscp_kind_is_stamped(tunnel->kind) && skb->sk)
		value = value_of_socket(skb->hash, first);
	return is_unknown(value) ? UNKNOWN | DSCP_FRAGMENT : value;
}

/* The DSCP this outer packet should have. */
static __always_inline __u32 wanted_dscp(struct __sk_buff *skb, struct leaving *l)
{
	struct dscp_tunnel *tunnel = find_tunnel(skb, l);
	__u32 value, dscp, protocol;
	bool clear;

	if (!tunnel)
		return NOT_OURS;
	if (!l->data)
		return SKIPPED | tunnel->handshake;
	clear = dscp_kind_is_clear(tunnel->kind);
	if (clear) {
		protocol = outer_protocol(l, tunnel->kind);
		if (may_be_program(skb, protocol, l->source) &&
		    is_program(skb, protocol, l->source, l->inner, l->type))
			return NOT_OURS;
	}
	if (tunnel->flags & DSCP_TUNNEL_FIXED)
		return tunnel->outer_dscp;
	if (clear && clear_usual(skb, tunnel, l, &dscp))
		return dscp;
	if (clear) {
		dscp = clear_dscp(skb, l->slot, l->inner, l->type);
		l->came = dscp >> CAME_SHIFT;
		return dscp & ((1 << CAME_SHIFT) - 1);
	}
	value = stamped_value(skb->hash);
	if (is_unknown(value) && l->o.part == PART_FIRST)
		value = value_of_first(skb, tunnel);
	/* Nothing but the stamp tells its data from handshakes, junk and keepalives. */
	if (tunnel->kind == DSCP_KIND_AMNEZIAWG && is_unknown(value))
		return SKIPPED;
	return dscp_by_value(tunnel, l->slot, value);
}

static __always_inline void write_ds(const struct leaving *l, __u32 ds)
{
	struct ip4_header *ip4 = l->o.ip;
	struct ip6_header *ip6 = l->o.ip;

	if (l->o.ip6)
		ip6_set_ds(ip6, ds);
	else
		ip4_set_ds(ip4, ds);
}

/* A handshake or keepalive. Returns the DS field that it leaves with. */
static __always_inline __u32 write_skipped(const struct leaving *l, __u32 dscp)
{
	__u32 ds = outer_ds(&l->o), to = dscp & SKIPPED_BITS;

	if (!to || to - 1 == ds >> 2)
		return ds;
	ds = ds_with_dscp(ds, to - 1);
	write_ds(l, ds);
	return ds;
}

/* The same of a packet with data. */
static __always_inline __u32 write_data(struct __sk_buff *skb, const struct leaving *l,
					struct dscp_counters *c, __u32 dscp)
{
	__u32 ds = outer_ds(&l->o), packets = wire_packets(skb);

	c->bytes += skb->wire_len;
	if (l->came)
		c->came_with[(l->came - 1) & (DSCP_VALUES - 1)] += packets;
	if (is_unknown(dscp)) {
		c->unknown[reason_index(dscp)] += packets;
	} else if (dscp == DSCP_KEEP || dscp == ds >> 2) {
		c->unchanged += packets;
	} else {
		ds = ds_with_dscp(ds, dscp);
		write_ds(l, ds);
		c->marked += packets;
	}
	c->dscp[dscp_index(ds)] += packets;
	return ds;
}

static __always_inline void write_dscp(struct __sk_buff *skb, const struct leaving *l, __u32 dscp)
{
	__u32 slot = l->slot, ds, to;
	struct dscp_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (!c)
		return;
	if (l->o.part <= PART_FIRST)
		c->passed++;
	if (dscp & SKIPPED) {
		c->skipped += wire_packets(skb);
		ds = write_skipped(l, dscp);
	} else {
		ds = write_data(skb, l, c, dscp);
	}
	if (!(l->tunnel->flags & DSCP_TUNNEL_PRIORITY))
		return;
	to = l->tunnel->priority.to[dscp_index(ds)];
	if (to)
		skb->priority = to - 1;
}

static __always_inline void rewrite_dscp(struct __sk_buff *skb, struct leaving *l)
{
	__u32 dscp = wanted_dscp(skb, l);

	if (dscp != NOT_OURS)
		write_dscp(skb, l, dscp);
}

static __always_inline void set_key(struct dscp_fragment_key *key, const struct __sk_buff *skb,
				    const struct leaving *l)
{
	key->ifindex = skb->ifindex;
	key->id = l->o.id;
	key->protocol = l->o.protocol;
	key->family = copy_addresses(&l->o, key->source, key->dest);
}

/* Notes the tunnel of the packet that a first fragment begins, or that it has none: the
 * identification of an earlier packet is used again. */
static __always_inline void note_fragment(const struct dscp_fragment_key *key,
					  const struct dscp_fragment *note)
{
	if (note->dscp < NOT_OURS && (note->slot || !is_unknown(note->dscp)))
		bpf_map_update_elem(&fragments, key, note, BPF_ANY);
	else if (bpf_map_lookup_elem(&fragments, key))
		bpf_map_delete_elem(&fragments, key);
}

/*
 * A later fragment has no port: it is the tunnel's if the first one of the same packet was. The
 * value counts only if the note was there before and after it was read: in between another CPU may
 * have used the element of an LRU map for something else.
 */
static __always_inline __u32 noted_dscp(struct __sk_buff *skb, struct leaving *l,
					const struct dscp_fragment_key *key)
{
	struct dscp_fragment *note = bpf_map_lookup_elem(&fragments, key);
	__u32 dscp;

	if (!note)
		return NOT_OURS;
	l->slot = note->slot;
	dscp = note->dscp;
	barrier();
	if (!find_tunnel(skb, l))
		return NOT_OURS;
	if (l->o.part == PART_LAST ? bpf_map_delete_elem(&fragments, key)
				   : !bpf_map_lookup_elem(&fragments, key))
		return NOT_OURS;
	return dscp;
}

static __always_inline void rewrite_parsed(struct __sk_buff *skb, struct leaving *l)
{
	__u32 dscp = NOT_OURS, noise = skb->len;
	struct dscp_fragment_key key = {};

	if (match_tunnel(skb, l)) {
		l->slot = some_number(l->slot, noise);
		l->inner = some_number(l->inner, noise);
		l->type = some_number(l->type, noise);
		dscp = wanted_dscp(skb, l);
	}
	if (l->o.part != PART_ALL) {
		set_key(&key, skb, l);
		if (l->o.part != PART_FIRST)
			dscp = noted_dscp(skb, l, &key);
		else if (dscp != NOT_OURS || !skb->ingress_ifindex)
			note_fragment(&key,
				      &(struct dscp_fragment){
					      .slot = l->slot,
					      .dscp = is_unknown(dscp) ? UNKNOWN | DSCP_FRAGMENT
								       : dscp });
	}
	if (dscp != NOT_OURS)
		write_dscp(skb, l, dscp);
}

/* Options, fragments, GRE, IPIP, headers outside the linear part. */
static __noinline int rewrite_unusual(struct __sk_buff *skb)
{
	struct leaving l = {};
	__be16 type;
	int offset;

	pull_headers(skb, OUTER_HEADERS);
	offset = find_ip(skb, &type);
	if (offset < 0)
		return 0;
	l.offset = some_offset(skb, offset);
	l.o.ip = packet_start(skb) + l.offset;
	l.o.end = packet_end(skb);
	if (parse_outer(&l.o, type) == FOUND)
		rewrite_parsed(skb, &l);
	return 0;
}

/* IPv4 without options and not a fragment, else the long way. */
static __always_inline void rewrite_ip4(struct __sk_buff *skb, __u32 offset)
{
	struct ip4_header *ip = packet_start(skb) + offset;
	struct leaving l = {
		.o = { .ip = ip,
		       .payload = ip + 1,
		       .end = packet_end(skb),
		       .headers = sizeof(*ip) },
		.offset = offset,
	};

	if ((void *)(ip + 1) + USUAL_PAYLOAD > l.o.end || ip->version_ihl != 0x45 ||
	    !ip4_is_whole(ip) || (ip->protocol != IP_PROTO_UDP && ip->protocol != IP_PROTO_TCP))
		rewrite_unusual(skb);
	else if (ip->protocol == IP_PROTO_UDP && match_udp(skb, &l))
		rewrite_dscp(skb, &l);
}

static __always_inline void rewrite_ip6(struct __sk_buff *skb, __u32 offset)
{
	struct ip6_header *ip = packet_start(skb) + offset;
	struct leaving l = {
		.o = { .ip = ip,
		       .payload = ip + 1,
		       .end = packet_end(skb),
		       .headers = sizeof(*ip),
		       .ip6 = true },
		.offset = offset,
	};

	if ((void *)(ip + 1) + USUAL_PAYLOAD > l.o.end || !is_ip6(ip) ||
	    (ip->next != IP_PROTO_UDP && ip->next != IP_PROTO_TCP))
		rewrite_unusual(skb);
	else if (ip->next == IP_PROTO_UDP && match_udp(skb, &l))
		rewrite_dscp(skb, &l);
}

/* Tells a packet with skb_iif that is merely forwarded from one that went into a tunnel. Nothing
 * scrubs the packets of an ovpn over IPv6 (udp_tunnel6_xmit_skb()): their stamp is the proof. */
static __noinline int is_forwarded(struct __sk_buff *skb)
{
	const struct dscp_config *cfg = read_config();

	return !cfg || !(cfg->kinds & 1u << DSCP_KIND_OVPN) || !has_stamp(skb->hash);
}

static __always_inline void rewrite_packet(struct __sk_buff *skb)
{
	__be16 type;
	int offset;

	/* Encapsulation clears skb_iif (skb_scrub_packet()), but for one kind: a packet with it is
	 * forwarded, and may well be the WireGuard of a host behind us, with our port. */
	if (skb->ingress_ifindex && is_forwarded(skb))
		return;
	/* Nothing is pulled before: a tunnel of this host has its headers in the linear part. */
	offset = find_ip(skb, &type);
	GCC_KEEP(offset);
	offset = some_offset(skb, offset);
	if (type == bpf_htons(ETH_P_IP))
		rewrite_ip4(skb, offset);
	else if (type == bpf_htons(ETH_P_IPV6))
		rewrite_ip6(skb, offset);
}

SEC("tc/egress_outer")
int egress_outer(struct __sk_buff *skb)
{
	rewrite_packet(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
