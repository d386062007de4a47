/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Judges packets in place of the ingress programs, without their code. */
#include "ingress_oracle.h"

#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#define MESSAGE 16 /* WireGuard's header */
#define TAIL 16 /* and its authentication tag */

/* A stretch of a packet. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

static struct bytes from(struct bytes b, size_t offset)
{
	if (offset > b.len)
		offset = b.len;
	return (struct bytes){ b.at + offset, b.len - offset };
}

size_t link_length(const uint8_t *bytes, size_t len, uint16_t *type)
{
	size_t link = ETHERNET;

	*type = 0;
	if (len < link)
		return len;
	*type = get16(bytes + 12);
	while ((*type == ETH_P_8021Q || *type == ETH_P_8021AD) && link < ETHERNET + 2 * TAG &&
	       link + TAG <= len) {
		*type = get16(bytes + link + 2);
		link += TAG;
	}
	return link;
}

static uint32_t port_of(const struct world *world, uint16_t number, uint8_t *kind)
{
	*kind = DSCP_KIND_NONE;
	for (unsigned int i = 0; i < world->n_ports; i++) {
		if (world->ports[i].port != number)
			continue;
		*kind = world->ports[i].ingress_kind;
		return world->ports[i].slot;
	}
	return 0;
}

/* The headers in front of UDP, GRE...: the length of IP with its extensions, or 0 */
struct network {
	size_t length, total;
	uint8_t protocol, ds;
	bool first, later; /* of fragments */
};

static void read_ip4(struct bytes b, struct network *n)
{
	if (b.len < 20 || b.at[0] >> 4 != 4 || (b.at[0] & 15) < 5)
		return;
	n->length = (b.at[0] & 15) * 4;
	n->protocol = b.at[9];
	n->ds = b.at[1];
	n->total = get16(b.at + 2);
	n->later = get16(b.at + 6) & 0x1fff;
	n->first = !n->later && b.at[6] & 0x20;
}

/* With at most one each of these extension headers, in this order. */
static void read_ip6(struct bytes b, struct network *n)
{
	static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	size_t at = 40;
	uint8_t next;

	if (b.len < 40 || b.at[0] >> 4 != 6)
		return;
	next = b.at[6];
	n->ds = get_ds(b.at, true);
	n->total = get16(b.at + 4) + 40;
	for (size_t i = 0; i < sizeof(extensions); i++) {
		bool fragment = extensions[i] == IPPROTO_FRAGMENT;

		if (next != extensions[i])
			continue;
		if (b.len < at + (fragment ? 8 : 2))
			return;
		n->later = fragment && get16(b.at + at + 2) >> 3;
		n->first = fragment && !n->later && b.at[at + 3] & 1;
		next = b.at[at];
		at += fragment ? 8 : (b.at[at + 1] + 1) * 8;
	}
	n->protocol = next;
	n->length = at;
}

static struct network read_network(struct bytes b, uint16_t type)
{
	struct network n = { 0 };

	if (type == ETH_P_IP)
		read_ip4(b, &n);
	else if (type == ETH_P_IPV6)
		read_ip6(b, &n);
	return n;
}

enum message { NO_MESSAGE, NO_DATA, DATA };

/* Judges the payload of UDP, given the length in its header. */
static enum message message_of(const uint8_t *message, uint16_t udp_length)
{
	if (message[1] || message[2] || message[3] || message[0] < 1 || message[0] > 4)
		return NO_MESSAGE;
	return message[0] == 4 && udp_length > 8 + MESSAGE + TAIL ? DATA : NO_DATA;
}

/*
 * The method "tc"
 */

static size_t gre_length(const uint8_t *gre)
{
	size_t length = 4;

	if (gre[1] & 7)
		return 0;
	for (int bit = 0x80; bit >= 0x10; bit >>= 1)
		if (bit != 0x40 && gre[0] & bit)
			length += 4;
	return length;
}

static enum passing pass_udp_tc(const struct world *world, struct bytes udp, struct passage *p,
				size_t *inner)
{
	uint8_t kind;
	uint32_t slot;
	enum message message;

	if (udp.len < 16)
		return PASSED;
	slot = port_of(world, get16(udp.at + 2), &kind);
	if (!kind && !world->configured) {
		kind = get16(udp.at + 2) == 4789   ? DSCP_KIND_VXLAN
		       : get16(udp.at + 2) == 6081 ? DSCP_KIND_GENEVE
						   : DSCP_KIND_WIREGUARD;
		slot = 0;
	}
	*inner = 16;
	if (kind == DSCP_KIND_GENEVE)
		*inner += udp.at[8] % 64 * 4;
	if (kind == DSCP_KIND_OVPN) {
		p->slot = p->noted.note.slot = slot;
		*inner = 8 + OVPN_HEADER;
		/* Opcode 9, and more than a keepalive of 16 bytes. */
		return udp.at[8] / 8 == 9 && get16(udp.at + 4) > *inner + 16 ? NOTED : SKIPPED;
	}
	if (kind != DSCP_KIND_WIREGUARD)
		return kind ? NOTED : PASSED;
	message = message_of(udp.at + 8, get16(udp.at + 4));
	p->slot = p->noted.note.slot = slot;
	p->noted.note.flags = DSCP_NOTE_PADDED;
	*inner = 8 + MESSAGE;
	return message == DATA ? NOTED : message == NO_DATA ? SKIPPED : PASSED;
}

static enum passing pass_tc(const struct world *world, struct bytes b, struct passage *p,
			    struct network *n, size_t *inner)
{
	struct bytes rest = from(b, n->length);
	uint32_t ingress_kinds = world->ingress_kinds;

	*inner = 0;
	switch (n->protocol) {
	case IPPROTO_UDP:
		return pass_udp_tc(world, rest, p, inner);
	case IPPROTO_GRE:
		if (!(ingress_kinds & 1u << DSCP_KIND_GRE) || rest.len < 4)
			return PASSED;
		*inner = gre_length(rest.at);
		return *inner ? NOTED : PASSED;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return ingress_kinds & 1u << DSCP_KIND_IPIP ? NOTED : PASSED;
	default:
		return PASSED;
	}
}

static struct passage judge_passing_tc(const struct world *world, struct bytes b, uint16_t type)
{
	struct network n = read_network(b, type);
	struct passage p = { .what = PASSED, .noted = { .key = { .method = DSCP_METHOD_TC } } };
	struct dscp_note *note = &p.noted.note;
	size_t inner;

	/* Fragments are put together in another skb. */
	if (!n.length || n.first || n.later)
		return p;
	p.what = pass_tc(world, b, &p, &n, &inner);
	p.noted.there = p.what == NOTED;
	if (!p.noted.there)
		return p;
	memcpy(note->header, b.at, DSCP_NOTE_BYTES);
	note->ds = n.ds;
	note->distance = n.length + inner;
	note->length = n.total - n.length - inner;
	if (note->flags & DSCP_NOTE_PADDED)
		note->length = get16(b.at + n.length + 4) - 8 - MESSAGE - TAIL;
	else if (inner == 8 + OVPN_HEADER && note->slot)
		note->length = get16(b.at + n.length + 4) - inner;
	else {
		note->flags = DSCP_NOTE_CLEAR;
		note->hash = world->hash;
	}
	return p;
}

/* The fields that may change on the way to the tunnel: ECN, and the hop limit of IPv6. */
static bool same_header(const uint8_t *front, const uint8_t *noted)
{
	static const uint8_t fixed[2][DSCP_NOTE_BYTES] = {
		{ 0xff, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0xff, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 },
	};
	bool ip6 = noted[0] >> 4 != 4;

	for (int i = 0; i < DSCP_NOTE_BYTES; i++)
		if ((front[i] ^ noted[i]) & fixed[ip6][i])
			return false;
	return true;
}

static bool has_arrived(const struct delivered *d)
{
	return d->tc_index == DSCP_ARRIVED || !d->hash;
}

static bool tells_tc(const struct delivered *d, const struct dscp_note *note)
{
	unsigned int tag = d->tag ? TAG : 0, distance = note->distance + tag;
	unsigned int most = note->flags & DSCP_NOTE_PADDED ? 15 : 0;
	int more = (int)note->length - (int)tag - (int)d->packet.len;

	if (distance > d->front_len || note->distance > 511)
		return false;
	if (note->flags & DSCP_NOTE_CLEAR && !has_arrived(d) && note->hash != d->hash % 0x10000)
		return false;
	if (d->segments < 2 && (more < 0 || more > (int)most))
		return false;
	return same_header(d->front + d->front_len - distance, note->header);
}

/*
 * The method "xdp"
 */

static struct passage judge_passing_xdp(const struct world *world, struct bytes b, uint16_t type)
{
	struct passage p = { .what = PASSED, .noted = { .key = { .method = DSCP_METHOD_XDP } } };
	struct network n = read_network(b, type);
	struct bytes udp = from(b, n.length);
	enum message message;
	uint8_t kind;

	/* First fragments are as good as whole packets. */
	if (!n.length || n.later || n.protocol != IPPROTO_UDP || udp.len < 8 + MESSAGE)
		return p;
	p.slot = port_of(world, get16(udp.at + 2), &kind);
	message = message_of(udp.at + 8, get16(udp.at + 4));
	if ((kind != DSCP_KIND_WIREGUARD && world->configured) || message == NO_MESSAGE)
		return p;
	p.what = message == DATA ? NOTED : SKIPPED;
	p.noted.there = message == DATA;
	memcpy(&p.noted.key.receiver, udp.at + 12, 4);
	memcpy(&p.noted.key.id, udp.at + 16, 8);
	memcpy(p.noted.note.header, udp.at, 6);
	p.noted.note.ds = n.ds;
	p.noted.note.slot = p.slot;
	p.noted.note.distance = 8 + MESSAGE;
	p.noted.note.length = get16(udp.at + 4) - 8 - MESSAGE - TAIL;
	p.noted.note.flags = DSCP_NOTE_PADDED;
	return p;
}

/*
 * The headers in front of a packet
 */

/* Memory that ends where UDP begins. */
static bool reads_as_ip4(struct bytes b, size_t length, unsigned int udp_length)
{
	const uint8_t *ip = b.at + b.len - length;

	return b.len >= length && ip[0] == (0x40 | length / 4) && ip[9] == IPPROTO_UDP &&
	       get16(ip + 2) == length + udp_length && !(get16(ip + 6) & 0x3fff) &&
	       header_sum(ip, length) == 0xffff;
}

static bool reads_as_ip6(struct bytes b, unsigned int udp_length)
{
	const uint8_t *ip = b.at + b.len - 40;

	return b.len >= 40 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_UDP &&
	       get16(ip + 4) == udp_length;
}

static uint32_t plain_dscp(struct bytes b, unsigned int udp_length)
{
	bool ip4 = reads_as_ip4(b, 20, udp_length), ip6 = reads_as_ip6(b, udp_length);

	if (ip4 == ip6)
		return NO_DSCP;
	return get_ds(b.at + b.len - (ip6 ? 40 : 20), ip6) >> 2;
}

/* As an IPv4 header with options may look after somebody has written to them. */
static bool may_be_ip4(struct bytes b, size_t length, unsigned int udp_length)
{
	const uint8_t *ip = b.at + b.len - length;

	return b.len >= length && ip[0] == (0x40 | length / 4) && ip[9] == IPPROTO_UDP &&
	       get16(ip + 2) >= length + udp_length && !(get16(ip + 6) & 0x3fff);
}

/* Also with options, but not if it can be read in two ways. */
static uint32_t any_dscp(struct bytes b, unsigned int udp_length)
{
	unsigned int readings = reads_as_ip4(b, 20, udp_length) + reads_as_ip6(b, udp_length);
	uint32_t dscp = plain_dscp(b, udp_length);

	for (size_t length = 24; length <= 60; length += 4) {
		if (!may_be_ip4(b, length, udp_length))
			continue;
		readings++;
		if (reads_as_ip4(b, length, udp_length))
			dscp = get_ds(b.at + b.len - length, false) >> 2;
	}
	return readings == 1 ? dscp : NO_DSCP;
}

/* Is a message in front that this packet may have been in? */
static bool message_fits(const struct delivered *d, const uint8_t *udp)
{
	int more = get16(udp + 4) - 8 - MESSAGE - TAIL - (int)d->packet.len;

	return message_of(udp + 8, get16(udp + 4)) == DATA &&
	       (d->segments > 1 || (more >= 0 && more <= 15));
}

static struct bytes before_udp(const struct delivered *d)
{
	return (struct bytes){ d->front, d->front_len - 8 - MESSAGE };
}

static uint32_t dscp_by_peek(const struct world *world, const struct delivered *d)
{
	const uint8_t *udp = d->front + d->front_len - 8 - MESSAGE;
	uint8_t kind;
	uint32_t slot;

	if (d->front_len < 20 + 8 + MESSAGE || !message_fits(d, udp))
		return NO_DSCP;
	slot = port_of(world, get16(udp + 2), &kind);
	if (world->configured && (kind != DSCP_KIND_WIREGUARD || slot >= N_SLOTS ||
				  world->tunnels[slot].ifindex != d->ifindex))
		return NO_DSCP;
	return any_dscp(before_udp(d), get16(udp + 4));
}

static uint32_t dscp_by_xdp(const struct delivered *d, const struct noted *noted, bool *taken)
{
	const uint8_t *udp = d->front + d->front_len - 8 - MESSAGE;
	const struct dscp_note *note = &noted->note;
	uint32_t plain;

	if (d->front_len < 8 + MESSAGE || !message_fits(d, udp) || !noted->there)
		return NO_DSCP;
	if (memcmp(&noted->key.receiver, udp + 12, 4) || memcmp(&noted->key.id, udp + 16, 8))
		return NO_DSCP;
	*taken = true;
	plain = plain_dscp(before_udp(d), get16(udp + 4));
	if (note->flags & DSCP_NOTE_MIXED || memcmp(note->header, udp, 6) ||
	    (plain != NO_DSCP && plain != note->ds >> 2))
		return NO_DSCP;
	return note->ds >> 2;
}

/*
 * The packet itself
 */

static const uint8_t *find_inner(const struct packet *p, bool *ip6)
{
	uint16_t type = p->ip6 ? ETH_P_IPV6 : ETH_P_IP;
	size_t link = p->link ? link_length(p->bytes, p->len, &type) : 0, left = p->len - link;

	*ip6 = type == ETH_P_IPV6;
	if (type == ETH_P_IP && left >= 20 && p->bytes[link] >> 4 == 4)
		return p->bytes + link;
	if (type == ETH_P_IPV6 && left >= 40 && p->bytes[link] >> 4 == 6)
		return p->bytes + link;
	return NULL;
}

static uint32_t apply(const struct world *world, uint32_t slot, uint32_t dscp, uint32_t old)
{
	uint32_t to = slot ? world->tunnels[slot].ingress.to[dscp] : dscp;

	if (!slot && !dscp)
		to = DSCP_KEEP;
	return to == DSCP_KEEP ? old : to;
}

static uint32_t slot_of_device(const struct world *world, uint32_t ifindex)
{
	for (uint32_t slot = 1; slot < N_SLOTS; slot++)
		if (world->tunnels[slot].ifindex == ifindex)
			return slot;
	return 0;
}

/*
 * A packet of a tunnel in clear text that has no note
 */

/* Memory that ends where the header of the tunnel begins. */
static bool may_be_clear(struct bytes b, size_t length, uint8_t protocol, size_t tunnel)
{
	const uint8_t *ip = b.at + b.len - length;

	return ip[0] == (0x40 | length / 4) && ip[9] == protocol && !(get16(ip + 6) & 0x3fff) &&
	       get16(ip + 2) >= length + tunnel;
}

static bool any_or_same(const uint8_t *wanted, const uint8_t *address, size_t len)
{
	static const uint8_t any[16];

	return !memcmp(wanted, any, len) || !memcmp(wanted, address, len);
}

static bool are_ends(const struct dscp_endpoint *e, const uint8_t *source, size_t len)
{
	return (e->kind != DSCP_KIND_GRE && e->kind != DSCP_KIND_IPIP) ||
	       (any_or_same(e->remote, source, len) && any_or_same(e->local, source + len, len));
}

/* Judges a packet of so many bytes behind the IP header. */
static bool is_clear_ip4(const struct dscp_endpoint *e, struct bytes b, uint8_t protocol,
			 size_t payload)
{
	const uint8_t *ip = b.at + b.len - 20;

	return e->family != 6 && may_be_clear(b, 20, protocol, 0) &&
	       get16(ip + 2) == 20 + payload && header_sum(ip, 20) == 0xffff &&
	       are_ends(e, ip + 12, 4);
}

static bool is_clear_ip6(const struct dscp_endpoint *e, struct bytes b, uint8_t protocol,
			 size_t payload)
{
	const uint8_t *ip = b.at + b.len - 40;

	return e->family != 4 && ip[0] >> 4 == 6 && ip[6] == protocol && ip[7] &&
	       get16(ip + 4) == payload && are_ends(e, ip + 8, 16);
}

/* UDP and the header behind it: the length, or 0. */
static size_t udp_header_before(const struct world *world, const struct dscp_tunnel *t,
				const uint8_t *end, size_t payload)
{
	bool any = t->flags & DSCP_TUNNEL_ANY_ID;
	uint32_t header = t->kind == DSCP_KIND_VXLAN ? 0x08000000 : 0x6558;
	uint16_t port = get16(end - 14);
	uint8_t kind;

	port_of(world, port, &kind);
	if (kind != t->kind || get16(end - 12) != payload + 16 || get32(end - 8) != header ||
	    end[-1])
		return 0;
	if (!any && (!t->endpoint.kind || port != t->endpoint.port ||
		     get32(end - 4) >> 8 != t->endpoint.id))
		return 0;
	return 16;
}

static size_t gre_header_before(const struct dscp_tunnel *t, const uint8_t *end, uint16_t type)
{
	if (!t->endpoint.id)
		return get32(end - 4) == type ? 4 : 0;
	return get32(end - 8) == (0x20000000u | type) && get32(end - 4) == t->endpoint.id ? 8 : 0;
}

/* TCP, and its ethertype; 0: it is something else. */
static uint16_t type_of_tcp(const struct packet *p)
{
	bool ip6;
	const uint8_t *ip = find_inner(p, &ip6);

	if (!ip || ip[ip6 ? 6 : 9] != IPPROTO_TCP)
		return 0;
	return ip6 ? ETH_P_IPV6 : ETH_P_IP;
}

/* The tests give no size to a packet that GRO has merged again: such a packet has to be as it
 * was. */
static uint32_t dscp_by_clear(const struct world *world, const struct delivered *d)
{
	const struct dscp_tunnel *t = &world->tunnels[slot_of_device(world, d->ifindex)];
	struct bytes b = { d->front, d->front_len - (d->tag ? TAG : 0) };
	uint16_t type = type_of_tcp(&d->packet);
	size_t payload = d->packet.len + (d->tag ? TAG : 0), header = 0;
	uint8_t protocol = IPPROTO_UDP;
	bool ip4, ip6;

	if (!t->ifindex || !type || !has_arrived(d))
		return NO_DSCP;
	if (t->kind == DSCP_KIND_VXLAN || t->kind == DSCP_KIND_GENEVE)
		header = udp_header_before(world, t, b.at + b.len, payload);
	else if (t->kind == DSCP_KIND_GRE)
		header = gre_header_before(t, b.at + b.len, d->packet.link ? ETH_P_TEB : type);
	if (!header && (t->kind != DSCP_KIND_IPIP || d->packet.link))
		return NO_DSCP;
	if (t->kind == DSCP_KIND_GRE)
		protocol = IPPROTO_GRE;
	else if (t->kind == DSCP_KIND_IPIP)
		protocol = type == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6;
	b.len -= header;
	for (size_t length = 24; length <= 60; length += 4)
		if (may_be_clear(b, length, protocol, header))
			return NO_DSCP;
	ip4 = is_clear_ip4(&t->endpoint, b, protocol, payload + header);
	ip6 = is_clear_ip6(&t->endpoint, b, protocol, payload + header);
	return ip4 == ip6 ? NO_DSCP : (uint32_t)get_ds(b.at + b.len - (ip6 ? 40 : 20), ip6) >> 2;
}

struct outcome judge_arrival(enum dscp_method method, const struct world *world,
			     const struct delivered *d, const struct noted *noted)
{
	struct outcome o = { .verdict = UNTOUCHED };
	uint32_t dscp, old;
	const uint8_t *ip;
	bool ip6;

	if (method == DSCP_METHOD_PEEK)
		dscp = dscp_by_peek(world, d);
	else if (method == DSCP_METHOD_XDP)
		dscp = dscp_by_xdp(d, noted, &o.taken);
	else
		dscp = (o.taken = noted->there) && tells_tc(d, &noted->note) ? noted->note.ds >> 2
									     : NO_DSCP;
	if (method == DSCP_METHOD_TC && dscp == NO_DSCP)
		dscp = dscp_by_clear(world, d);
	o.slot = slot_of_device(world, d->ifindex);
	ip = find_inner(&d->packet, &ip6);
	o.passed = o.slot || !world->configured;
	if (!ip || !o.passed)
		return o;
	old = o.dscp = get_ds(ip, ip6) >> 2;
	o.verdict = UNKNOWN;
	if (dscp != NO_DSCP) {
		o.came = dscp + 1;
		o.dscp = apply(world, o.slot, dscp, old);
		o.verdict = o.dscp == old ? UNCHANGED : MARKED;
	}
	return o;
}

struct passage judge_passing(enum dscp_method method, const struct world *world,
			     const struct packet *wire)
{
	uint16_t type = wire->ip6 ? ETH_P_IPV6 : ETH_P_IP;
	struct bytes b = { wire->bytes, wire->len };

	if (wire->link)
		b = from(b, link_length(b.at, b.len, &type));
	return method == DSCP_METHOD_TC ? judge_passing_tc(world, b, type)
					: judge_passing_xdp(world, b, type);
}
