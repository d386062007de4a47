/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The pinned maps: the contract between the BPF programs and the tool (of any
 * version, of any word size). Only fixed-width types, every hole is named, all
 * integers are in host byte order unless a comment says otherwise.
 *
 * A change of any layout here, or of the meaning of a field, needs a new
 * DSCP_ABI_VERSION: a tool that meets another version stops and says so.
 *
 *   config           ARRAY[1]                 struct dscp_config
 *   tunnels          ARRAY[DSCP_MAX_TUNNELS]  slot -> struct dscp_tunnel
 *   ports            ARRAY[65536]             UDP port -> struct dscp_port
 *   endpoints        HASH                     struct dscp_endpoint -> __u32 slot
 *   devices          HASH                     __u32 ifindex of a tunnel -> __u32 slot
 *   prefixes         LPM_TRIE[DSCP_PREFIXES]  struct dscp_prefix -> struct dscp_policy
 *   stamps           LRU_HASH                 __u32 stamped skb->hash -> struct dscp_stamp
 *   stamp_cache      ARRAY[DSCP_STAMP_CACHE]  stamp % DSCP_STAMP_CACHE -> __u32 stamp
 *   .data.slots      __u32[DSCP_SLOTS]        ifindex % DSCP_SLOTS -> slot, a cache of devices; a
 *                                             variable of the programs, not pinned
 *   fragments        LRU_HASH                 struct dscp_fragment_key -> struct dscp_fragment
 *   counters         PERCPU_ARRAY             slot -> struct dscp_counters of egress
 *   present          DEVMAP                   N * DSCP_MAX_TUNNELS + slot -> the tunnel's device
 *                                             (N: 0), lo of its namespace (1), lo of its uplinks'
 *                                             (2): no program has it, the tool makes it
 *   requests         HASH                     slot -> struct request of the tool; the tool makes it
 *   balance          HASH                     slot -> struct balance of the tool; the tool makes it
 *
 * and, once a tunnel has asked for ingress,
 *
 *   note_cache       ARRAY[DSCP_NOTE_CACHE]   bucket -> struct dscp_bucket
 *   notes            LRU_HASH                 struct dscp_note_key -> struct dscp_note
 *   ingress_counters PERCPU_ARRAY             slot -> struct dscp_counters of ingress
 *
 * and, once these two arrays of counters have grown for the first time,
 *
 *   carried          HASH                     slot, DSCP_CARRIED_INGRESS -> struct dscp_carried
 *
 * Slot 0 is never a tunnel: "not registered". Its counters are the programs' when they were loaded
 * without the tool (plain tc).
 */
#ifndef DSCP_ABI_H
#define DSCP_ABI_H

#include <linux/types.h>

#define DSCP_ABI_MAGIC 0x64736370u /* "dscp" */
#define DSCP_ABI_VERSION 9u

#define DSCP_VALUES 64 /* six bits, RFC 2474 section 3 */
#define DSCP_KEEP 0xffu /* policy entry: leave that header as it is */
#define DSCP_ECN_MASK 0x03u /* the two low bits of the DS field, RFC 6040: never ours */

#define DSCP_MAX_TUNNELS 1024
#define DSCP_FIRST_SLOTS 32 /* of both counters, which double up to DSCP_MAX_TUNNELS */
#define DSCP_MAX_ENDPOINTS 2048
#define DSCP_MAX_UPLINKS 16 /* per tunnel */
#define DSCP_MAX_PORTS 8 /* per tunnel */
#define DSCP_MAX_PREFIXES 64 /* per tunnel: prefixes with a separate policy */
/* Each list has an entry more (DSCP_PREFIX_REST). Slot 0 has no list, and a tunnel has up to three
 * while it changes. */
#define DSCP_PREFIXES ((DSCP_MAX_TUNNELS + 1) * (DSCP_MAX_PREFIXES + 1))
#define DSCP_DEFAULT_FLOWS 65536
#define DSCP_STAMP_CACHE 32768 /* a power of two */
#define DSCP_SLOTS 256 /* of the cache of slots; a power of two */
#define DSCP_FRAGMENTS 1024 /* outer packets with later fragments to come */
#define DSCP_NOTE_CACHE 16384 /* buckets; a power of two */
#define DSCP_NOTES 16384 /* packets between uplink and tunnel, and those that never came out */
#define DSCP_IFNAMSIZ 16 /* IFNAMSIZ; <net/if.h> and <linux/if.h> do not mix */

/* How the outer packets of a tunnel look. Zero means nothing is there. */
enum dscp_kind {
	DSCP_KIND_NONE = 0,
	DSCP_KIND_WIREGUARD = 1, /* UDP source port; message type 4 is data */
	DSCP_KIND_UDP = 2, /* UDP source port; every packet is data (user space tunnels) */
	/* From here on in clear text: dscp_kind_is_clear(). */
	DSCP_KIND_VXLAN = 3, /* UDP destination port and VNI */
	DSCP_KIND_GENEVE = 4, /* UDP destination port and VNI */
	DSCP_KIND_GRE = 5, /* IP protocol 47, addresses and key; L2 and L3 payload */
	DSCP_KIND_IPIP = 6, /* IP protocols 4 and 41, addresses */
	/* From here on encrypted again. */
	DSCP_KIND_OVPN = 7, /* UDP source port; opcode 9 is data */
	DSCP_KIND_AMNEZIAWG = 8, /* UDP source port; a packet with a stamp is data */
};

/* Tells whether egress_outer finds the inner packet behind the outer header. Such a tunnel needs
 * neither a stamp nor a program on its device for egress. */
static inline __attribute__((always_inline)) int dscp_kind_is_clear(__u32 kind)
{
	return kind - DSCP_KIND_VXLAN <= DSCP_KIND_IPIP - DSCP_KIND_VXLAN;
}

/* Tells whether egress_inner stamps the packets, and the kernel encrypts them. */
static inline __attribute__((always_inline)) int dscp_kind_is_stamped(__u32 kind)
{
	return kind == DSCP_KIND_WIREGUARD || kind >= DSCP_KIND_OVPN;
}

/* dscp_tunnel.flags */
#define DSCP_TUNNEL_FIXED (1u << 0) /* outer_dscp for all; no stamp needed, but of OVPN */
#define DSCP_TUNNEL_ANY_ID (1u << 1) /* VXLAN, GENEVE: takes every VNI of its port */
#define DSCP_TUNNEL_EGRESS (1u << 2) /* the inner DSCP onto the outer header */
#define DSCP_TUNNEL_INGRESS (1u << 3) /* the outer DSCP onto the inner header */
/* --peer-map: the policy is by inner destination. egress_inner_peers applies it, or egress_outer if
 * the kind is clear. */
#define DSCP_TUNNEL_PREFIXES (1u << 4)
#define DSCP_TUNNEL_PRIORITY (1u << 5) /* --priority-map: some entry of priority is not 0 */

#define DSCP_IFINDEX_GONE 0x80000000u /* no device has such a number */
#define DSCP_UPLINK_ABSENT 0u /* --uplink named it, it went away, and is awaited */

/* How ingress finds the outer DS field of a decapsulated packet. */
enum dscp_method {
	DSCP_METHOD_NONE = 0,
	DSCP_METHOD_TC = 1, /* noted at the uplink under the address of the skb */
	DSCP_METHOD_PEEK = 2, /* read from the header that is still in front of the packet */
	DSCP_METHOD_XDP = 3, /* noted at the uplink under WireGuard's receiver index and counter */
};

#define DSCP_PRIORITIES 16 /* skb->priority of --priority-map, as TC_PRIO_MAX has it */

/* Maps each DSCP to the one on the other header: a DSCP, or DSCP_KEEP. */
struct dscp_policy {
	__u8 to[DSCP_VALUES];
};

/* Tells apart the tunnels that share a port or a protocol. Unused fields are zero; an unset local
 * or remote address is zero and matches any. */
struct dscp_endpoint {
	__u8 kind; /* enum dscp_kind */
	__u8 family; /* of the outer header: 4 or 6 */
	__u16 port; /* VXLAN, GENEVE: UDP destination port */
	__u32 id; /* VNI, or the GRE key */
	__u8 local[16]; /* GRE, IPIP: outer source address; IPv4 in the first four bytes */
	__u8 remote[16];
};

struct dscp_tunnel {
	/* The tunnel device's; 0: this slot is free. DSCP_IFINDEX_GONE and the slot: the device is
	 * gone, and its number is another loaded tunnel's. */
	__u32 ifindex;
	__u8 kind; /* enum dscp_kind */
	__u8 outer_dscp; /* with DSCP_TUNNEL_FIXED */
	__u8 n_ports;
	__u8 n_uplinks;
	__u32 flags; /* DSCP_TUNNEL_* */
	__u8 method; /* enum dscp_method, with DSCP_TUNNEL_INGRESS */
	__u8 list; /* with DSCP_TUNNEL_PREFIXES: which entries of the map prefixes are in force */
	/* One more than the DSCP of handshakes and keepalives; 0: they keep theirs. */
	__u8 handshake;
	__u8 pad;
	struct dscp_policy egress;
	struct dscp_policy ingress;
	/* By the DSCP that a packet leaves with: one more than its skb->priority; 0: that stays. */
	struct dscp_policy priority;
	/* The rest is the tool's memory of its work. */
	struct dscp_endpoint endpoint; /* kind 0: its port is all */
	__u64 netns; /* inode of the network namespace of ifindex */
	__u64 uplink_netns; /* the same of uplinks; most often the same */
	char name[DSCP_IFNAMSIZ];
	char link_kind[DSCP_IFNAMSIZ]; /* as rtnetlink calls it: wireguard, vxlan, ip6gretap... */
	__u16 ports[DSCP_MAX_PORTS];
	__u32 uplinks[DSCP_MAX_UPLINKS]; /* ifindex, or DSCP_UPLINK_ABSENT */
	char uplink_names[DSCP_MAX_UPLINKS][DSCP_IFNAMSIZ];
};

/* The inner packets of a tunnel to that prefix have a separate policy. A list is complete before a
 * tunnel has its number, and never changes. */
struct dscp_prefix {
	__u32 prefixlen; /* bits of the rest: DSCP_PREFIX_BITS and the prefix's length */
	__u16 slot;
	__u8 list; /* one of the tunnel's lists */
	__u8 family; /* 4 or 6: ::/0 has no IPv4 address in it */
	__u8 address[16]; /* IPv4 in the first four bytes */
};

#define DSCP_PREFIX_BITS 32 /* slot, list, family */
/* The prefixlen of one entry in each list, which has the tunnel's own policy: for all destinations
 * that are in no prefix. */
#define DSCP_PREFIX_REST 24 /* slot, list */

/* Indexed by UDP port. Egress: the destination port of VXLAN and geneve, the source port of others.
 * Ingress: the destination port. */
struct dscp_port {
	__u16 slot; /* the tunnel. VXLAN, GENEVE: one for any VNI, else 0 */
	__u8 kind; /* enum dscp_kind; 0: no egress tunnel has this port */
	__u8 ingress_kind; /* enum dscp_kind; 0: no ingress tunnel has this port */
	__u8 pad[4];
};

/* "This hash was stamped by egress_inner." The stamp itself tells the value: a DSCP, or
 * DSCP_STAMP_FINAL and the rest. */
struct dscp_stamp {
	__u32 ifindex; /* the tunnel device that stamped it first */
};

/* The policy has been applied: the low bits are not the inner DSCP but the outer one. */
#define DSCP_STAMP_FINAL 0x40u
#define DSCP_STAMP_KEEP 0x80u /* with DSCP_STAMP_FINAL: the outer header stays as it is */
#define DSCP_STAMP_BITS 0xffu

/* Identifies the outer packet of a fragment. A note is made at the first fragment and goes with the
 * last; id and addresses are as they are in memory, never converted. */
struct dscp_fragment_key {
	__u32 ifindex; /* of the uplink */
	__u32 id; /* identification; of IPv4 the first two bytes in memory */
	__u8 family; /* 4 or 6 */
	__u8 protocol; /* IPv6: of the fragment header */
	__u8 pad[2];
	__u8 source[16]; /* IPv4 in the first four bytes */
	__u8 dest[16];
};

struct dscp_fragment {
	__u32 slot; /* the tunnel of the packet */
	__u32 dscp; /* of the first fragment: a DSCP, DSCP_KEEP, or DSCP_UNKNOWN */
};

#define DSCP_UNKNOWN                                                                               \
	0x100u /* neither a DSCP nor DSCP_KEEP: none is known, and enum dscp_reason                \
		*/

/* Identifies the packet of a note. id and receiver are as they are in memory, never converted. */
struct dscp_note_key {
	__u64 id; /* DSCP_METHOD_TC: address of the skb, less the map note_cache's.
		     DSCP_METHOD_XDP: the message's counter */
	__u32 receiver; /* DSCP_METHOD_XDP: the message's receiver index */
	__u32 method; /* enum dscp_method */
};

#define DSCP_NOTE_BYTES 8

/* The fields that were seen at the uplink. */
struct dscp_note {
	/* Must be there still, in front of the inner packet. DSCP_METHOD_TC: the beginning of the
	 * outer IP header, DS field included. DSCP_METHOD_XDP: the UDP header but its checksum. */
	__u8 header[DSCP_NOTE_BYTES];
	__u16 distance; /* from there to the inner packet */
	__u16 length; /* of the inner packet */
	union {
		__u16 slot; /* of the tunnel that encrypts; 0: not known at the uplink */
		__u16 hash; /* DSCP_NOTE_CLEAR: the lower half of skb->hash */
	};
	__u8 ds; /* outer DS field */
	__u8 flags; /* DSCP_NOTE_* */
};

/* Several packets with this key, of different DS fields: nobody knows which one is genuine. */
#define DSCP_NOTE_MIXED (1u << 0)
#define DSCP_NOTE_PADDED (1u << 1) /* WireGuard: the length has the padding in it */
#define DSCP_NOTE_CLEAR (1u << 2) /* of a tunnel in clear text */

/* skb->tc_index of a packet with such a note. */
#define DSCP_ARRIVED 0x6473 /* "ds" */

/* A bucket of the cache in front of the map notes. A program owns the bucket if it has changed the
 * state by a compare-and-swap. */
struct dscp_bucket {
	struct dscp_note note;
	__u64 id;
	__u32 receiver;
	/* The low two bits: enum dscp_method of the note that is here; 0: none; DSCP_BUCKET_BUSY:
	 * it is being written. The rest counts the notes that were here. */
	__u32 state;
};

#define DSCP_BUCKET_BUSY DSCP_METHOD_PEEK /* that method makes no notes */
#define DSCP_BUCKET_MASK 3u
#define DSCP_BUCKET_NEXT 4u

/* Why no DSCP is known for a data packet. */
enum dscp_reason {
	/* Egress: */
	DSCP_NO_STAMP, /* egress_inner has not had it, or the hash was changed on the way */
	DSCP_NOT_IP, /* nothing with a DS field is inside */
	DSCP_FRAGMENT, /* in fragments, which have the hash of a socket instead of a stamp */
	DSCP_UNREADABLE, /* the inner header is not where it can be read */
	/* Ingress: */
	DSCP_NO_NOTE, /* it has not passed an uplink, or came in fragments or merged */
	DSCP_OTHER_HEADER, /* the bytes in front of it are not its outer header */
	DSCP_OTHER_LENGTH, /* the outer header is of a packet of another length */
	DSCP_AMBIGUOUS, /* more than one outer header fits */
	DSCP_REASONS,
};

/*
 * Packets, as they are on the wire: a GSO packet counts as its segments. seen = marked + unchanged
 * + unknown. The counters at the tunnel device's egress, bytes included, are for tunnels that
 * encrypt; the others' inner headers are read at the uplink.
 */
struct dscp_counters {
	__u64 marked; /* the DS field was changed */
	__u64 unchanged; /* it was right already, or the policy says keep */
	__u64 skipped; /* the tunnel's, but not data: handshake, keepalive */
	__u64 bytes; /* of data packets, with a link-layer header where the device has one */
	/* Units in which the devices count: a GSO packet is one, and so are all fragments of a
	 * packet, data or not. */
	__u64 passed;
	/* Egress of DSCP_KIND_UDP: packets of a socket that has the tunnel's port, with another
	 * source port on the wire. */
	__u64 other_port;
	__u64 stamped_bytes; /* of packets at the tunnel device's egress */
	__u64 unknown[DSCP_REASONS]; /* data packets with no DSCP known for them */
	/* By the DSCP that they came with. Egress: the inner one, at the tunnel device; of clear
	 * kinds, of the data packets at the uplink. Ingress: the outer one, where it is known. */
	__u64 came_with[DSCP_VALUES];
	__u64 dscp[DSCP_VALUES]; /* data packets by the DSCP that was written, or was there */
};

/* The counts from before an array of counters grew, which is another array since. No program reads
 * or writes it. */
struct dscp_carried {
	struct dscp_counters counters;
	__u32 map; /* id of the last array that was counted in */
	__u8 pad[4];
};

#define DSCP_CARRIED_INGRESS (1u << 31) /* in the key: of ingress_counters, not counters */
#define DSCP_CARRIED (2 * DSCP_MAX_TUNNELS)

struct dscp_config {
	__u32 magic; /* DSCP_ABI_MAGIC; 0: no tool was here, any UDP packet with a stamp is a
			tunnel's */
	__u32 version; /* DSCP_ABI_VERSION */
	__u32 kinds; /* bit (1 << kind): some egress tunnel of that kind is registered */
	__u32 ingress_kinds; /* the same of ingress tunnels */
	__u64 build; /* digest of the object that the pinned programs came from; 0: not loaded */
};

#endif
