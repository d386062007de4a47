/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Ingress, the method "xdp": for WireGuard behind uplinks that change packets before TC sees them.
 *
 *   ingress_outer  an XDP program at the uplink notes the outer DS field under receiver index and
 *                  counter of the message, which no other message ever has
 *   ingress_inner  at the tunnel device's ingress reads these two in front of the decrypted packet
 *
 * Anybody can send a message with a counter that is in use; it dies in decryption, but its note is
 * there. So notes that contradict each other are worth nothing, and the UDP header and, where it is
 * without options, the IP header in front of the packet must agree with the note.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bpf_front.h"
#include "bpf_notes.h"
#include "bpf_outer.h"

/* Passes over Ethernet and VLAN tags. Returns the ethertype behind them, or 0. */
static __always_inline __be16 skip_link(void **at, const void *end)
{
	struct ethhdr *eth = *at;
	struct vlan_tag *tag = (void *)(eth + 1);
	__be16 type;

	if ((void *)tag > end)
		return 0;
	type = AT_ONCE(eth->h_proto);
	UNROLL
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		if (!is_vlan(type))
			break;
		if ((void *)(tag + 1) > end)
			return 0;
		type = tag->type;
		tag++;
	}
	*at = tag;
	return type;
}

/* Both ports and the length. The checksum changes when a packet that GRO merged is segmented. */
static __always_inline void note_udp(struct dscp_note *note, const struct udp_header *udp)
{
	__builtin_memset(note->header, 0, sizeof(note->header));
	__builtin_memcpy(note->header, udp, offsetof(struct udp_header, check));
}

static __always_inline void keep_note(const struct dscp_note_key *key, const struct dscp_note *note)
{
	const struct dscp_note *old = find_note(key);
	struct dscp_note mixed;

	if (!old) {
		put_note(key, note);
		return;
	}
	/* Anew, not in its place: by now another packet's note may be there. */
	mixed = *old;
	if (mixed.ds >> 2 != note->ds >> 2 || note_bytes(&mixed) != note_bytes(note)) {
		mixed.flags |= DSCP_NOTE_MIXED;
		put_note(key, &mixed);
	}
}

static __always_inline void note_message(const struct outer *o)
{
	struct dscp_note_key key = { .method = DSCP_METHOD_XDP };
	struct dscp_note note = { .ds = outer_ds(o) };
	const struct udp_header *udp = o->payload;
	const struct wireguard_message *message = (const void *)(udp + 1);
	struct dscp_port *port;
	__u32 number;

	if ((void *)(message + 1) > o->end)
		return;
	number = bpf_ntohs(udp->dest);
	port = bpf_map_lookup_elem(&ports, &number);
	if (!port || (port->ingress_kind != DSCP_KIND_WIREGUARD && !nothing_registered()) ||
	    !is_wireguard(message->type))
		return;
	if (!wireguard_carries(udp, message->type)) {
		count_skipped(port->slot, 1);
		return;
	}
	key.receiver = message->receiver;
	__builtin_memcpy(&key.id, &message->counter, sizeof(key.id));
	note.slot = port->slot;
	note.distance = FRONT_UDP;
	note.length = wireguard_inner(bpf_ntohs(udp->length));
	note.flags = DSCP_NOTE_PADDED;
	note_udp(&note, udp);
	keep_note(&key, &note);
}

/* The first fragment of a packet has all the fields that are noted. */
static __always_inline void note_packet(void *start, void *end)
{
	struct outer o = { .ip = start, .end = end };
	__be16 type = skip_link(&o.ip, end);

	if (parse_outer(&o, type) == FOUND && o.protocol == IP_PROTO_UDP && o.part <= PART_FIRST)
		note_message(&o);
}

SEC("xdp")
int ingress_outer(struct xdp_md *ctx)
{
	note_packet((void *)(unsigned long)ctx->data, (void *)(unsigned long)ctx->data_end);
	return XDP_PASS;
}

/* The part behind the IP header must be there; the rest may lie before the buffer's beginning. */
static __always_inline bool read_front(struct __sk_buff *skb, struct front *front)
{
	void *data = packet_start(skb);

	if (!bpf_probe_read_kernel(front, sizeof(*front), data - sizeof(*front)))
		return true;
	__builtin_memset(front, 0, sizeof(*front));
	return !bpf_probe_read_kernel(&front->udp, FRONT_UDP, data - FRONT_UDP);
}

/* The DSCP of the note, or UNKNOWN and the reason. */
static __always_inline __u32 noted_dscp(const struct dscp_note *note, const struct front *front)
{
	struct dscp_note own = {};
	__u32 plain = plain_dscp(front), noted = note->ds >> 2;

	note_udp(&own, &front->udp);
	if (note->flags & DSCP_NOTE_MIXED)
		return UNKNOWN | DSCP_AMBIGUOUS;
	if ((!is_unknown(plain) && plain != noted) || note_bytes(&own) != note_bytes(note))
		return UNKNOWN | DSCP_OTHER_HEADER;
	return noted;
}

static __always_inline void recall(struct __sk_buff *skb, struct arrival *a)
{
	struct dscp_note_key key = { .method = DSCP_METHOD_XDP };
	struct dscp_note note;
	struct front front;

	if (!read_front(skb, &front) || !message_fits(skb, &front, &a->dscp))
		return;
	a->dscp = UNKNOWN | DSCP_NO_NOTE;
	key.receiver = front.message.receiver;
	key.id = front.message.counter;
	if (!take_note(&key, &note))
		return;
	a->dscp = noted_dscp(&note, &front);
	if (!is_unknown(a->dscp) && is_slot_of(skb, note.slot))
		a->slot = note.slot;
}

SEC("tc/ingress_inner")
int ingress_inner(struct __sk_buff *skb)
{
	struct arrival a = { .dscp = UNKNOWN | DSCP_OTHER_HEADER };

	recall(skb, &a);
	rewrite_arrival(skb, &a, false);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
