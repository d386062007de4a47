/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Judges packets in place of the egress programs, without their code. */
#include "egress_oracle.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include <dscp/mix.h>

#define NOBODY UINT32_MAX

/* A packet taken apart as far as it goes. */
struct view {
	const struct world *world;
	const uint8_t *bytes;
	size_t len;
	uint32_t hash;
	size_t ip;
	bool ip6;
	bool first, later,
		last; /* fragments: with the first bytes, without, and of these the last */
	uint8_t fragmented; /* protocol of the packet that is in fragments */
	uint32_t id;
	int protocol; /* behind the IP header and the extension headers we know; -1: none */
	size_t payload; /* where that begins */
};

static bool has(const struct view *v, size_t at, size_t len)
{
	return at <= v->len && len <= v->len - at;
}

/* The ethertype behind the tags, and v->ip; 0 if there is none. */
static uint16_t skip_link_header(struct view *v)
{
	size_t at = 12;
	int tags = 0;

	if (!has(v, at, 2))
		return 0;
	while (tags < 2 && has(v, at + 2, TAG) &&
	       (get16(v->bytes + at) == ETH_P_8021Q || get16(v->bytes + at) == ETH_P_8021AD)) {
		at += TAG;
		tags++;
	}
	v->ip = at + 2;
	return get16(v->bytes + at);
}

static bool parse_ip4(struct view *v)
{
	const uint8_t *ip = v->bytes + v->ip;
	unsigned int words;

	if (!has(v, v->ip, 20) || ip[0] >> 4 != 4)
		return false;
	words = ip[0] & 0xf;
	if (words < 5)
		return false;
	v->later = get16(ip + 6) % 0x2000 != 0;
	v->last = v->later && !(ip[6] & 0x20);
	v->first = !v->later && ip[6] & 0x20;
	v->id = get16(ip + 4);
	v->protocol = v->fragmented = ip[9];
	v->payload = v->ip + words * 4;
	return true;
}

static bool parse_ip6(struct view *v)
{
	const uint8_t *ip = v->bytes + v->ip;

	if (!has(v, v->ip, 40) || ip[0] >> 4 != 6)
		return false;
	v->protocol = ip[6];
	v->payload = v->ip + 40;
	for (int i = 0; i < 2; i++) {
		const uint8_t *option = v->bytes + v->payload;

		if (v->protocol != (i ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS))
			continue;
		if (!has(v, v->payload, 2))
			return false;
		v->protocol = option[0];
		v->payload += 8 * (1 + option[1]);
	}
	if (v->protocol == IPPROTO_FRAGMENT) {
		const uint8_t *fragment = v->bytes + v->payload;

		if (!has(v, v->payload, 8))
			return false;
		v->later = get16(fragment + 2) / 8 != 0;
		v->last = v->later && !(fragment[3] & 1);
		v->first = !v->later && fragment[3] & 1;
		v->id = get32(fragment + 4);
		v->protocol = v->fragmented = fragment[0];
		v->payload += 8;
	}
	return true;
}

static bool parse(struct view *v, uint16_t type)
{
	if (!type)
		type = skip_link_header(v);
	if (type == ETH_P_IP)
		return parse_ip4(v);
	v->ip6 = true;
	return type == ETH_P_IPV6 && parse_ip6(v);
}

struct inner judge_inner(const uint8_t *bytes, size_t len, uint16_t type)
{
	struct view v = { .bytes = bytes, .len = len };
	const uint8_t *ip;

	if (!type)
		type = skip_link_header(&v);
	ip = bytes + v.ip;
	if (type == ETH_P_IP && has(&v, v.ip, 20) && ip[0] >> 4 == 4)
		return (struct inner){ true, false, ip[1] >> 2, ip + 16 };
	if (type == ETH_P_IPV6 && has(&v, v.ip, 40) && ip[0] >> 4 == 6)
		return (struct inner){ true, true, get_ds(ip, true) >> 2, ip + 24 };
	return (struct inner){ .ip = false };
}

static bool is_known(const struct stamp *s)
{
	return s->in_flows || (s->in_recent && s->hash);
}

static const struct stamp *find_stamp(const struct view *v)
{
	for (unsigned int i = 0; i < v->world->n_stamps; i++)
		if (v->world->stamps[i].hash == v->hash && is_known(&v->world->stamps[i]))
			return &v->world->stamps[i];
	return NULL;
}

static bool is_of(const struct note *a, const struct note *b)
{
	return a->uplink == b->uplink && a->family == b->family && a->protocol == b->protocol &&
	       a->id == b->id && !memcmp(a->addresses, b->addresses, sizeof(a->addresses));
}

static const struct note *find_note(const struct world *world, const struct note *like)
{
	for (unsigned int i = 0; i < world->n_notes; i++)
		if (is_of(&world->notes[i], like))
			return &world->notes[i];
	return NULL;
}

static struct note note_of(const struct view *v)
{
	struct note note = {
		.uplink = v->world->uplink,
		.family = v->ip6 ? 6 : 4,
		.protocol = v->fragmented,
		.id = v->id,
	};

	if (v->ip6)
		memcpy(note.addresses, v->bytes + v->ip + 8, 32);
	else
		memcpy(note.addresses, v->bytes + v->ip + 12, 8);
	return note;
}

/* The tunnel of that kind with that port. */
static uint32_t with_port(const struct world *world, uint8_t kind, uint16_t port)
{
	for (uint32_t slot = 1; slot < N_SLOTS; slot++)
		if (world->tunnels[slot].kind == kind && world->tunnels[slot].ports[0] == port)
			return slot;
	return NOBODY;
}

/* By UDP destination port and VNI. */
static uint32_t with_vni(const struct view *v, uint8_t kind, uint16_t port, uint32_t vni)
{
	uint32_t any = NOBODY;
	int family = v->ip6 ? 6 : 4;

	for (uint32_t slot = 1; slot < N_SLOTS; slot++) {
		const struct dscp_tunnel *t = &v->world->tunnels[slot];

		if (t->kind != kind || t->ports[0] != port)
			continue;
		if (t->flags & DSCP_TUNNEL_ANY_ID)
			any = slot;
		else if (t->endpoint.id == vni && t->endpoint.family == family)
			return slot;
	}
	return any;
}

/* Opcode 9; 24 bytes in front, and 16 in a keepalive. */
static bool is_ovpn_data(const uint8_t *udp)
{
	return udp[8] / 8 == 9 && get16(udp + 4) > 8 + 24 + 16;
}

static uint32_t owner_of_udp(const struct view *v, bool *data)
{
	const uint8_t *udp = v->bytes + v->payload, *inside = udp + 8;
	const uint8_t kinds[] = { DSCP_KIND_VXLAN, DSCP_KIND_GENEVE };
	uint32_t slot, ovpn = NOBODY;

	if (!has(v, v->payload, 8))
		return NOBODY;
	slot = with_port(v->world, DSCP_KIND_WIREGUARD, get16(udp));
	if (slot != NOBODY && has(v, v->payload, 16) && inside[0] >= 1 && inside[0] <= 4 &&
	    !inside[1] && !inside[2] && !inside[3]) {
		/* A keepalive is a data message with nothing inside: 32 bytes. */
		*data = inside[0] == 4 && get16(udp + 4) > 8 + 32;
		return slot;
	}
	if (has(v, v->payload, 16))
		ovpn = with_port(v->world, DSCP_KIND_OVPN, get16(udp));
	*data = ovpn == NOBODY || is_ovpn_data(udp);
	if (ovpn != NOBODY && inside[0] / 8 == 9)
		return ovpn;
	for (int i = 0; i < 2; i++) {
		if (with_port(v->world, kinds[i], get16(udp + 2)) == NOBODY ||
		    !has(v, v->payload, 16))
			continue;
		ovpn = NOBODY;
		*data = true;
		slot = with_vni(v, kinds[i], get16(udp + 2), get32(inside + 4) >> 8);
		if (slot != NOBODY)
			return slot;
	}
	if (ovpn != NOBODY && inside[0] / 8 >= 1 && inside[0] / 8 <= 11)
		return ovpn;
	slot = with_port(v->world, DSCP_KIND_UDP, get16(udp));
	if (slot == NOBODY)
		slot = with_port(v->world, DSCP_KIND_AMNEZIAWG, get16(udp));
	if (slot != NOBODY)
		return slot;
	return v->world->configured ? NOBODY : 0;
}

static bool gre_key_of(const struct view *v, uint32_t *key)
{
	const uint8_t *gre = v->bytes + v->payload;
	size_t at;

	*key = 0;
	if (!has(v, v->payload, 4) || gre[1] & 7) /* RFC 2784: version 0 */
		return false;
	if (get16(gre + 2) == 0x88be || get16(gre + 2) == 0x22eb) /* ERSPAN */
		return false;
	at = gre[0] & 0x80 ? 8 : 4;
	if (!(gre[0] & 0x20))
		return true;
	if (!has(v, v->payload + at, 4))
		return false;
	*key = get32(gre + at);
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* The better the addresses fit a tunnel, the earlier it gets the packet: both, the remote one, the
 * local one, none. */
static uint32_t owner_by_address(const struct view *v, uint8_t kind, uint32_t key)
{
	const uint8_t *ip = v->bytes + v->ip, *local = ip + (v->ip6 ? 8 : 12);
	size_t len = v->ip6 ? 16 : 4;
	uint32_t best = NOBODY;
	int best_score = -1;

	for (uint32_t slot = 1; slot < N_SLOTS; slot++) {
		const struct dscp_endpoint *e = &v->world->tunnels[slot].endpoint;
		int score = (is_zero(e->remote, len) ? 0 : 2) + (is_zero(e->local, len) ? 0 : 1);

		if (e->kind != kind || e->family != (v->ip6 ? 6 : 4) || e->id != key)
			continue;
		if (!is_zero(e->local, len) && memcmp(e->local, local, len))
			continue;
		if (!is_zero(e->remote, len) && memcmp(e->remote, local + len, len))
			continue;
		if (score > best_score) {
			best = slot;
			best_score = score;
		}
	}
	return best;
}

static uint32_t owner(const struct view *v, bool *data)
{
	uint32_t key;

	*data = true;
	switch (v->protocol) {
	case IPPROTO_UDP:
		return owner_of_udp(v, data);
	case IPPROTO_GRE:
		return gre_key_of(v, &key) ? owner_by_address(v, DSCP_KIND_GRE, key) : NOBODY;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return owner_by_address(v, DSCP_KIND_IPIP, 0);
	default:
		return NOBODY;
	}
}

/* Where the inner packet is, and its ethertype: 0x6558 is a frame. False: nobody knows. */
static bool find_inside(const struct view *v, uint8_t kind, size_t *at, uint16_t *type)
{
	const uint8_t *header = v->bytes + v->payload;
	static const uint16_t next[] = { 0, ETH_P_IP, ETH_P_IPV6, ETH_P_TEB };

	*at = v->payload;
	if (kind == DSCP_KIND_IPIP) {
		*type = v->protocol == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6;
	} else if (kind == DSCP_KIND_GRE) {
		if (header[0] & 0x40)
			return false;
		for (int flag = 0x10; flag <= 0x80; flag <<= 1)
			*at += header[0] & flag ? 4 : 0;
		*at += 4;
		*type = get16(header + 2);
	} else if (kind == DSCP_KIND_GENEVE) {
		*at += 16 + header[8] % 64 * 4;
		*type = get16(header + 10);
	} else {
		*at += 16;
		*type = ETH_P_TEB;
		if (header[8] & 4)
			*type = header[11] <= 3 ? next[header[11]] : 0;
	}
	return true;
}

/* The longest prefix that an inner packet is to decides, or else the tunnel. Only entries of the
 * list that the tunnel has are of account. */
static uint8_t by_prefix(const struct view *v, uint32_t slot, bool ip6, const uint8_t *dest,
			 uint8_t dscp)
{
	uint8_t to = v->world->tunnels[slot].egress.to[dscp];
	int longest = -2, rank;

	for (unsigned int i = 0; i < v->world->n_prefixes; i++) {
		const struct prefix *p = &v->world->prefixes[i];
		unsigned int same = 0;

		if (p->slot != slot || p->list != v->world->tunnels[slot].list)
			continue;

		while (same < p->length &&
		       !((dest[same / 8] ^ p->address[same / 8]) & 0x80 >> same % 8))
			same++;
		rank = p->rest ? -1 : (int)same;
		if ((p->ip6 != ip6 && !p->rest) || same < p->length || rank <= longest)
			continue;
		longest = rank;
		to = p->to;
	}
	return to;
}

/* Returns the DSCP that a packet in clear text should have outside. */
static uint32_t clear_dscp(const struct view *v, uint32_t slot, uint8_t *came)
{
	const struct dscp_tunnel *t = &v->world->tunnels[slot];
	struct view inside = *v;
	uint16_t type;
	size_t at;
	uint8_t dscp;
	bool ip6;

	if (!find_inside(v, t->kind, &at, &type) || !type || at >= v->len)
		return DSCP_UNKNOWN | DSCP_UNREADABLE;
	inside.bytes += at;
	inside.len -= at;
	inside.ip = 0;
	if (type == ETH_P_TEB)
		type = skip_link_header(&inside);
	ip6 = type == ETH_P_IPV6;
	if ((type != ETH_P_IP && !ip6) || !has(&inside, inside.ip, 2))
		return DSCP_UNKNOWN | DSCP_NOT_IP;
	inside.bytes += inside.ip;
	inside.len -= inside.ip;
	if (inside.bytes[0] >> 4 != (ip6 ? 6 : 4))
		return DSCP_UNKNOWN | DSCP_NOT_IP;
	dscp = get_ds(inside.bytes, ip6) >> 2;
	*came = dscp + 1;
	if (!(t->flags & DSCP_TUNNEL_PREFIXES))
		return t->egress.to[dscp];
	if (!has(&inside, ip6 ? 24 : 16, ip6 ? 16 : 4))
		return DSCP_UNKNOWN | DSCP_UNREADABLE;
	return by_prefix(v, slot, ip6, inside.bytes + (ip6 ? 24 : 16), dscp);
}

/* The only value of that sort that the flow with this hash was stamped with; -1: none, or several.
 */
static int only_value(const struct view *v, bool final)
{
	int value = -1;

	for (unsigned int i = 0; i < v->world->n_stamps; i++) {
		const struct stamp *s = &v->world->stamps[i];

		if (!is_known(s) || (s->value >= 64) != final ||
		    s->hash != dscp_stamp(v->hash, s->value) || s->value == value)
			continue;
		if (value >= 0)
			return -1;
		value = s->value;
	}
	return value;
}

static uint32_t stamped_dscp(const struct view *v, uint32_t slot)
{
	const struct dscp_tunnel *t = &v->world->tunnels[slot];
	const struct stamp *s = find_stamp(v);
	int value = s ? s->value : -1;

	if (!s && v->first && t->kind && t->kind != DSCP_KIND_UDP)
		value = only_value(v, t->flags & DSCP_TUNNEL_PREFIXES);
	if (value < 0)
		return DSCP_UNKNOWN | (v->first ? DSCP_FRAGMENT : DSCP_NO_STAMP);
	if (value >= 128) /* a final value is not mapped again */
		return DSCP_KEEP;
	if (value >= 64)
		return value - 64;
	return slot ? t->egress.to[value] : value;
}

static uint32_t wanted(const struct view *v, uint32_t slot, uint8_t *came)
{
	const struct dscp_tunnel *t = &v->world->tunnels[slot];

	if (t->flags & DSCP_TUNNEL_FIXED)
		return t->outer_dscp;
	switch (t->kind) {
	case DSCP_KIND_VXLAN:
	case DSCP_KIND_GENEVE:
	case DSCP_KIND_GRE:
	case DSCP_KIND_IPIP:
		return clear_dscp(v, slot, came);
	default:
		return stamped_dscp(v, slot);
	}
}

/* A tunnel without egress has no packets here, nor has one on its own device. */
static bool can_leave(const struct world *world, uint32_t slot)
{
	const struct dscp_tunnel *t = &world->tunnels[slot];

	return !slot || (t->flags & DSCP_TUNNEL_EGRESS &&
			 !(t->ifindex == world->uplink && t->netns == t->uplink_netns));
}

static void judge_first(const struct view *v, struct outcome *o, uint32_t dscp)
{
	o->note = note_of(v);
	o->forgets = true;
	o->note.slot = o->slot;
	o->note.dscp = dscp < DSCP_UNKNOWN ? dscp : DSCP_UNKNOWN | DSCP_FRAGMENT;
	o->notes = o->verdict != NOT_OURS && o->verdict != SKIPPED &&
		   (o->slot || o->verdict != UNKNOWN);
}

/* False: not the tunnel's. */
static bool judge_later(const struct view *v, struct outcome *o, uint32_t *dscp)
{
	const struct note *found;

	o->note = note_of(v);
	found = find_note(v->world, &o->note);
	if (!found || !can_leave(v->world, found->slot))
		return false;
	o->forgets = v->last;
	o->slot = found->slot;
	*dscp = found->dscp;
	return true;
}

static void judge_known(const struct view *v, struct outcome *o, uint32_t dscp)
{
	o->ip = v->ip;
	o->ip6 = v->ip6;
	o->dscp = dscp;
	o->reason = dscp & (DSCP_REASONS - 1);
	if (dscp >= DSCP_UNKNOWN)
		o->verdict = UNKNOWN;
	else if (dscp == DSCP_KEEP || dscp == get_ds(v->bytes + v->ip, v->ip6) >> 2)
		o->verdict = UNCHANGED;
	else
		o->verdict = MARKED;
}

static void judge_whole(const struct view *v, struct outcome *o)
{
	uint32_t slot, dscp = DSCP_UNKNOWN;
	uint8_t handshake;
	bool data;

	slot = owner(v, &data);
	if (slot != NOBODY && can_leave(v->world, slot)) {
		o->slot = slot;
		o->ip = v->ip;
		o->ip6 = v->ip6;
		o->verdict = SKIPPED;
		handshake = v->world->tunnels[slot].handshake;
		o->dscp = handshake ? handshake - 1u : DSCP_KEEP;
		if (data)
			dscp = wanted(v, slot, &o->came);
		/* It tells its data from the rest by nothing else. */
		if (v->world->tunnels[slot].kind == DSCP_KIND_AMNEZIAWG && dscp >= DSCP_UNKNOWN)
			data = false;
		if (data)
			judge_known(v, o, dscp);
	}
	if (v->first)
		judge_first(v, o, dscp);
}

/* By the DSCP that the packet leaves with, whoever has set that. */
static uint8_t priority_of(const struct view *v, const struct outcome *o)
{
	const struct dscp_tunnel *t = &v->world->tunnels[o->slot];
	uint8_t dscp = get_ds(v->bytes + v->ip, v->ip6) >> 2;

	if (o->verdict == NOT_OURS || !(t->flags & DSCP_TUNNEL_PRIORITY))
		return 0;
	return t->priority.to[outcome_changes(o) ? o->dscp : dscp];
}

struct outcome judge(const struct world *world, const uint8_t *bytes, size_t len, uint16_t type,
		     uint32_t hash)
{
	struct view v = { .world = world, .bytes = bytes, .len = len, .hash = hash };
	struct outcome o = { .verdict = NOT_OURS };
	uint32_t dscp;

	if (!parse(&v, type))
		return o;
	if (!v.later)
		judge_whole(&v, &o);
	else if (judge_later(&v, &o, &dscp))
		judge_known(&v, &o, dscp);
	o.later = v.later;
	o.priority = priority_of(&v, &o);
	return o;
}

struct outcome judge_forwarded(const struct world *world, uint32_t hash, struct outcome o)
{
	const struct view v = { .world = world, .hash = hash };

	if (o.verdict != NOT_OURS && world->tunnels[o.slot].kind == DSCP_KIND_OVPN &&
	    find_stamp(&v))
		return o;
	return (struct outcome){ .verdict = NOT_OURS };
}

void judge_done(struct world *world, const struct outcome *o)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; o->forgets && i < world->n_notes; i++)
		if (!is_of(&world->notes[i], &o->note))
			world->notes[kept++] = world->notes[i];
	if (o->forgets)
		world->n_notes = kept;
	if (o->notes && world->n_notes < N_NOTES)
		world->notes[world->n_notes++] = o->note;
}
