/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ingress, the way "peek": ingress_inner at the tunnel device's ingress reads the outer header that
 * WireGuard has left in front of the decrypted packet. Nothing is attached to the uplink, and there
 * is nothing to remember. Two offsets in struct sk_buff come from the kernel's BTF.
 *
 * Memory in front of a packet can hold anything. So nothing is believed that does not fit in every
 * respect: room, message type, lengths, protocol, header checksum, and the tunnel's port.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_core_read.h>

#include <dscp/bpf_front.h>

/* Of the kernel's struct sk_buff, for the offsets. Any name behind ___ will do. */
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
	__u64 both[2], data;

	/* Known when the program is loaded. A call costs as much as all the rest of it. */
	if (size == sizeof(data) &&
	    bpf_core_field_offset(skb->data) == bpf_core_field_offset(skb->head) + sizeof(data)) {
		if (bpf_probe_read_kernel(both, sizeof(both), &skb->head))
			both[0] = both[1] = 0;
		*room = both[1] - both[0];
		return both[1];
	}
	data = read_pointer(&skb->data, size);
	*room = data - read_pointer(&skb->head, size);
	return data;
}

static __always_inline bool read_front(struct front *front, __u64 data, __u64 room)
{
	if (room >= sizeof(*front))
		return !bpf_probe_read_kernel(front, sizeof(*front),
					      (void *)(data - sizeof(*front)));
	if (room < sizeof(*front) - FRONT_IP4)
		return false;
	__builtin_memset(front, 0, FRONT_IP4);
	return !bpf_probe_read_kernel((void *)front + FRONT_IP4, sizeof(*front) - FRONT_IP4,
				      (void *)(data - sizeof(*front) + FRONT_IP4));
}

/* IPv4 with options: the header ends where UDP begins, and says itself where it began. UNKNOWN if
 * no length fits, or more than one. */
static __noinline __u32 optional_dscp(__u64 udp, __u32 udp_length)
{
	__u8 header[MAX_IP4];
	__u32 dscp = UNKNOWN;

	if (bpf_probe_read_kernel(header, sizeof(header), (void *)(udp - sizeof(header))))
		return UNKNOWN;
#pragma unroll
	for (__u32 ihl = 6; ihl <= MAX_IHL; ihl++) {
		const struct ip4_header *ip = (const void *)(header + MAX_IP4 - ihl * 4);

		if (!ip4_fits(ip, ihl, udp_length))
			continue;
		if (dscp != UNKNOWN)
			return UNKNOWN;
		dscp = ip->ds >> 2;
	}
	return dscp;
}

/* Which tunnel's port did the message come to? 0: not of the one that this device is; plain tc has
 * but one. */
static __always_inline __u32 slot_by_port(struct __sk_buff *skb, __be16 dest)
{
	__u32 number = bpf_ntohs(dest);
	struct dscp_port *port = bpf_map_lookup_elem(&ports, &number);
	__u32 slot;

	if (!port || port->arrives != DSCP_KIND_WIREGUARD)
		return 0;
	slot = port->slot;
	return is_slot_of(skb, slot) ? slot : 0;
}

static __always_inline void peek(struct __sk_buff *skb, struct arrival *a)
{
	struct front front;
	__u64 room, data = find_data(skb, &room);
	__u32 udp_length;

	if (!read_front(&front, data, room) || !message_fits(skb, &front))
		return;
	a->slot = slot_by_port(skb, front.udp.dest);
	if (!a->slot && !nothing_registered())
		return;
	udp_length = bpf_ntohs(front.udp.length);
	a->dscp = plain_dscp(&front);
	/* What reads as IPv6 and is unknown reads as IPv4 too: no third reading makes it better. */
	if (a->dscp == UNKNOWN && room >= MAX_IP4 + FRONT_UDP && !ip6_fits(&front.ip6, udp_length))
		a->dscp = optional_dscp(data - (FRONT_UDP), udp_length);
}

SEC("tc/ingress_inner")
int ingress_inner(struct __sk_buff *skb)
{
	struct arrival a = { .dscp = UNKNOWN };

	peek(skb, &a);
	if (!a.slot)
		a.slot = slot_by_device(skb);
	if (a.slot || nothing_registered())
		mark_inner(skb, &a, false);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
