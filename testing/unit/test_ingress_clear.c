/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The method "tc" without a note: which outer header in front of a packet of a tunnel in clear text
 * is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

#include "effort.h"
#include "ingress_cases.h"
#include "random.h"

#define VNI 0xabcdef
#define KEY 0x01020304
#define MAX_CLEAR 16
#define FRAMES 20000
#define DEVICE_PACKETS 5000

enum dscp_method method = DSCP_METHOD_TC;

static const struct noted no_note = { .there = false };

/* A packet in its tunnel, and the tool's entries for the tunnel. */
struct clear {
	struct dscp_endpoint endpoint;
	struct journey journey;
	uint32_t flags;
};

static struct packet inner_tcp(int family)
{
	struct packet p = inner_packet(family, 40);

	p.bytes[p.ip + (family == 4 ? 9 : 6)] = IPPROTO_TCP;
	set_ds(&p, 0);
	return p;
}

static void registered(const struct clear *c)
{
	struct dscp_tunnel *t = &world.tunnels[WG];

	t->kind = c->endpoint.kind;
	t->flags = DSCP_TUNNEL_INGRESS | c->flags;
	t->endpoint = c->endpoint;
	/* VXLAN and geneve in external mode have no endpoint. */
	if (c->flags & DSCP_TUNNEL_ANY_ID)
		memset(&t->endpoint, 0, sizeof(t->endpoint));
	set_tunnel(WG, tunnel_ifindex());
}

static struct clear in_vxlan(int family, const struct packet *inner)
{
	static const uint8_t header[] = { 8, 0, 0, 0, 0xab, 0xcd, 0xef, 0 };

	return (struct clear){
		.endpoint = { .kind = DSCP_KIND_VXLAN, .port = VXLAN_PORT, .id = VNI },
		.journey = in_udp(family, VXLAN_PORT, header, sizeof(header), inner),
	};
}

static struct clear in_geneve(int family, const struct packet *inner)
{
	static const uint8_t header[] = { 0, 0, 0x65, 0x58, 0xab, 0xcd, 0xef, 0 };

	return (struct clear){
		.endpoint = { .kind = DSCP_KIND_GENEVE, .port = GENEVE_PORT, .id = VNI },
		.journey = in_udp(family, GENEVE_PORT, header, sizeof(header), inner),
	};
}

static struct clear with_addresses(struct clear c)
{
	size_t len = c.journey.wire.ip6 ? 16 : 4, source = c.journey.wire.ip6 ? 8 : 12;

	c.endpoint.family = c.journey.wire.ip6 ? 6 : 4;
	memcpy(c.endpoint.remote, c.journey.wire.bytes + source, len);
	memcpy(c.endpoint.local, c.journey.wire.bytes + source + len, len);
	return c;
}

static struct clear in_gre(int family, bool key, const struct packet *inner)
{
	uint8_t header[8] = { key ? 0x20 : 0, 0, 0x65, 0x58, 1, 2, 3, 4 };
	struct clear c = { .endpoint = { .kind = DSCP_KIND_GRE, .id = key ? KEY : 0 } };

	if (raw())
		set16(header + 2, inner->ip6 ? ETH_P_IPV6 : ETH_P_IP);
	c.journey = in_ip(family, IPPROTO_GRE, header, key ? 8 : 4, inner);
	return with_addresses(c);
}

static struct clear in_ipip(int family, const struct packet *inner)
{
	uint8_t protocol = inner->ip6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	return with_addresses((struct clear){
		.endpoint = { .kind = DSCP_KIND_IPIP },
		.journey = in_ip(family, protocol, NULL, 0, inner),
	});
}

static unsigned int make_clear(struct clear *all)
{
	unsigned int n = 0;
	struct packet inner;

	for (int family = 4; family <= 6; family += 2) {
		inner = inner_tcp(family);
		for (int outer = 4; outer <= 6; outer += 2) {
			all[n++] = in_vxlan(outer, &inner);
			all[n++] = in_geneve(outer, &inner);
			all[n++] = in_gre(outer, family == outer, &inner);
			if (raw())
				all[n++] = in_ipip(outer, &inner);
		}
	}
	assert_uint_in_range(n, 1, MAX_CLEAR);
	for (unsigned int i = 0; i < n; i++)
		set_outer(&all[i].journey, EF << 2 | 1);
	return n;
}

/* each(EXPECTED, CHANGE): every tunnel, its packet changed that way */
typedef void change_fn(struct clear *c, struct delivered *d);

static void each(enum verdict verdict, change_fn *change)
{
	static struct clear all[MAX_CLEAR];
	unsigned int n = make_clear(all);

	for (unsigned int i = 0; i < n; i++) {
		struct delivered d = deliver(&all[i].journey);

		change(&all[i], &d);
		registered(&all[i]);
		expect(&d, &no_note, verdict, EF);
	}
}

static uint8_t *outer_of(struct delivered *d)
{
	return d->front + GARBAGE;
}

static bool has_udp(const struct clear *c)
{
	return c->journey.udp;
}

/*
 * Believed headers
 */

static void nothing(struct clear *c, struct delivered *d)
{
	(void)c;
	(void)d;
}

/* The frame has a tag, which is in the metadata by then. */
static void tagged(struct clear *c, struct delivered *d)
{
	struct packet inner = c->journey.inner;
	struct packet with_tag;

	put_ethernet(&with_tag, 1);
	put_type(&with_tag, inner.ip6 ? ETH_P_IPV6 : ETH_P_IP);
	put(&with_tag, inner.bytes + ETHERNET, inner.len - ETHERNET);
	*c = c->endpoint.kind == DSCP_KIND_VXLAN    ? in_vxlan(4, &with_tag)
	     : c->endpoint.kind == DSCP_KIND_GENEVE ? in_geneve(6, &with_tag)
						    : in_gre(4, true, &with_tag);
	set_outer(&c->journey, EF << 2 | 1);
	*d = deliver(&c->journey);
	memcpy(d->front + d->front_len, with_tag.bytes, TAG);
	d->front_len += TAG;
	d->packet = inner;
	d->tag = true;
}

static void any_id(struct clear *c, struct delivered *d)
{
	(void)d;
	if (has_udp(c))
		c->flags = DSCP_TUNNEL_ANY_ID;
}

static void any_address(struct clear *c, struct delivered *d)
{
	(void)d;
	memset(c->endpoint.local, 0, 16);
	memset(c->endpoint.remote, 0, 16);
}

static void own_family(struct clear *c, struct delivered *d)
{
	(void)d;
	c->endpoint.family = c->journey.wire.ip6 ? 6 : 4;
}

static void own_header(void **state)
{
	(void)state;
	each(MARKED, nothing);
	each(MARKED, any_id);
	each(MARKED, any_address);
	each(MARKED, own_family);
}

static void stamped(struct clear *c, struct delivered *d)
{
	(void)c;
	d->hash = 1;
	d->tc_index = DSCP_ARRIVED;
}

/* A hash, and no stamp: VXLAN's shortcut. */
static void not_arrived(struct clear *c, struct delivered *d)
{
	(void)c;
	d->hash = 1;
	d->tc_index = DSCP_ARRIVED + 1;
}

static void shortcut(void **state)
{
	(void)state;
	each(MARKED, stamped);
	each(UNKNOWN, not_arrived);
}

static void metadata_tag(void **state)
{
	(void)state;
	each(MARKED, tagged);
}

/* ECN is not the DSCP's. */
static void every_outer_ds(void **state)
{
	static struct clear all[MAX_CLEAR];
	unsigned int n = make_clear(all);
	struct delivered d;

	(void)state;
	for (unsigned int i = 0; i < n * 256; i++) {
		if (!effort_chosen(i))
			continue;
		registered(&all[i / 256]);
		set_outer(&all[i / 256].journey, i);
		d = deliver(&all[i / 256].journey);
		expect(&d, &no_note, i % 256 / 4 ? MARKED : UNCHANGED, i % 256 / 4);
	}
}

/* Another packet's, under the same address. */
static void stale_note(void **state)
{
	struct packet inner = inner_tcp(4);
	struct clear c = in_vxlan(4, &inner);
	struct packet wire = on_wire(&c.journey, 0);
	struct noted noted;
	struct delivered d;

	(void)state;
	registered(&c);
	set_ds(&wire, AF41 << 2);
	noted = expect_noted(&wire);
	set_outer(&c.journey, EF << 2);
	d = deliver(&c.journey);
	expect(&d, &noted, MARKED, EF);
}

/*
 * Headers that are not
 */

static void other_family(struct clear *c, struct delivered *d)
{
	(void)d;
	c->endpoint.family = c->journey.wire.ip6 ? 4 : 6;
}

static void other_id(struct clear *c, struct delivered *d)
{
	c->endpoint.id ^= 1;
	if (c->endpoint.kind == DSCP_KIND_IPIP)
		outer_of(d)[c->journey.wire.ip6 ? 6 : 9] ^= IPPROTO_IPIP ^ IPPROTO_IPV6;
}

static void other_port(struct clear *c, struct delivered *d)
{
	if (has_udp(c))
		c->endpoint.port = OTHER_WG_PORT;
	else
		other_id(c, d);
}

static void other_remote(struct clear *c, struct delivered *d)
{
	c->endpoint.remote[3] ^= 1;
	if (has_udp(c))
		other_id(c, d);
}

static void other_local(struct clear *c, struct delivered *d)
{
	c->endpoint.local[3] ^= 1;
	if (has_udp(c))
		other_id(c, d);
}

static void wireguards(struct clear *c, struct delivered *d)
{
	(void)d;
	c->endpoint.kind = DSCP_KIND_WIREGUARD;
}

static void user_space(struct clear *c, struct delivered *d)
{
	(void)d;
	c->endpoint.kind = DSCP_KIND_UDP;
}

static void no_endpoint(struct clear *c, struct delivered *d)
{
	(void)d;
	if (has_udp(c))
		c->endpoint.kind =
			c->endpoint.kind == DSCP_KIND_VXLAN ? DSCP_KIND_GENEVE : DSCP_KIND_VXLAN;
	else
		c->endpoint.kind = DSCP_KIND_NONE;
}

static void of_other_tunnels(void **state)
{
	(void)state;
	each(UNKNOWN, other_family);
	each(UNKNOWN, other_id);
	each(UNKNOWN, other_port);
	each(UNKNOWN, other_remote);
	each(UNKNOWN, other_local);
	each(UNKNOWN, wireguards);
	each(UNKNOWN, user_space);
	each(UNKNOWN, no_endpoint);
}

static void longer(struct clear *c, struct delivered *d)
{
	(void)c;
	put(&d->packet, "x", 1);
}

static void shorter(struct clear *c, struct delivered *d)
{
	(void)c;
	d->packet.len--;
}

static void merged_longer(struct clear *c, struct delivered *d)
{
	longer(c, d);
	d->segments = raw() ? 0 : 2;
}

static void cleared(struct clear *c, struct delivered *d)
{
	(void)c;
	memset(d->front, 0, d->front_len);
}

static void a_byte_further(struct clear *c, struct delivered *d)
{
	(void)c;
	memmove(d->front, d->front + 1, d->front_len - 1);
}

static void not_tcp(struct clear *c, struct delivered *d)
{
	bool ip6 = c->journey.inner.ip6;

	d->packet.bytes[d->packet.ip + (ip6 ? 6 : 9)] = ip6 ? IPPROTO_ICMPV6 : IPPROTO_UDP;
}

static void of_another_packet(void **state)
{
	(void)state;
	each(UNKNOWN, longer);
	each(UNKNOWN, shorter);
	each(UNKNOWN, merged_longer);
	each(UNKNOWN, cleared);
	each(UNKNOWN, a_byte_further);
	each(UNKNOWN, not_tcp);
}

/* A header that is not in its plainest form. */
static void unusual(void **state)
{
	static const uint8_t geneve[] = { 1, 0, 0x65, 0x58, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 0 };
	static const uint8_t gbp[] = { 0x88, 0, 0, 1, 0xab, 0xcd, 0xef, 0 };
	static const uint8_t gre[] = { 0x90, 0, 0x65, 0x58, 1, 2, 3, 4, 0, 0, 0, 1 };
	struct packet inner = inner_tcp(4);
	struct clear c = in_geneve(4, &inner);
	struct delivered d;

	(void)state;
	c.journey = in_udp(4, GENEVE_PORT, geneve, sizeof(geneve), &inner);
	d = deliver(&c.journey);
	registered(&c);
	expect(&d, &no_note, UNKNOWN, 0);
	c = in_vxlan(4, &inner);
	c.journey = in_udp(4, VXLAN_PORT, gbp, sizeof(gbp), &inner);
	d = deliver(&c.journey);
	registered(&c);
	expect(&d, &no_note, UNKNOWN, 0);
	c = in_gre(4, false, &inner);
	c.journey = in_ip(4, IPPROTO_GRE, gre, sizeof(gre), &inner);
	d = deliver(&c.journey);
	registered(&c);
	expect(&d, &no_note, UNKNOWN, 0);
}

/* The real header could be one with options, and their end looks like a header. */
static void options(void **state)
{
	struct packet inner = inner_tcp(4);
	struct clear c = in_vxlan(4, &inner);
	struct delivered d, forged;
	uint8_t *ip;

	(void)state;
	set_outer(&c.journey, EF << 2);
	registered(&c);
	d = deliver(&c.journey);
	for (unsigned int ihl = 8; ihl <= 15; ihl++) {
		forged = d;
		ip = outer_of(&forged) + 20 - ihl * 4;
		ip[0] = 0x40 | ihl;
		ip[9] = IPPROTO_UDP;
		set16(ip + 6, 0);
		set16(ip + 2, ihl * 4 + 16 + d.packet.len);
		expect(&forged, &no_note, UNKNOWN, 0);
		set16(ip + 2, ihl * 4 + 15);
		expect(&forged, &no_note, MARKED, EF);
		set16(ip + 2, ihl * 4 + 16 + d.packet.len);
		set16(ip + 6, 0x2000);
		expect(&forged, &no_note, MARKED, EF);
	}
}

/* The end of the IPv6 header is an IPv4 header. */
static void both_versions(void **state)
{
	struct packet inner = inner_tcp(4);
	struct clear c = in_vxlan(6, &inner), ip4 = in_vxlan(4, &inner);
	struct delivered d;

	(void)state;
	set_outer(&c.journey, EF << 2);
	set_outer(&ip4.journey, EF << 2);
	memcpy(c.journey.wire.bytes + 20, ip4.journey.wire.bytes, 20);
	d = deliver(&c.journey);
	registered(&c);
	expect(&d, &no_note, UNKNOWN, 0);
	for (int family = 4; family <= 6; family += 2) {
		c.endpoint.family = family;
		registered(&c);
		expect(&d, &no_note, MARKED, EF);
	}
}

/*
 * Bits
 */

/* Tells neither the owner of the header nor its addressee, where no address is registered. */
static bool is_free(const struct clear *c, size_t bit)
{
	bool ip6 = c->journey.wire.ip6;
	size_t byte = bit / 8, udp = c->journey.udp;

	/* The source port and the checksum of UDP. */
	if (udp && byte >= udp)
		return byte < udp + 2 || byte == udp + 6 || byte == udp + 7;
	/* DS field, flow label, hop limit. */
	if (ip6 && ((bit >= 4 && byte < 4) || byte == 7))
		return true;
	return ip6 && udp && byte >= 8 && byte < 40;
}

static void each_bit_counts(void **state)
{
	static struct clear all[MAX_CLEAR];
	unsigned int n = make_clear(all);

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		struct delivered whole = deliver(&all[i].journey), d;

		registered(&all[i]);
		for (size_t bit = 0; bit < all[i].journey.inner_at * 8; bit++) {
			d = whole;
			outer_of(&d)[bit / 8] ^= 0x80 >> bit % 8;
			if (is_free(&all[i], bit))
				arrive(&d, &no_note);
			else
				expect(&d, &no_note, UNKNOWN, 0);
		}
	}
	assert_counters();
}

static void flip(uint8_t *bytes, size_t len)
{
	bytes[next_random() % len] ^= 1u << next_random() % 8;
}

static void random_front(struct clear *c, struct delivered *d)
{
	set_outer(&c->journey, next_random());
	*d = deliver(&c->journey);
	for (uint32_t i = next_random() % 4; i; i--)
		flip(outer_of(d), c->journey.inner_at);
	if (one_in(4))
		flip(d->packet.bytes + d->packet.ip, 20);
	if (one_in(8))
		d->packet.len -= next_random() % 4;
	if (raw())
		d->packet.bytes[0] = (d->packet.ip6 ? 0x60 : 0x40) | (d->packet.bytes[0] & 0xf);
	else if (one_in(4))
		d->segments = next_random() % 4;
}

static void random_fronts(void **state)
{
	static struct clear all[MAX_CLEAR];
	unsigned int n = make_clear(all), rounds = effort_rounds(raw() ? DEVICE_PACKETS : FRAMES);

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		struct clear c;
		struct delivered d;

		random_round(i);
		c = all[next_random() % n];
		if (one_in(4))
			c.flags = has_udp(&c) ? DSCP_TUNNEL_ANY_ID : 0;
		registered(&c);
		random_front(&c, &d);
		arrive(&d, &no_note);
	}
	random_end();
	assert_counters();
}

#define CLEAR                                                                                      \
	ALL(own_header), ALL(shortcut), ALL(every_outer_ds), ALL(stale_note),                      \
		ALL(of_other_tunnels), ALL(of_another_packet), ALL(options), ALL(both_versions),   \
		ALL(each_bit_counts), ALL(random_fronts)

int main(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	const struct CMUnitTest frames[] = { CLEAR, ALL(metadata_tag), ALL(unusual) };
	const struct CMUnitTest packets[] = { CLEAR };
	int failed;

	if (ingress_refused(method))
		return cmocka_run_group_tests_name("ingress_clear", none, NULL, NULL);
	failed = run_group("frames", GROUP(frames), load, unload);
	if (cannot_run_reason())
		return failed + cmocka_run_group_tests_name("devices", none, NULL, NULL);
	return failed + run_group("L3 packets", GROUP(packets), load_behind_tun, close_tun);
}
