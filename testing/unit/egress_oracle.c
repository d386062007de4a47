// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 The dscp-tool authors
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "egress_oracle.h"

#define NOBODY UINT32_MAX

/* A packet taken apart as far as it goes. */
struct view {
	const struct world *world;
	const uint8_t *bytes;
	size_t len;
	uint32_t hash;
	size_t ip;
	bool ip6;
	bool fragment; /* of any kind */
	bool later; /* fragment without the first bytes */
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
	v->fragment = v->later || get16(ip + 6) / 0x2000 % 2;
	v->protocol = ip[9];
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
	if (v->protocol == IPPROTO_DSTOPTS) {
		const uint8_t *option = v->bytes + v->payload;

		if (!has(v, v->payload, 2))
			return false;
		v->protocol = option[0];
		v->payload += 8 * (1 + option[1]);
	}
	if (v->protocol == IPPROTO_FRAGMENT) {
		const uint8_t *fragment = v->bytes + v->payload;

		if (!has(v, v->payload, 8))
			return false;
		v->fragment = true;
		v->later = get16(fragment + 2) / 8 != 0;
		v->protocol = fragment[0];
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

static bool is_gre_prototype(const uint8_t *ip4)
{
	return ip4[9] == IPPROTO_GRE && !get16(ip4 + 2);
}

struct inner judge_inner(const uint8_t *bytes, size_t len, uint16_t type)
{
	struct view v = { .bytes = bytes, .len = len };
	const uint8_t *ip;

	if (!type)
		type = skip_link_header(&v);
	ip = bytes + v.ip;
	if (type == ETH_P_IP && has(&v, v.ip, 20) && ip[0] >> 4 == 4 && !is_gre_prototype(ip))
		return (struct inner){ true, false, ip[1] >> 2, ip + 16 };
	if (type == ETH_P_IPV6 && has(&v, v.ip, 40) && ip[0] >> 4 == 6)
		return (struct inner){ true, true, get_ds(ip, true) >> 2, ip + 24 };
	return (struct inner){ .ip = false };
}

static const struct stamp *find_stamp(const struct view *v, bool in_flows)
{
	for (unsigned int i = 0; i < v->world->n_stamps; i++) {
		const struct stamp *s = &v->world->stamps[i];

		if (s->hash == v->hash && (in_flows ? s->in_flows : s->in_recent))
			return s;
	}
	return NULL;
}

static uint32_t owner_of_fragment(const struct view *v)
{
	const struct stamp *s = find_stamp(v, true);

	if (!s)
		return NOBODY;
	for (uint32_t slot = 1; slot < N_SLOTS; slot++)
		if (v->world->tunnels[slot].ifindex &&
		    v->world->tunnels[slot].ifindex == s->ifindex)
			return slot;
	return v->world->configured ? NOBODY : 0;
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
static uint32_t with_vni(const struct world *world, uint8_t kind, uint16_t port, uint32_t vni)
{
	uint32_t any = NOBODY;

	for (uint32_t slot = 1; slot < N_SLOTS; slot++) {
		const struct dscp_tunnel *t = &world->tunnels[slot];

		if (t->kind != kind || t->ports[0] != port)
			continue;
		if (t->flags & DSCP_TUNNEL_ANY_ID)
			any = slot;
		else if (t->endpoint.id == vni)
			return slot;
	}
	return any;
}

static uint32_t owner_of_udp(const struct view *v, bool *data)
{
	const uint8_t *udp = v->bytes + v->payload, *inside = udp + 8;
	const uint8_t kinds[] = { DSCP_KIND_VXLAN, DSCP_KIND_GENEVE };
	uint32_t slot;

	if (!has(v, v->payload, 8))
		return NOBODY;
	slot = with_port(v->world, DSCP_KIND_WIREGUARD, get16(udp));
	if (slot != NOBODY && has(v, v->payload, 16) && inside[0] >= 1 && inside[0] <= 4 &&
	    !inside[1] && !inside[2] && !inside[3]) {
		/* A keepalive is a data message with nothing inside: 32 bytes. */
		*data = inside[0] == 4 && get16(udp + 4) > 8 + 32;
		return slot;
	}
	for (int i = 0; i < 2; i++) {
		if (with_port(v->world, kinds[i], get16(udp + 2)) == NOBODY ||
		    !has(v, v->payload, 16))
			continue;
		slot = with_vni(v->world, kinds[i], get16(udp + 2), get32(inside + 4) >> 8);
		if (slot != NOBODY)
			return slot;
	}
	slot = with_port(v->world, DSCP_KIND_UDP, get16(udp));
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

/* The better a tunnel's addresses say who it is, the earlier it gets the packet: both, the remote
 * one, the local one, none. */
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
	if (v->later)
		return owner_of_fragment(v);
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

/* False: not known. */
static bool mark_of(const struct view *v, uint32_t slot, uint8_t *dscp)
{
	const struct dscp_tunnel *t = &v->world->tunnels[slot];
	const struct stamp *s;

	if (t->flags & DSCP_TUNNEL_FIXED) {
		*dscp = t->outer_dscp;
		return true;
	}
	s = v->hash ? find_stamp(v, false) : NULL;
	if (!s)
		s = find_stamp(v, true);
	if (!s)
		return false;
	if (!s->in_recent && s->flags & DSCP_FLOW_SOCKET &&
	    (!v->fragment || s->flags & DSCP_FLOW_MIXED))
		return false;
	if (s->mark >= 128) /* what is final is not mapped again */
		*dscp = DSCP_KEEP;
	else if (s->mark >= 64)
		*dscp = s->mark - 64;
	else
		*dscp = slot ? t->egress.to[s->mark] : s->mark;
	return true;
}

struct outcome judge(const struct world *world, const uint8_t *bytes, size_t len, uint16_t type,
		     uint32_t hash)
{
	struct view v = { .world = world, .bytes = bytes, .len = len, .hash = hash };
	struct outcome o = { .verdict = NOT_OURS };
	uint32_t slot;
	bool data;

	if (!parse(&v, type))
		return o;
	slot = owner(&v, &data);
	if (slot == NOBODY)
		return o;
	o = (struct outcome){ .verdict = SKIPPED, .slot = slot, .ip = v.ip, .ip6 = v.ip6 };
	if (!data)
		return o;
	o.verdict = UNKNOWN;
	if (!mark_of(&v, slot, &o.dscp))
		return o;
	o.verdict = o.dscp == DSCP_KEEP || o.dscp == get_ds(bytes + v.ip, v.ip6) >> 2 ? UNCHANGED
										      : MARKED;
	return o;
}
