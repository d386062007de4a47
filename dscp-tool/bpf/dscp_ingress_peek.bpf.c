/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ingress, the method "peek": ingress_inner at the tunnel device's ingress reads the outer header
 * that WireGuard has left in front of the decrypted packet. Nothing is attached to the uplink, and
 * there is nothing to remember. Two offsets in struct sk_buff come from the kernel's BTF.
 *
 * Memory in front of a packet can hold anything. So nothing is believed that does not fit in every
 * respect: room, message type, lengths, protocol, header checksum, and the tunnel's port.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_core_read.h>

#include "bpf_front.h"

/* The kernel's struct sk_buff, for the offsets. Any name behind ___ will do. */
struct sk_buff___front {
	unsigned char *head;
	unsigned char *data;
} __attribute__((preserve_access_index));

#define MAX_IHL 15 /* in words of four bytes */
#define MAX_IP4 (MAX_IHL * 4)

/* A pointer of the kernel, which may have four bytes. */
static __always_inline __u64 read_pointer(const void *address, __u32 size)
{
	__u64 wide = 0;
	__u32 narrow = 0;

	if (size == sizeof(narrow)) {
		bpf_probe_read_kernel(&narrow, sizeof(narrow), address);
		return narrow;
	}
	bpf_probe_read_kernel(&wide, sizeof(wide), address);
	return wide;
}

/* Where the packet begins, as a number, and how many bytes of the buffer are in front of it. */
static __always_inline __u64 find_data(struct __sk_buff *ctx, __u64 *room)
{
	struct sk_buff___front *skb = (void *)ctx;
	__u32 size = bpf_core_field_size(skb->data);
	__u32 head_at = bpf_core_field_offset(skb->head);
	__u32 data_at = bpf_core_field_offset(skb->data);
	__u64 both[2], data;

	/* Known when the program is loaded. A call costs as much as all the rest of it. */
	if (size == sizeof(data) && data_at == head_at + sizeof(data)) {
		if (bpf_probe_read_kernel(both, sizeof(both), &skb->head))
			both[0] = both[1] = 0;
		*room = both[1] - both[0];
		return both[1];
	}
	data = read_pointer(&skb->data, size);
	*room = data - read_pointer(&skb->head, size);
	return data;
}

/* Behind the longest IPv4 header. */
struct long_front {
	__u8 options[MAX_IP4 - sizeof(struct ip6_header)];
	struct front front;
};

/* Reads the headers and the bytes in front of the buffer, which are looked at only to find more
 * readings than one. If those cannot be read, the headers alone; zeros in place of missing
 * bytes. */
static __always_inline bool read_front(struct long_front *l, __u64 data, __u64 room)
{
	const __u32 ip4 = sizeof(l->front) - FRONT_IP4;

	if (room < ip4)
		return false;
	if (!bpf_probe_read_kernel(l, sizeof(*l), (void *)(data - sizeof(*l)))) {
		if (room < sizeof(l->front))
			l->front.ip6.version_ds = 0;
		return true;
	}
	__builtin_memset(l, 0, sizeof(*l));
	if (room >= sizeof(l->front))
		return !bpf_probe_read_kernel(&l->front, sizeof(l->front),
					      (void *)(data - sizeof(l->front)));
	return !bpf_probe_read_kernel((void *)&l->front + FRONT_IP4, ip4, (void *)(data - ip4));
}

/* Tells whether an IPv4 header with options could begin like this, by the fields that the network
 * or this host cannot have changed. Options may be rewritten without a new checksum, and UDP may be
 * shorter than IP. In front of the real header may be older content of the buffer, such as an
 * encrypted packet: 30 bits have to fit, so that it looks like a header less than once in a few
 * thousand packets. */
static __always_inline bool ip4_may_begin(const struct ip4_header *ip, __u32 ihl, __u32 udp_length)
{
	return ip->version_ihl == (0x40 | ihl) && ip->protocol == IP_PROTO_UDP &&
	       ip4_is_whole(ip) && bpf_ntohs(ip->length) >= udp_length + ihl * 4;
}

/* The header's length in words, if one with options may begin in the room that there is; 0 if none
 * may, and more than any length if several. */
static __always_inline __u32 ihl_with_options(const struct long_front *l, __u64 room)
{
	const void *udp = &l->front.udp;
	__u32 udp_length = bpf_ntohs(l->front.udp.length), found = 0;

	UNROLL
	for (__u32 ihl = 6; ihl <= MAX_IHL; ihl++)
		if (ip4_may_begin(udp - ihl * 4, ihl, udp_length) && room >= FRONT_UDP + ihl * 4)
			found = some_number(found ? MAX_IHL + 1 : ihl, udp_length);
	return found;
}

/* The DSCP of a header with options of that length, which has to fit in every respect. */
static __noinline __u32 optional_dscp(const struct long_front *l, __u32 found)
{
	const void *udp = &l->front.udp;
	__u32 udp_length = bpf_ntohs(l->front.udp.length);

	UNROLL
	for (__u32 ihl = 6; ihl <= MAX_IHL; ihl++) {
		const struct ip4_header *ip = udp - ihl * 4;

		if (ihl == found && ip4_fits(ip, ihl, udp_length))
			return ip4_dscp(ip);
	}
	return UNKNOWN | DSCP_OTHER_HEADER;
}

/* A sender of options can make them look like a header, of another DSCP: so only one reading may be
 * possible. */
static __always_inline __u32 only_dscp(const struct long_front *l, __u64 room)
{
	const struct ip4_header *ip4 = (const void *)&l->front + FRONT_IP4;
	__u32 udp_length = bpf_ntohs(l->front.udp.length), ihl = ihl_with_options(l, room);

	if (!ihl)
		return plain_dscp(&l->front);
	if (ihl > MAX_IHL || ip6_fits(&l->front.ip6, udp_length) || ip4_fits(ip4, 5, udp_length))
		return UNKNOWN | DSCP_AMBIGUOUS;
	return optional_dscp(l, ihl);
}

/* Finds the tunnel by the port that the message came to. 0: not the tunnel of this device; plain tc
 * has but one. */
static __always_inline __u32 slot_by_port(struct __sk_buff *skb, __be16 dest)
{
	__u32 number = bpf_ntohs(dest);
	struct dscp_port *port = bpf_map_lookup_elem(&ports, &number);
	__u32 slot;

	if (!port || port->ingress_kind != DSCP_KIND_WIREGUARD)
		return 0;
	slot = port->slot;
	return is_slot_of(skb, slot) ? slot : 0;
}

static __always_inline void peek(struct __sk_buff *skb, struct arrival *a)
{
	struct long_front l;
	__u64 room, data = find_data(skb, &room);

	if (!read_front(&l, data, room) || !message_fits(skb, &l.front, &a->dscp))
		return;
	a->dscp = UNKNOWN | DSCP_OTHER_HEADER;
	a->slot = slot_by_port(skb, l.front.udp.dest);
	if (a->slot || nothing_registered())
		a->dscp = only_dscp(&l, room);
}

SEC("tc/ingress_inner")
int ingress_inner(struct __sk_buff *skb)
{
	struct arrival a = { .dscp = UNKNOWN | DSCP_OTHER_HEADER };

	peek(skb, &a);
	rewrite_arrival(skb, &a, false);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
